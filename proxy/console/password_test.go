package console_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/console"
)

func TestPassword(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	hash, err := console.HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("hash %q", hash)
	}
	again, err := console.HashPassword(password)
	if err != nil || again == hash {
		t.Errorf("no salt: %v", err)
	}
	for given, want := range map[string]bool{password: true, password + "x": false, "": false, strings.Repeat("x", 5000): false} {
		if ok, err := console.CheckPassword(hash, given); ok != want || err != nil {
			t.Errorf("check %.30q: %v, %v", given, ok, err)
		}
	}
	for _, bad := range []string{"", "short", strings.Repeat("x", 2000)} {
		if _, err := console.HashPassword(bad); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("hash of %.20q: %v", bad, err)
		}
	}
	tail := hash[strings.LastIndex(hash[:len(hash)-44], "$"):]
	for _, bad := range []string{"", "x", "$argon2i$v=19$m=65536,t=3,p=4" + tail, "$argon2id$v=16$m=65536,t=3,p=4" + tail, "$argon2id$v=19$m=99999999,t=3,p=4" + tail, "$argon2id$v=19$m=65536,t=99,p=4" + tail, "$argon2id$v=19$m=65536,t=0,p=4" + tail} {
		if _, err := console.CheckPassword(bad, password); err == nil {
			t.Errorf("%q was taken for a hash", bad)
		}
	}
}
