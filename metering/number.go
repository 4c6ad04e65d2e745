package metering

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// PicosPerUnit is the resolution of a [Number].
const PicosPerUnit = 1_000_000_000_000

// Number is an exact decimal with twelve places, the resolution of a metered
// property. The value is Units + Picos/1e12 with Picos in [0, 1e12) for
// negative numbers too, so that a column of each can be summed and carried.
type Number struct {
	Units int64
	Picos int64
}

// NumberOf returns the whole number n.
func NumberOf(n int64) Number { return Number{Units: n} }

// ParseNumber reads a JSON number, exponents included. A number that does not
// fit, or has more than twelve decimals, is ErrInvalid: it is never rounded.
func ParseNumber(s string) (Number, error) {
	if len(s) > 64 || !isNumber(s) {
		return Number{}, fmt.Errorf("number %.64q: %w", s, ErrInvalid)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return NumberOf(n), nil
	}
	if _, exp, ok := strings.Cut(strings.ToLower(s), "e"); ok && len(strings.TrimLeft(exp, "+-0")) > 2 {
		return Number{}, fmt.Errorf("number %q is out of range: %w", s, ErrInvalid)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return Number{}, fmt.Errorf("number %q: %w", s, ErrInvalid)
	}
	r.Mul(r, new(big.Rat).SetInt64(PicosPerUnit))
	if !r.IsInt() {
		return Number{}, fmt.Errorf("number %q has more than twelve decimals: %w", s, ErrInvalid)
	}
	units, picos := new(big.Int).DivMod(r.Num(), big.NewInt(PicosPerUnit), new(big.Int))
	if !units.IsInt64() {
		return Number{}, fmt.Errorf("number %q is out of range: %w", s, ErrInvalid)
	}
	return Number{Units: units.Int64(), Picos: picos.Int64()}, nil
}

// isNumber reports whether s is a JSON number and nothing else: package big
// reads more, such as fractions and other bases.
func isNumber(s string) bool {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	return s != "" && (s[0] == '-' || digit(s[0])) && digit(s[len(s)-1]) && json.Valid([]byte(s))
}

// Add returns n + m, carried.
func (n Number) Add(m Number) Number { return Number{n.Units + m.Units, n.Picos + m.Picos}.Normal() }

// Normal carries Picos into Units.
func (n Number) Normal() Number {
	carry := n.Picos / PicosPerUnit
	n.Picos %= PicosPerUnit
	if n.Picos < 0 {
		n.Picos += PicosPerUnit
		carry--
	}
	n.Units += carry
	return n
}

// Compare returns -1, 0 or 1.
func (n Number) Compare(m Number) int {
	n, m = n.Normal(), m.Normal()
	switch {
	case n.Units < m.Units || n.Units == m.Units && n.Picos < m.Picos:
		return -1
	case n == m:
		return 0
	default:
		return 1
	}
}

// Rat returns the exact value, for averages.
func (n Number) Rat() *big.Rat {
	r := new(big.Rat).SetInt64(n.Picos)
	r.Quo(r, new(big.Rat).SetInt64(PicosPerUnit))
	return r.Add(r, new(big.Rat).SetInt64(n.Units))
}

// String is the exact decimal without an exponent or superfluous zeros.
func (n Number) String() string {
	s := n.Rat().FloatString(12)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "" || s == "-" {
		return "0"
	}
	return s
}

// MarshalJSON writes the exact decimal as a string, which no reader rounds.
func (n Number) MarshalJSON() ([]byte, error) { return json.Marshal(n.String()) }

// UnmarshalJSON reads a decimal, as a string or as a JSON number.
func (n *Number) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("number: %w", err)
		}
	}
	got, err := ParseNumber(text)
	if err != nil {
		return err
	}
	*n = got
	return nil
}

// Neg returns -n.
func (n Number) Neg() Number { return Number{-n.Units, -n.Picos}.Normal() }

// Sub returns n - m.
func (n Number) Sub(m Number) Number { return n.Add(m.Neg()) }

// IsZero reports whether n is 0.
func (n Number) IsZero() bool { return n.Normal() == Number{} }
