package invoicing

import (
	"cmp"
	"math/big"
	"slices"
)

// picos is how many of the smallest parts a unit of currency is shared out in.
func picos() *big.Int { return big.NewInt(1_000_000_000_000) }

// rounded is an amount in pico-units, a half rounded up.
func rounded(exact *big.Rat) *big.Int {
	whole, rest := divided(exact)
	if rest.Cmp(big.NewRat(1, 2)) >= 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return whole
}

// divided is an amount in whole pico-units, rounded down, and what is left of it.
func divided(exact *big.Rat) (whole *big.Int, rest *big.Rat) {
	scaled := new(big.Rat).Mul(exact, new(big.Rat).SetInt(picos()))
	whole = new(big.Int).Div(scaled.Num(), scaled.Denom()) // Euclidean: down, of negative amounts too
	return whole, scaled.Sub(scaled, new(big.Rat).SetInt(whole))
}

// allot shares a rounded total, in pico-units, among parts in proportion to what
// they are exactly: each is rounded down, and what is left over goes, one by one,
// to those with the largest remainder, of equal ones to the first. So they sum to
// the total, none is off by a whole pico-unit, and one that is a whole number of
// them is not off at all. total is the sum of the parts, rounded down or up.
func allot(total *big.Int, parts []*big.Rat) []*big.Int {
	out, rests := make([]*big.Int, len(parts)), make([]*big.Rat, len(parts))
	left, order := new(big.Int).Set(total), make([]int, len(parts))
	for i, exact := range parts {
		out[i], rests[i] = divided(exact)
		left.Sub(left, out[i])
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Or(rests[b].Cmp(rests[a]), cmp.Compare(a, b)) })
	for _, i := range order {
		if left.Sign() <= 0 {
			break
		}
		out[i].Add(out[i], big.NewInt(1))
		left.Sub(left, big.NewInt(1))
	}
	return out
}

// amountOf is so many pico-units.
func amountOf(n *big.Int) *big.Rat { return new(big.Rat).SetFrac(n, picos()) }
