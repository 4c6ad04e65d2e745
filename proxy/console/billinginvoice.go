package console

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// invoicePage is one invoice with everything that makes it.
type invoicePage struct {
	Account  billing.Account
	Kind     string // of the badge
	Meaning  string // of the state
	Lines    invoiceLines
	Payments []paymentRow
	Method   *billing.PaymentMethod // on file now; nil: none
	Payable  bool                   // the card on file can be charged now
	Audit    *invoicing.AuditReport // nil: not asked for
	PDF      bool
	Done     string
	Form     form
}

// Span is the period in the zone in which it was cut.
func (p invoicePage) Span() string { return spanText(p.Account.Invoice.Period, p.Account.Invoice.Zone) }

// Differences counts the checks that did not agree.
func (p invoicePage) Differences() int {
	n := 0
	for _, c := range p.Audit.Checks {
		if !c.OK {
			n++
		}
	}
	return n
}

// paymentRow is an attempt to charge.
type paymentRow struct {
	billing.Payment
	Kind string // of the badge
}

// paymentKind is the badge of a state.
func paymentKind(s billing.PaymentState) string {
	switch s {
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

// invoiceLines are the lines of an invoice, or of one that is still growing,
// for the partial of that name.
type invoiceLines struct {
	Invoice  billing.Invoice
	Base     string // what all paths begin with
	Estimate bool
}

// Rows are the lines with what a reader wants beside them.
func (l invoiceLines) Rows() ([]lineRow, error) {
	rows := make([]lineRow, 0, len(l.Invoice.Lines))
	for i, line := range l.Invoice.Lines {
		row := lineRow{Line: line, Number: i + 1, Span: spanText(line.Span, l.Invoice.Zone), What: line.Why()}
		if line.Price != nil {
			events, err := page.Href(l.Base+"/events", "customer", l.Invoice.Customer.ID, "from", machineInstant(line.Span.Start), "to", machineInstant(line.Span.End))
			if err != nil {
				return nil, err
			}
			row.EventsURL = events
			row.VersionURL = l.Base + "/products/" + line.Price.Product + "#" + line.Price.ID
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Columns is how many columns stand before the amount.
func (l invoiceLines) Columns() int {
	if l.Invoice.HasBilled() {
		return 10
	}
	return 9
}

// lineRow is a line of an invoice.
type lineRow struct {
	billing.Line
	Number     int
	What       string // why it is there, empty for usage
	Span       string
	EventsURL  string // of the events that make it
	VersionURL string // of the price version
}

func (b *billingPages) showInvoice(w http.ResponseWriter, r *http.Request) {
	b.renderInvoice(w, r, form{}, http.StatusOK)
}

func (b *billingPages) renderInvoice(w http.ResponseWriter, r *http.Request, f form, status int) {
	data, err := b.invoicePage(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data.Form = f
	b.site.Render(w, r, status, "billing-invoice", data)
}

func (b *billingPages) invoicePage(r *http.Request) (invoicePage, error) {
	ctx, org := r.Context(), b.org(r)
	data := invoicePage{Done: doneText(r), PDF: b.PDF != nil}
	var err error
	if data.Account, err = b.Store.Invoice(ctx, org, r.PathValue("invoice")); err != nil {
		return data, err
	}
	v := data.Account.Invoice
	data.Kind, data.Meaning = invoiceKind(data.Account.State), stateText(data.Account.State)
	data.Lines = invoiceLines{Invoice: v, Base: b.base}
	payments, err := b.Store.Payments(ctx, org, v.ID)
	if err != nil {
		return data, fmt.Errorf("payments: %w", err)
	}
	for _, p := range payments {
		data.Payments = append(data.Payments, paymentRow{p, paymentKind(p.State)})
	}
	method, err := b.Store.Method(ctx, org, v.Customer.ID)
	if err != nil && !errors.Is(err, metering.ErrNotFound) {
		return data, fmt.Errorf("card on file: %w", err)
	}
	if err == nil {
		data.Method = &method
	}
	state := data.Account.State
	data.Payable = data.Method != nil && data.Account.Due.Minor > 0 && (state == billing.InvoiceOpen || state == billing.InvoiceFailed)
	if r.URL.Query().Get("audit") != "" {
		report, err := b.Biller.Audit(ctx, org, v.ID)
		if err != nil {
			return data, fmt.Errorf("audit: %w", err)
		}
		data.Audit = &report
	}
	return data, nil
}

func (b *billingPages) payInvoice(w http.ResponseWriter, r *http.Request) {
	acc, err := b.Store.Invoice(r.Context(), b.org(r), r.PathValue("invoice"))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	var p billing.Payment
	if err = confirmed(r); err == nil {
		p, err = b.Worker.Pay(r.Context(), b.org(r), acc.Invoice.ID)
	}
	if err != nil {
		b.refused(w, r, "pay", err, func(f form, status int) { b.renderInvoice(w, r, f, status) })
		return
	}
	b.log.InfoContext(r.Context(), "invoice charged by hand", "invoice", acc.Invoice.Number, "payment", p.ID, "state", p.State, "by", b.who(r))
	b.done(w, r, "/invoices/"+acc.Invoice.ID, string(p.State))
}

func (b *billingPages) printInvoice(w http.ResponseWriter, r *http.Request) {
	acc, err := b.Store.Invoice(r.Context(), b.org(r), r.PathValue("invoice"))
	if err == nil && b.PDF == nil {
		err = fmt.Errorf("printed invoice: %w", metering.ErrNotFound)
	}
	var payments []billing.Payment
	if err == nil {
		payments, err = b.Store.Payments(r.Context(), b.org(r), acc.Invoice.ID)
	}
	var body bytes.Buffer
	if err == nil {
		err = b.PDF(&body, acc, payments)
	}
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": "invoice-" + acc.Invoice.Number + ".pdf"}))
	if _, err := w.Write(body.Bytes()); err != nil {
		b.log.DebugContext(r.Context(), "the reader of an invoice is gone", "error", err)
	}
}

func (b *billingPages) exportLines(w http.ResponseWriter, r *http.Request) {
	acc, err := b.Store.Invoice(r.Context(), b.org(r), r.PathValue("invoice"))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	header := []string{
		"invoice", "line", "kind", "product", "meter", "from", "to", "events", "quantity", "included", "covered", "charged",
		"price_version", "model", "unit_amount", "per", "currency", "exact", "rounding", "billed_before", "amount", "corrects",
	}
	rows := make([][]string, 0, len(acc.Invoice.Lines))
	for i, l := range acc.Invoice.Lines {
		version, model, amount, per := "", "", "", ""
		if l.Price != nil {
			version, model, amount, per = l.Price.ID, string(l.Price.Model), l.Price.Amount.String(), strconv.FormatInt(l.Price.Per, 10)
		}
		rows = append(rows, []string{
			acc.Invoice.Number, strconv.Itoa(i + 1), string(l.Kind), l.Product, l.MeterName, machineInstant(l.Span.Start), machineInstant(l.Span.End),
			strconv.FormatInt(l.Events, 10), l.Quantity.String(), l.Free.String(), l.Covered.String(), l.Charged.String(),
			version, model, amount, per, string(l.Amount.Currency), l.Exact, l.Rounding, l.Billed.Decimal(), l.Amount.Decimal(), l.Corrects,
		})
	}
	b.export(w, r, "invoice-"+strings.ReplaceAll(acc.Invoice.Number, "/", "-")+"-lines.csv", header, rows)
}
