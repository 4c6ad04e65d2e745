package invoicing

import (
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// holding is when a customer has a product, within one billing period.
type holding struct {
	customer, product string
	period            period.Span // zero: there is none for that time yet
	span              period.Span
}

// holdings lists who has which product in which period when, within a span, each instant of a
// customer once: where two subscriptions hold, the one that comes first in
// contracts has it.
func holdings(contracts []billing.Contract, within period.Span) []holding {
	var out []holding
	byCustomer := make(map[string][]billing.Contract)
	var customers []string
	for _, c := range contracts {
		id := c.Subscription.Customer
		if byCustomer[id] == nil {
			customers = append(customers, id)
		}
		byCustomer[id] = append(byCustomer[id], c)
	}
	for _, id := range customers {
		list := byCustomer[id]
		cuts := []metering.Micros{within.Start, within.End}
		for _, c := range list {
			for _, f := range c.Subscription.Phases {
				cuts = append(cuts, f.From)
			}
			if end := c.Subscription.End; end != 0 {
				cuts = append(cuts, end)
			}
			for _, p := range c.Periods {
				cuts = append(cuts, p.Start, p.End)
			}
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		for i := range len(cuts) - 1 {
			span := period.Span{Start: cuts[i], End: cuts[i+1]}
			if span.Start < within.Start || span.End > within.End {
				continue
			}
			if h, ok := held(list, span.Start); ok {
				h.customer, h.span = id, span
				out = append(out, h)
			}
		}
	}
	return out
}

// held is the product and the period that a customer has at an instant.
func held(list []billing.Contract, at metering.Micros) (h holding, ok bool) {
	for _, c := range list {
		id := c.Subscription.ProductAt(at)
		if id == "" {
			continue
		}
		h.product = c.Products[id].Name
		for _, p := range c.Periods {
			if p.Start <= at && at < p.End {
				h.period = p.Span()
			}
		}
		return h, true
	}
	return h, false
}
