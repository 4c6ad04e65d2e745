package invoicing

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// Store is what the biller reads of the billing store.
type Store interface {
	Contract(ctx context.Context, org, subscription string) (billing.Contract, error)
	Subscriptions(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Subscription, string, error)
	Invoice(ctx context.Context, org, ref string) (billing.Account, error)
	Document(ctx context.Context, org, id string) (document []byte, sha string, err error)
	Payments(ctx context.Context, org, invoice string) ([]billing.Payment, error)
	// PricedMeters lists the meters that any product has a price for.
	PricedMeters(ctx context.Context, org string) ([]string, error)
}

// Usage is what the biller reads of the metering store.
type Usage interface {
	Steady(ctx context.Context, do func(metering.SteadyReader) error) error
	Meter(ctx context.Context, org, ref string) (metering.Meter, error)
	Meters(ctx context.Context, org string, limit int, cursor string) ([]metering.Meter, string, error)
	Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error)
	Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error)
	// Measured adds up what a meter measures by groups, and says how many events it
	// has read; more than most: there are no rows.
	Measured(ctx context.Context, q metering.UsageQuery, m metering.Meter, most int) (rows []metering.MeasuredRow, events int, err error)
}

// Biller reads contracts and usage and computes what is owed. It writes nothing
// and is safe for concurrent use.
type Biller struct {
	store Store
	usage Usage
}

// New returns a biller over the two stores.
func New(store Store, usage Usage) *Biller { return &Biller{store: store, usage: usage} }

// measured is a [Measure] on one instant of the database.
func measured(ctx context.Context, r metering.SteadyReader, org, customer string) Measure {
	return func(meter string, span period.Span) (Quantity, error) {
		if span.Start >= span.End {
			return Quantity{}, nil
		}
		rows, err := r.Quantities(ctx, metering.QuantityQuery{Org: org, Meter: meter, Customer: customer, From: span.Start, To: span.End, Live: true})
		if err != nil {
			return Quantity{}, err
		}
		amount, err := metering.ParseNumber(rows[0].Quantity)
		if err != nil {
			return Quantity{}, fmt.Errorf("quantity %q: %w", rows[0].Quantity, err)
		}
		return Quantity{Amount: amount, Events: rows[0].Events, Rounded: !rows[0].Exact}, nil
	}
}

// Draft computes the invoice of a period as it would be if it were closed now,
// with the positions of what it includes.
func (b *Biller) Draft(ctx context.Context, c billing.Contract, p billing.Period) (billing.Invoice, error) {
	var v billing.Invoice
	err := b.usage.Steady(ctx, func(r metering.SteadyReader) error {
		id, err := metering.NewID()
		if err != nil {
			return err
		}
		if v, err = Draft(c, p, measured(ctx, r, c.Subscription.Org, c.Subscription.Customer)); err != nil {
			return err
		}
		v.Received = id.Time()
		v.Positions, err = r.Positions(ctx, c.Subscription.Org, c.Subscription.Customer)
		return err
	})
	if err == nil {
		err = b.noteEstimates(ctx, c.Subscription, &v)
	}
	if err != nil {
		return v, fmt.Errorf("draft the invoice of subscription %s, period %d: %w", c.Subscription.ID, p.Index, err)
	}
	return v, nil
}

// Estimate is what a customer owes so far.
type Estimate struct {
	At       metering.Micros   `json:"at"`
	Invoices []billing.Invoice `json:"invoices"` // a draft for each open period
	Unbilled []Unbilled        `json:"unbilled"` // usage that no subscription has
}

// Unbilled is usage outside of every subscription: it is kept, and billed by a
// subscription that starts early enough.
type Unbilled struct {
	Meter     string          `json:"meter_id"`
	MeterName string          `json:"meter"`
	Span      period.Span     `json:"span"` // End is zero where it goes on
	Quantity  metering.Number `json:"quantity"`
	Events    int64           `json:"events"`
}

// Estimate drafts the open periods of a customer's subscriptions.
func (b *Biller) Estimate(ctx context.Context, org, customer string, now metering.Micros) (Estimate, error) {
	e := Estimate{At: now, Invoices: []billing.Invoice{}, Unbilled: []Unbilled{}}
	contracts, err := b.contracts(ctx, org, customer)
	if err != nil {
		return e, err
	}
	for _, c := range contracts {
		for _, p := range c.Periods {
			if p.State != billing.PeriodOpen || p.Start > now {
				continue
			}
			v, err := b.Draft(ctx, c, p)
			if err != nil {
				return e, err
			}
			v.Issued = now
			e.Invoices = append(e.Invoices, v)
		}
	}
	e.Unbilled, err = b.unbilled(ctx, org, customer, contracts)
	return e, err
}

// contracts reads every subscription of a customer.
func (b *Biller) contracts(ctx context.Context, org, customer string) ([]billing.Contract, error) {
	var out []billing.Contract
	for cursor := ""; ; {
		subs, next, err := b.store.Subscriptions(ctx, org, customer, 100, cursor)
		if err != nil {
			return nil, err
		}
		for _, s := range subs {
			c, err := b.store.Contract(ctx, org, s.ID)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		if next == "" {
			return out, nil
		}
		cursor = next
	}
}

// unbilled measures, where no subscription of the customer has a price for it,
// every meter that is sold at all: one that no product has a price for only
// counts. Before there is any price, all of them are measured.
func (b *Biller) unbilled(ctx context.Context, org, customer string, contracts []billing.Contract) ([]Unbilled, error) {
	out := []Unbilled{}
	sold, err := b.store.PricedMeters(ctx, org)
	if err != nil {
		return out, err
	}
	err = b.eachMeter(ctx, org, func(m metering.Meter) error {
		if len(sold) > 0 && !slices.Contains(sold, m.ID) {
			return nil
		}
		return b.usage.Steady(ctx, func(r metering.SteadyReader) error {
			for _, gap := range gaps(m.ID, contracts) {
				rows, err := r.Quantities(ctx, metering.QuantityQuery{Org: org, Meter: m.ID, Customer: customer, From: gap.Start, To: gap.End, Live: true})
				if err != nil {
					return err
				}
				n, err := metering.ParseNumber(rows[0].Quantity)
				if err != nil {
					return fmt.Errorf("quantity %q: %w", rows[0].Quantity, err)
				}
				if rows[0].Events > 0 {
					out = append(out, Unbilled{Meter: m.ID, MeterName: m.Name, Span: gap, Quantity: n, Events: rows[0].Events})
				}
			}
			return nil
		})
	})
	return out, err
}

func (b *Biller) eachMeter(ctx context.Context, org string, do func(metering.Meter) error) error {
	for cursor := ""; ; {
		meters, next, err := b.usage.Meters(ctx, org, 100, cursor)
		if err != nil {
			return err
		}
		for _, m := range meters {
			if err := do(m); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}
