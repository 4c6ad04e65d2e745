package billing

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weirhq/weir/metering"
)

// Grant is prepaid credit: money, or units of a meter. It belongs to the
// customer, not to a subscription, so it outlives every renewal and change.
//
// Issued = used + expired + voided + remaining, always.
type Grant struct {
	Org      string          `json:"-"`
	ID       string          `json:"id"`
	Customer string          `json:"customer_id"`
	Meter    string          `json:"meter_id"` // empty: money
	Currency Currency        `json:"currency"` // of money; empty for units
	Issued   metering.Number `json:"issued"`   // currency units, or units of the meter
	Priority int             `json:"priority"` // lower is used first
	Expires  metering.Micros `json:"expires_at"`
	Note     string          `json:"note"`
	Created  metering.Micros `json:"created_at"`

	// Balances, from the ledger.
	Used    metering.Number `json:"used"`
	Expired metering.Number `json:"expired"`
	Voided  metering.Number `json:"voided"`
}

// Remaining is what is left to use.
func (g Grant) Remaining() metering.Number {
	return g.Issued.Sub(g.Used).Sub(g.Expired).Sub(g.Voided)
}

// Validate reports what no grant can be.
func (g Grant) Validate() error {
	switch {
	case g.Issued.Compare(metering.Number{}) <= 0:
		return fmt.Errorf("a grant of %s: %w", g.Issued, metering.ErrInvalid)
	case (g.Meter == "") == (g.Currency == ""):
		return fmt.Errorf("a grant is either money of a currency or units of a meter: %w", metering.ErrInvalid)
	case g.Expires != 0 && g.Expires <= g.Created:
		return fmt.Errorf("the grant expires before it is made: %w", metering.ErrInvalid)
	case len(g.Note) > 500:
		return fmt.Errorf("the note is longer than 500 bytes: %w", metering.ErrInvalid)
	}
	if g.Currency == "" {
		return nil
	}
	decimals, err := g.Currency.Decimals()
	if err != nil {
		return err
	}
	if _, ok := MinorOf(g.Issued, decimals); !ok {
		return fmt.Errorf("%s %s is no whole number of minor units: %w", g.Issued, g.Currency, metering.ErrInvalid)
	}
	return nil
}

// SortGrants puts grants into the order in which they are used: priority, then
// what expires sooner, then what is older, then id.
func SortGrants(grants []Grant) {
	never := func(at metering.Micros) metering.Micros {
		if at == 0 {
			return 1<<63 - 1
		}
		return at
	}
	slices.SortFunc(grants, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(never(a.Expires), never(b.Expires)),
			cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
}

// CreditUse is how much of a grant an invoice used.
type CreditUse struct {
	Grant  string          `json:"grant_id"`
	Note   string          `json:"note,omitempty"`
	Amount metering.Number `json:"amount"` // currency units, or units of the meter
}
