package pricebook

import (
	"fmt"
	"strconv"

	"github.com/weirhq/weir/metering"
)

// SKU is what a model costs from one instant to another. It does not change.
type SKU struct {
	Provider string
	Model    string          // the vendor's id, not the alias that found it
	From     metering.Micros // zero: as far back as anybody asks
	To       metering.Micros // exclusive; zero: until further notice

	sets     []rateSet // one for each combination of conditions that has prices
	fees     []fee
	dated    bool // a date behind the id names the same prices
	unpriced string
}

// rateSet is the prices under one service tier and beyond one context length.
type rateSet struct {
	tier  string // "": standard
	above int64  // prompt tokens, all of them; 0: any
	rates [metering.NumCells]*Rate
}

// fee is the price of something that is not a token.
type fee struct {
	quantity string
	rate     *Rate
}

// inForce reports whether the prices hold at an instant.
func (s *SKU) inForce(at metering.Micros) bool {
	return at >= s.From && (s.To == 0 || at < s.To)
}

// set chooses the prices for a tier and the length of a prompt. The length
// counts every input token, cached or not, and the whole call is charged at the
// prices it selects, output too: so Anthropic, Google, OpenAI and xAI have it.
func (s *SKU) set(tier string, prompt int64) (*rateSet, string) {
	var above int64
	for i := range s.sets {
		if a := s.sets[i].above; prompt > a && a > above {
			above = a
		}
	}
	for i := range s.sets {
		if s.sets[i].tier == tier && s.sets[i].above == above && !s.sets[i].unread() {
			return &s.sets[i], ""
		}
	}
	switch {
	case above == 0:
		return nil, "condition: service tier " + tier
	case tier == "":
		return nil, fmt.Sprintf("condition: prompt above %d tokens", above)
	default:
		return nil, fmt.Sprintf("condition: service tier %s, prompt above %d tokens", tier, above)
	}
}

// unread reports whether prices are known to exist and were not read.
func (r *rateSet) unread() bool { return r.rates == [metering.NumCells]*Rate{} }

// tiered reports whether any price depends on the length of the prompt, and
// this prompt is longer.
func (s *SKU) tiered(prompt int64) bool {
	for i := range s.sets {
		if s.sets[i].above > 0 && prompt > s.sets[i].above {
			return true
		}
	}
	return false
}

// rate returns the price of a cell; nil if there is none. Reasoning is output
// where it has no price of its own.
func (r *rateSet) rate(c metering.Cell) *Rate {
	if rate := r.rates[c]; rate != nil || !c.Reasoning() {
		return rate
	}
	return r.rates[metering.OutputCell(false, c.Modality())]
}

func (s *SKU) fee(quantity string) *Rate {
	for i := range s.fees {
		if s.fees[i].quantity == quantity {
			return s.fees[i].rate
		}
	}
	return nil
}

// suffix is how the conditions of a set stand in the id of its rates.
func (r *rateSet) suffix() string {
	var s string
	if r.tier != "" {
		s = "+" + r.tier
	}
	if r.above > 0 {
		s += ">" + strconv.FormatInt(r.above, 10)
	}
	return s
}
