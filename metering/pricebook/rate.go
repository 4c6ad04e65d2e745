package pricebook

import (
	"fmt"
	"math/big"
	"math/bits"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// tokensPer is the number of tokens that prices are written for.
const tokensPer = 1_000_000

// rate is a price, made ready to be multiplied.
type rate struct {
	row   *catalogue.Rate
	level catalogue.Level
	cond  *condition
	one   bool // of this SKU, not of any
	wide  bool // of every modality without one of its own

	price    metering.Number // US dollars for per units
	per      int64
	pico     int64 // pico-dollars for one unit, if that is a whole number
	whole    bool
	min      metering.Number
	step     metering.Number
	bandFrom int64          // of a volume or marginal band
	zone     *time.Location // of a volume's windows
}

func newRate(row *catalogue.Rate, level catalogue.Level, calendars map[string]*calendar) (*rate, error) {
	r := &rate{row: row, level: level, one: row.SKU != catalogue.Any, wide: strings.HasSuffix(row.Meter, ".*"), per: row.Per}
	var err error
	if r.cond, err = newCondition(row.When, calendars); err != nil {
		return nil, fmt.Errorf("%s: %w", row.ID, err)
	}
	if r.per == 0 {
		r.per = 1
		if len(cellsOf(row.Meter)) > 0 {
			r.per = tokensPer
		}
	}
	switch {
	case row.When.Volume != nil && row.When.Marginal:
		return nil, invalid("%s: bands of a volume and of a context at once", row.ID)
	case row.When.Volume != nil:
		r.bandFrom = row.When.Volume.From
		if r.zone, err = time.LoadLocation(row.When.Volume.Zone); err != nil {
			return nil, invalid("%s: %v", row.ID, err)
		}
	case row.When.Marginal:
		r.bandFrom = row.When.Above
	}
	for _, n := range []struct {
		text string
		into *metering.Number
	}{{priceOf(row), &r.price}, {row.Minimum, &r.min}, {row.Step, &r.step}} {
		if n.text == "" {
			continue
		}
		if *n.into, err = metering.ParseNumber(n.text); err != nil {
			return nil, fmt.Errorf("%s: %w", row.ID, err)
		}
	}
	// (Units × 1e12 + Picos) / per, in 128 bits.
	hi, lo := bits.Mul64(uint64(r.price.Units), metering.PicosPerUnit)
	lo, carry := bits.Add64(lo, uint64(r.price.Picos), 0)
	if hi+carry < uint64(r.per) {
		if pico, rest := bits.Div64(hi+carry, lo, uint64(r.per)); rest == 0 && pico < 1<<62 {
			r.pico, r.whole = int64(pico), true
		}
	}
	return r, nil
}

func priceOf(row *catalogue.Rate) string {
	if row.Price == nil {
		return ""
	}
	return *row.Price
}

// doubt is why the rate is not certain for a call.
func (r *rate) doubt(f *facts) string {
	const recent = 48 * 60 * 60 * 1_000_000 // µs
	row, at := r.row, f.at
	switch {
	case row.Status == catalogue.StatusRegional && !f.placed:
		return "region: " + row.ID + " follows the region, and that of the call is not known"
	case row.Status == catalogue.StatusProvisional:
		return "rate: " + row.ID + " is not vouched for"
	case row.Status == catalogue.StatusScheduled && row.Confirmed < row.From-recent:
		return "rate: " + row.ID + " was announced, and has not been confirmed since"
	case row.Guaranteed != 0 && at >= row.Guaranteed.Micros() && row.Confirmed < row.Guaranteed:
		return "rate: " + row.ID + " was assured until " + row.Guaranteed.String() + " only"
	}
	return ""
}

// charged is what a quantity is charged as: at least the minimum, and whole
// steps.
func (r *rate) charged(q metering.Number) metering.Number {
	if q.Compare(r.min) < 0 && !q.IsZero() {
		q = r.min
	}
	if r.step.IsZero() {
		return q
	}
	step := scaled(r.step)
	n, rest := new(big.Int).QuoRem(scaled(q), step, new(big.Int))
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	units, picos := n.Mul(n, step).QuoRem(n, big.NewInt(metering.PicosPerUnit), new(big.Int))
	if !units.IsInt64() {
		return metering.Number{Units: -1} // beyond any sane count: refused as out of range
	}
	return metering.Number{Units: units.Int64(), Picos: picos.Int64()}
}

// scaled is a number in units of 1e-12.
func scaled(n metering.Number) *big.Int {
	v := big.NewInt(n.Units)
	return v.Mul(v, big.NewInt(metering.PicosPerUnit)).Add(v, big.NewInt(n.Picos))
}

// amount is what a quantity costs under modifiers, rounded to pico-dollars once,
// half away from zero. ok is false if it does not fit, or the quantity is below zero.
func (r *rate) amount(q metering.Number, mods []*modifier) (c metering.Cost, ok bool) {
	if q.Units < 0 {
		return metering.Cost{}, false
	}
	if q.Picos == 0 && len(mods) == 0 && r.whole {
		return metering.CostOf(q.Units, r.pico)
	}
	// q/1e12 × price (in pico-dollars for per units) × multipliers/1e12 each.
	value := new(big.Int).Mul(scaled(q), scaled(r.price))
	under := new(big.Int).Mul(big.NewInt(metering.PicosPerUnit), big.NewInt(r.per))
	for _, m := range mods {
		value.Mul(value, scaled(m.multiply))
		under.Mul(under, big.NewInt(metering.PicosPerUnit))
	}
	value.Add(value.Lsh(value, 1), under)
	value.Quo(value, under.Lsh(under, 1))
	micros, picos := value.QuoRem(value, big.NewInt(metering.PicosPerMicro), new(big.Int))
	if !micros.IsInt64() {
		return metering.Cost{}, false
	}
	return metering.Cost{Micros: micros.Int64(), Picos: picos.Int64()}, true
}

// free reports whether the price is an explicit zero.
func (r *rate) free() bool { return r.price.IsZero() }
