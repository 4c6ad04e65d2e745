package billingtest

import (
	"context"
	"errors"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

func providerActionRestart(t *testing.T, p *ProviderUnderTest) {
	c := p.charge(t, CardAction, "k")
	if _, err := p.Charge(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	p.Restart()
	p.Act(p.found(t, "k").ActionURL, true)
	p.Restart()
	if got := p.found(t, "k"); got.State != billing.PaymentSucceeded {
		t.Errorf("confirmed after a restart: %+v", got)
	}
}

// providerRestart: what was charged stays so, and cards can be charged after.
func providerRestart(t *testing.T, p *ProviderUnderTest) {
	for _, card := range []Card{CardSucceeds, CardDeclines, CardInsufficient, CardAction, CardLosesReply} {
		t.Run(string(card), func(t *testing.T) {
			c := p.charge(t, card, string(card))
			if _, err := p.Charge(t.Context(), c); err != nil && !errors.Is(err, billing.ErrChargeUnknown) {
				t.Fatal(err)
			}
			before := p.found(t, c.Key)
			p.Restart()
			if after := p.found(t, c.Key); after != before {
				t.Errorf("after a restart %+v, before %+v", after, before)
			}
			if r, err := p.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) && (err != nil || r != before) {
				t.Errorf("sent again after a restart: %+v, %v; before %+v", r, err, before)
			}
			other := c
			other.Amount.Minor++
			if r, err := p.Charge(t.Context(), other); !errors.Is(err, metering.ErrInvalid) {
				t.Errorf("another charge under the key after a restart: %+v, %v", r, err)
			}
			p.taken(t, c.Key, 1)
			other.Key += " more"
			if _, err := p.Charge(t.Context(), other); err != nil && !errors.Is(err, billing.ErrChargeUnknown) {
				t.Errorf("the card after a restart: %v", err)
			}
		})
	}
	t.Run("lost request", func(t *testing.T) {
		c := p.charge(t, CardLosesRequest, "lost")
		if _, err := p.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) {
			t.Fatal(err)
		}
		p.Restart()
		p.absent(t, "lost")
		for try := 0; ; try++ {
			_, err := p.Charge(t.Context(), c)
			if err == nil {
				break
			}
			if try == 3 || !errors.Is(err, billing.ErrChargeUnknown) {
				t.Fatal(err)
			}
		}
		p.taken(t, "lost", 1)
	})
}

// providerGivenUpOn: a caller that does not wait knows nothing, and finds out.
func providerGivenUpOn(t *testing.T, p *ProviderUnderTest) {
	c := p.charge(t, CardSucceeds, "k")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Charge(gone, c); errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a caller that has gone was refused: %v", err)
	}
	if _, err := p.Find(t.Context(), "k"); errors.Is(err, metering.ErrNotFound) {
		p.taken(t, "k", 0)
	} else if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Charge(t.Context(), c); err != nil || r.State != billing.PaymentSucceeded {
		t.Errorf("sent again: %+v, %v", r, err)
	}
	p.taken(t, "k", 1)
}
