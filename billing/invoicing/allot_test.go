package invoicing

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestAllot: parts sum to the total, the largest remainders get what is left over,
// and nothing that needs no rounding is rounded.
func TestAllot(t *testing.T) {
	t.Parallel()
	pico := func(n, of int64) *big.Rat { return new(big.Rat).Quo(big.NewRat(n, of), new(big.Rat).SetInt(picos())) }
	for _, c := range []struct {
		parts []*big.Rat
		total int64
		want  string
	}{
		{[]*big.Rat{pico(1, 3), pico(1, 3), pico(1, 3)}, 1, "[1 0 0]"},
		{[]*big.Rat{pico(1, 3), pico(2, 3)}, 1, "[0 1]"},
		{[]*big.Rat{pico(7, 2), pico(10, 3), pico(19, 6)}, 10, "[4 3 3]"},
		{[]*big.Rat{pico(7, 4), pico(5, 1), pico(3, 4)}, 7, "[2 5 0]"}, // rounded down from 7.5
		{[]*big.Rat{pico(7, 4), pico(5, 1), pico(3, 4)}, 8, "[2 5 1]"},
		{[]*big.Rat{pico(-5, 2), pico(11, 4), pico(3, 4)}, 1, "[-3 3 1]"},
		{nil, 0, "[]"},
	} {
		if got := fmt.Sprint(allot(big.NewInt(c.total), c.parts)); got != c.want {
			t.Errorf("%v of %d: %s, want %s", c.parts, c.total, got, c.want)
		}
	}
	for exact, want := range map[*big.Rat]int64{pico(1, 2): 1, pico(3, 2): 2, pico(4, 3): 1, pico(-1, 2): 0, pico(-2, 3): -1, pico(7, 1): 7} {
		if got := rounded(exact); got.Int64() != want {
			t.Errorf("%s pico-units are %s, want %d", exact, got, want)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var parts []*big.Rat
		sum := new(big.Rat)
		for range 1 + r.IntN(6) {
			parts = append(parts, pico(r.Int64N(2000)-500, 1+r.Int64N(9)))
			sum.Add(sum, parts[len(parts)-1])
		}
		total, rest := divided(sum)
		if rest.Sign() != 0 && r.IntN(2) == 0 {
			total.Add(total, big.NewInt(1))
		}
		left := new(big.Int).Set(total)
		for i, n := range allot(total, parts) {
			left.Sub(left, n)
			off := new(big.Rat).Sub(amountOf(n), parts[i])
			if off.Abs(off).Cmp(pico(1, 1)) >= 0 {
				t.Fatalf("%v of %s: part %d is %s", parts, total, i, n)
			}
		}
		if left.Sign() != 0 {
			t.Fatalf("%v: %s of %s are left over", parts, left, total)
		}
	}
}
