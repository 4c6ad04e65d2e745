package portal_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/portal"
)

var secretShown = regexp.MustCompile(`weir_(live|test)_secret-[0-9a-f-]{36}`)

// TestKeys_create: a key is made for the customer, shown once, and works from
// the answer on.
func TestKeys_create(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.signIn(d.Customer.ID)
	a := d.send("/keys", "name", "  production  ")
	if a.status != http.StatusCreated || len(secretShown.FindAllString(a.body, -1)) == 0 || d.ring.n != 1 {
		t.Fatalf("%d, the ring was read %d times:\n%s", a.status, d.ring.n, a.text())
	}
	a.wants("Copy it now: it is shown this one time", "production")
	secret := secretShown.FindString(a.body)
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("the secret may be cached")
	}
	d.open("/keys").wants("production", "weir_live_abcd…wxyz", "works").lacks(secret)
	if strings.Contains(d.log.String(), secret) {
		t.Error("the secret is in the log") // S29
	}
	keys, _, err := d.Usage.Keys(d.Context(), metering.DefaultOrg, d.Customer.ID, 10, "")
	d.Must(err)
	if len(keys) != 1 || keys[0].Name != "production" || keys[0].Test || len(keys[0].Permits) != 0 || keys[0].Customer != d.Customer.ID {
		t.Errorf("keys %+v", keys)
	}
	for _, name := range []string{"", "   ", "a\x00b", "tab\there", strings.Repeat("x", 101)} {
		if a := d.send("/keys", "name", name); a.status != http.StatusUnprocessableEntity {
			t.Errorf("name %q: %d", name, a.status)
		}
	}
}

// TestKeys_likeAnother: a new key may do what one of the customer's keys may,
// and no more.
func TestKeys_likeAnother(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	narrow := d.key(d.Customer.ID, "narrow", func(k *metering.Key) {
		k.Models, k.Upstream, k.Tags = []string{"gpt-4o-mini"}, []string{"openai"}, []metering.Tag{{Name: "team", Value: "a"}}
		k.Permits = []metering.Permit{metering.PermitRaw, metering.PermitAttribute}
	})
	d.signIn(d.Customer.ID)
	made := func(name string, pairs ...string) metering.Key {
		t.Helper()
		d.Later(time.Second)
		if a := d.send("/keys", append([]string{"name", name}, pairs...)...); a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.text())
		}
		keys, _, err := d.Usage.Keys(d.Context(), metering.DefaultOrg, d.Customer.ID, 100, "")
		d.Must(err)
		return keys[slices.IndexFunc(keys, func(k metering.Key) bool { return k.Name == name })]
	}
	same := func(a, b metering.Key) bool {
		return slices.Equal(a.Models, b.Models) && slices.Equal(a.Upstream, b.Upstream) && slices.Equal(a.Tags, b.Tags) && a.Test == b.Test
	}
	if k := made("one"); !same(k, narrow) || len(k.Permits) != 0 {
		t.Errorf("a key like the only one: %+v", k)
	}
	ci := d.key(d.Customer.ID, "ci", func(k *metering.Key) { k.Test = true })
	d.open("/keys").wants("May do the same as", "models gpt-4o-mini; upstreams openai", "everything, a test key")
	if k := made("two", "like", ci.ID); !same(k, ci) {
		t.Errorf("a key like the test key: %+v", k)
	}
	if k := made("three", "like", narrow.ID); !same(k, narrow) {
		t.Errorf("a key like the narrow one: %+v", k)
	}
	// Revoking all of them is no way around what they may do.
	for _, row := range d.open("/keys").table("Keys, table")[1:] {
		keys, _, err := d.Usage.Keys(d.Context(), metering.DefaultOrg, d.Customer.ID, 100, "")
		d.Must(err)
		k := keys[slices.IndexFunc(keys, func(k metering.Key) bool { return k.Name == row[0] })]
		d.done("/keys/"+k.ID+"/revoke", "confirm", "yes")
	}
	if k := made("four", "like", narrow.ID); !same(k, narrow) {
		t.Errorf("a key like a revoked one: %+v", k)
	}
	theirs := d.key(d.AddCustomer("globex").ID, "theirs")
	if a := d.send("/keys", "name", "five", "like", theirs.ID); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a key like another customer's: %d", a.status) // S26
	}
}

// TestKeys_expiring: a key that the operator has end makes none that does not.
func TestKeys_expiring(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ends := d.At() + metering.Micros(time.Hour/time.Microsecond)
	d.key(d.Customer.ID, "trial", func(k *metering.Key) { k.Expires = ends })
	d.signIn(d.Customer.ID)
	if a := d.send("/keys", "name", "second"); a.status != http.StatusCreated {
		t.Fatal(a.status)
	}
	keys, _, err := d.Usage.Keys(d.Context(), metering.DefaultOrg, d.Customer.ID, 10, "")
	d.Must(err)
	if len(keys) != 2 || keys[0].Expires != ends || keys[1].Expires != ends {
		t.Errorf("keys %+v", keys)
	}
	d.Later(2 * time.Hour)
	if a := d.send("/keys", "name", "third"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text(), "has expired") {
		t.Errorf("%d %s", a.status, a.text())
	}
	d.open("/keys").wants("expired")
}

// TestKeys_bounded: no more than a hundred keys of a customer work at once.
func TestKeys_bounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 100 {
		d.key(d.Customer.ID, "k")
	}
	d.signIn(d.Customer.ID)
	if a := d.send("/keys", "name", "one more"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text(), "Revoke one") {
		t.Errorf("%d %s", a.status, a.text())
	}
}

// TestKeys_revoke asks first, and takes effect from the answer on.
func TestKeys_revoke(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	k := d.key(d.Customer.ID, "backend")
	d.signIn(d.Customer.ID)
	d.open("/keys/"+k.ID).wants("backend", "Revoke backend (weir_live_abcd…wxyz) for good")
	if a := d.send("/keys/" + k.ID + "/revoke"); a.status != http.StatusUnprocessableEntity || d.ring.n != 0 {
		t.Errorf("revoked without a word: %d", a.status)
	}
	d.done("/keys/"+k.ID+"/revoke", "confirm", "yes").wants("The key is revoked", "Keys that are gone (1)")
	got, err := d.Usage.Key(d.Context(), metering.DefaultOrg, k.ID)
	d.Must(err)
	if got.Revoked == 0 || d.ring.n != 1 {
		t.Errorf("key %+v, the ring was read %d times", got, d.ring.n)
	}
	d.done("/keys/"+k.ID+"/revoke", "confirm", "yes")
	again, err := d.Usage.Key(d.Context(), metering.DefaultOrg, k.ID)
	d.Must(err)
	if again.Revoked != got.Revoked {
		t.Error("revoked twice")
	}
}

// TestKeys_readOnly: where customers make no keys they see theirs.
func TestKeys_readOnly(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *portal.Options) { o.MintKey, o.Ring = nil, nil })
	k := d.key(d.Customer.ID, "backend")
	d.signIn(d.Customer.ID)
	d.open("/keys").wants("backend").lacks("Make a key")
	d.open("/keys/" + k.ID).lacks("Revoke")
	for _, path := range []string{"/keys", "/keys/" + k.ID + "/revoke"} {
		if a := d.send(path, "name", "x", "confirm", "yes"); a.status != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
}
