package sync

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// opinions are what other feeds say.
type opinions struct {
	feeds []opinion
	at    catalogue.Instant
}

// opinion is one feed: its rates by its own ids, and by what the book takes
// those for.
type opinion struct {
	shape      Shape
	byID, bySK *shelf
}

func newOpinions(docs []*Document, n *names, at catalogue.Instant) *opinions {
	o := &opinions{at: at}
	for _, d := range docs {
		var means catalogue.Layer
		called := func(list []catalogue.Rate, name string) {
			for _, r := range list {
				r.SKU = name
				means.Rates = append(means.Rates, r)
			}
		}
		rates := byModel(d.Rows.Rates)
		for _, s := range d.Rows.SKUs {
			if sku, how := n.read(s.Provider, s.SKU); how == alias {
				called(rates[s.Provider+" "+s.SKU], sku)
			}
		}
		for _, m := range d.Rows.Matches {
			called(rates[m.Provider+" "+m.SKU], m.Pattern)
		}
		o.feeds = append(o.feeds, opinion{d.Shape, shelve(&catalogue.Layer{Rows: d.Rows}), shelve(&means)})
	}
	return o
}

// byModel groups sorted rates by provider and id.
func byModel(rates []catalogue.Rate) map[string][]catalogue.Rate {
	out := make(map[string][]catalogue.Rate)
	for start := 0; start < len(rates); {
		end := start + 1
		for end < len(rates) && rates[end].SKU == rates[start].SKU && rates[end].Provider == rates[start].Provider {
			end++
		}
		out[rates[start].Provider+" "+rates[start].SKU] = rates[start:end]
		start = end
	}
	return out
}

// agree names the feeds that say the same price for an id, or for the SKU that
// the book takes it for where they do not list the id.
func (o *opinions) agree(r *catalogue.Rate, id, sku string) []string {
	var out []string
	for _, f := range o.feeds {
		if samePrice(f.said(r, id, sku, o.at), r) {
			out = append(out, string(f.shape))
		}
	}
	return out
}

// against names the feeds whose price is three times as much or more, or a third
// or less, each with it.
func (o *opinions) against(r *catalogue.Rate, id, sku string) []string {
	var out []string
	for _, f := range o.feeds {
		said := f.said(r, id, sku, o.at)
		if a, b := unit(said), unit(r); a != nil && b != nil && (muchMore(a, b) || muchMore(b, a)) {
			out = append(out, fmt.Sprintf("%s has %s", f.shape, *scaledPrice(said, perOf(r))))
		}
	}
	return out
}

// said is the feed's rate for an id, or for the SKU that the book takes it for
// where the feed does not list the id; nil if it has none.
func (f *opinion) said(r *catalogue.Rate, id, sku string, at catalogue.Instant) *catalogue.Rate {
	k := slotOf(r)
	for _, s := range []struct {
		shelf *shelf
		id    string
	}{{f.byID, id}, {f.bySK, id}, {f.byID, sku}, {f.bySK, sku}} {
		if said := s.shelf.at(k.of(s.id), max(at, r.From)); said != nil {
			return said
		}
	}
	return nil
}

// muchMore reports whether a is three times b or more, which no price of zero is
// measured by.
func muchMore(a, b *big.Rat) bool {
	return b.Sign() > 0 && a.Cmp(new(big.Rat).Mul(b, big.NewRat(3, 1))) >= 0
}

// corroborated reports whether a rate that nobody vouched for has another source
// now than those it was taken from.
func corroborated(r *catalogue.Rate, feed Shape, agree []string) bool {
	for _, source := range append([]string{string(feed)}, agree...) {
		if !slices.ContainsFunc(r.Sources, func(s string) bool { return strings.HasPrefix(s, source) }) {
			return true
		}
	}
	return false
}
