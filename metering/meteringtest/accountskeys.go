package meteringtest

import (
	"bytes"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
)

func keyLife(t *accountTest) {
	ctx := t.Context()
	acme, other := t.customer(home, "acme"), t.customer(home, "other")
	k := t.key(acme)
	if k.ID == "" {
		t.Error("a key without an id")
	}
	got, err := t.other.Key(ctx, home, k.ID)
	t.must(err)
	t.same("made", got, k)
	second, third := t.key(acme), t.key(other)
	for _, tt := range []struct {
		customer string
		want     []string
	}{{"", []string{k.ID, second.ID, third.ID}}, {acme.ID, []string{k.ID, second.ID}}, {other.ID, []string{third.ID}}, {"nobody", nil}} {
		var ids []string
		cursor := ""
		for first := true; first || cursor != ""; first = false {
			list, next, err := t.Keys(ctx, home, tt.customer, 1, cursor)
			t.must(err)
			for _, k := range list {
				ids = append(ids, k.ID)
			}
			cursor = next
		}
		if !slices.Equal(ids, tt.want) {
			t.Errorf("keys of %q: %v, want %v", tt.customer, ids, tt.want)
		}
	}
	_, err = t.Key(ctx, home, "nothing")
	t.want("a key that is not", err, metering.ErrNotFound)

	k.Name, k.Permits, k.Models, k.Upstream, k.Tags, k.Expires = "b", []metering.Permit{}, []string{}, []string{"x"}, []metering.Tag{}, noon+9
	t.must(t.UpdateKey(ctx, k))
	got, err = t.Key(ctx, home, k.ID)
	t.must(err)
	t.same("updated", got, k)

	t.must(t.RevokeKey(ctx, home, k.ID, noon+1))
	t.must(t.RevokeKey(ctx, home, k.ID, noon+2))
	k.Revoked = noon + 1
	got, err = t.Key(ctx, home, k.ID)
	t.must(err)
	t.same("revoked", got, k)
}

func keyOwner(t *accountTest) {
	ctx := t.Context()
	acme, theirs := t.customer(home, "acme"), t.customer(abroad, "theirs")
	orphan := t.fresh(metering.Customer{Org: home, ID: "nobody"})
	_, err := t.CreateKey(ctx, orphan)
	t.want("a key of nobody", err, metering.ErrNotFound)
	k := t.key(acme)
	for _, c := range []metering.Customer{acme, theirs} {
		twin := t.fresh(c)
		twin.Hash = k.Hash
		_, err := t.CreateKey(ctx, twin)
		t.want("the hash again in "+c.Org, err, metering.ErrConflict)
	}
	list, _, err := t.Keys(ctx, abroad, "", 10, "")
	if err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

func keyRotation(t *accountTest) {
	ctx := t.Context()
	acme, other := t.customer(home, "acme"), t.customer(home, "other")
	old := t.key(acme)
	fresh, err := t.RotateKey(ctx, home, old.ID, t.fresh(acme), noon+100)
	t.must(err)
	if fresh.ID == "" || fresh.ID == old.ID || fresh.Replaced || fresh.Expires != 0 {
		t.Errorf("rotated to %+v", fresh)
	}
	got, err := t.Key(ctx, home, fresh.ID)
	t.must(err)
	t.same("the new key", got, fresh)
	grace := func(want metering.Micros) {
		t.Helper()
		got, err := t.Key(ctx, home, old.ID)
		t.must(err)
		if !got.Replaced || got.Expires != want || got.Revoked != 0 {
			t.Errorf("the old key is %+v, want it to expire at %d", got, want)
		}
	}
	grace(noon + 100)
	_, err = t.RotateKey(ctx, home, old.ID, t.fresh(acme), noon+500)
	t.must(err)
	grace(noon + 100) // it does not live longer
	_, err = t.RotateKey(ctx, home, old.ID, t.fresh(acme), noon+50)
	t.must(err)
	grace(noon + 50)

	before, _, err := t.Keys(ctx, home, "", 100, "")
	t.must(err)
	_, err = t.RotateKey(ctx, home, old.ID, t.fresh(other), noon)
	t.want("by a key of another customer", err, metering.ErrInvalid)
	twin := t.fresh(acme)
	twin.Hash = fresh.Hash
	_, err = t.RotateKey(ctx, home, old.ID, twin, noon)
	t.want("by a hash that is taken", err, metering.ErrConflict)
	_, err = t.RotateKey(ctx, home, "nothing", t.fresh(acme), noon)
	t.want("of nothing", err, metering.ErrNotFound)
	t.must(t.RevokeKey(ctx, home, fresh.ID, noon))
	_, err = t.RotateKey(ctx, home, fresh.ID, t.fresh(acme), noon)
	t.want("of a revoked key", err, metering.ErrConflict)
	grace(noon + 50)
	after, _, err := t.Keys(ctx, home, "", 100, "")
	if err != nil || len(after) != len(before) {
		t.Errorf("refused rotations left %d keys of %d, %v", len(after), len(before), err)
	}
}

// keyStaleUpdate covers T65: an update that was read before a rotation or a
// revocation, and is written after it, restores nothing.
func keyStaleUpdate(t *accountTest) {
	ctx := t.Context()
	acme := t.customer(home, "acme")
	rotated, revoked := t.key(acme), t.key(acme)
	stale := rotated
	_, err := t.RotateKey(ctx, home, rotated.ID, t.fresh(acme), noon+100)
	t.must(err)
	for _, expires := range []metering.Micros{0, noon + 200} {
		stale.Name, stale.Expires = "renamed", expires
		t.must(t.other.UpdateKey(ctx, stale))
		got, err := t.Key(ctx, home, rotated.ID)
		t.must(err)
		if got.Expires != noon+100 || !got.Replaced || got.Name != "renamed" {
			t.Errorf("an update to expire at %d made %+v", expires, got)
		}
	}
	stale.Expires = noon + 10
	t.must(t.UpdateKey(ctx, stale))
	if got, err := t.Key(ctx, home, rotated.ID); err != nil || got.Expires != noon+10 {
		t.Errorf("a shorter grace gave %+v, %v", got, err)
	}

	stale = revoked
	t.must(t.RevokeKey(ctx, home, revoked.ID, noon))
	stale.Name = "renamed"
	t.want("an update of a revoked key", t.other.UpdateKey(ctx, stale), metering.ErrConflict)
	got, err := t.Key(ctx, home, revoked.ID)
	t.must(err)
	revoked.Revoked = noon
	t.same("the revoked key", got, revoked)

	// What a key is does not change by an update.
	k := t.key(acme)
	forged := k
	forged.Hash, forged.Prefix, forged.Last4, forged.Test, forged.Created, forged.Revoked = [32]byte{250}, "weir_live_evil", "evil", true, 1, 1
	forged.Customer = t.customer(home, "mallory").ID
	t.must(t.UpdateKey(ctx, forged))
	got, err = t.Key(ctx, home, k.ID)
	t.must(err)
	t.same("the key", got, k)
}

func keyringVersion(t *accountTest) {
	ctx := t.Context()
	have, err := t.KeyringVersion(ctx)
	t.must(err)
	moved := func(what string, want bool, err error) {
		t.Helper()
		t.must(err)
		now, err := t.other.KeyringVersion(ctx)
		t.must(err)
		if (now != have) != want {
			t.Errorf("%s: the version went from %d to %d", what, have, now)
		}
		have = now
	}
	refused := func(err error) error {
		if err == nil {
			t.Error("it was not refused")
		}
		return nil
	}
	c, err := t.CreateCustomer(ctx, metering.Customer{Org: home, ExternalID: "acme"})
	moved("create customer", true, err)
	_, err = t.CreateCustomer(ctx, metering.Customer{Org: home, ExternalID: "acme"})
	moved("create it again", false, refused(err))
	moved("update customer", true, t.UpdateCustomer(ctx, c))
	k, err := t.CreateKey(ctx, t.fresh(c))
	moved("create key", true, err)
	twin := t.fresh(c)
	twin.Hash = k.Hash
	_, err = t.CreateKey(ctx, twin)
	moved("create its twin", false, refused(err))
	moved("update key", true, t.UpdateKey(ctx, k))
	_, err = t.RotateKey(ctx, home, k.ID, t.fresh(c), noon)
	moved("rotate key", true, err)
	_, err = t.RotateKey(ctx, home, "nothing", t.fresh(c), noon)
	moved("rotate nothing", false, refused(err))
	moved("revoke key", true, t.RevokeKey(ctx, home, k.ID, noon))
	moved("archive customer", true, t.ArchiveCustomer(ctx, home, c.ID, noon))
	moved("archive nobody", false, refused(t.ArchiveCustomer(ctx, home, "nobody", noon)))
	_, err = t.CreateToken(ctx, metering.AccessToken{Org: home, Hash: [32]byte{200}})
	moved("create token", false, err)
	_, _, err = t.Keyring(ctx)
	moved("read", false, err)
}

func keyringContent(t *accountTest) {
	ctx := t.Context()
	acme, bare, theirs := t.customer(home, "acme"), t.customer(home, "bare"), t.customer(abroad, "acme")
	a, b, c := t.key(acme), t.key(acme), t.key(theirs)
	t.must(t.RevokeKey(ctx, home, b.ID, noon))
	b.Revoked = noon
	want := map[string]metering.Principal{
		a.ID: {Key: a, Customer: acme}, b.ID: {Key: b, Customer: acme}, c.ID: {Key: c, Customer: theirs}, bare.ID: {Customer: bare},
	}
	version, list, err := t.Keyring(ctx)
	t.must(err)
	if now, err := t.KeyringVersion(ctx); err != nil || now != version {
		t.Errorf("version %d, then %d, %v", version, now, err)
	}
	got := make(map[string]metering.Principal)
	for _, p := range list {
		name := p.Key.ID
		if name == "" {
			name = p.Customer.ID
		}
		got[name] = p
	}
	t.same("keyring", got, want)
	if len(list) != len(want) {
		t.Errorf("%d entries", len(list))
	}
}

func tokenLife(t *accountTest) {
	ctx := t.Context()
	token := metering.AccessToken{
		Org: home, Name: "ci", Prefix: "weir_oat_abcd", Last4: "wxyz", Hash: [32]byte{3: 9}, Scopes: []string{"customers:read", "*"}, Created: noon, Expires: noon + 10,
	}
	made, err := t.CreateToken(ctx, token)
	t.must(err)
	token.ID = made.ID
	t.same("made", made, token)
	if made.ID == "" {
		t.Error("a token without an id")
	}
	_, err = t.CreateToken(ctx, metering.AccessToken{Org: abroad, Hash: token.Hash})
	t.want("the hash again", err, metering.ErrConflict)
	now, err := t.CreateToken(ctx, metering.AccessToken{Org: home, Hash: [32]byte{99}})
	if err != nil || time.Since(now.Created.Time()) > time.Minute {
		t.Errorf("made %+v, %v", now, err)
	}
	for _, at := range []metering.Micros{noon + 5, noon + 3} {
		t.must(t.TouchToken(ctx, home, token.ID, at))
	}
	t.must(t.TouchToken(ctx, home, "nothing", noon))
	t.must(t.RevokeToken(ctx, home, token.ID, noon+7))
	t.must(t.RevokeToken(ctx, home, token.ID, noon+8))
	t.want("revoke nothing", t.RevokeToken(ctx, home, "nothing", noon), metering.ErrNotFound)
	token.LastUsed, token.Revoked = noon+5, noon+7
	got, err := t.other.TokenByHash(ctx, token.Hash)
	t.must(err)
	t.same("expired and revoked", got, token)
	_, err = t.TokenByHash(ctx, [32]byte{})
	t.want("no such hash", err, metering.ErrNotFound)
	list, next, err := t.Tokens(ctx, home, 1, "")
	t.must(err)
	t.same("list", list, []metering.AccessToken{token})
	list, next, err = t.Tokens(ctx, home, 1, next)
	t.must(err)
	if len(list) != 1 || list[0].ID != now.ID || next != "" {
		t.Errorf("then %v and %q", list, next)
	}
}

func answers(t *accountTest) {
	ctx := t.Context()
	check := func(org, key string, hash [32]byte, status int, body []byte, want bool) {
		t.Helper()
		h, s, b, ok, err := t.other.Answer(ctx, org, key)
		if err != nil || ok != want || h != hash || s != status || !bytes.Equal(b, body) {
			t.Errorf("%s/%s: got %x %d %q %v, %v", org, key, h, s, b, ok, err)
		}
	}
	check(home, "k", [32]byte{}, 0, nil, false)
	binary := []byte("{\"a\":\"\x00\xff\"}")
	t.must(t.SaveAnswer(ctx, home, "k", [32]byte{1}, 201, binary))
	t.must(t.SaveAnswer(ctx, home, "k", [32]byte{2}, 500, []byte("later")))
	check(home, "k", [32]byte{1}, 201, binary, true)
	check(abroad, "k", [32]byte{}, 0, nil, false)
	t.must(t.SaveAnswer(ctx, abroad, "k", [32]byte{3}, 204, nil))
	check(abroad, "k", [32]byte{3}, 204, nil, true)
	check(home, "k", [32]byte{1}, 201, binary, true)
}
