// Package rating turns quantities into lines of an invoice: pure functions of
// usage and price, so that an audit can compute every figure again.
package rating

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Line is what a quantity costs, with everything that made it.
type Line struct {
	Price    billing.Price   `json:"price"`
	Quantity metering.Number `json:"-"`        // metered in the period so far
	Charged  string          `json:"charged"`  // units that cost something, exact decimal
	Exact    string          `json:"exact"`    // currency units before rounding and without what was billed, exact decimal
	Billed   billing.Money   `json:"billed"`   // of earlier lines for the same quantity
	Amount   billing.Money   `json:"amount"`   // what this line adds
	Rounding string          `json:"rounding"` // what rounding added to Exact, exact decimal
}

// Rate prices the quantity of a period so far. billed is what earlier lines of
// the same period and price add up to, so that however a period is cut into
// lines, they sum to the amount of the whole.
func Rate(p billing.Price, quantity metering.Number, billed billing.Money) (Line, error) {
	if err := p.Validate(); err != nil {
		return Line{}, fmt.Errorf("rate with price %s: %w", p.ID, err)
	}
	if billed.Minor != 0 && billed.Currency != p.Currency {
		return Line{}, fmt.Errorf("rate with price %s in %s what was billed in %s: %w", p.ID, p.Currency, billed.Currency, metering.ErrInvalid)
	}
	exact, charged := p.Charge(quantity)
	total, added, err := billing.Round(exact, p.Currency)
	if err != nil {
		return Line{}, fmt.Errorf("rate with price %s: %w", p.ID, err)
	}
	billed.Currency = p.Currency
	return Line{
		Price: p, Quantity: quantity, Charged: decimal(charged), Exact: decimal(exact), Billed: billed,
		Amount: billing.Money{Minor: total.Minor - billed.Minor, Currency: p.Currency}, Rounding: decimal(added),
	}, nil
}

// decimal writes a number without an end as a fraction.
func decimal(r *big.Rat) string {
	places, exact := r.FloatPrec()
	if !exact {
		return r.RatString()
	}
	s := r.FloatString(places)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
