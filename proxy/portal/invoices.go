package portal

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/proxy/page"
)

// pageOfInvoices is how many one page lists.
const pageOfInvoices = 25

// invoiceRow is an invoice as lists show it.
type invoiceRow struct{ billing.Account }

func invoiceRows(list []billing.Account) []invoiceRow {
	out := make([]invoiceRow, 0, len(list))
	for _, a := range list {
		out = append(out, invoiceRow{a})
	}
	return out
}

// Span is the period in the zone in which it was cut.
func (r invoiceRow) Span() (string, error) {
	zone, err := zoneOf(r.Invoice)
	return spanText(r.Invoice.Period, zone), err
}

func zoneOf(v billing.Invoice) (*time.Location, error) {
	zone, err := time.LoadLocation(v.Zone)
	if err != nil {
		return time.UTC, fmt.Errorf("zone of invoice %s: %w", v.Number, err)
	}
	return zone, nil
}

// Kind is the badge of the state.
func (r invoiceRow) Kind() string {
	switch r.State() {
	case "paid", "nothing to pay":
		return "ok"
	case "declined":
		return "bad"
	case "to be confirmed":
		return "warn"
	case "carried over":
		return "plain"
	default:
		return "info"
	}
}

// State is where the money is, in words.
func (r invoiceRow) State() string {
	switch r.Account.State {
	case billing.InvoicePaid:
		if r.Invoice.Total.Minor == 0 {
			return "nothing to pay"
		}
		return "paid"
	case billing.InvoiceFailed:
		return "declined"
	case billing.InvoiceAction:
		return "to be confirmed"
	case billing.InvoiceUnknown:
		return "being looked up"
	case billing.InvoiceCarried:
		return "carried over"
	default:
		return "to be paid"
	}
}

// Meaning says what the state is in a sentence.
func (r invoiceRow) Meaning() string {
	switch r.State() {
	case "nothing to pay":
		return "Nothing is to be paid."
	case "paid":
		return "It is paid."
	case "declined":
		return "The last charge was declined. Put another card on file, or try again."
	case "to be confirmed":
		return "Your bank wants you to confirm the charge."
	case "being looked up":
		return "A charge was sent and its reply was lost. It is being looked up and is not made twice."
	case "carried over":
		return "It is too small to be charged: it is a line of the next invoice."
	default:
		return "It is to be paid."
	}
}

// invoicesPage lists invoices.
type invoicesPage struct {
	Rows       []invoiceRow
	Pager      page.Pager
	Subscribed bool
	Drafts     []draft
}

func (s *Server) showInvoices(w http.ResponseWriter, r *http.Request) error {
	ctx, v := r.Context(), visitorOf(r)
	cursor := r.URL.Query().Get("cursor")
	list, next, err := s.opts.Bills.Invoices(ctx, v.org, v.customer.ID, pageOfInvoices, cursor)
	if err != nil {
		return err
	}
	contracts, err := s.contracts(ctx, v)
	if err != nil {
		return err
	}
	out := invoicesPage{Rows: invoiceRows(list), Subscribed: len(contracts) > 0}
	if cursor == "" {
		e, err := s.estimate(ctx, v)
		if err != nil {
			return err
		}
		if out.Drafts, err = s.drafts(e, contracts); err != nil {
			return err
		}
	}
	if out.Pager, err = pager(r, next); err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "invoices", out)
	return nil
}

// pager leads through a list by cursors.
func pager(r *http.Request, next string) (page.Pager, error) {
	var out page.Pager
	var err error
	if r.URL.Query().Get("cursor") != "" {
		if out.First, err = page.Query(r.URL); err != nil {
			return out, err
		}
	}
	if next != "" {
		out.Next, err = page.Query(r.URL, "cursor", next)
	}
	return out, err
}

// confirmation is the page on which the customer confirms a charge; empty if no
// charge of the invoice waits for that.
func (s *Server) confirmation(ctx context.Context, v visitor, a billing.Account) (string, error) {
	payments, err := s.opts.Bills.Payments(ctx, v.org, a.Invoice.ID)
	if err != nil {
		return "", fmt.Errorf("payments: %w", err)
	}
	return actionOf(payments), nil
}

// actionOf is the page of the latest payment that waits to be confirmed.
func actionOf(payments []billing.Payment) string {
	link := ""
	for _, p := range payments {
		if p.State == billing.PaymentAction {
			link = p.ActionURL
		}
	}
	return link
}
