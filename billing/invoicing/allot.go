package invoicing

import (
	"cmp"
	"math/big"
	"slices"
)

// picos is how many of the smallest parts a unit of currency is shared out in.
func picos() *big.Int { return big.NewInt(1_000_000_000_000) }

// whole reports whether a decimal has an end, which is then written: nothing like
// that is rounded where nothing beside it has to be.
func whole(exact *big.Rat) bool {
	places, ok := exact.FloatPrec()
	return ok && places <= endless
}

// rounded is an amount as it is if it has an end, else in whole pico-units, a half
// rounded up.
func rounded(exact *big.Rat) *big.Rat {
	if whole(exact) {
		return new(big.Rat).Set(exact)
	}
	n, rest := divided(exact)
	if rest.Cmp(big.NewRat(1, 2)) >= 0 {
		n.Add(n, big.NewInt(1))
	}
	return amountOf(n)
}

// divided is an amount in whole pico-units, rounded down, and what is left of it.
func divided(exact *big.Rat) (whole *big.Int, rest *big.Rat) {
	scaled := new(big.Rat).Mul(exact, new(big.Rat).SetInt(picos()))
	whole = new(big.Int).Div(scaled.Num(), scaled.Denom()) // Euclidean: down, of negative amounts too
	return whole, scaled.Sub(scaled, new(big.Rat).SetInt(whole))
}

// allot shares a total among parts in proportion to what they are exactly. Where the
// total is their sum, those that have an end are what they are. All others are
// rounded down to pico-units, and what is left over goes, one by one, to those with
// the largest remainder, of equal ones to the first; less than a pico-unit goes to
// the next. So they sum to the total, and none is off by a whole pico-unit. total is
// less than a pico-unit from the sum of the parts.
func allot(total *big.Rat, parts []*big.Rat) []*big.Rat {
	sum := new(big.Rat)
	for _, exact := range parts {
		sum.Add(sum, exact)
	}
	same := sum.Cmp(total) == 0
	out, rests := make([]*big.Rat, len(parts)), make([]*big.Rat, len(parts))
	left, order := new(big.Rat).Set(total), make([]int, len(parts))
	for i, exact := range parts {
		if out[i], rests[i] = new(big.Rat).Set(exact), new(big.Rat); !same || !whole(exact) {
			var n *big.Int
			n, rests[i] = divided(exact)
			out[i] = amountOf(n)
		}
		left.Sub(left, out[i])
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Or(rests[b].Cmp(rests[a]), cmp.Compare(a, b)) })
	one := amountOf(big.NewInt(1))
	for _, i := range order {
		more := one
		if left.Cmp(one) < 0 {
			more = new(big.Rat).Set(left)
		}
		out[i].Add(out[i], more)
		left.Sub(left, more)
	}
	return out
}

// amountOf is so many pico-units.
func amountOf(n *big.Int) *big.Rat { return new(big.Rat).SetFrac(n, picos()) }
