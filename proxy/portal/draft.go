package portal

import (
	"context"
	"fmt"
	"html/template"
	"math/big"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// draft is the open period of a subscription: what it comes to so far.
type draft struct {
	Invoice billing.Invoice
	Product string // that holds now
	Trial   string // the rule of the trial, where the period has one
	Zone    *time.Location
	Now     metering.Micros
	Usage   string // the page of what was used in it
}

// estimate is what a customer owes so far; nothing where nothing is billed.
func (s *Server) estimate(ctx context.Context, v visitor) (invoicing.Estimate, error) {
	if s.opts.Biller == nil {
		return invoicing.Estimate{At: s.at()}, nil
	}
	e, err := s.opts.Biller.Estimate(ctx, v.org, v.customer.ID, s.at())
	if err != nil {
		return e, fmt.Errorf("estimate: %w", err)
	}
	return e, nil
}

// drafts are the open periods of an estimate, as pages show them.
func (s *Server) drafts(e invoicing.Estimate, contracts []contract) ([]draft, error) {
	out := make([]draft, 0, len(e.Invoices))
	for _, v := range e.Invoices {
		d := draft{Invoice: v, Zone: time.UTC, Now: e.At}
		for _, c := range contracts {
			if c.ID == v.Subscription {
				d.Zone, d.Trial = c.zone(), trialText(c, v.Period.Start, e.At)
				d.Product = c.Products[productAt(c, min(e.At, v.Period.End-1))].Name
			}
		}
		var err error
		if d.Usage, err = page.Href(Base+"/usage", append(pairsOf(v.Period.Start, v.Period.End), "sub", v.Subscription)...); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// productAt is the product at an instant, of a contract that has ended the last.
func productAt(c contract, at metering.Micros) string {
	if id := c.ProductAt(at); id != "" {
		return id
	}
	if at < c.Start {
		return c.Phases[0].Product
	}
	return c.Phases[len(c.Phases)-1].Product
}

// trialText states the rule of the trial of a contract, where it reaches into
// the time from an instant on, P18.
func trialText(c contract, from, now metering.Micros) string {
	if c.TrialEnd <= from {
		return ""
	}
	end := instantText(c.TrialEnd, c.zone())
	switch free := c.Trial == billing.TrialFree; {
	case c.TrialEnd > now && free:
		return fmt.Sprintf("Trial until %s: what you use until then is free.", end)
	case c.TrialEnd > now:
		return fmt.Sprintf("Trial until %s: what you use until then is charged with its period.", end)
	case free:
		return fmt.Sprintf("The trial ended %s: what you used in it was free.", end)
	default:
		return fmt.Sprintf("The trial ended %s: what you used in it is charged with its period.", end)
	}
}

// Span is the period in the zone of the subscription.
func (d draft) Span() string { return spanText(d.Invoice.Period, d.Zone) }

// Reset is when the next period begins, and how far that is.
func (d draft) Reset() string {
	if d.Invoice.Period.End <= d.Now {
		return "The period has ended: its invoice is being made."
	}
	return "Resets " + instantText(d.Invoice.Period.End, d.Zone) + ", " + page.Ago(d.Now.Time(), d.Invoice.Period.End) + "."
}

// Figure is what the period comes to so far. Below a minor unit it is the exact
// sum of its lines: what is not nothing is not shown as nothing.
func (d draft) Figure() (template.HTML, error) {
	v := d.Invoice
	if v.Total.Minor != 0 || v.Credit.Minor != 0 {
		return page.MoneyHTML(v.Total.Decimal(), string(v.Total.Currency)), nil
	}
	sum := new(big.Rat)
	for _, l := range v.Lines {
		amount, err := lineAmount(l)
		if err != nil {
			return "", err
		}
		sum.Add(sum, amount)
	}
	return amountHTML(sum, v.Currency)
}

// lineAmount is what a line adds, exactly.
func lineAmount(l billing.Line) (*big.Rat, error) {
	exact, err := exactOf(l.Exact)
	if err != nil {
		return nil, err
	}
	return new(big.Rat).Sub(exact, l.Billed.Units().Rat()), nil
}

// Lines are the lines so far.
func (d draft) Lines() ([]draftLine, error) {
	out := make([]draftLine, 0, len(d.Invoice.Lines))
	for _, l := range d.Invoice.Lines {
		amount, err := lineAmount(l)
		if err != nil {
			return nil, err
		}
		row := draftLine{Line: l, What: l.Why()}
		if row.Estimate, err = amountHTML(amount, d.Invoice.Currency); err != nil {
			return nil, err
		}
		if l.Span != d.Invoice.Period {
			row.Span = spanText(l.Span, d.Zone)
		}
		out = append(out, row)
	}
	return out, nil
}

// draftLine is a line of an open period.
type draftLine struct {
	billing.Line
	Estimate template.HTML
	What     string // why it is there, empty for usage
	Span     string // where it is not the whole period
}
