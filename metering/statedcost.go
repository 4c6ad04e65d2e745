package metering

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// CostPolicy decides which figure is the cost of a call, where its provider states
// one: the other stays beside it.
type CostPolicy string

const (
	// CostComputed takes the price book's; what the provider states is for comparison.
	// The default, as is the empty policy.
	CostComputed CostPolicy = "computed"
	// CostOfProvider takes what the provider states. Where it states nothing, or
	// nothing that can be read, the price book's.
	CostOfProvider CostPolicy = "stated"
	// CostOfProviderIfUnpriced takes what the provider states where the price book
	// has no cost.
	CostOfProviderIfUnpriced CostPolicy = "stated_if_unpriced"
)

// Valid reports whether p is one of the policies, or empty.
func (p CostPolicy) Valid() bool {
	switch p {
	case "", CostComputed, CostOfProvider, CostOfProviderIfUnpriced:
		return true
	default:
		return false
	}
}

// Figure is a cost that an event has beside the one that counts.
type Figure struct {
	Cost   Cost      `json:"cost"`
	State  CostState `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Rates  []string  `json:"rates,omitempty"`
}

// Stated is what the provider says the call cost, if it says so and it can be
// read. Of an answer that was cut off it says nothing: Perplexity states in each
// chunk what the call has cost so far.
func (e *Event) Stated() (Cost, bool) {
	if e.Usage.StatedCost == nil || e.Usage.State == UsagePartial {
		return Cost{}, false
	}
	c, err := e.Usage.StatedCost.Cost()
	return c, err == nil
}

// maxStated bounds a stated cost, in US dollars: more is taken for a slip.
const maxStated = 1_000_000

// Cost is the amount in US dollars, rounded to pico-dollars once, half away from
// zero. An unknown unit, text that is no number, and one below zero or absurdly
// high are ErrInvalid.
func (s *StatedCost) Cost() (Cost, error) { return s.dollars(s.Amount) }

// VendorCost is what the vendor behind a gateway bills beside the amount; false if
// it is not known.
func (s *StatedCost) VendorCost() (Cost, bool) {
	if s.Vendor == "" {
		return Cost{}, false
	}
	c, err := s.dollars(s.Vendor)
	return c, err == nil
}

// dollars is an amount in the unit of s.
func (s *StatedCost) dollars(amount string) (Cost, error) {
	scale := int64(1)
	if rest, ok := strings.CutPrefix(s.Unit, "usd/1e"); ok {
		places, err := strconv.Atoi(rest)
		if err != nil || places < 0 || places > 12 {
			return Cost{}, fmt.Errorf("stated cost in %.20q: %w", s.Unit, ErrInvalid)
		}
		for range places {
			scale *= 10
		}
	} else if s.Unit != "usd" {
		return Cost{}, fmt.Errorf("stated cost in %.20q: %w", s.Unit, ErrInvalid)
	}
	if len(amount) > 64 || !isNumber(amount) {
		return Cost{}, fmt.Errorf("stated cost %.64q: %w", amount, ErrInvalid)
	}
	if _, exp, ok := strings.Cut(strings.ToLower(amount), "e"); ok && len(strings.TrimLeft(exp, "+-0")) > 2 {
		return Cost{}, fmt.Errorf("stated cost %.64q is out of range: %w", amount, ErrInvalid)
	}
	r, ok := new(big.Rat).SetString(amount)
	if !ok || r.Sign() < 0 {
		return Cost{}, fmt.Errorf("stated cost %.64q: %w", amount, ErrInvalid)
	}
	r.Mul(r, new(big.Rat).SetFrac64(MicrosPerDollar*PicosPerMicro, scale))
	// (2n + d) / 2d rounds half up, which is away from zero here.
	num, den := new(big.Int).Lsh(r.Num(), 1), new(big.Int).Lsh(r.Denom(), 1)
	picos := num.Quo(num.Add(num, r.Denom()), den)
	micros, rest := new(big.Int).QuoRem(picos, big.NewInt(PicosPerMicro), new(big.Int))
	if !micros.IsInt64() || micros.Int64() > maxStated*MicrosPerDollar {
		return Cost{}, fmt.Errorf("stated cost %.64q is out of range: %w", amount, ErrInvalid)
	}
	return Cost{Micros: micros.Int64(), Picos: rest.Int64()}, nil
}
