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

func TestParseNumber(t *testing.T) {
	t.Parallel()
	f := func(s, want string) {
		t.Helper()
		n, err := metering.ParseNumber(s)
		if err != nil || n.String() != want {
			t.Errorf("ParseNumber(%q) = %s, %v; want %s", s, n, err, want)
		}
	}
	f("0", "0")
	f("-0", "0")
	f("42", "42")
	f("-7", "-7")
	f("0.10", "0.1")
	f("-0.5", "-0.5")
	f("1.5e3", "1500")
	f("1E2", "100")
	f("25e-1", "2.5")
	f("1e-12", "0.000000000001")
	f("9007199254740993", "9007199254740993") // not a double
	f("9223372036854775807.999999999999", "9223372036854775807.999999999999")
	f("-9223372036854775808", "-9223372036854775808")
	f("0.1000000000000000000", "0.1") // superfluous zeros are not decimals
	for _, bad := range []string{
		"", " ", "-", "+1", ".5", "1.", "01", "1e", "1 ", " 1", "0x10", "0b1", "0o7", "1_000", "1/2", "NaN", "Inf", "null",
		"1e-13", "0.0000000000001", "9223372036854775808", "-9223372036854775808.5", "1e99", "1e999", "1e-999", "\u0661",
		"1" + string(make([]byte, 70)),
	} {
		if n, err := metering.ParseNumber(bad); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("ParseNumber(%q) = %s, %v; want ErrInvalid", bad, n, err)
		}
	}
}

// someNumber draws a number whose sum with another one fits.
func someNumber() *rapid.Generator[metering.Number] {
	return rapid.Custom(func(rt *rapid.T) metering.Number {
		return metering.Number{
			Units: rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(math.MinInt64/2, math.MaxInt64/2)).Draw(rt, "units"),
			Picos: rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, metering.PicosPerUnit-1)).Draw(rt, "picos"),
		}
	})
}

func TestNumber_arithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a, b := someNumber().Draw(rt, "a"), someNumber().Draw(rt, "b")
		back, err := metering.ParseNumber(a.String())
		if err != nil || back != a {
			rt.Errorf("ParseNumber(%s) = %+v, %v; want %+v", a, back, err, a)
		}
		if !json.Valid([]byte(a.String())) {
			rt.Errorf("%s is not a JSON number", a)
		}
		sum := a.Add(b)
		if want := new(big.Rat).Add(a.Rat(), b.Rat()); sum.Rat().Cmp(want) != 0 || sum != sum.Normal() {
			rt.Errorf("%s + %s = %+v, want %s", a, b, sum, want.FloatString(12))
		}
		if got, want := a.Compare(b), a.Rat().Cmp(b.Rat()); got != want {
			rt.Errorf("Compare(%s, %s) = %d, want %d", a, b, got, want)
		}
	})
}

// TestNumber_Normal: columns are summed apart and carried at the end, and what
// is not carried compares like what is.
func TestNumber_Normal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		raw := metering.Number{
			Units: rapid.Int64Range(-1<<40, 1<<40).Draw(rt, "units"),
			Picos: rapid.Int64().Draw(rt, "picos"),
		}
		got := raw.Normal()
		if got.Picos < 0 || got.Picos >= metering.PicosPerUnit || got.Rat().Cmp(raw.Rat()) != 0 || raw.Compare(got) != 0 {
			rt.Errorf("Normal(%+v) = %+v", raw, got)
		}
	})
}
