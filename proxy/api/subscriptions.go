package api

import (
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Subscription is a customer's contract.
type Subscription struct {
	ID         string            `json:"id"`
	CustomerID string            `json:"customer_id"`
	Customer   string            `json:"customer"`   // external id
	ProductID  string            `json:"product_id"` // that holds now; before the start the first, after the end the last
	Product    string            `json:"product"`
	Currency   billing.Currency  `json:"currency"`
	Interval   string            `json:"interval"`
	Anchor     string            `json:"anchor"` // wall-clock time in Zone that periods are counted from, 2026-01-31T12:00:00
	Zone       string            `json:"zone"`
	Start      Instant           `json:"start"`
	End        Instant           `json:"end"` // exclusive; null: open-ended
	TrialEnd   Instant           `json:"trial_end"`
	TrialUsage billing.TrialRule `json:"trial_usage"`
	Phases     []Phase           `json:"phases"`
	CreatedAt  Instant           `json:"created_at"`
	// Periods that were opened so far, only where one subscription is shown.
	Periods []Period `json:"periods,omitempty"`
}

// Phase is the product that holds from an instant on.
type Phase struct {
	From      Instant `json:"from"`
	ProductID string  `json:"product_id"`
	Product   string  `json:"product"`
}

// Period is one period of a subscription.
type Period struct {
	Index     int                 `json:"index"`
	Start     Instant             `json:"start"`
	End       Instant             `json:"end"` // exclusive
	State     billing.PeriodState `json:"state"`
	InvoiceID string              `json:"invoice_id,omitempty"` // absent: open, or closed without anything to bill
	ClosedAt  Instant             `json:"closed_at"`
}

func showPeriod(p billing.Period) Period {
	return Period{p.Index, Instant(p.Start), Instant(p.End), p.State, p.Invoice, Instant(p.Closed)}
}

func (l *lookup) showPhase(p billing.Phase) (Phase, error) {
	name, err := l.product(p.Product)
	return Phase{Instant(p.From), p.Product, name}, err
}

func (l *lookup) showSubscription(sub billing.Subscription) (Subscription, error) {
	phases, err := each(sub.Phases, l.showPhase)
	if err != nil {
		return Subscription{}, err
	}
	external, err := l.customer(sub.Customer)
	a := sub.Anchor
	out := Subscription{
		ID: sub.ID, CustomerID: sub.Customer, Customer: external, Currency: sub.Currency, Interval: intervalOf(a.Months),
		Anchor: fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d", a.Year, a.Month, a.Day, a.Hour, a.Min, a.Sec),
		Zone:   sub.Zone(), Start: Instant(sub.Start), End: Instant(sub.End), TrialEnd: Instant(sub.TrialEnd), TrialUsage: sub.Trial,
		Phases: phases, CreatedAt: Instant(sub.Created),
	}
	for i, p := range phases {
		if i == 0 || metering.Micros(p.From) <= l.c.at() {
			out.ProductID, out.Product = p.ProductID, p.Product
		}
	}
	return out, err
}

func (s *Server) listSubscriptions(c *call) (answer, error) {
	ref, limit, cursor := c.query.text("customer", 512), c.query.limit(), c.query.cursor()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	customer, err := s.customerID(c, ref)
	if err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Billing.Store.Subscriptions(c.Context(), c.org, customer, limit, cursor)
	if err != nil {
		return answer{}, pageError(err)
	}
	return answered(pageOf(items, next, s.lookup(c).showSubscription))
}

func (s *Server) createSubscription(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	ref, product := o.label("customer", 1, 512), o.label("product", 1, 512)
	day, zone, start := int(o.integer("anchor_day", 0, 1, 31)), o.place("zone"), o.instant("start")
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, ref)
	if err != nil {
		return answer{}, err
	}
	if owner.Archived != 0 {
		return answer{}, problem(CodeConflict, fmt.Sprintf("customer %q is archived", owner.ExternalID))
	}
	p, err := s.product(c, product)
	if err != nil {
		return answer{}, err
	}
	if start == 0 {
		start = c.at()
	}
	sub := billing.Subscription{
		Org: c.org, Customer: owner.ID, Anchor: anchorOn(start, zone, p.Months, day), Start: start, Trial: p.TrialUsage,
		Phases: []billing.Phase{{From: start, Product: p.ID}}, Created: c.at(),
	}
	if p.TrialDays > 0 {
		sub.TrialEnd = metering.MicrosOf(start.Time().In(zone).AddDate(0, 0, p.TrialDays))
	}
	made, err := s.opts.Billing.Store.CreateSubscription(c.Context(), sub)
	if err != nil {
		return answer{}, fmt.Errorf("create subscription: %w", err)
	}
	shown, err := s.shownWithPeriods(c, made)
	if err != nil {
		return answer{}, err
	}
	return created(shown)
}

// shownWithPeriods is a subscription with its periods.
func (s *Server) shownWithPeriods(c *call, sub billing.Subscription) (Subscription, error) {
	out, err := s.lookup(c).showSubscription(sub)
	if err != nil {
		return out, err
	}
	periods, err := s.opts.Billing.Store.Periods(c.Context(), c.org, sub.ID)
	if err != nil {
		return out, fmt.Errorf("periods of a subscription: %w", err)
	}
	for _, p := range periods {
		out.Periods = append(out.Periods, showPeriod(p))
	}
	return out, nil
}

func (s *Server) showSubscription(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	id := c.PathValue("subscription")
	sub, err := s.opts.Billing.Store.Subscription(c.Context(), c.org, id)
	if err := found(err, "subscription", id); err != nil {
		return answer{}, err
	}
	return answered(s.shownWithPeriods(c, sub))
}

func (s *Server) switchProduct(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	ref := o.label("product", 1, 512)
	from := future(o, "from", c.at())
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	p, err := s.product(c, ref)
	if err != nil {
		return answer{}, err
	}
	id := c.PathValue("subscription")
	sub, err := s.opts.Billing.Store.SwitchProduct(c.Context(), c.org, id, billing.Phase{From: from, Product: p.ID}, c.at())
	if err := found(err, "subscription", id); err != nil {
		return answer{}, err
	}
	return answered(s.shownWithPeriods(c, sub))
}

func (s *Server) endSubscription(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	at := future(o, "at", c.at())
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	id := c.PathValue("subscription")
	sub, err := s.opts.Billing.Store.EndSubscription(c.Context(), c.org, id, at, c.at())
	if err := found(err, "subscription", id); err != nil {
		return answer{}, err
	}
	return answered(s.shownWithPeriods(c, sub))
}

// future reads an instant that is not in the past; now where it is absent.
func future(o *object, name string, now metering.Micros) metering.Micros {
	at := o.instant(name)
	if at == 0 {
		return now
	}
	if at < now {
		o.fault(name, "is in the past, where usage has its price")
	}
	return at
}
