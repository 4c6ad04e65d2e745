package billing

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"

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
// changes; another price is another version, which is in force for what is
// authorised from From on.
type Price struct {
	ID       string          `json:"id"` // of the version
	Product  string          `json:"product_id"`
	Meter    string          `json:"meter_id"`
	Model    PriceModel      `json:"model"`
	Currency Currency        `json:"currency"`
	Amount   metering.Number `json:"amount"` // currency units for Per units of the meter
	Per      int64           `json:"per"`
	Included metering.Number `json:"included"` // units of each period that cost nothing
	From     metering.Micros `json:"from"`     // zero: from the beginning
	Created  metering.Micros `json:"created_at"`
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

// Charge is the exact amount, in currency units, for units that are neither
// included nor covered by credit. Less than nothing, which corrections can
// make, charges nothing.
func (p Price) Charge(units *big.Rat) *big.Rat {
	if units.Sign() <= 0 {
		return new(big.Rat)
	}
	packages := new(big.Rat).Quo(units, new(big.Rat).SetInt64(p.Per))
	if p.Model == PerPackage && !packages.IsInt() {
		whole := new(big.Int).Quo(packages.Num(), packages.Denom())
		packages.SetInt(whole.Add(whole, big.NewInt(1)))
	}
	return packages.Mul(packages, p.Amount.Rat())
}

// Share is what a quantity alone costs at the price, before included units and
// credit: of a package everything in it has an even share.
func (p Price) Share(quantity metering.Number) *big.Rat {
	amount := new(big.Rat).Quo(quantity.Rat(), new(big.Rat).SetInt64(p.Per))
	return amount.Mul(amount, p.Amount.Rat())
}

// InForce returns the version among those of one product and meter that holds
// for usage authorised at the instant.
func InForce(versions []Price, at metering.Micros) (Price, bool) {
	var best Price
	found := false
	for _, p := range versions {
		if p.From <= at && (!found || p.From >= best.From) {
			best, found = p, true
		}
	}
	return best, found
}

// SortPrices orders versions by meter and by when they come into force.
func SortPrices(versions []Price) {
	slices.SortFunc(versions, func(a, b Price) int {
		return cmp.Or(cmp.Compare(a.Meter, b.Meter), cmp.Compare(a.From, b.From), cmp.Compare(a.ID, b.ID))
	})
}
