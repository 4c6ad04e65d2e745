package metering_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

// TestCost_string compares with the naive computation in big integers.
func TestCost_string(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := metering.Cost{Micros: rapid.Int64Range(-1<<62, 1<<62).Draw(t, "micros"), Picos: rapid.Int64Range(-1<<40, 1<<40).Draw(t, "picos")}
		want := new(big.Rat).SetFrac(
			new(big.Int).Add(new(big.Int).Mul(big.NewInt(c.Micros), big.NewInt(metering.PicosPerMicro)), big.NewInt(c.Picos)),
			big.NewInt(metering.PicosPerMicro*metering.MicrosPerDollar))
		got, ok := new(big.Rat).SetString(c.String())
		if !ok || got.Cmp(want) != 0 {
			t.Fatalf("%d micros and %d picos read %s, want %s", c.Micros, c.Picos, c, want.FloatString(12))
		}
		if s := c.String(); len(s) > 1 && s[len(s)-1] == '0' && want.IsInt() == false || s == "-0" {
			t.Fatalf("%s has superfluous digits", s)
		}
	})
}
