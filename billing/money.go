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

// MinorOf returns the whole number of minor units that n currency units are. ok
// is false if n has a fraction of one or does not fit.
func MinorOf(n metering.Number, decimals int) (minor int64, ok bool) {
	r := n.Rat()
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// Units is the amount in currency units, exactly.
func (m Money) Units() metering.Number {
	decimals, err := m.Currency.Decimals()
	if err != nil {
		return metering.NumberOf(m.Minor)
	}
	scale := int64(1)
	for range decimals {
		scale *= 10
	}
	return metering.Number{Units: m.Minor / scale, Picos: m.Minor % scale * (metering.PicosPerUnit / scale)}.Normal()
}

// Add returns m + n, which are of one currency; a zero Money is of any.
func (m Money) Add(n Money) Money {
	if m.Currency == "" {
		m.Currency = n.Currency
	}
	m.Minor += n.Minor
	return m
}

// Neg returns -m.
func (m Money) Neg() Money { return Money{-m.Minor, m.Currency} }
