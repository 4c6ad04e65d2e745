package sandbox_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/sandbox"
	"github.com/weirhq/weir/metering"
)

const base = "http://127.0.0.1:8081"

func now() time.Time { return time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC) }

func open(t *testing.T, path string) *sandbox.Provider {
	t.Helper()
	p, err := sandbox.New(sandbox.Options{Path: path, BaseURL: base, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() }) // a test may have closed it
	return p
}

// charge is a charge of seven dollars to a card of the list.
func charge(t *testing.T, p *sandbox.Provider, number, key string) billing.Charge {
	t.Helper()
	m, err := p.SetupDirect("acme", number)
	if err != nil {
		t.Fatal(err)
	}
	return billing.Charge{Key: key, Customer: "acme", Method: m.Token, Amount: billing.Money{Minor: 700, Currency: "USD"}, Description: "Invoice INV-000001"}
}

// TestCards: each card does what the list says, the same again under its key,
// and Find tells the truth whatever the reply was.
func TestCards(t *testing.T) {
	t.Parallel()
	p := open(t, filepath.Join(t.TempDir(), "payments"))
	for number, want := range map[string]struct {
		first, found, again billing.PaymentState // "" is an unknown end, or nothing to be found
		reason              string
	}{
		"4242 4242 4242 4242": {billing.PaymentSucceeded, billing.PaymentSucceeded, billing.PaymentSucceeded, ""},
		"4000 0000 0000 0002": {billing.PaymentDeclined, billing.PaymentDeclined, billing.PaymentDeclined, "the card was declined"},
		"4000000000009995":    {billing.PaymentDeclined, billing.PaymentDeclined, billing.PaymentDeclined, "insufficient funds"},
		"4000-0025-0000-3155": {billing.PaymentAction, billing.PaymentAction, billing.PaymentAction, ""},
		"4000000000000341":    {"", billing.PaymentSucceeded, billing.PaymentSucceeded, ""},
		"4000000000000119":    {"", "", billing.PaymentSucceeded, ""},
	} {
		c := charge(t, p, number, "key of "+number)
		ends := func(what string, r billing.ChargeResult, err error, state billing.PaymentState, unknown error) {
			t.Helper()
			if state == "" {
				if !errors.Is(err, unknown) {
					t.Errorf("%s: %s: %+v, %v", number, what, r, err)
				}
				return
			}
			if err != nil || r.State != state || r.Reason != want.reason || r.Reference == "" || (r.ActionURL != "") != (state == billing.PaymentAction) {
				t.Errorf("%s: %s: %+v, %v", number, what, r, err)
			}
		}
		r, err := p.Charge(t.Context(), c)
		ends("first", r, err, want.first, billing.ErrChargeUnknown)
		r, err = p.Find(t.Context(), c.Key)
		ends("found", r, err, want.found, metering.ErrNotFound)
		r, err = p.Charge(t.Context(), c)
		ends("again", r, err, want.again, billing.ErrChargeUnknown)
	}
}

// TestCharge_refuses what no charge is, and keeps nothing of it.
func TestCharge_refuses(t *testing.T) {
	t.Parallel()
	p := open(t, filepath.Join(t.TempDir(), "payments"))
	good := charge(t, p, "4242424242424242", "k")
	for name, spoil := range map[string]func(*billing.Charge){
		"no key":            func(c *billing.Charge) { c.Key = "" },
		"too little":        func(c *billing.Charge) { c.Amount.Minor = 49 },
		"no card":           func(c *billing.Charge) { c.Method = "card_none" },
		"another's card":    func(c *billing.Charge) { c.Customer = "somebody else" },
		"no customer":       func(c *billing.Charge) { c.Customer = "" },
		"too little for it": func(c *billing.Charge) { c.Amount = billing.Money{Minor: 1499, Currency: "CZK"} },
		"no text":           func(c *billing.Charge) { c.Description = "\xff" },
		"too little in yen": func(c *billing.Charge) { c.Amount = billing.Money{Minor: 49, Currency: "JPY"} },
	} {
		c := good
		spoil(&c)
		if r, err := p.Charge(t.Context(), c); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if _, err := p.Find(t.Context(), "k"); !errors.Is(err, metering.ErrNotFound) {
		t.Errorf("found: %v", err)
	}
	if _, err := p.Charge(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	other := good
	other.Amount.Minor++
	if r, err := p.Charge(t.Context(), other); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("another amount under the key: %+v, %v", r, err)
	}
}

// TestCharge_once: a key is charged once, however many ask at one time.
func TestCharge_once(t *testing.T) {
	t.Parallel()
	p := open(t, filepath.Join(t.TempDir(), "payments"))
	c := charge(t, p, "4242424242424242", "k")
	var all sync.WaitGroup
	references := make(chan string, 20)
	for range cap(references) {
		all.Go(func() {
			r, err := p.Charge(t.Context(), c)
			if err != nil {
				t.Error(err)
			}
			references <- r.Reference
		})
	}
	all.Wait()
	close(references)
	first := <-references
	for r := range references {
		if r != first {
			t.Errorf("charged as %s and as %s", first, r)
		}
	}
}
