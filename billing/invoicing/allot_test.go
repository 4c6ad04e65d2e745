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
	third := func(n int64) *big.Rat { return pico(n, 3) }
	for _, c := range []struct {
		parts []*big.Rat
		total *big.Rat
		want  string
	}{
		{[]*big.Rat{third(1), third(1), third(1)}, pico(1, 1), "[1 0 0]"},
		{[]*big.Rat{third(1), third(2)}, pico(1, 1), "[0 1]"},
		{[]*big.Rat{pico(11, 24), pico(19, 24)}, pico(5, 4), "[1/4 1]"},       // less than one goes to the next
		{[]*big.Rat{pico(7, 4), pico(5, 1), third(2)}, pico(7, 1), "[2 5 0]"}, // rounded down
		{[]*big.Rat{pico(7, 4), pico(5, 1), third(2)}, pico(8, 1), "[2 5 1]"},
		{[]*big.Rat{pico(7, 4), pico(1, 8)}, pico(15, 8), "[7/4 1/8]"}, // nothing that has an end is rounded
		{[]*big.Rat{pico(7, 4), third(1), third(2)}, pico(11, 4), "[7/4 0 1]"},
		{[]*big.Rat{pico(-7, 3), pico(11, 3), third(2)}, pico(2, 1), "[-2 4 0]"},
		{nil, new(big.Rat), "[]"},
	} {
		var got []string
		for _, n := range allot(c.total, c.parts) {
			got = append(got, n.Mul(n, new(big.Rat).SetInt(picos())).RatString())
		}
		if text := fmt.Sprint(got); text != c.want {
			t.Errorf("%v of %s: %s, want %s", c.parts, c.total, text, c.want)
		}
	}
	for exact, want := range map[*big.Rat]*big.Rat{pico(4, 3): pico(1, 1), pico(5, 3): pico(2, 1), pico(-1, 3): new(big.Rat), pico(-2, 3): pico(-1, 1), pico(7, 4): pico(7, 4)} {
		if got := rounded(exact); got.Cmp(want) != 0 {
			t.Errorf("%s is rounded to %s, want %s", exact, got, want)
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
		total := rounded(sum)
		left := new(big.Rat).Set(total)
		for i, n := range allot(total, parts) {
			left.Sub(left, n)
			off := new(big.Rat).Sub(n, parts[i])
			if off.Abs(off).Cmp(pico(1, 1)) >= 0 || !whole(n) {
				t.Fatalf("%v of %s: part %d is %s", parts, total, i, n)
			}
		}
		if left.Sign() != 0 {
			t.Fatalf("%v: %s of %s are left over", parts, left, total)
		}
	}
}
