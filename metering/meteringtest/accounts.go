package meteringtest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
)

// Accounts is what TestAccounts tests: customers, their keys, the tokens of the
// admin API and its remembered answers.
type Accounts interface {
	CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error)
	Customer(ctx context.Context, org, ref string) (metering.Customer, error)
	Customers(ctx context.Context, org string, limit int, cursor string) ([]metering.Customer, string, error)
	UpdateCustomer(ctx context.Context, c metering.Customer) error
	ArchiveCustomer(ctx context.Context, org, id string, at metering.Micros) error

	CreateKey(ctx context.Context, k metering.Key) (metering.Key, error)
	Key(ctx context.Context, org, id string) (metering.Key, error)
	Keys(ctx context.Context, org, customerID string, limit int, cursor string) ([]metering.Key, string, error)
	UpdateKey(ctx context.Context, k metering.Key) error
	RotateKey(ctx context.Context, org, oldID string, fresh metering.Key, graceUntil metering.Micros) (metering.Key, error)
	RevokeKey(ctx context.Context, org, id string, at metering.Micros) error
	KeyringVersion(ctx context.Context) (int64, error)
	Keyring(ctx context.Context) (int64, []metering.Principal, error)

	CreateToken(ctx context.Context, t metering.AccessToken) (metering.AccessToken, error)
	Tokens(ctx context.Context, org string, limit int, cursor string) ([]metering.AccessToken, string, error)
	TokenByHash(ctx context.Context, hash [32]byte) (metering.AccessToken, error)
	RevokeToken(ctx context.Context, org, id string, at metering.Micros) error
	TouchToken(ctx context.Context, org, id string, at metering.Micros) error

	Answer(ctx context.Context, org, key string) (hash [32]byte, status int, body []byte, ok bool, err error)
	SaveAnswer(ctx context.Context, org, key string, hash [32]byte, status int, body []byte) error

	Ingest(ctx context.Context, org string, events []*metering.Event) (metering.IngestResult, error)
}

// OpenAccounts returns two stores over one empty database, as two replicas have
// them, and registers their cleanup.
type OpenAccounts func(t *testing.T) (Accounts, Accounts)

// TestAccounts is the conformance suite of what a store keeps of accounts.
func TestAccounts(t *testing.T, open OpenAccounts) {
	for _, tt := range []struct {
		name string
		test func(*accountTest)
	}{
		{"a customer from beginning to end", customerLife},
		{"lists come in pages", accountPages},
		{"S26 nothing is found from another organisation", accountTenancy},
		{"S30 text that cannot be stored is refused", accountText},
		{"a key from beginning to end", keyLife},
		{"a key belongs to a customer and has a hash of its own", keyOwner},
		{"a rotation leaves the old key its grace", keyRotation},
		{"T65 what was read before a change does not undo it", keyStaleUpdate},
		{"the version moves with every change and nothing else", keyringVersion},
		{"the keyring has every key with its customer", keyringContent},
		{"an access token from beginning to end", tokenLife},
		{"the first answer stands", answers},
		{"replicas create a customer once", customerRace},
		{"events reported while the customer is made are its own", reservationRace},
		{"T65 a revocation stands against updates at the same time", revocationRace},
		{"T65 S24 a revoked key is refused by every replica within a second", revocationEverywhere},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			tt.test(&accountTest{checked: checked{t}, Accounts: a, other: b})
		})
	}
}

// accountTest is one test on one database.
type accountTest struct {
	checked
	Accounts
	other Accounts // another replica
	keys  byte
}

const (
	home   = "org-a"
	abroad = "org-b"
	noon   = metering.Micros(1_790_000_000_000_000)
)

func (t *accountTest) customer(org, external string) metering.Customer {
	t.Helper()
	c, err := t.CreateCustomer(t.Context(), metering.Customer{Org: org, ExternalID: external, Name: "Name of " + external, Created: noon})
	t.must(err)
	return c
}

// fresh is a key that nobody has stored.
func (t *accountTest) fresh(c metering.Customer) metering.Key {
	t.keys++
	return metering.Key{
		Org: c.Org, Customer: c.ID, Name: "a key", Prefix: "weir_live_abcd", Last4: "wxyz", Hash: [32]byte{0: t.keys, 31: 0xff},
		Permits: []metering.Permit{metering.PermitRaw}, Models: []string{"gpt-5", "mödel"}, Upstream: []string{"openai"},
		Tags: []metering.Tag{{Name: "team", Value: "a \"quoted\" <value>"}}, Created: noon,
	}
}

func (t *accountTest) key(c metering.Customer) metering.Key {
	t.Helper()
	k, err := t.CreateKey(t.Context(), t.fresh(c))
	t.must(err)
	return k
}

func customerLife(t *accountTest) {
	ctx := t.Context()
	c, err := t.CreateCustomer(ctx, metering.Customer{Org: home, ExternalID: "acmé", Name: "Acme"})
	t.must(err)
	if c.ID == "" || c.Created == 0 || c.OnLoss != metering.LossRefuse || c.Archived != 0 {
		t.Errorf("made %+v", c)
	}
	for _, ref := range []string{c.ID, "acmé"} {
		got, err := t.other.Customer(ctx, home, ref)
		t.must(err)
		t.same("by "+ref, got, c)
	}
	_, err = t.CreateCustomer(ctx, metering.Customer{Org: home, ExternalID: "acmé", Name: "Another"})
	t.want("the external id again", err, metering.ErrConflict)

	c.Name, c.OnLoss = "Acme Ltd", metering.LossPass
	c.IncludeUsage, c.MissingUsage = metering.AskLeave, metering.MissingHold
	t.must(t.UpdateCustomer(ctx, c))
	t.must(t.ArchiveCustomer(ctx, home, c.ID, noon))
	t.must(t.ArchiveCustomer(ctx, home, c.ID, noon+5))
	c.Archived = noon
	got, err := t.Customer(ctx, home, c.ID)
	t.must(err)
	t.same("archived", got, c)
	_, err = t.CreateCustomer(ctx, metering.Customer{Org: home, ExternalID: "acmé"})
	t.want("the external id of an archived one", err, metering.ErrConflict)

	// A reference that is an id of one and the external id of another.
	named := t.customer(home, c.ID)
	got, err = t.Customer(ctx, home, c.ID)
	t.must(err)
	if got.ID != c.ID {
		t.Errorf("the id found %s, which is called so", named.ID)
	}
}

func accountPages(t *accountTest) {
	var want []string
	for _, external := range []string{"z", "a", "Z", "ä", "0"} {
		want = append(want, t.customer(home, external).ExternalID)
	}
	t.customer(abroad, "theirs")
	var got []string
	cursor, pages := "", 0
	for {
		list, next, err := t.Customers(t.Context(), home, 2, cursor)
		t.must(err)
		for _, c := range list {
			got = append(got, c.ExternalID)
		}
		pages++
		if cursor = next; next == "" {
			break
		}
	}
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d pages of %q, want 3 of %q", pages, got, want)
	}
	list, next, err := t.Customers(t.Context(), home, len(want), "")
	if err != nil || len(list) != len(want) || next != "" {
		t.Errorf("a page that holds all is followed by %q, %v", next, err)
	}
	for _, cursor := range []string{"x", "' OR 1=1 --", "\x00", strings.Repeat("9", 4000)} {
		_, _, err := t.Customers(t.Context(), home, 2, cursor)
		t.want("cursor", err, metering.ErrInvalid)
	}
}

func accountTenancy(t *accountTest) {
	ctx := t.Context()
	c := t.customer(home, "acme")
	k := t.key(c)
	token, err := t.CreateToken(ctx, metering.AccessToken{Org: home, Name: "t", Hash: [32]byte{200}})
	t.must(err)
	t.must(t.SaveAnswer(ctx, home, "once", [32]byte{1}, 200, []byte("ok")))

	theirs := c
	theirs.Org = abroad
	stolen := k
	stolen.Org = abroad
	_, err = t.Customer(ctx, abroad, c.ID)
	t.want("customer", err, metering.ErrNotFound)
	_, err = t.Customer(ctx, abroad, "acme")
	t.want("customer by external id", err, metering.ErrNotFound)
	t.want("update customer", t.UpdateCustomer(ctx, theirs), metering.ErrNotFound)
	t.want("archive customer", t.ArchiveCustomer(ctx, abroad, c.ID, noon), metering.ErrNotFound)
	_, err = t.Key(ctx, abroad, k.ID)
	t.want("key", err, metering.ErrNotFound)
	t.want("update key", t.UpdateKey(ctx, stolen), metering.ErrNotFound)
	t.want("revoke key", t.RevokeKey(ctx, abroad, k.ID, noon), metering.ErrNotFound)
	replacement := t.fresh(t.customer(abroad, "mallory"))
	_, err = t.RotateKey(ctx, abroad, k.ID, replacement, noon)
	t.want("rotate key", err, metering.ErrNotFound)
	foreign := t.fresh(c)
	foreign.Org = abroad
	_, err = t.CreateKey(ctx, foreign)
	t.want("create key", err, metering.ErrNotFound)
	t.want("revoke token", t.RevokeToken(ctx, abroad, token.ID, noon), metering.ErrNotFound)
	t.must(t.TouchToken(ctx, abroad, token.ID, noon))

	keys, _, err := t.Keys(ctx, abroad, "", 10, "")
	t.must(err)
	own, _, err := t.Keys(ctx, abroad, c.ID, 10, "")
	t.must(err)
	tokens, _, err := t.Tokens(ctx, abroad, 10, "")
	t.must(err)
	_, _, _, answered, err := t.Answer(ctx, abroad, "once")
	t.must(err)
	if len(keys)+len(own)+len(tokens) != 0 || answered {
		t.Errorf("another organisation sees %v %v %v %v", keys, own, tokens, answered)
	}
	got, err := t.Key(ctx, home, k.ID)
	t.must(err)
	t.same("the key", got, k)
	back, err := t.TokenByHash(ctx, token.Hash)
	t.must(err)
	t.same("the token", back, token)
	// The same external id is another customer there.
	if there := t.customer(abroad, "acme"); there.ID == c.ID {
		t.Error("two organisations share a customer")
	}
}

// accountText covers S30 and S24: NUL and invalid UTF-8 give a clear error in
// every engine, and SQL is text.
func accountText(t *accountTest) {
	ctx := t.Context()
	c := t.customer(home, "' OR 1=1; DROP TABLE customers; --")
	k := t.key(c)
	token, err := t.CreateToken(ctx, metering.AccessToken{Org: home, Name: "t", Hash: [32]byte{200}})
	t.must(err)
	got, err := t.Customer(ctx, home, "' OR 1=1; DROP TABLE customers; --")
	t.must(err)
	t.same("SQL", got, c)
	_, err = t.Customer(ctx, home, "' OR 'a'='a")
	t.want("SQL that names nobody", err, metering.ErrNotFound)

	for _, bad := range []string{"a\x00b", "\x00", "\xff\xfe", "caf\xe9"} {
		change := func(do func(*metering.Key)) metering.Key { k := k; do(&k); return k }
		_, created := t.CreateCustomer(ctx, metering.Customer{Org: home, ExternalID: bad})
		_, named := t.CreateCustomer(ctx, metering.Customer{Org: home, ExternalID: "x", Name: bad})
		_, found := t.Customer(ctx, home, bad)
		_, key := t.Key(ctx, home, bad)
		_, _, listed := t.Keys(ctx, home, bad, 10, "")
		_, rotated := t.RotateKey(ctx, home, bad, t.fresh(c), noon)
		_, made := t.CreateKey(ctx, change(func(k *metering.Key) { k.Hash[5] = 1; k.Name = bad }))
		_, owner := t.CreateKey(ctx, change(func(k *metering.Key) { k.Hash[5] = 1; k.Customer = bad }))
		_, minted := t.CreateToken(ctx, metering.AccessToken{Org: home, Name: bad, Hash: [32]byte{201}})
		_, scoped := t.CreateToken(ctx, metering.AccessToken{Org: home, Scopes: []string{bad}, Hash: [32]byte{201}})
		_, _, _, _, answered := t.Answer(ctx, home, bad)
		for what, err := range map[string]error{
			"create customer": created, "name customer": named, "find customer": found, "find key": key, "list keys": listed,
			"rotate key": rotated, "name key": made, "own key": owner, "create token": minted, "scope token": scoped, "answer": answered,
			"save answer":      t.SaveAnswer(ctx, home, bad, [32]byte{}, 200, nil),
			"update customer":  t.UpdateCustomer(ctx, metering.Customer{Org: home, ID: bad, OnLoss: metering.LossPass}),
			"rename customer":  t.UpdateCustomer(ctx, metering.Customer{Org: home, ID: c.ID, Name: bad, OnLoss: metering.LossPass}),
			"archive customer": t.ArchiveCustomer(ctx, home, bad, noon),
			"update models":    t.UpdateKey(ctx, change(func(k *metering.Key) { k.Models = []string{bad} })),
			"update upstreams": t.UpdateKey(ctx, change(func(k *metering.Key) { k.Upstream = []string{bad} })),
			"update tags":      t.UpdateKey(ctx, change(func(k *metering.Key) { k.Tags = []metering.Tag{{Name: "n", Value: bad}} })),
			"revoke key":       t.RevokeKey(ctx, home, bad, noon),
			"revoke token":     t.RevokeToken(ctx, home, bad, noon),
			"touch token":      t.TouchToken(ctx, home, bad, noon),
		} {
			t.want(what, err, metering.ErrInvalid)
		}
	}
	for what, c := range map[string]metering.Customer{
		"no external id":       {Org: home},
		"a long external id":   {Org: home, ExternalID: strings.Repeat("x", 257)},
		"a long name":          {Org: home, ExternalID: "x", Name: strings.Repeat("x", 257)},
		"a policy that is not": {Org: home, ExternalID: "x", OnLoss: "ignore"},
		"no policy of asking":  {Org: home, ExternalID: "x", IncludeUsage: "demand"},
		"no policy of missing": {Org: home, ExternalID: "x", MissingUsage: "guess"},
	} {
		_, err := t.CreateCustomer(ctx, c)
		t.want(what, err, metering.ErrInvalid)
	}
	huge := k
	huge.Tags = []metering.Tag{{Name: "n", Value: strings.Repeat("x", 1<<20)}}
	t.want("a key of a megabyte", t.UpdateKey(ctx, huge), metering.ErrInvalid)
	still, err := t.Key(ctx, home, k.ID)
	t.must(err)
	t.same("the key after all that", still, k)
	back, err := t.TokenByHash(ctx, token.Hash)
	t.must(err)
	t.same("the token after all that", back, token)
}
