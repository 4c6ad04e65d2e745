package portal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// maxSubscriptions bounds what is read of a customer's subscriptions.
const maxSubscriptions = 100

// contract is a subscription with what it charges for, and its periods by
// instant.
type contract struct {
	billing.Subscription
	Products map[string]billing.Product // of every phase
	Periods  []billing.Period
}

// contracts reads the subscriptions of a customer; none where nothing is billed.
func (s *Server) contracts(ctx context.Context, v visitor) ([]contract, error) {
	if !s.bills() {
		return nil, nil
	}
	subs, _, err := s.opts.Bills.Subscriptions(ctx, v.org, v.customer.ID, maxSubscriptions, "")
	if err != nil {
		return nil, fmt.Errorf("subscriptions: %w", err)
	}
	out := make([]contract, 0, len(subs))
	products := make(map[string]billing.Product)
	for _, sub := range subs {
		c := contract{Subscription: sub, Products: make(map[string]billing.Product)}
		for _, id := range sub.Products() {
			if _, known := products[id]; !known {
				if products[id], err = s.opts.Bills.Product(ctx, v.org, id); err != nil {
					return nil, fmt.Errorf("product of a subscription: %w", err)
				}
			}
			c.Products[id] = products[id]
		}
		if c.Periods, err = s.opts.Bills.Periods(ctx, v.org, sub.ID); err != nil {
			return nil, fmt.Errorf("periods of a subscription: %w", err)
		}
		slices.SortFunc(c.Periods, func(a, b billing.Period) int { return a.Index - b.Index })
		out = append(out, c)
	}
	return out, nil
}

// zone is where the periods of the contract are cut.
func (c contract) zone() *time.Location {
	if c.Anchor.Zone == nil {
		return time.UTC
	}
	return c.Anchor.Zone
}

// live reports whether the contract holds at an instant.
func (c contract) live(at metering.Micros) bool { return c.Covers(at) }

// mainContract is the contract of an id, or without one that which holds now,
// the latest to have begun; else the one that ended last.
func mainContract(contracts []contract, id string, now metering.Micros) (contract, bool) {
	var best contract
	found := false
	for _, c := range contracts {
		switch {
		case id != "":
			if c.ID == id {
				return c, true
			}
		case !found, c.live(now) && !best.live(now), c.live(now) == best.live(now) && c.Start > best.Start:
			best, found = c, true
		}
	}
	return best, found
}

// priced lists the meters that a customer has, or had, a price for.
func priced(contracts []contract) map[string]bool {
	out := make(map[string]bool)
	for _, c := range contracts {
		for _, p := range c.Products {
			for _, meter := range p.Meters() {
				out[meter] = true
			}
		}
	}
	return out
}

// meterNames are the names of meters by id. One that is gone is its id.
func (s *Server) meterNames(ctx context.Context, org string, ids map[string]bool) (map[string]metering.Meter, error) {
	out := make(map[string]metering.Meter, len(ids))
	for id := range ids {
		m, err := s.opts.Store.Meter(ctx, org, id)
		if err != nil {
			return nil, fmt.Errorf("meter of a price: %w", err)
		}
		out[id] = m
	}
	return out, nil
}
