package billingtest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Card is what a card does when it is charged.
type Card string

// Cards that a provider has for tests.
const (
	CardSucceeds     Card = "succeeds"
	CardDeclines     Card = "declines"
	CardInsufficient Card = "has insufficient funds"
	CardAction       Card = "has to be confirmed"
	CardLosesReply   Card = "loses the reply after it was charged"
	CardLosesRequest Card = "loses the first request before it is charged"
)

// ProviderUnderTest is a payment provider and what a test needs beside it.
type ProviderUnderTest struct {
	billing.Provider
	// Card sets up a card for a customer. ok is false if the provider has none that
	// does that; what is said of such cards is then not tested.
	Card func(customer string, c Card) (m billing.PaymentMethod, ok bool)
	// Act is the customer who confirms or refuses a charge at its ActionURL.
	Act func(actionURL string, confirm bool)
	// Taken is how many charges the provider's own books have under a key, whatever
	// Charge and Find say.
	Taken func(key string) int
	// Restart ends the provider and starts it again, in place.
	Restart func()
}

// charge is a charge of seven units of USD to a card.
func (p *ProviderUnderTest) charge(t *testing.T, c Card, key string) billing.Charge {
	t.Helper()
	m, ok := p.Card("cus_1", c)
	if !ok {
		t.Skipf("%s has no card that %s", p.Name(), c)
	}
	return billing.Charge{Key: key, Customer: "cus_1", Method: m.Token, Amount: billing.Money{Minor: 700, Currency: billing.USD}, Description: "Invoice INV-000001"}
}

// found is what Find says of a charge that is there.
func (p *ProviderUnderTest) found(t *testing.T, key string) billing.ChargeResult {
	t.Helper()
	r, err := p.Find(t.Context(), key)
	if err != nil {
		t.Fatalf("find %s: %v", key, err)
	}
	return r
}

// absent fails unless the provider has never had the key.
func (p *ProviderUnderTest) absent(t *testing.T, key string) {
	t.Helper()
	if r, err := p.Find(t.Context(), key); !errors.Is(err, metering.ErrNotFound) {
		t.Errorf("find %s, which was not charged: %+v, %v", key, r, err)
	}
	p.taken(t, key, 0)
}

func (p *ProviderUnderTest) taken(t *testing.T, key string, want int) {
	t.Helper()
	if n := p.Taken(key); n != want {
		t.Errorf("%d charges under key %s, want %d", n, key, want)
	}
}

// TestProvider checks a payment provider, P15, B25. open returns one without any
// charges and registers its own cleanup.
func TestProvider(t *testing.T, open func(*testing.T) *ProviderUnderTest) {
	for name, test := range map[string]func(*testing.T, *ProviderUnderTest){
		"Succeeds":                   providerSucceeds,
		"Declines":                   providerDeclines,
		"RefusesAnotherUnderTheKey":  providerKeyIsOneCharge,
		"RefusesWhatIsNoCharge":      providerRefuses,
		"TakesAKeyOnce":              providerTakesOnce,
		"LostReply":                  providerLostReply,
		"LostRequest":                providerLostRequest,
		"Action":                     providerAction,
		"FindsNothing":               func(t *testing.T, p *ProviderUnderTest) { p.absent(t, "never sent") },
		"RemembersOverARestart":      providerRestart,
		"GivenUpOn":                  providerGivenUpOn,
		"KeepsCardsApart":            providerSetups,
		"HasAMinimum":                providerMinimum,
		"ActionAnsweredAfterRestart": providerActionRestart,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func providerSucceeds(t *testing.T, p *ProviderUnderTest) {
	c := p.charge(t, CardSucceeds, "k")
	r, err := p.Charge(t.Context(), c)
	if err != nil || r.State != billing.PaymentSucceeded || r.Reference == "" || r.Reason != "" || r.ActionURL != "" {
		t.Fatalf("charge: %+v, %v", r, err)
	}
	if again, err := p.Charge(t.Context(), c); err != nil || again != r {
		t.Errorf("again: %+v, %v; first %+v", again, err, r)
	}
	if got := p.found(t, "k"); got != r {
		t.Errorf("found %+v, charged %+v", got, r)
	}
	c.Key = "l"
	if other, err := p.Charge(t.Context(), c); err != nil || other.Reference == r.Reference {
		t.Errorf("another key: %+v, %v", other, err)
	}
	p.taken(t, "k", 1)
	p.taken(t, "l", 1)
}

func providerDeclines(t *testing.T, p *ProviderUnderTest) {
	for _, card := range []Card{CardDeclines, CardInsufficient} {
		t.Run(string(card), func(t *testing.T) {
			c := p.charge(t, card, string(card))
			r, err := p.Charge(t.Context(), c)
			if err != nil || r.State != billing.PaymentDeclined || r.Reason == "" {
				t.Fatalf("charge: %+v, %v", r, err)
			}
			if again, err := p.Charge(t.Context(), c); err != nil || again != r {
				t.Errorf("again: %+v, %v; first %+v", again, err, r)
			}
			if got := p.found(t, c.Key); got != r {
				t.Errorf("found %+v, charged %+v", got, r)
			}
		})
	}
}

// providerKeyIsOneCharge: a key that stands for one charge never stands for
// another, and what was charged under it stays.
func providerKeyIsOneCharge(t *testing.T, p *ProviderUnderTest) {
	c := p.charge(t, CardSucceeds, "k")
	first, err := p.Charge(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	second := p.charge(t, CardSucceeds, "k")
	for name, change := range map[string]func(*billing.Charge){
		"amount":      func(c *billing.Charge) { c.Amount.Minor++ },
		"currency":    func(c *billing.Charge) { c.Amount.Currency = "EUR" },
		"customer":    func(c *billing.Charge) { c.Customer = "cus_2" },
		"card":        func(c *billing.Charge) { c.Method = second.Method },
		"description": func(c *billing.Charge) { c.Description = "Invoice INV-000002" },
	} {
		other := c
		change(&other)
		if r, err := p.Charge(t.Context(), other); !errors.Is(err, metering.ErrInvalid) || errors.Is(err, billing.ErrChargeUnknown) {
			t.Errorf("another %s under the key: %+v, %v", name, r, err)
		}
	}
	if got := p.found(t, "k"); got != first {
		t.Errorf("found %+v, charged %+v", got, first)
	}
	p.taken(t, "k", 1)
}

func providerRefuses(t *testing.T, p *ProviderUnderTest) {
	good := p.charge(t, CardSucceeds, "k")
	for name, spoil := range map[string]func(*billing.Charge){
		"no key":              func(c *billing.Charge) { c.Key = "" },
		"no card":             func(c *billing.Charge) { c.Method = "" },
		"a card that is none": func(c *billing.Charge) { c.Method = "none" },
		"another's card":      func(c *billing.Charge) { c.Customer = "cus_2" },
		"no customer":         func(c *billing.Charge) { c.Customer = "" },
		"no currency":         func(c *billing.Charge) { c.Amount.Currency = "" },
		"no such currency":    func(c *billing.Charge) { c.Amount.Currency = "usd" },
		"nothing":             func(c *billing.Charge) { c.Amount.Minor = 0 },
		"less than nothing":   func(c *billing.Charge) { c.Amount.Minor = -700 },
		"less than the least": func(c *billing.Charge) { c.Amount.Minor = p.Minimum(c.Amount.Currency) - 1 },
		"bytes that are no text": func(c *billing.Charge) {
			c.Description = "\xff\xfe"
		},
		"a description without end": func(c *billing.Charge) { c.Description = strings.Repeat("x", 1<<20) },
	} {
		c := good
		spoil(&c)
		if r, err := p.Charge(t.Context(), c); !errors.Is(err, metering.ErrInvalid) || errors.Is(err, billing.ErrChargeUnknown) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		p.absent(t, "k")
	}
	good.Amount.Minor = p.Minimum(good.Amount.Currency)
	if r, err := p.Charge(t.Context(), good); err != nil || r.State != billing.PaymentSucceeded {
		t.Errorf("the least: %+v, %v", r, err)
	}
}

// providerTakesOnce sends one key from many at once, for every card whose charges
// are taken.
func providerTakesOnce(t *testing.T, p *ProviderUnderTest) {
	for _, card := range []Card{CardSucceeds, CardAction, CardLosesReply, CardLosesRequest} {
		t.Run(string(card), func(t *testing.T) {
			c := p.charge(t, card, "once "+string(card))
			var all sync.WaitGroup
			results := make(chan billing.ChargeResult, 20)
			for range cap(results) {
				all.Go(func() {
					r, err := p.Charge(t.Context(), c)
					switch {
					case err == nil:
						results <- r
					case !errors.Is(err, billing.ErrChargeUnknown):
						t.Errorf("charge: %v", err)
					}
				})
			}
			all.Wait()
			close(results)
			want := p.found(t, c.Key)
			for r := range results {
				if r != want {
					t.Errorf("charge: %+v, found %+v", r, want)
				}
			}
			p.taken(t, c.Key, 1)
		})
	}
	t.Run("many keys", func(t *testing.T) {
		c := p.charge(t, CardSucceeds, "")
		var all sync.WaitGroup
		var references sync.Map
		for i := range 20 {
			all.Go(func() {
				c := c
				c.Key = fmt.Sprintf("key %d", i)
				r, err := p.Charge(t.Context(), c)
				if _, twice := references.LoadOrStore(r.Reference, true); twice || err != nil {
					t.Errorf("%s: %+v, %v", c.Key, r, err)
				}
			})
		}
		all.Wait()
	})
}

func providerLostReply(t *testing.T, p *ProviderUnderTest) {
	c := p.charge(t, CardLosesReply, "k")
	if r, err := p.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) {
		t.Fatalf("charge: %+v, %v", r, err)
	}
	want := p.found(t, "k")
	if want.State != billing.PaymentSucceeded || want.Reference == "" {
		t.Errorf("found %+v", want)
	}
	for range 3 {
		if r, err := p.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) && (err != nil || r != want) {
			t.Errorf("again: %+v, %v", r, err)
		}
	}
	p.taken(t, "k", 1)
}

func providerLostRequest(t *testing.T, p *ProviderUnderTest) {
	for _, key := range []string{"k", "l"} {
		c := p.charge(t, CardLosesRequest, key)
		if r, err := p.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) {
			t.Fatalf("charge: %+v, %v", r, err)
		}
		p.absent(t, key)
		p.absent(t, key) // asking changes nothing
		r, err := p.Charge(t.Context(), c)
		if err != nil || r.State != billing.PaymentSucceeded || p.found(t, key) != r {
			t.Errorf("sent again: %+v, %v", r, err)
		}
		p.taken(t, key, 1)
	}
}

func providerAction(t *testing.T, p *ProviderUnderTest) {
	for confirm, want := range map[bool]billing.PaymentState{true: billing.PaymentSucceeded, false: billing.PaymentDeclined} {
		c := p.charge(t, CardAction, fmt.Sprint("confirm ", confirm))
		r, err := p.Charge(t.Context(), c)
		if err != nil || r.State != billing.PaymentAction || r.ActionURL == "" || r.Reference == "" {
			t.Fatalf("charge: %+v, %v", r, err)
		}
		if again, err := p.Charge(t.Context(), c); err != nil || again != r || p.found(t, c.Key) != r {
			t.Errorf("again: %+v, %v; first %+v", again, err, r)
		}
		p.Act(r.ActionURL, confirm)
		got := p.found(t, c.Key)
		if got.State != want || got.Reference != r.Reference || got.ActionURL != "" || (got.Reason != "") == confirm {
			t.Errorf("confirmed %v: %+v", confirm, got)
		}
		p.Act(r.ActionURL, !confirm)
		if after := p.found(t, c.Key); after != got {
			t.Errorf("the customer thought again: %+v, was %+v", after, got)
		}
		if again, err := p.Charge(t.Context(), c); err != nil || again != got {
			t.Errorf("sent after it was answered: %+v, %v", again, err)
		}
		p.taken(t, c.Key, 1)
	}
}

func providerSetups(t *testing.T, p *ProviderUnderTest) {
	first, err := p.SetupURL(t.Context(), "cus_1", "/back")
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.SetupURL(t.Context(), "cus_1", "/back")
	if err != nil || first == second || first == "" {
		t.Errorf("pages %q and %q, %v", first, second, err)
	}
	for _, id := range []string{"", "none", first[strings.LastIndexByte(first, '/')+1:]} {
		if m, err := p.Method(t.Context(), "cus_1", id); !errors.Is(err, metering.ErrNotFound) {
			t.Errorf("card of set-up %q, where none was entered: %+v, %v", id, m, err)
		}
	}
	m, ok := p.Card("cus_1", CardSucceeds)
	if !ok || m.Token == "" || m.Label == "" || m.Customer != "cus_1" || m.Provider != p.Name() {
		t.Errorf("card %+v of %s", m, p.Name())
	}
}

func providerMinimum(t *testing.T, p *ProviderUnderTest) {
	if p.Name() == "" {
		t.Error("the provider has no name")
	}
	for _, c := range []billing.Currency{"USD", "EUR", "GBP", "JPY", "KWD", "CLF", "XPF"} {
		if n := p.Minimum(c); n < 1 {
			t.Errorf("the least in %s is %d", c, n)
		}
	}
}
