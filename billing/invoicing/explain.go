package invoicing

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/metering"
)

// Explanation is what one event costs the customer by one meter: from its
// quantity over the price to the line of the invoice and the payment.
type Explanation struct {
	Meter        string            `json:"meter_id"`
	MeterName    string            `json:"meter"`
	Product      string            `json:"product,omitempty"`
	Subscription string            `json:"subscription_id,omitempty"`
	Quantity     metering.Number   `json:"quantity"`
	Price        *billing.Price    `json:"price,omitempty"`
	Share        string            `json:"share,omitempty"` // currency units at the price, before included units and credit
	State        string            `json:"state"`
	Invoice      string            `json:"invoice_id,omitempty"`
	Number       string            `json:"number,omitempty"`
	Line         int               `json:"line,omitempty"`
	Payments     []billing.Payment `json:"payments,omitempty"`
}

// What becomes of an event, where no invoice says it.
const (
	StateTest     = "test key: never billed"
	StateUnbilled = "unbilled: no subscription has a price for it"
	StateOpen     = "open period"
	StateTrial    = "free trial"
	StateLate     = "received after its period closed: on the next invoice"
)

// Explain follows an event through every meter that measures it. What only
// some aggregations have, a share of one event, is left out for the others.
func (b *Biller) Explain(ctx context.Context, org string, e *metering.Event) ([]Explanation, error) {
	out := []Explanation{}
	if e.Customer == "" {
		return out, nil // nobody's, so nobody pays
	}
	contracts, err := b.contracts(ctx, org, e.Customer)
	if err != nil {
		return out, fmt.Errorf("explain event %s: %w", e.ID, err)
	}
	err = b.eachMeter(ctx, org, func(m metering.Meter) error {
		v, ok := m.Measure(e)
		if !ok {
			return nil
		}
		x := Explanation{Meter: m.ID, MeterName: m.Name, Quantity: v.Num, State: StateUnbilled}
		if m.Aggregate.Func == metering.AggregateCount || m.Aggregate.Func == metering.AggregateUnique {
			x.Quantity = metering.NumberOf(1)
		}
		for _, c := range contracts {
			if err := b.trace(ctx, &x, c, e, m); err != nil {
				return err
			}
		}
		if e.Test {
			x.State = StateTest
		}
		out = append(out, x)
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("explain event %s: %w", e.ID, err)
	}
	return out, nil
}

// trace follows an event into a contract, if it has a price for it.
func (b *Biller) trace(ctx context.Context, x *Explanation, c billing.Contract, e *metering.Event, m metering.Meter) error {
	for _, p := range c.Periods {
		if !p.Span().Contains(e.At) {
			continue
		}
		for _, s := range Segments(c, p) {
			if s.Price.Meter != m.ID || !s.Span.Contains(e.At) {
				continue
			}
			price := s.Price
			x.Product, x.Subscription, x.Price, x.State = s.Product.Name, c.Subscription.ID, &price, StateOpen
			if m.Aggregate.Func == metering.AggregateCount || m.Aggregate.Func == metering.AggregateSum {
				x.Share = rating.Decimal(price.Share(x.Quantity))
			}
			if s.Trial {
				x.State = StateTrial
			}
			if p.State == billing.PeriodClosed {
				return b.billed(ctx, x, c, s, e)
			}
		}
	}
	return nil
}

// billed finds the invoice whose line has the event.
func (b *Biller) billed(ctx context.Context, x *Explanation, c billing.Contract, s Segment, e *metering.Event) error {
	x.State = StateLate
	for _, l := range c.Billed {
		if l.Index != s.Index || l.Meter != s.Price.Meter || l.Start != s.Span.Start || l.Price != s.Price.ID {
			continue
		}
		acc, err := b.store.Invoice(ctx, c.Subscription.Org, l.Invoice)
		if err != nil {
			return err
		}
		if a := (&audit{invoice: acc.Invoice}); !a.included(e) {
			continue // it came later
		}
		x.Invoice, x.Number, x.State = l.Invoice, l.Number, string(acc.State)
		for n, line := range acc.Invoice.Lines {
			if line.Price != nil && line.Price.ID == l.Price && line.Span.Start == l.Start && line.Index == l.Index {
				x.Line = n + 1
			}
		}
		x.Payments, err = b.store.Payments(ctx, c.Subscription.Org, l.Invoice)
		return err
	}
	return nil
}
