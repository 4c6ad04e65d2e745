package reconcile

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Options are how exact the two sides have to agree.
type Options struct {
	// Tolerance is the greatest difference that is none, as a part of what the
	// provider says; nil: a thousandth.
	Tolerance *big.Rat
	// FloorTokens and FloorCost are differences that are dust however large a part
	// they are; negative: there are none. Zero: 1,000 tokens and a cent.
	FloorTokens int64
	FloorCost   metering.Cost
	// Keys say which credential the provider's id of a key is, by its label; "-"
	// is a key that Weir does not use, and whose usage is left out.
	Keys map[string]string
	From Day // inclusive
	To   Day // exclusive; zero: what the export covers
	// Today is the day that is not over yet, of which both sides have only a part. It
	// is not compared unless To is beyond it. Zero: all days are over.
	Today Day
}

// NotOurs is the credential of a key that Weir does not use.
const NotOurs = "-"

// Defaults of [Options].
const (
	defaultTokens = 1000
	defaultCost   = 10_000 // micro-dollars
)

func (o Options) withDefaults() Options {
	if o.Tolerance == nil {
		o.Tolerance = big.NewRat(1, 1000)
	}
	if o.FloorTokens == 0 {
		o.FloorTokens = defaultTokens
	}
	if o.FloorCost.IsZero() {
		o.FloorCost = metering.Cost{Micros: defaultCost}
	}
	return o
}

// ParseTolerance reads "0.1%" or "0.001". ErrInvalid: it is neither, or not
// between 0 and 1.
func ParseTolerance(s string) (*big.Rat, error) {
	text, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	r, err := rational(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("tolerance %.40q is neither like 0.1%% nor like 0.001: %w", s, metering.ErrInvalid)
	}
	if percent {
		r.Quo(r, big.NewRat(100, 1))
	}
	if r.Sign() < 0 || r.Cmp(big.NewRat(1, 1)) > 0 {
		return nil, fmt.Errorf("tolerance %.40q is not from 0 to 100%%: %w", s, metering.ErrInvalid)
	}
	return r, nil
}

// percentOf writes a part as a percentage with up to four decimals.
func percentOf(part *big.Rat) string {
	return trimmed(part, 100, 4)
}

// trimmed writes r × times with at most so many decimals, without superfluous
// zeros.
func trimmed(r *big.Rat, times int64, decimals int) string {
	s := new(big.Rat).Mul(r, new(big.Rat).SetInt64(times)).FloatString(decimals)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" || s == "" {
		return "0"
	}
	return s
}
