// Package invoicing turns a contract and what was used into an invoice: the
// estimate of an open period, the draft that closing makes final, and the audit
// that computes a final one again are the same pure function.
package invoicing

import (
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// Segment is the part of a period in which one meter has one price.
type Segment struct {
	Index   int // of the period
	Product billing.Product
	Price   billing.Price
	Span    period.Span
	Trial   bool // what is used in it is free
}

// Segments cuts a period of a contract wherever what a unit costs changes: where
// another product or price comes into force and where a free trial ends. By
// meter and then by instant, they cover what the contract has a price for, each
// instant once. The cuts depend only on what was settled before the period
// ended, so a closed period is always cut the same way.
func Segments(c billing.Contract, p billing.Period) []Segment {
	cuts := cutsOf(c, p)
	var out []Segment
	for _, meter := range metersOf(c) {
		for i := range len(cuts) - 1 {
			span := period.Span{Start: cuts[i], End: cuts[i+1]}
			product := c.Products[c.Subscription.ProductAt(span.Start)]
			price, ok := billing.InForce(product.Versions(meter), span.Start)
			if !ok {
				continue
			}
			s := Segment{Index: p.Index, Product: product, Price: price, Span: span, Trial: onTrial(c.Subscription, span.Start)}
			if n := len(out); n > 0 && joins(out[n-1], s) {
				out[n-1].Span.End = s.Span.End
				continue
			}
			out = append(out, s)
		}
	}
	return out
}

func onTrial(s billing.Subscription, at metering.Micros) bool {
	return s.Trial == billing.TrialFree && at < s.TrialEnd
}

// joins reports whether b goes on where a ends, at the same price.
func joins(a, b Segment) bool {
	return a.Span.End == b.Span.Start && a.Price.ID == b.Price.ID && a.Trial == b.Trial
}

// metersOf lists the meters of every phase, each once.
func metersOf(c billing.Contract) []string {
	var out []string
	for _, id := range c.Subscription.Products() {
		out = append(out, c.Products[id].Meters()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cutsOf lists the instants of the period at which a price may change, its
// start and end included.
func cutsOf(c billing.Contract, p billing.Period) []metering.Micros {
	cuts := []metering.Micros{p.Start, p.End}
	add := func(at metering.Micros) {
		if p.Start < at && at < p.End {
			cuts = append(cuts, at)
		}
	}
	add(c.Subscription.TrialEnd)
	for _, f := range c.Subscription.Phases {
		add(f.From)
		for _, v := range c.Products[f.Product].Prices {
			add(v.From)
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}
