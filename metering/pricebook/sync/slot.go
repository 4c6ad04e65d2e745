package sync

import (
	"math/big"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// slot is what rates of which one follows or overrides another have in common. A
// meter for every modality, "input.*", is that of the text in it: catalogues do
// not tell which is meant.
type slot struct {
	provider, sku, meter, when string
}

func slotOf(r *catalogue.Rate) slot {
	return slot{r.Provider, r.SKU, strings.TrimSuffix(r.Meter, ".*"), r.When.Key()}
}

// of is the same slot of another SKU.
func (s slot) of(sku string) slot {
	s.sku = sku
	return s
}

// perOf is for how many units a price is.
func perOf(r *catalogue.Rate) int64 {
	if r.Per > 0 {
		return r.Per
	}
	if _, err := metering.ParseCell(strings.TrimSuffix(r.Meter, ".*")); err == nil {
		return 1_000_000
	}
	return 1
}

// unit is what one unit costs in dollars; nil if nobody knows.
func unit(r *catalogue.Rate) *big.Rat {
	if r == nil || r.Price == nil {
		return nil
	}
	n, err := metering.ParseNumber(*r.Price)
	if err != nil {
		return nil // a layer has been checked: this cannot be
	}
	v := n.Rat()
	return v.Quo(v, new(big.Rat).SetInt64(perOf(r)))
}

// samePrice reports whether two rates cost the same; two unknown prices do not.
func samePrice(a, b *catalogue.Rate) bool {
	x, y := unit(a), unit(b)
	return x != nil && y != nil && x.Cmp(y) == 0
}

// shelf is the rates of layers below and in the layer Synced, by slot.
type shelf struct {
	rates map[slot][]*catalogue.Rate
}

// shelve indexes rates that hold at some time: neither cancelled nor superseded.
func shelve(layers ...*catalogue.Layer) *shelf {
	gone := make(map[string]bool)
	for _, l := range layers {
		for i := range l.Rates {
			if id := l.Rates[i].Supersedes; id != "" { // rates of a document have no ids
				gone[id] = true
			}
		}
	}
	s := &shelf{rates: make(map[slot][]*catalogue.Rate)}
	for _, l := range layers {
		for i := range l.Rates {
			if r := &l.Rates[i]; !gone[r.ID] && r.Status != catalogue.StatusCancelled {
				s.rates[slotOf(r)] = append(s.rates[slotOf(r)], r)
			}
		}
	}
	return s
}

// at returns the rate of a slot that holds at an instant, nil if none does.
func (s *shelf) at(k slot, at catalogue.Instant) *catalogue.Rate {
	var best *catalogue.Rate
	for _, r := range s.rates[k] {
		if r.From <= at && (r.To == 0 || r.To > at) && (best == nil || r.From > best.From) {
			best = r
		}
	}
	return best
}

// from returns the rate of a slot that begins at an instant, nil if none does.
func (s *shelf) from(k slot, from catalogue.Instant) *catalogue.Rate {
	i := slices.IndexFunc(s.rates[k], func(r *catalogue.Rate) bool { return r.From == from })
	if i < 0 {
		return nil
	}
	return s.rates[k][i]
}

// end is when what holds at an instant ends, or another begins; zero if neither
// is known. A row above must not reach beyond it: it would hide what follows.
func (s *shelf) end(k slot, at catalogue.Instant) catalogue.Instant {
	var end catalogue.Instant
	sooner := func(i catalogue.Instant) {
		if i > at && (end == 0 || i < end) {
			end = i
		}
	}
	for _, r := range s.rates[k] {
		sooner(r.From)
	}
	if r := s.at(k, at); r != nil {
		sooner(r.To)
	}
	return end
}
