package sqlstore

import (
	"math/big"
	"strings"

	"github.com/weirhq/weir/metering"
)

// unitsPerHigh is what one of [total].high is worth. Two remainders of it and a
// carry fit an int64.
const unitsPerHigh = 1_000_000_000_000_000_000

// total is an exact sum of numbers of which each may be as large as a number
// can be: high × 1e18 + units + picos / 1e12, with units in [0, 1e18) and picos
// in [0, 1e12) for negative sums too. A sum in one int64 could be driven over
// its end by two reported events, and a shipment that the database then refuses
// would hold up everything behind it.
type total struct{ high, units, picos int64 }

func totalOf(n metering.Number) total {
	n = n.Normal()
	t := total{high: n.Units / unitsPerHigh, units: n.Units % unitsPerHigh, picos: n.Picos}
	if t.units < 0 {
		t.high, t.units = t.high-1, t.units+unitsPerHigh
	}
	return t
}

func (t total) add(u total) total {
	t.high, t.units, t.picos = t.high+u.high, t.units+u.units, t.picos+u.picos
	if t.picos >= metering.PicosPerUnit {
		t.units, t.picos = t.units+1, t.picos-metering.PicosPerUnit
	}
	if t.units >= unitsPerHigh {
		t.high, t.units = t.high+1, t.units-unitsPerHigh
	}
	return t
}

// rat returns the exact value.
func (t total) rat() *big.Rat {
	n := new(big.Int).Mul(big.NewInt(t.high), big.NewInt(unitsPerHigh))
	n.Add(n, big.NewInt(t.units))
	n.Mul(n, big.NewInt(metering.PicosPerUnit))
	n.Add(n, big.NewInt(t.picos))
	return new(big.Rat).SetFrac(n, big.NewInt(metering.PicosPerUnit))
}

// decimals is how many decimals a quantity has at most.
const decimals = 12

// decimal writes a quantity without superfluous zeros, rounded half away from
// zero where it has more than twelve decimals, and whether it had not.
func decimal(r *big.Rat) (text string, exact bool) {
	text = r.FloatString(decimals)
	back, ok := new(big.Rat).SetString(text)
	exact = ok && back.Cmp(r) == 0
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	if text == "-0" {
		text = "0"
	}
	return text, exact
}
