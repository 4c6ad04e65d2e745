// Package rating turns quantities into amounts: pure functions of usage and
// price, so that an audit can compute every figure again.
package rating

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Usage is what is to be priced: the usage of one meter in a span in which one
// price version holds.
type Usage struct {
	Quantity metering.Number
	// Earlier is the quantity of the same meter in earlier spans of the period,
	// which used up included units.
	Earlier metering.Number
	// Covered is how many units grants cover, beyond the included ones.
	Covered metering.Number
	// Billed is what earlier lines of the same span and price add up to, so that
	// however a span is cut into lines, they sum to the amount of the whole.
	Billed billing.Money
}

// Result is what a quantity costs, with everything that made it.
type Result struct {
	Free     metering.Number // included units that were used
	Charged  metering.Number // units that cost something
	Exact    string          // currency units before rounding and without what was billed
	Rounding string          // what rounding added to Exact
	Amount   billing.Money   // what this line adds to what was billed
}

// Free is how many units of the usage are included in the price.
func Free(p billing.Price, u Usage) metering.Number {
	left := p.Included.Sub(u.Earlier)
	if left.Compare(u.Quantity) > 0 {
		left = u.Quantity
	}
	if left.Compare(metering.Number{}) < 0 {
		return metering.Number{}
	}
	return left
}

// Rate prices usage.
func Rate(p billing.Price, u Usage) (Result, error) {
	if err := p.Validate(); err != nil {
		return Result{}, fmt.Errorf("rate with price %s: %w", p.ID, err)
	}
	if u.Billed.Minor != 0 && u.Billed.Currency != p.Currency {
		return Result{}, fmt.Errorf("rate with price %s in %s what was billed in %s: %w", p.ID, p.Currency, u.Billed.Currency, metering.ErrInvalid)
	}
	out := Result{Free: Free(p, u)}
	out.Charged = u.Quantity.Sub(out.Free).Sub(u.Covered)
	if out.Charged.Compare(metering.Number{}) < 0 {
		out.Charged = metering.Number{}
	}
	exact := p.Charge(out.Charged.Rat())
	total, added, err := billing.Round(exact, p.Currency)
	if err != nil {
		return Result{}, fmt.Errorf("rate with price %s: %w", p.ID, err)
	}
	out.Exact, out.Rounding = Decimal(exact), Decimal(added)
	out.Amount = billing.Money{Minor: total.Minor - u.Billed.Minor, Currency: p.Currency}
	return out, nil
}

// Decimal writes an exact decimal, and a number without an end as a fraction.
func Decimal(r *big.Rat) string {
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
