package pricebook

import (
	"fmt"
	"math/bits"

	"github.com/weirhq/weir/metering"
)

// tokensPer is the number of tokens that prices are written for.
const tokensPer = 1_000_000

// maxPrice is the highest price that is not taken for a slip, in US dollars for
// a million tokens or a thousand calls. The dearest known is 600.
const maxPrice = 10_000

// Rate is one price. It does not change.
type Rate struct {
	// ID names the price: provider, model, the date it is in force from, what is
	// counted, service tier and context length, as in
	// "openai/gpt-5.4@2026-03-05/input+flex>272000".
	ID string
	// Price is the exact decimal of US dollars for Per units.
	Price string
	Per   int64
	// Pico is the price of one unit in pico-dollars.
	Pico int64
}

// newRate reads a price in US dollars for per units. One that is not a whole
// number of pico-dollars for one unit is ErrInvalid: it could not be charged
// exactly.
func newRate(id, price string, per int64) (*Rate, error) {
	n, err := metering.ParseNumber(price)
	if err != nil {
		return nil, fmt.Errorf("price of %s: %w", id, err)
	}
	if n.Units < 0 || n.Units > maxPrice {
		return nil, fmt.Errorf("price of %s is %s, not 0 to %d: %w", id, n, maxPrice, metering.ErrInvalid)
	}
	// (Units × 1e12 + Picos) / per, in 128 bits: Units may be up to ten thousand.
	hi, lo := bits.Mul64(uint64(n.Units), metering.PicosPerUnit)
	lo, carry := bits.Add64(lo, uint64(n.Picos), 0)
	pico, rest := bits.Div64(hi+carry, lo, uint64(per))
	if rest != 0 {
		return nil, fmt.Errorf("price of %s is %s for %d, which is not a whole number of pico-dollars for one: %w", id, n, per, metering.ErrInvalid)
	}
	return &Rate{ID: id, Price: n.String(), Per: per, Pico: int64(pico)}, nil
}
