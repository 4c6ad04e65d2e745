package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/weirhq/weir/metering"
)

// maxCount bounds a number of an export, so that no sum of many overflows: an
// export has at most a million rows.
const maxCount = 1_000_000_000_000

// count is a whole number of an export, as a number or in a string. The zero
// value is one that is not stated.
type count struct {
	n     int64
	known bool
}

// UnmarshalJSON reads a number, a number in a string, or null.
func (c *count) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	text, err := numeral(b)
	if err != nil {
		return err
	}
	got, err := parseCount(text)
	*c = got
	return err
}

// parseCount reads a whole number; "3.0" is one, as the dashboard's tables have
// it, and nothing is not stated.
func parseCount(s string) (count, error) {
	if s = strings.TrimSpace(s); s == "" {
		return count{}, nil
	}
	n, err := metering.ParseNumber(s)
	if err != nil {
		return count{}, err
	}
	if n.Picos != 0 || n.Units < 0 || n.Units > maxCount {
		return count{}, fmt.Errorf("%.40q is no whole number from 0 to %d: %w", s, int64(maxCount), metering.ErrInvalid)
	}
	return count{n.Units, true}, nil
}

// decimal is the text of a number, or of a number in a string; empty: none.
type decimal string

// UnmarshalJSON reads a number, a number in a string, or null.
func (d *decimal) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	text, err := numeral(b)
	*d = decimal(strings.TrimSpace(text))
	return err
}

// numeral is the text of a JSON number, or what a JSON string says.
func numeral(b []byte) (string, error) {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		return s, err
	}
	return string(b), nil
}

// rational reads a decimal, exponents included, within bounds that keep it small.
func rational(s string) (*big.Rat, error) {
	bad := fmt.Errorf("%.40q is no decimal number: %w", s, metering.ErrInvalid)
	if len(s) == 0 || len(s) > 64 || !json.Valid([]byte(s)) || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return nil, bad
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(s), "e"); ok && len(strings.TrimLeft(exponent, "+-0")) > 2 {
		return nil, bad
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, bad
	}
	return r, nil
}

// maxDollars bounds one amount of an export.
const maxDollars = 1_000_000_000

// money reads an amount of dollars, or of a part of one where per is how many of
// them make a dollar. It is rounded to pico-dollars, half away from zero.
func money(s string, per int64) (metering.Cost, error) {
	r, err := rational(s)
	if err != nil {
		return metering.Cost{}, fmt.Errorf("amount: %w", err)
	}
	r.Quo(r, new(big.Rat).SetInt64(per))
	if r.Cmp(big.NewRat(maxDollars, 1)) > 0 || r.Cmp(big.NewRat(-maxDollars, 1)) < 0 {
		return metering.Cost{}, fmt.Errorf("amount %.40q is beyond %d dollars: %w", s, maxDollars, metering.ErrInvalid)
	}
	return costOf(rounded(r.Mul(r, new(big.Rat).SetInt64(metering.PicosPerMicro*metering.MicrosPerDollar)))), nil
}

// rounded is the whole number nearest to r, half away from zero.
func rounded(r *big.Rat) *big.Int {
	n, d := new(big.Int).Lsh(r.Num(), 1), r.Denom()
	if r.Sign() < 0 {
		n.Sub(n, d)
	} else {
		n.Add(n, d)
	}
	return n.Quo(n, new(big.Int).Lsh(d, 1))
}

// picos is the cost in pico-dollars.
func picos(c metering.Cost) *big.Int {
	n := new(big.Int).Mul(big.NewInt(c.Micros), big.NewInt(metering.PicosPerMicro))
	return n.Add(n, big.NewInt(c.Picos))
}

// costOf is the cost of so many pico-dollars.
func costOf(n *big.Int) metering.Cost {
	micros, rest := new(big.Int).DivMod(n, big.NewInt(metering.PicosPerMicro), new(big.Int))
	return metering.Cost{Micros: micros.Int64(), Picos: rest.Int64()}
}
