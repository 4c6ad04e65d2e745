package billing

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Money is an amount in minor units of a currency, such as cents: what a line
// of an invoice, a payment and a credit note are in. The zero Money is nothing
// of no currency.
type Money struct {
	Minor    int64    `json:"minor"`
	Currency Currency `json:"currency"`
}

// Round returns the amount of currency units rounded to the minor unit, half
// away from zero, and what rounding added: amount = money - added.
func Round(amount *big.Rat, c Currency) (m Money, added *big.Rat, err error) {
	decimals, err := c.Decimals()
	if err != nil {
		return Money{}, nil, err
	}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil))
	scaled := new(big.Rat).Mul(amount, scale)
	minor := halfAway(scaled)
	if !minor.IsInt64() {
		return Money{}, nil, fmt.Errorf("amount %s %s does not fit: %w", amount.FloatString(decimals), c, metering.ErrInvalid)
	}
	rounded := new(big.Rat).Quo(new(big.Rat).SetInt(minor), scale)
	return Money{Minor: minor.Int64(), Currency: c}, rounded.Sub(rounded, amount), nil
}

// halfAway rounds to an integer, half away from zero: floor(|r| + 1/2) with the
// sign of r.
func halfAway(r *big.Rat) *big.Int {
	doubled := new(big.Int).Lsh(new(big.Int).Abs(r.Num()), 1)
	doubled.Add(doubled, r.Denom())
	out := doubled.Quo(doubled, new(big.Int).Lsh(r.Denom(), 1))
	if r.Sign() < 0 {
		out.Neg(out)
	}
	return out
}

// String is the exact decimal with the currency, "12.35 USD".
func (m Money) String() string { return m.Decimal() + " " + string(m.Currency) }

// Decimal is the exact decimal without the currency. Of a currency that is none
// it is the number of minor units, marked as such.
func (m Money) Decimal() string {
	decimals, err := m.Currency.Decimals()
	if err != nil {
		return fmt.Sprintf("%d minor units", m.Minor)
	}
	if decimals == 0 {
		return fmt.Sprint(m.Minor)
	}
	sign, n := "", new(big.Int).SetInt64(m.Minor)
	if n.Sign() < 0 {
		sign = "-"
		n.Neg(n)
	}
	digits := n.String()
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals+1-len(digits)) + digits
	}
	return sign + digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
}
