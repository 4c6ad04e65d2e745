package sync

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/weirhq/weir/metering"
)

func TestDecimal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		shift int
		want  string // empty: refused
	}{
		{"0.049999999999999996", 0, "0.05"}, // models.dev
		{"1.9999999999999998e-06", 6, "2"},  // litellm
		{"5e-08", 6, "0.05"},
		{"2.4414e-07", 6, "0.24414"},
		{"1e-05", 6, "10"},
		{"3.0000000000000004e-07", 6, "0.3"},
		{"0", 6, "0"},
		{"0.0", 0, "0"},
		{"-0.0", 0, "0"},
		{"0e99", 0, "0"},
		{"12.50", 0, "12.5"},
		{"1234567890.5", 0, "1234567891"},       // half away from zero, at ten digits
		{"12345678905", 0, "12345678910"},       // a digit before the point
		{"99999999995", 0, "100000000000"},      // carried into a new digit
		{"1.23456789e-05", 0, "0.000012345679"}, // at twelve decimals
		{"4.9e-13", 0, "0"},
		{"5e-13", 0, "0.000000000001"},
		{"1e-400", 0, "0"},
		{"1E2", 0, "100"},
		{"-1", 0, ""},
		{"-1e-06", 6, ""},
		{"1e400", 0, ""},
		{"1e999999999", 0, ""},
		{"true", 0, ""},
		{`"5"`, 0, ""},
		{"", 0, ""},
		{"0x10", 0, ""},
		{"1/3", 0, ""},
	} {
		got, ok := decimal(json.Number(tt.in), tt.shift)
		if ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("decimal(%q, %d) = %q, %v; want %q", tt.in, tt.shift, got, ok, tt.want)
		}
	}
}

// FuzzDecimal: what is taken is a number that rates can have, and differs from
// the text by no more than half a digit of the tenth place, or of the twelfth
// decimal.
func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0.049999999999999996", "1.9999999999999998e-06", "1e-12", "99999999995", "-0", "1e3"} {
		f.Add(s, 6)
	}
	f.Fuzz(func(t *testing.T, s string, shift int) {
		shift %= 7
		got, ok := decimal(json.Number(s), shift)
		if !ok {
			return
		}
		if len(got) < 18 {
			if _, err := metering.ParseNumber(got); err != nil {
				t.Fatalf("%q became %q: %v", s, got, err)
			}
		}
		value, ok1 := new(big.Rat).SetString(s)
		read, ok2 := new(big.Rat).SetString(got)
		if !ok1 || !ok2 {
			t.Fatalf("%q became %q", s, got)
		}
		value.Mul(value, power(shift))
		off := new(big.Rat).Sub(value, read)
		off.Abs(off)
		most := power(-places)
		if rel := new(big.Rat).Mul(value, power(-significant+1)); rel.Cmp(most) > 0 {
			most = rel
		}
		if off.Mul(off, big.NewRat(2, 1)).Cmp(most) > 0 {
			t.Fatalf("%q times 1e%d became %q", s, shift, got)
		}
	})
}

func power(n int) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil)
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}
