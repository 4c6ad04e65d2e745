package portal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// payTimeout bounds how long a charge is waited for. It goes on when the browser
// does not: what becomes of it is looked up either way.
const payTimeout = time.Minute

// invoicePage is one invoice.
type invoicePage struct {
	invoiceRow
	Lines    []lineRow
	Payments []paymentRow
	Confirm  string                 // where the customer confirms a charge
	Method   *billing.PaymentMethod // on file; nil: none
	Payable  bool                   // the card on file can be charged now
	PDF      bool
	Cards    bool // a card can be put on file
	Fault    string
}

// Columns is how many columns stand before the amount.
func (p invoicePage) Columns() int {
	if p.Invoice.HasBilled() {
		return 10
	}
	return 9
}

// lineRow is a line of an invoice.
type lineRow struct {
	billing.Line
	Number int
	What   string // why it is there, empty for usage
	Span   string
	Calls  string // those that make it
}

// paymentRow is an attempt to charge.
type paymentRow struct{ billing.Payment }

// Kind is the badge of the state.
func (p paymentRow) Kind() string {
	switch p.Payment.State {
	case billing.PaymentSucceeded:
		return "ok"
	case billing.PaymentDeclined:
		return "bad"
	case billing.PaymentUnknown, billing.PaymentAction:
		return "warn"
	default:
		return "info"
	}
}

// State is what became of it, in words.
func (p paymentRow) State() string {
	switch p.Payment.State {
	case billing.PaymentSucceeded:
		return "paid"
	case billing.PaymentAction:
		return "to be confirmed"
	case billing.PaymentUnknown:
		return "being looked up"
	default:
		return string(p.Payment.State)
	}
}

// invoice is the invoice that the path names. One of another customer is not
// there, S26.
func (s *Server) invoice(r *http.Request) (billing.Account, error) {
	v := visitorOf(r)
	ref := r.PathValue("invoice")
	a, err := s.opts.Bills.Invoice(r.Context(), v.org, ref)
	if err == nil && a.Invoice.Customer.ID != v.customer.ID {
		err = fmt.Errorf("invoice %.100q: %w", ref, metering.ErrNotFound)
	}
	return a, err
}

func (s *Server) showInvoice(w http.ResponseWriter, r *http.Request) error {
	return s.renderInvoice(w, r, http.StatusOK, "")
}

func (s *Server) renderInvoice(w http.ResponseWriter, r *http.Request, status int, fault string) error {
	a, err := s.invoice(r)
	if err != nil {
		return err
	}
	v := visitorOf(r)
	out := invoicePage{invoiceRow: invoiceRow{a}, PDF: s.opts.PDF != nil, Cards: s.takesCards(), Fault: fault}
	if out.Lines, err = lineRows(a.Invoice); err != nil {
		return err
	}
	payments, err := s.opts.Bills.Payments(r.Context(), v.org, a.Invoice.ID)
	if err != nil {
		return fmt.Errorf("payments: %w", err)
	}
	for _, p := range payments {
		out.Payments = append(out.Payments, paymentRow{p})
	}
	if a.State == billing.InvoiceAction {
		out.Confirm = actionOf(payments)
	}
	method, err := s.opts.Bills.Method(r.Context(), v.org, v.customer.ID)
	switch {
	case err == nil:
		out.Method = &method
	case !errors.Is(err, metering.ErrNotFound):
		return fmt.Errorf("card on file: %w", err)
	}
	out.Payable = out.Method != nil && s.opts.Pay != nil && payable(a)
	s.site.Render(w, r, status, "invoice", out)
	return nil
}

// payable reports whether a charge can be begun: something is due, and no
// attempt is on its way.
func payable(a billing.Account) bool {
	return a.Due.Minor > 0 && (a.State == billing.InvoiceOpen || a.State == billing.InvoiceFailed)
}

func lineRows(v billing.Invoice) ([]lineRow, error) {
	zone, err := zoneOf(v)
	if err != nil {
		return nil, err
	}
	out := make([]lineRow, 0, len(v.Lines))
	for i, l := range v.Lines {
		row := lineRow{Line: l, Number: i + 1, Span: spanText(l.Span, zone), What: l.Why()}
		if l.Price != nil {
			if row.Calls, err = page.Href(Base+"/calls", pairsOf(l.Span.Start, l.Span.End)...); err != nil {
				return nil, err
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// payInvoice charges what is due to the card on file.
func (s *Server) payInvoice(w http.ResponseWriter, r *http.Request) error {
	a, err := s.invoice(r)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != "yes" {
		return s.renderInvoice(w, r, http.StatusUnprocessableEntity, "Tick the box to have the card charged.")
	}
	if !payable(a) {
		return s.renderInvoice(w, r, http.StatusConflict, "There is nothing to charge now.")
	}
	err = s.pay(r.Context(), visitorOf(r).org, a)
	switch {
	case errors.Is(err, metering.ErrConflict):
		return s.renderInvoice(w, r, http.StatusConflict, "A charge is on its way already, so that none was begun beside it.")
	case errors.Is(err, metering.ErrNotFound):
		return s.renderInvoice(w, r, http.StatusConflict, "There is no card on file.")
	case err != nil:
		return err
	}
	http.Redirect(w, r, Base+"/invoices/"+a.Invoice.ID+"#payments", http.StatusSeeOther)
	return nil
}

// pay charges what is due of an invoice, to the end even if the browser is gone.
func (s *Server) pay(ctx context.Context, org string, a billing.Account) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), payTimeout)
	defer cancel()
	p, err := s.opts.Pay(ctx, org, a.Invoice.ID)
	if err != nil {
		return fmt.Errorf("charge invoice %s: %w", a.Invoice.Number, err)
	}
	s.opts.Logger.InfoContext(ctx, "invoice charged from the portal", "invoice", a.Invoice.Number, "payment", p.ID, "state", p.State)
	return nil
}

func (s *Server) printInvoice(w http.ResponseWriter, r *http.Request) error {
	a, err := s.invoice(r)
	if err != nil {
		return err
	}
	payments, err := s.opts.Bills.Payments(r.Context(), visitorOf(r).org, a.Invoice.ID)
	if err != nil {
		return fmt.Errorf("payments: %w", err)
	}
	var body bytes.Buffer
	if err := s.opts.PDF(&body, a, payments); err != nil {
		return fmt.Errorf("print invoice %s: %w", a.Invoice.Number, err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": fileOf(a.Invoice) + ".pdf"}))
	if _, err := body.WriteTo(w); err != nil {
		s.gone(r, err)
	}
	return nil
}

// fileOf is what the files of an invoice are called.
func fileOf(v billing.Invoice) string {
	return "invoice-" + strings.ReplaceAll(v.Number, "/", "-")
}

func (s *Server) exportLines(w http.ResponseWriter, r *http.Request) error {
	a, err := s.invoice(r)
	if err != nil {
		return err
	}
	header := []string{
		"invoice", "line", "kind", "product", "meter", "from", "to", "events", "quantity", "included", "covered", "charged",
		"price_version", "model", "unit_amount", "per", "currency", "exact", "rounding", "billed_before", "amount", "corrects",
	}
	rows := make([][]string, 0, len(a.Invoice.Lines))
	for i, l := range a.Invoice.Lines {
		version, model, amount, per := "", "", "", ""
		if l.Price != nil {
			version, model, amount, per = l.Price.ID, string(l.Price.Model), l.Price.Amount.String(), strconv.FormatInt(l.Price.Per, 10)
		}
		rows = append(rows, []string{
			a.Invoice.Number, strconv.Itoa(i + 1), string(l.Kind), l.Product, l.MeterName, machine(l.Span.Start), machine(l.Span.End),
			strconv.FormatInt(l.Events, 10), l.Quantity.String(), l.Free.String(), l.Covered.String(), l.Charged.String(),
			version, model, amount, per, string(l.Amount.Currency), l.Exact, l.Rounding, l.Billed.Decimal(), l.Amount.Decimal(), l.Corrects,
		})
	}
	if err := page.WriteCSV(w, fileOf(a.Invoice)+"-lines.csv", header, rows); err != nil {
		s.gone(r, err)
	}
	return nil
}

// gone notes that who asked for a file does not read it to its end.
func (s *Server) gone(r *http.Request, err error) {
	s.opts.Logger.DebugContext(r.Context(), "the reader of a file is gone", "error", err)
}
