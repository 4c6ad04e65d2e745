package pricebook

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Entry is a rate as a list shows it.
type Entry struct {
	Rate  catalogue.Rate
	Level catalogue.Level
	// InForce: it is what a call with its conditions is charged at the instant that
	// was asked for, unless another of the same conditions holds over it.
	InForce bool
	// Over is the id of a rate of a lower layer with another price for the same,
	// over which this one holds; empty: there is none. That is drift.
	Over string
}

// Providers are those of which the book has anything, sorted.
func (b *Book) Providers() []string { return slices.Sorted(maps.Keys(b.providers)) }

// SKUs are those of a provider, sorted by id.
func (b *Book) SKUs(name string) []catalogue.SKU {
	p := b.providers[name]
	if p == nil {
		return nil
	}
	out := make([]catalogue.SKU, 0, len(p.skus))
	for _, id := range slices.Sorted(maps.Keys(p.skus)) {
		out = append(out, *p.skus[id].row)
	}
	return out
}

// Matches are what leads to an SKU, in the order of layers, low to high.
func (b *Book) Matches(name, id string) []TrialMatch {
	var out []TrialMatch
	for _, l := range b.layers {
		for i := range l.Matches {
			if m := &l.Matches[i]; m.Provider == name && (m.SKU == id || m.SKU == catalogue.Any) {
				out = append(out, TrialMatch{Match: *m, Level: l.Level})
			}
		}
	}
	return out
}

// Modifiers are what can multiply rates of an SKU at an instant, in the order in
// which they are looked at.
func (b *Book) Modifiers(name, id string, at metering.Micros) []catalogue.Modifier {
	s := b.sku(name, id)
	if s == nil {
		return nil
	}
	var out []catalogue.Modifier
	for _, l := range s.ladder {
		if m := l.pick(at); m != nil {
			out = append(out, *m.row)
		}
	}
	return out
}

func (b *Book) sku(name, id string) *sku {
	p := b.providers[name]
	if p == nil {
		return nil
	}
	return p.skus[id]
}

// Rates are all rates of an SKU, those of every SKU of the provider included, by
// meter, conditions and time, and what each is worth at an instant. What has been
// superseded or cancelled, or taken out by a higher layer, is not there.
func (b *Book) Rates(name, id string, at metering.Micros) []Entry {
	s := b.sku(name, id)
	if s == nil {
		return nil
	}
	meters := slices.DeleteFunc(append(slices.Clone(s.cells[:]), s.stars), func(m *meter) bool { return m == nil })
	for _, name := range slices.Sorted(maps.Keys(s.named)) {
		meters = append(meters, s.named[name])
	}
	seen := make(map[*rate]int)
	var out []Entry
	for _, m := range meters {
		for _, sl := range m.slots {
			for _, band := range sl.bands {
				holds := band.pick(at)
				for _, r := range band.rates {
					i, ok := seen[r]
					if !ok {
						i = len(out)
						seen[r] = i
						out = append(out, Entry{Rate: *r.row, Level: r.level})
					}
					if r == holds {
						out[i].InForce = true
						out[i].Over = cmp.Or(out[i].Over, band.under(r, at))
					}
				}
			}
		}
	}
	return out
}

// under is the rate of a lower layer with another price that a rate holds over.
func (b *band) under(r *rate, at metering.Micros) string {
	for _, x := range b.rates {
		if x.level < r.level && inForce(x.row.From, x.row.To, at) {
			if samePrice(x, r) {
				return ""
			}
			return x.row.ID
		}
	}
	return ""
}
