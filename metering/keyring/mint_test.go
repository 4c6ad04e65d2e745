package keyring_test

import (
	"crypto/sha256"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/keyring"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func TestMint(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for i := range 2000 {
		test, want := i%2 == 1, "weir_live_"
		if test {
			want = "weir_test_"
		}
		secret, hash, prefix, last4, err := keyring.Mint(test)
		if err != nil {
			t.Fatal(err)
		}
		if len(secret) != len(want)+43+6 || !strings.HasPrefix(secret, want) || strings.Trim(secret[len(want):], alphabet) != "" {
			t.Fatalf("%q is no key", secret)
		}
		if hash != sha256.Sum256([]byte(secret)) || prefix != secret[:len(want)+4] || last4 != secret[len(secret)-4:] {
			t.Errorf("%q is known by %x, %q and %q", secret, hash, prefix, last4)
		}
		if !keyring.WellFormed([]byte(secret)) {
			t.Errorf("%q is not well-formed", secret)
		}
		if seen[secret] {
			t.Errorf("%q came twice", secret)
		}
		seen[secret] = true
	}
}

func TestMintToken(t *testing.T) {
	t.Parallel()
	secret, hash, prefix, last4, err := keyring.MintToken()
	if err != nil {
		t.Fatal(err)
	}
	if len(secret) != len("weir_oat_")+43+6 || !strings.HasPrefix(secret, "weir_oat_") || hash != sha256.Sum256([]byte(secret)) ||
		!strings.HasPrefix(secret, prefix) || !strings.HasSuffix(secret, last4) {
		t.Errorf("%q is no access token", secret)
	}
	if keyring.WellFormed([]byte(secret)) {
		t.Error("an access token passes for a proxy key")
	}
}

// checksum computes what a key ends in, without the package.
func checksum(body string) string {
	n, out := crc32.ChecksumIEEE([]byte(body)), make([]byte, 6)
	for i := range out {
		out[len(out)-1-i] = alphabet[n%62]
		n /= 62
	}
	return string(out)
}

// TestWellFormed covers S24: what is no key is refused before anything looks
// for it.
func TestWellFormed(t *testing.T) {
	t.Parallel()
	body := "weir_live_" + strings.Repeat("0", 42) + "7"
	good := body + checksum(body)
	if !keyring.WellFormed([]byte(good)) {
		t.Fatalf("%q is not well-formed", good)
	}
	for i := range good {
		for _, c := range []byte{'1', 'z', '-', 0, 0xff} {
			bad := []byte(good)
			if bad[i] == c {
				continue
			}
			bad[i] = c
			if keyring.WellFormed(bad) {
				t.Errorf("%q is well-formed", bad)
			}
		}
	}
	signed := func(body string) string { return body + checksum(body) }
	for _, bad := range []string{
		"", "weir_live_", good + "0", good[1:], "Bearer " + good, good[:len(good)-1],
		signed("weir_oat__" + strings.Repeat("0", 43)), signed("WEIR_LIVE_" + strings.Repeat("0", 43)),
		signed("weir_live_" + strings.Repeat("0", 42) + "'"), signed("weir_live_' OR 1=1 --" + strings.Repeat("0", 32)),
		signed("weir_live_" + strings.Repeat("0", 42) + "\x00"), signed("weir_live_" + strings.Repeat("0", 41) + "é"),
		"sk-proj-" + strings.Repeat("a", 51),
	} {
		if keyring.WellFormed([]byte(bad)) {
			t.Errorf("%q is well-formed", bad)
		}
	}
}

func FuzzWellFormed(f *testing.F) {
	f.Add([]byte("weir_live_" + strings.Repeat("0", 49)))
	f.Fuzz(func(t *testing.T, secret []byte) {
		body, sum := "", ""
		if n := len(secret) - 6; n >= 0 {
			body, sum = string(secret[:n]), string(secret[n:])
		}
		random, kind := "", len(body) == 53 && (strings.HasPrefix(body, "weir_live_") || strings.HasPrefix(body, "weir_test_"))
		if kind {
			random = body[10:]
		}
		want := kind && strings.Trim(random, alphabet) == "" && sum == checksum(body)
		if keyring.WellFormed(secret) != want {
			t.Errorf("%q: %v", secret, !want)
		}
	})
}
