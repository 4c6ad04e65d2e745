package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// invoicesPage lists invoices.
type invoicesPage struct {
	Invoices []invoiceRow
	State    string // filter; empty: all, "unpaid": with something due
	States   []string
	Customer string // filter, as it was typed
	Party    *metering.Customer
	Aging    aging
	Overdue  []overdue
	CSV      string       // URL of the same list as a file
	Report   *work.Report // of closing what is due; nil: not asked for
	Pager    page.Pager
	Done     string
}

// Count is how many invoices are in a state, as far as they were looked at.
func (p invoicesPage) Count(state string) int64 { return p.Aging.Counts[state] }

// Late is the list of overdue periods, for its partial.
func (p invoicesPage) Late(base string) billingHealth {
	return billingHealth{Overdue: p.Overdue, Base: base}
}

// invoiceRow is an invoice in a list.
type invoiceRow struct {
	billing.Account
	Kind string // of the badge
	Age  time.Duration
}

// Span is the period in the zone in which it was cut.
func (i invoiceRow) Span() string { return spanText(i.Invoice.Period, i.Invoice.Zone) }

// aging is how old what is owed is.
type aging struct {
	Buckets []ageBucket
	Counts  map[string]int64 // of invoices, by state
	Due     []billing.Money
	Seen    int64
	More    bool // there are older invoices, which were not looked at
}

// ageBucket is what is owed since a span of days.
type ageBucket struct {
	Label    string
	upTo     time.Duration // zero: without an end
	Invoices int64
	due      purse
}

// Due is what is owed, by currency.
func (a ageBucket) Due() []billing.Money { return a.due.amounts() }

// agingWithin is how many of the newest invoices the aging adds up.
const agingWithin = 5000

func stateNames() []string {
	return []string{
		string(billing.InvoiceOpen), string(billing.InvoicePaid), string(billing.InvoiceFailed), string(billing.InvoiceUnknown),
		string(billing.InvoiceAction), string(billing.InvoiceCarried),
	}
}

// unpaidState filters for invoices with something due, whatever their state.
const unpaidState = "unpaid"

// invoiceKind is the badge of a state.
func invoiceKind(s billing.InvoiceState) string {
	switch s {
	case billing.InvoicePaid:
		return "ok"
	case billing.InvoiceFailed:
		return "bad"
	case billing.InvoiceUnknown, billing.InvoiceAction:
		return "warn"
	case billing.InvoiceCarried:
		return "plain"
	default:
		return "info"
	}
}

// StateText says what a state means to whoever reads it first.
func (i invoiceRow) StateText() string { return stateText(i.State) }

func stateText(s billing.InvoiceState) string {
	return map[billing.InvoiceState]string{
		billing.InvoiceOpen:    "to be paid",
		billing.InvoicePaid:    "paid, or there was nothing to pay",
		billing.InvoiceFailed:  "the last charge was declined; a new card charges again",
		billing.InvoiceUnknown: "a charge was sent and its reply was lost; it is being found out, nobody is charged twice",
		billing.InvoiceAction:  "the customer has to confirm the charge with the provider",
		billing.InvoiceCarried: "too small to be charged: a line of a later invoice",
	}[s]
}

// invoiceFilter is what the URL of a list asks for.
type invoiceFilter struct {
	org, state string
	party      *metering.Customer
}

func (b *billingPages) invoiceFilter(r *http.Request) (invoiceFilter, error) {
	q := r.URL.Query()
	f := invoiceFilter{org: b.org(r), state: q.Get("state")}
	if f.state != "" && f.state != unpaidState && !slices.Contains(stateNames(), f.state) {
		return f, invalid("state %.20q is none of %v", f.state, stateNames())
	}
	if ref := q.Get("customer"); ref != "" {
		c, err := b.metering.Customer(r.Context(), f.org, ref)
		if err != nil {
			return f, err
		}
		f.party = &c
	}
	return f, nil
}

func (f invoiceFilter) customer() string {
	if f.party == nil {
		return ""
	}
	return f.party.ID
}

func (f invoiceFilter) matches(a billing.Account) bool {
	switch f.state {
	case "":
		return true
	case unpaidState:
		return a.Due.Minor > 0
	default:
		return string(a.State) == f.state
	}
}

// matching reads invoices until there are enough that match, and where to go on.
func (b *billingPages) matching(ctx context.Context, f invoiceFilter, enough int, cursor string) ([]billing.Account, string, error) {
	var out []billing.Account
	for {
		list, next, err := b.Store.Invoices(ctx, f.org, f.customer(), min(enough, 200), cursor)
		if err != nil {
			return nil, "", err
		}
		for _, a := range list {
			if f.matches(a) {
				out = append(out, a)
			}
		}
		if next == "" || len(out) >= enough {
			return out, next, nil
		}
		cursor = next
	}
}

func (b *billingPages) showInvoices(w http.ResponseWriter, r *http.Request) {
	b.renderInvoices(w, r, nil)
}

func (b *billingPages) renderInvoices(w http.ResponseWriter, r *http.Request, report *work.Report) {
	data, err := b.invoicesPage(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data.Report = report
	b.site.Render(w, r, http.StatusOK, "billing-invoices", data)
}

func (b *billingPages) invoicesPage(r *http.Request) (invoicesPage, error) {
	data := invoicesPage{States: stateNames(), Customer: r.URL.Query().Get("customer"), Done: doneText(r)}
	f, err := b.invoiceFilter(r)
	if err != nil {
		return data, err
	}
	data.State, data.Party = f.state, f.party
	list, next, err := b.matching(r.Context(), f, listed, r.URL.Query().Get("cursor"))
	if err != nil {
		return data, err
	}
	for _, a := range list {
		data.Invoices = append(data.Invoices, invoiceRow{a, invoiceKind(a.State), b.now().Sub(a.Invoice.Issued.Time())})
	}
	if data.Aging, err = b.aging(r.Context(), f); err != nil {
		return data, err
	}
	if data.Overdue, err = b.overdue(r.Context(), f.org); err != nil {
		return data, err
	}
	if data.CSV, err = b.asFile(r, "/invoices.csv"); err != nil {
		return data, err
	}
	data.Pager, err = b.pager(r, next)
	return data, err
}

// asFile is the URL of the file with what a page shows, all of it.
func (b *billingPages) asFile(r *http.Request, path string) (string, error) {
	return page.Query(&url.URL{Path: b.base + path, RawQuery: r.URL.RawQuery}, "done", "")
}

// aging adds up what is owed, whatever state the list is filtered by.
func (b *billingPages) aging(ctx context.Context, f invoiceFilter) (aging, error) {
	const day = 24 * time.Hour
	out := aging{Counts: make(map[string]int64), Buckets: []ageBucket{
		{Label: "up to 7 days", upTo: 7 * day}, {Label: "8 to 30 days", upTo: 30 * day}, {Label: "31 to 60 days", upTo: 60 * day}, {Label: "longer"},
	}}
	var due purse
	for cursor := ""; ; {
		list, next, err := b.Store.Invoices(ctx, f.org, f.customer(), 1000, cursor)
		if err != nil {
			return out, fmt.Errorf("aging: %w", err)
		}
		for _, a := range list {
			out.Seen++
			out.Counts[string(a.State)]++
			if a.Due.Minor <= 0 {
				continue
			}
			out.Counts[unpaidState]++
			due.add(a.Due)
			age := b.now().Sub(a.Invoice.Issued.Time())
			i := slices.IndexFunc(out.Buckets, func(k ageBucket) bool { return k.upTo == 0 || age <= k.upTo })
			out.Buckets[i].Invoices++
			out.Buckets[i].due.add(a.Due)
		}
		if out.More = next != ""; !out.More || out.Seen >= agingWithin {
			out.Due = due.amounts()
			return out, nil
		}
		cursor = next
	}
}

// exportWithin is how many invoices one file holds.
const exportWithin = 10_000

func (b *billingPages) exportInvoices(w http.ResponseWriter, r *http.Request) {
	f, err := b.invoiceFilter(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	list, next, err := b.matching(r.Context(), f, exportWithin, r.URL.Query().Get("cursor"))
	if err == nil && next != "" {
		err = invalid("there are more than %d invoices: filter by customer or state", exportWithin)
	}
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	rows := make([][]string, 0, len(list))
	for _, a := range list {
		v := a.Invoice
		rows = append(rows, []string{
			v.Number, v.ID, v.Customer.ExternalID, v.Customer.Name, v.Subscription, machineInstant(v.Period.Start), machineInstant(v.Period.End), v.Zone,
			machineInstant(v.Issued), string(a.State), string(v.Currency), v.Subtotal.Decimal(), v.Credit.Decimal(), v.Total.Decimal(), a.Paid.Decimal(), a.Due.Decimal(),
		})
	}
	header := []string{
		"number", "id", "customer", "customer_name", "subscription_id", "period_start", "period_end", "zone",
		"issued_at", "state", "currency", "subtotal", "credit", "total", "paid", "due",
	}
	b.export(w, r, "invoices.csv", header, rows)
}

// export answers with a file; that its reader has gone is no failure of ours.
func (b *billingPages) export(w http.ResponseWriter, r *http.Request, name string, header []string, rows [][]string) {
	if err := page.WriteCSV(w, name, header, rows); err != nil {
		b.log.DebugContext(r.Context(), "the reader of a file is gone", "error", err)
	}
}

// machineInstant writes an instant for machines.
func machineInstant(at metering.Micros) string {
	if at == 0 {
		return ""
	}
	return at.Time().UTC().Format(time.RFC3339Nano)
}

// settle closes and charges what is due now, which the worker does by itself a
// moment later.
func (b *billingPages) settle(w http.ResponseWriter, r *http.Request) {
	report, err := b.Worker.Settle(r.Context())
	if err != nil {
		b.site.Fail(w, r, fmt.Errorf("close what is due: %w", err))
		return
	}
	if len(report.Waiting) == 0 {
		b.done(w, r, "/invoices", "settled")
		return
	}
	b.renderInvoices(w, r, &report)
}
