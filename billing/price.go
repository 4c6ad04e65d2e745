package billing

import (
	"fmt"
	"math/big"

	"github.com/weirhq/weir/metering"
)

// PriceModel is how a quantity becomes an amount.
type PriceModel string

// Price models.
const (
	// PerUnit charges the exact fraction: 1,234,567 units at 0.01 per 1,000 are
	// 12.34567 before rounding.
	PerUnit PriceModel = "per_unit"
	// PerPackage charges whole packages, the last one too when it is only begun:
	// 1,234,567 units are 1,235 packages of 1,000.
	PerPackage PriceModel = "per_package"
)

// Price is one version of what a product charges for a meter. A version never
// changes; another price is another version.
type Price struct {
	ID       string          `json:"id"` // of the version
	Model    PriceModel      `json:"model"`
	Currency Currency        `json:"currency"`
	Amount   metering.Number `json:"-"` // currency units for Per units of the meter
	Per      int64           `json:"per"`
	Included metering.Number `json:"-"` // units of each period that cost nothing
}

// Validate reports a price that cannot charge.
func (p Price) Validate() error {
	if _, err := p.Currency.Decimals(); err != nil {
		return err
	}
	switch {
	case p.Model != PerUnit && p.Model != PerPackage:
		return fmt.Errorf("price model %.20q, want %s or %s: %w", string(p.Model), PerUnit, PerPackage, metering.ErrInvalid)
	case p.Per < 1:
		return fmt.Errorf("price per %d units, want 1 or more: %w", p.Per, metering.ErrInvalid)
	case p.Amount.Compare(metering.Number{}) < 0:
		return fmt.Errorf("price of %s is negative: %w", p.Amount, metering.ErrInvalid)
	case p.Included.Compare(metering.Number{}) < 0:
		return fmt.Errorf("%s included units are negative: %w", p.Included, metering.ErrInvalid)
	}
	return nil
}

// Charge is the exact amount for a quantity, in currency units, and how many
// units of it are charged. A quantity that is negative, which corrections can
// make, charges nothing.
func (p Price) Charge(quantity metering.Number) (amount, charged *big.Rat) {
	charged = new(big.Rat).Sub(quantity.Rat(), p.Included.Rat())
	if charged.Sign() < 0 {
		charged.SetInt64(0)
	}
	packages := new(big.Rat).Quo(charged, new(big.Rat).SetInt64(p.Per))
	if p.Model == PerPackage && !packages.IsInt() {
		whole := new(big.Int).Quo(packages.Num(), packages.Denom())
		packages.SetInt(whole.Add(whole, big.NewInt(1)))
	}
	return packages.Mul(packages, p.Amount.Rat()), charged
}
