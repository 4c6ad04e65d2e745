package billingtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Bank is a payment provider whose replies can be lost.
type Bank struct {
	mu       sync.Mutex
	charges  map[string]billing.Charge
	results  map[string]billing.ChargeResult
	Asked    int
	LoseNext int  // replies to charges that get lost after the charge
	DropNext int  // charges that get lost before
	Silent   bool // Find does not answer either
	Hush     bool // a lost reply is followed by silence
}

func NewBank() *Bank {
	return &Bank{charges: make(map[string]billing.Charge), results: make(map[string]billing.ChargeResult)}
}

func (b *Bank) Name() string                   { return "bank" }
func (b *Bank) Minimum(billing.Currency) int64 { return 50 }

func (b *Bank) SetupURL(context.Context, string, string) (string, error) {
	return "", metering.ErrInvalid
}

func (b *Bank) Method(context.Context, string, string) (billing.PaymentMethod, error) {
	return billing.PaymentMethod{}, metering.ErrNotFound
}

func (b *Bank) Charge(_ context.Context, c billing.Charge) (billing.ChargeResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Asked++
	if b.DropNext > 0 {
		b.DropNext--
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	if have, ok := b.charges[c.Key]; ok && have != c {
		return billing.ChargeResult{}, fmt.Errorf("another charge under key %s: %w", c.Key, metering.ErrInvalid)
	}
	if _, ok := b.charges[c.Key]; !ok {
		b.charges[c.Key] = c
		r := billing.ChargeResult{State: billing.PaymentSucceeded, Reference: "ch_" + c.Key}
		if c.Method == "declines" {
			r = billing.ChargeResult{State: billing.PaymentDeclined, Reason: "card declined"}
		}
		b.results[c.Key] = r
	}
	if b.LoseNext > 0 {
		b.LoseNext--
		b.Silent = b.Hush
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	return b.results[c.Key], nil
}

func (b *Bank) Find(_ context.Context, key string) (billing.ChargeResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Silent {
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	r, ok := b.results[key]
	if !ok {
		return r, metering.ErrNotFound
	}
	return r, nil
}

// Taken is how much was captured, and by how many charges.
func (b *Bank) Taken() (minor int64, charges int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, r := range b.results {
		if r.State == billing.PaymentSucceeded {
			minor += b.charges[key].Amount.Minor
			charges++
		}
	}
	return minor, charges
}
