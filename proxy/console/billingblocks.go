package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// eventBilling is what became of one event, for the page of the event.
type eventBilling struct {
	Rows []explanationRow
	Base string
}

// explanationRow is what one meter made of the event.
type explanationRow struct {
	invoicing.Explanation
	Kind     string // of the badge
	Payments []paymentRow
}

// Arithmetic is how the share of the event comes about.
func (x explanationRow) Arithmetic() string {
	p := x.Price
	return fmt.Sprintf("%s × %s %s ÷ %d = %s %s, before included units and credit", x.Quantity, p.Amount, p.Currency, p.Per, x.Share, p.Currency)
}

// event follows an event to its invoice lines and payments.
func (b *billingPages) event(ctx context.Context, org string, e *metering.Event) (*eventBilling, error) {
	list, err := b.Biller.Explain(ctx, org, e)
	if err != nil {
		return nil, err
	}
	out := &eventBilling{Base: b.base}
	for _, x := range list {
		row := explanationRow{Explanation: x, Kind: "plain"}
		switch {
		case x.Invoice != "":
			row.Kind = invoiceKind(billing.InvoiceState(x.State))
		case x.State == invoicing.StateOpen:
			row.Kind = "info"
		case x.State == invoicing.StateLate, x.State == invoicing.StateUnbilled:
			row.Kind = "warn"
		}
		for _, p := range x.Payments {
			row.Payments = append(row.Payments, paymentRow{p, paymentKind(p.State)})
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// tiles are the figures of the overview: what the period has earned so far, and
// what is left of it.
func (b *billingPages) tiles(ctx context.Context, org string, p page.Period) ([]page.Tile, error) {
	report, err := b.Biller.Margins(ctx, invoicing.MarginQuery{Org: org, From: p.From, To: p.To, By: []string{"customer"}})
	if errors.Is(err, metering.ErrInvalid) {
		return []page.Tile{{Label: "Revenue", Value: page.TextHTML("–"), Note: plain(err), State: "warn"}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("revenue and margin: %w", err)
	}
	link, err := page.Href(b.base+"/margin", "by", "customer", "from", p.FromText(), "to", p.ToText())
	if err != nil {
		return nil, err
	}
	tiles := marginTiles(report.Totals, link)
	return []page.Tile{tiles[0], tiles[2]}, nil
}

// overdue is a period that has ended and is not closed.
type overdue struct {
	billing.Period
	Party metering.Customer
	For   time.Duration // since it ended
	Why   string
}

// overdueWithin is how many periods are looked at.
const overdueWithin = 100

// overdue lists the periods that should have closed, and what they wait for.
func (b *billingPages) overdue(ctx context.Context, org string) ([]overdue, error) {
	due, err := b.Store.Due(ctx, b.instant(), overdueWithin)
	if err != nil {
		return nil, fmt.Errorf("periods that are due: %w", err)
	}
	if len(due) == 0 {
		return nil, nil
	}
	journals, err := b.metering.Journals(ctx)
	if err != nil {
		return nil, fmt.Errorf("journals: %w", err)
	}
	var out []overdue
	who := b.parties(org)
	for _, p := range due {
		if p.Org != org {
			continue
		}
		c, err := who.customer(ctx, p.Customer)
		if err != nil {
			return nil, fmt.Errorf("customer of a period: %w", err)
		}
		out = append(out, overdue{p, c, b.now().Sub(p.End.Time()), waitsFor(journals, p)})
	}
	return out, nil
}

// waitsFor says what of a period may still come. Every live journal has to pass
// its end first.
func waitsFor(journals []metering.JournalInfo, p billing.Period) string {
	for _, j := range journals {
		if j.State == metering.JournalLive && j.Watermark < p.End {
			open := 0
			for _, c := range j.Open {
				if c.Org == p.Org && c.Customer == p.Customer && c.At < p.End {
					open++
				}
			}
			text := fmt.Sprintf("the journal of %s has come to %s and not to the end of the period", j.Host, page.Instant(j.Watermark))
			if open > 0 {
				text += fmt.Sprintf("; %d calls of this customer are open", open)
			}
			return text
		}
	}
	return "every journal has passed the end: the next look of the billing worker closes it"
}

// billingHealth is what the page of the system's health says of billing.
type billingHealth struct {
	Overdue   []overdue
	Unsettled []unsettled
	Base      string
}

// unsettled is a payment whose end is not known.
type unsettled struct {
	paymentRow
	Party metering.Customer
	For   time.Duration // since it was begun
}

// health lists what does not go on by itself.
func (b *billingPages) health(ctx context.Context, org string) (*billingHealth, error) {
	out := &billingHealth{Base: b.base}
	var err error
	if out.Overdue, err = b.overdue(ctx, org); err != nil {
		return nil, err
	}
	payments, err := b.Store.Unsettled(ctx)
	if err != nil {
		return nil, fmt.Errorf("payments whose end is not known: %w", err)
	}
	who := b.parties(org)
	for _, p := range payments {
		if p.Org != org {
			continue
		}
		c, err := who.customer(ctx, p.Customer)
		if err != nil {
			return nil, fmt.Errorf("customer of a payment: %w", err)
		}
		out.Unsettled = append(out.Unsettled, unsettled{paymentRow{p, paymentKind(p.State)}, c, b.now().Sub(p.Created.Time())})
	}
	return out, nil
}
