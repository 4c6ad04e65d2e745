package metering_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

// picos is the value of c in pico-dollars, computed by package big.
func picos(c metering.Cost) *big.Int {
	p := new(big.Int).Mul(big.NewInt(c.Micros), big.NewInt(metering.PicosPerMicro))
	return p.Add(p, big.NewInt(c.Picos))
}

func normal(c metering.Cost) bool { return c.Picos >= 0 && c.Picos < metering.PicosPerMicro }

// someCost draws a cost far enough from the ends that a sum of two fits.
func someCost() *rapid.Generator[metering.Cost] {
	return rapid.Custom(func(rt *rapid.T) metering.Cost {
		return metering.Cost{
			Micros: rapid.Int64Range(-1<<61, 1<<61).Draw(rt, "micros"),
			Picos:  rapid.Int64Range(0, metering.PicosPerMicro-1).Draw(rt, "picos"),
		}
	})
}

func TestCostOf(t *testing.T) {
	t.Parallel()
	f := func(quantity, rate int64, want string) {
		t.Helper()
		c, ok := metering.CostOf(quantity, rate)
		if !ok || c.String() != want {
			t.Errorf("CostOf(%d, %d) = %s, %v; want %s", quantity, rate, c, ok, want)
		}
	}
	f(0, 15_000_000, "0")
	f(1_000_000, 0, "0")
	f(1, 1, "0.000000000001")
	f(1_000_000, 2_500_000, "2.5")     // a million tokens at 2.50 a million
	f(999_999, 37_500, "0.0374999625") // 0.0375 a million
	f(math.MaxInt64, 1, "9223372.036854775807")
	for _, bad := range [][2]int64{{-1, 1}, {1, -1}, {math.MaxInt64, math.MaxInt64}, {1 << 62, 2_000_000}} {
		if c, ok := metering.CostOf(bad[0], bad[1]); ok {
			t.Errorf("CostOf(%d, %d) = %s, want no result", bad[0], bad[1], c)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		quantity := rapid.Int64Range(0, math.MaxInt64).Draw(rt, "quantity")
		rate := rapid.Int64Range(0, math.MaxInt64).Draw(rt, "rate")
		want := new(big.Int).Mul(big.NewInt(quantity), big.NewInt(rate))
		c, ok := metering.CostOf(quantity, rate)
		if fits := new(big.Int).Quo(want, big.NewInt(metering.PicosPerMicro)).Cmp(big.NewInt(1<<62)) <= 0; ok != fits {
			rt.Errorf("ok is %v for %s pico-dollars", ok, want)
		}
		if ok && (picos(c).Cmp(want) != 0 || !normal(c)) {
			rt.Errorf("CostOf(%d, %d) = %+v, want %s pico-dollars", quantity, rate, c, want)
		}
	})
}

func TestCost_arithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a, b := someCost().Draw(rt, "a"), someCost().Draw(rt, "b")
		sum := a.Add(b)
		if want := new(big.Int).Add(picos(a), picos(b)); picos(sum).Cmp(want) != 0 || !normal(sum) {
			rt.Errorf("%s + %s = %+v, want %s", a, b, sum, want)
		}
		if neg := a.Neg(); picos(neg).Cmp(new(big.Int).Neg(picos(a))) != 0 || !normal(neg) {
			rt.Errorf("-%s = %+v", a, neg)
		}
		if !a.Add(a.Neg()).IsZero() {
			rt.Errorf("%s - %s is not zero", a, a)
		}
		back, err := metering.ParseCost(a.String())
		if err != nil || back != a {
			rt.Errorf("ParseCost(%s) = %+v, %v; want %+v", a, back, err, a)
		}
	})
}

// TestCost_Normal: the two columns are summed apart and carried at the end.
func TestCost_Normal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		costs := rapid.SliceOfN(someCost(), 0, 1).Draw(rt, "costs")
		raw := metering.Cost{Picos: rapid.Int64().Draw(rt, "picos")}
		for _, c := range costs {
			raw.Micros += c.Micros
		}
		if got := raw.Normal(); picos(got).Cmp(picos(raw)) != 0 || !normal(got) {
			rt.Errorf("Normal(%+v) = %+v", raw, got)
		}
	})
	if !(metering.Cost{Micros: -1, Picos: metering.PicosPerMicro}).IsZero() {
		t.Error("-1 micro and a million picos is not zero")
	}
}

// TestCost_sum covers T44 without a database: a million of the smallest and of
// an uneven amount add up exactly, column by column.
func TestCost_sum(t *testing.T) {
	t.Parallel()
	for unit, want := range map[string]string{"0.000000001": "0.001", "13.333": "13333000", "-13.333333333333": "-13333333.333333"} {
		c, err := metering.ParseCost(unit)
		if err != nil {
			t.Fatal(err)
		}
		var sum metering.Cost
		for range 1_000_000 {
			sum.Micros, sum.Picos = sum.Micros+c.Micros, sum.Picos+c.Picos
		}
		if got := sum.Normal().String(); got != want {
			t.Errorf("a million of %s are %s, want %s", unit, got, want)
		}
	}
}

func TestParseCost(t *testing.T) {
	t.Parallel()
	f := func(s, want string) {
		t.Helper()
		c, err := metering.ParseCost(s)
		if err != nil || c.String() != want || !normal(c) {
			t.Errorf("ParseCost(%q) = %s, %v; want %s", s, c, err, want)
		}
	}
	f("0", "0")
	f("-0.00", "0")
	f("1.50", "1.5")
	f("-1.000000000001", "-1.000000000001")
	f("-0.000000000001", "-0.000000000001")
	f("1e-6", "0.000001")
	f("4611686018427.387904999999", "4611686018427.387904999999")
	for _, bad := range []string{"", "x", "1.0000000000001", "4611686018428", "-4611686018428", "9223372036854775807", "1/2", "0x1"} {
		if c, err := metering.ParseCost(bad); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("ParseCost(%q) = %s, %v; want ErrInvalid", bad, c, err)
		}
	}
}

func TestCost_JSON(t *testing.T) {
	t.Parallel()
	c := metering.Cost{Micros: -2, Picos: 500_000}
	b, err := json.Marshal(c)
	if err != nil || string(b) != `"-0.0000015"` {
		t.Fatalf("Marshal = %s, %v", b, err)
	}
	var back metering.Cost
	if err := json.Unmarshal(b, &back); err != nil || back != c {
		t.Errorf("Unmarshal(%s) = %+v, %v", b, back, err)
	}
	for _, bad := range []string{`1.5`, `"x"`, `null1`, `{}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read as a cost", bad)
		}
	}
}

func TestCost_Cents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := someCost().Draw(rt, "cost")
		cents := c.Cents()
		want := new(big.Rat).SetFrac(picos(c), big.NewInt(10_000_000_000))
		if cents.Rat().Cmp(want) != 0 || cents != cents.Normal() {
			rt.Errorf("%s dollars are %s cents, want %s", c, cents, want.FloatString(12))
		}
	})
}
