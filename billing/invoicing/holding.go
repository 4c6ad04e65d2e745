package invoicing

import (
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// holding is when a customer has a product.
type holding struct {
	customer, product string
	span              period.Span
}

// holdings lists who has which product when, within a span, each instant of a
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
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		for i := range len(cuts) - 1 {
			span := period.Span{Start: cuts[i], End: cuts[i+1]}
			if span.Start < within.Start || span.End > within.End {
				continue
			}
			if name, ok := held(list, span.Start); ok {
				out = append(out, holding{id, name, span})
			}
		}
	}
	return out
}

// held names the product that a customer has at an instant.
func held(list []billing.Contract, at metering.Micros) (string, bool) {
	for _, c := range list {
		if id := c.Subscription.ProductAt(at); id != "" {
			return c.Products[id].Name, true
		}
	}
	return "", false
}
