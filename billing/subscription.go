package billing

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// Subscription is a customer's contract: which product holds from when, and
// where its periods are cut. No two subscriptions of a customer price one meter
// at one instant, so that each unit has one place to be billed.
type Subscription struct {
	Org      string          `json:"-"`
	ID       string          `json:"id"`
	Customer string          `json:"customer_id"`
	Currency Currency        `json:"currency"`
	Anchor   period.Anchor   `json:"-"`
	Start    metering.Micros `json:"start"`     // usage from then on is this subscription's
	TrialEnd metering.Micros `json:"trial_end"` // zero: no trial
	Trial    TrialRule       `json:"trial_usage"`
	End      metering.Micros `json:"end"`    // exclusive; zero: open-ended
	Phases   []Phase         `json:"phases"` // by instant, the first at Start
	Created  metering.Micros `json:"created_at"`
}

// Phase is the product that holds from an instant on, until the next phase.
type Phase struct {
	From    metering.Micros `json:"from"`
	Product string          `json:"product_id"`
}

// Covers reports whether usage at the instant is this subscription's.
func (s Subscription) Covers(at metering.Micros) bool {
	return s.Start <= at && (s.End == 0 || at < s.End)
}

// ProductAt returns the product that holds at an instant; empty outside of the
// subscription.
func (s Subscription) ProductAt(at metering.Micros) string {
	product := ""
	if !s.Covers(at) {
		return ""
	}
	for _, p := range s.Phases {
		if p.From <= at {
			product = p.Product
		}
	}
	return product
}

// Products lists the products of every phase, each once.
func (s Subscription) Products() []string {
	var out []string
	for _, p := range s.Phases {
		if !slices.Contains(out, p.Product) {
			out = append(out, p.Product)
		}
	}
	return out
}

// Period returns the span of period k as the subscription has it: its first one
// begins with the subscription and its last one ends with it. ok is false for a
// period that the subscription has no part of.
func (s Subscription) Period(k int) (span period.Span, ok bool) {
	span = s.Anchor.Period(k)
	span.Start = max(span.Start, s.Start)
	if s.End != 0 {
		span.End = min(span.End, s.End)
	}
	return span, span.Start < span.End
}

// PeriodState is where a period is in its life.
type PeriodState string

// Period states.
const (
	PeriodOpen   PeriodState = "open"
	PeriodClosed PeriodState = "closed" // billed: what comes later is an adjustment
)

// Period is one materialised period of a subscription. Its instants were
// computed when it was opened, so that a new edition of the time zones moves
// no boundary that somebody has seen.
type Period struct {
	Org          string          `json:"-"`
	Subscription string          `json:"subscription_id"`
	Customer     string          `json:"customer_id"`
	Index        int             `json:"index"`
	Start        metering.Micros `json:"start"`
	End          metering.Micros `json:"end"`
	State        PeriodState     `json:"state"`
	Invoice      string          `json:"invoice_id"` // empty: open, or closed without anything to bill
	Closed       metering.Micros `json:"closed_at"`
}

// Span is the period as instants.
func (p Period) Span() period.Span { return period.Span{Start: p.Start, End: p.End} }

// Zone names the zone of the subscription's periods.
func (s Subscription) Zone() string {
	if s.Anchor.Zone == nil {
		return time.UTC.String()
	}
	return s.Anchor.Zone.String()
}

// Validate reports what no subscription can be.
func (s Subscription) Validate() error {
	if err := s.Anchor.Validate(); err != nil {
		return err
	}
	if _, err := s.Currency.Decimals(); err != nil {
		return err
	}
	switch {
	case len(s.Phases) == 0 || s.Phases[0].From != s.Start:
		return fmt.Errorf("the first phase does not begin with the subscription: %w", metering.ErrInvalid)
	case s.Trial != TrialFree && s.Trial != TrialBilled:
		return fmt.Errorf("trial_usage %.20q, want %s or %s: %w", string(s.Trial), TrialFree, TrialBilled, metering.ErrInvalid)
	case s.End != 0 && s.End < s.Start:
		return fmt.Errorf("the subscription ends before it starts: %w", metering.ErrInvalid)
	}
	return nil
}

// Shared names a meter that both subscriptions have a price for at one instant;
// empty if there is none. Every version of a price counts, whenever it is in
// force. products holds those of both.
func Shared(a, b Subscription, products map[string]Product) string {
	for i, pa := range a.Phases {
		from, to := phaseSpan(a, i)
		for j, pb := range b.Phases {
			start, end := phaseSpan(b, j)
			if max(from, start) >= min(to, end) {
				continue
			}
			theirs := products[pb.Product].Meters()
			for _, meter := range products[pa.Product].Meters() {
				if slices.Contains(theirs, meter) {
					return meter
				}
			}
		}
	}
	return ""
}

// forever is after every instant.
const forever = metering.Micros(1<<63 - 1)

// phaseSpan is when phase i of a subscription holds.
func phaseSpan(s Subscription, i int) (from, to metering.Micros) {
	from, to = s.Phases[i].From, forever
	if i+1 < len(s.Phases) {
		to = s.Phases[i+1].From
	}
	if s.End != 0 {
		to = min(to, s.End)
	}
	return from, to
}
