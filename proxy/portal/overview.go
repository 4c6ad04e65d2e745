package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// The first page shows so many invoices, and looks at so many for what needs the
// customer.
const (
	latestInvoices  = 3
	noticedInvoices = 25
)

// overviewPage is the first page.
type overviewPage struct {
	Fresh      fresh
	Span       span
	Tiles      []page.Tile
	Drafts     []draft
	Unbilled   []invoicing.Unbilled // of meters that the customer has a price for
	Chart      *page.Chart          // nil: nothing was used
	Any        bool                 // a call was ever made
	Bills      bool
	Subscribed bool
	Invoices   []invoiceRow
	Notices    []notice
	Card       *billing.PaymentMethod // nil: none
	NeedsCard  bool                   // there is something that it will be charged for
	TakesCards bool
	Proxy      string
	MakesKeys  bool
}

// notice is what a customer should act upon.
type notice struct {
	Kind, Text  string // ok, info, warn or bad
	Link, Label string
}

func (s *Server) showOverview(w http.ResponseWriter, r *http.Request) error {
	ctx, v := r.Context(), visitorOf(r)
	contracts, err := s.contracts(ctx, v)
	if err != nil {
		return err
	}
	out := overviewPage{Bills: s.bills(), Subscribed: len(contracts) > 0, TakesCards: s.takesCards(), Proxy: s.opts.Proxy, MakesKeys: s.makesKeys()}
	if out.Fresh, err = s.freshness(ctx); err != nil {
		return err
	}
	if out.Span, err = s.spanOf(r, contracts); err != nil {
		return err
	}
	if err := s.overviewMoney(ctx, v, contracts, &out); err != nil {
		return err
	}
	if err := s.overviewUsage(ctx, v, &out); err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "overview", out)
	return nil
}

// overviewMoney fills in what the open periods come to, what is owed and what
// credit is left.
func (s *Server) overviewMoney(ctx context.Context, v visitor, contracts []contract, out *overviewPage) error {
	if !s.bills() {
		return nil
	}
	e, err := s.estimate(ctx, v)
	if err != nil {
		return err
	}
	if out.Drafts, err = s.drafts(e, contracts); err != nil {
		return err
	}
	known := priced(contracts)
	for _, u := range e.Unbilled {
		if known[u.Meter] { // others are the operator's own
			out.Unbilled = append(out.Unbilled, u)
		}
	}
	grants, err := s.grants(ctx, v, e)
	if err != nil {
		return err
	}
	for _, b := range balances(grants) {
		tile, err := creditTile(b)
		if err != nil {
			return err
		}
		out.Tiles = append(out.Tiles, tile)
	}
	latest, _, err := s.opts.Bills.Invoices(ctx, v.org, v.customer.ID, noticedInvoices, "")
	if err != nil {
		return fmt.Errorf("invoices: %w", err)
	}
	out.Invoices = invoiceRows(latest[:min(len(latest), latestInvoices)])
	method, err := s.opts.Bills.Method(ctx, v.org, v.customer.ID)
	switch {
	case err == nil:
		out.Card = &method
	case !errors.Is(err, metering.ErrNotFound):
		return fmt.Errorf("card on file: %w", err)
	}
	unpaid, err := s.opts.Bills.Unpaid(ctx, v.org, v.customer.ID)
	if err != nil {
		return fmt.Errorf("unpaid invoices: %w", err)
	}
	out.NeedsCard = out.Card == nil && s.takesCards() && (len(unpaid) > 0 || owesLater(e))
	for _, a := range latest {
		if a.State == billing.InvoiceAction || a.State == billing.InvoiceUnknown {
			unpaid = append(unpaid, a)
		}
	}
	return s.notices(ctx, v, unpaid, out)
}

// owesLater reports whether an open period comes to something that credit does
// not pay.
func owesLater(e invoicing.Estimate) bool {
	for _, d := range e.Invoices {
		if d.Total.Minor > 0 {
			return true
		}
	}
	return false
}

func creditTile(b balance) (page.Tile, error) {
	amount, err := b.Amount()
	if err != nil {
		return page.Tile{}, err
	}
	label := "Credit left"
	if !b.Money() {
		label = "Credit left, " + b.Unit
	}
	note := "after this period so far; does not expire"
	if b.Next != 0 {
		note = "after this period so far; the first expires " + page.Instant(b.Next)
	}
	return page.Tile{Label: label, Value: amount, Link: Base + "/credits", Note: note}, nil
}

// notices say what of the customer's invoices needs the customer.
func (s *Server) notices(ctx context.Context, v visitor, unpaid []billing.Account, out *overviewPage) error {
	for _, a := range unpaid {
		n := notice{Link: Base + "/invoices/" + a.Invoice.ID, Label: "Open the invoice"}
		due := page.Money(a.Due.Decimal(), string(a.Due.Currency))
		switch a.State {
		case billing.InvoiceFailed:
			n.Kind, n.Text = "bad", fmt.Sprintf("The charge of %s for invoice %s was declined.", due, a.Invoice.Number)
		case billing.InvoiceAction:
			n.Kind, n.Text = "warn", fmt.Sprintf("Your bank wants you to confirm %s for invoice %s.", due, a.Invoice.Number)
			link, err := s.confirmation(ctx, v, a)
			if err != nil {
				return err
			}
			if link != "" {
				n.Link, n.Label = link, "Confirm the payment"
			}
		case billing.InvoiceUnknown:
			n.Kind, n.Text = "info", fmt.Sprintf("The charge of %s for invoice %s is being looked up. It is not made twice.", due, a.Invoice.Number)
		default:
			n.Kind, n.Text = "info", fmt.Sprintf("Invoice %s over %s is to be paid.", a.Invoice.Number, due)
		}
		out.Notices = append(out.Notices, n)
	}
	return nil
}

// overviewUsage fills in what was used in the span.
func (s *Server) overviewUsage(ctx context.Context, v visitor, out *overviewPage) error {
	f, err := s.figures(ctx, v, out.Span, byDay, byModel)
	if err != nil {
		return err
	}
	usage, err := page.Href(Base+"/usage", out.Span.pairs()...)
	if err != nil {
		return err
	}
	calls, err := page.Href(Base+"/calls", out.Span.pairs()...)
	if err != nil {
		return err
	}
	t := f.Total.UsageTotals
	tiles := []page.Tile{
		{Label: "Requests", Value: page.NumberHTML(t.Requests), Link: calls, Note: estimatedNote(t)},
		{Label: "Tokens in", Value: page.TokensHTML(t.InputTokens), Link: usage, Note: page.Tokens(t.CacheRead) + " of them from the cache"},
		{Label: "Tokens out", Value: page.TokensHTML(t.OutputTokens), Link: usage, Note: page.Tokens(t.Reasoning) + " of them reasoning"},
	}
	out.Tiles = append(tiles, out.Tiles...)
	if t.Requests > 0 {
		out.Any = true
		if out.Chart, err = f.daily(out.Span); err != nil {
			return err
		}
		out.Chart.Summary, err = f.summary()
		return err
	}
	latest, _, err := s.opts.Store.Events(ctx, metering.EventQuery{Org: v.org, Customer: v.customer.ID, Limit: 1})
	if err != nil {
		return fmt.Errorf("the latest call: %w", err)
	}
	if out.Any = len(latest) > 0; !out.Any {
		out.Tiles = out.Tiles[len(tiles):] // all of them are nothing
	}
	return nil
}

// summary says in one sentence what a chart has.
func (f figures) summary() (string, error) {
	requests := page.Number(f.Total.Requests) + " requests"
	if f.Total.Requests == 1 {
		requests = "1 request"
	}
	if !f.Priced() {
		return page.Tokens(f.Total.UsageTotals.Total) + " tokens in " + requests + ".", nil
	}
	amount, err := amountText(f.Total.Charge, f.Currency)
	if err != nil {
		return "", err
	}
	return amount + " in " + requests + ", before credit in money and rounding.", nil
}

func estimatedNote(t metering.UsageTotals) string {
	switch {
	case t.Requests == 0:
		return ""
	case t.Estimated == 0:
		return "all with the provider's own count"
	}
	return page.Number(t.Estimated) + " of them estimated"
}
