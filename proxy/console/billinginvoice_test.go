package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
)

// TestBillingPages_invoice opens an invoice down to its events and computes it
// again.
func TestBillingPages_invoice(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acc := d.billed("1234567")
	at := "/invoices/" + acc.Invoice.ID
	page := d.open(at)
	page.wants("Invoice "+acc.Invoice.Number, "open", "1,234,567", "$0.01 USD per 1,000", "12.34567", "0.00433", "$12.35 USD",
		"1 Jan 2026 00:00 to 1 Feb 2026 00:00 UTC", "1 event", "No card is on file", acc.SHA256)
	page.lacks("Pay again", "PDF")

	var events, version string
	for _, link := range page.links() {
		if strings.HasPrefix(link, "/console/events?") {
			events = link
		}
		if strings.HasPrefix(link, "/console/products/") {
			version = link
		}
	}
	u, err := url.Parse(events)
	d.Must(err)
	q := metering.EventQuery{
		Org: metering.DefaultOrg, Customer: u.Query().Get("customer"), From: billingtest.Instant(u.Query().Get("from")), To: billingtest.Instant(u.Query().Get("to")),
	}
	list, _, err := d.Usage.Events(d.Context(), q)
	d.Must(err)
	if len(list) != 1 {
		t.Errorf("the link %s leads to %d events, want 1", events, len(list))
	}
	product, id, _ := strings.Cut(strings.TrimPrefix(version, "/console"), "#")
	if !strings.Contains(d.open(product).body, `id="`+id+`"`) {
		t.Errorf("the link %s leads to no version", version)
	}

	lines := d.file(at + "/lines.csv")
	if len(lines) != 1 || lines[0]["amount"] != "12.35" || lines[0]["exact"] != "12.34567" || lines[0]["rounding"] != "0.00433" || lines[0]["price_version"] != id {
		t.Errorf("the file of lines is %v", lines)
	}
	d.open(at+"?audit=yes").wants("every figure agrees", "1 event read one by one", "line 1: exact amount", "12.34567", "subtotal")
	d.open(at).lacks("every figure agrees")
	if a := d.do(httptest.NewRequest(http.MethodGet, "/console"+at+"/pdf", nil)); a.status != http.StatusNotFound {
		t.Errorf("a PDF that nobody makes: %d", a.status)
	}
	d.pages.PDF = func(w io.Writer, a billing.Account, payments []billing.Payment) error {
		_, err := fmt.Fprintf(w, "%%PDF %s, %d payments", a.Invoice.Number, len(payments))
		return err
	}
	if a := d.open(at + "/pdf"); a.body != "%PDF "+acc.Invoice.Number+", 0 payments" || a.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("the PDF is %q, %q", a.body, a.header.Get("Content-Type"))
	}
	d.open(at).wants("PDF")
}

// TestBillingPages_audit says which figure an invoice has wrong.
func TestBillingPages_audit(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acc := d.billed("1000000")
	d.Use("2026-01-11T00:00:00Z", "5") // late
	d.open("/invoices/"+acc.Invoice.Number+"?audit=yes").wants("every figure agrees", "1 have come since: they are on the next invoice")
}

// TestBillingPages_pay: a declined card, another one, and a reply that is lost.
func TestBillingPages_pay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Card("declines")
	acc := d.billed("1000000")
	at := "/invoices/" + acc.Invoice.ID
	d.open(at).wants("failed", "declined", "card declined", "Charge $10.00 USD to card declines now")
	d.refused(at+"/pay", http.StatusUnprocessableEntity, "tick the box")
	page, _ := d.done(at+"/pay", "confirm", "yes")
	page.wants("The payment was declined")

	d.Card("works")
	d.Bank.LoseNext, d.Bank.Hush = 1, true
	page, _ = d.done(at+"/pay", "confirm", "yes")
	page.wants("The provider did not answer", "unknown", "nobody is charged twice", "A payment is on its way")
	page.lacks("Pay again")
	d.refused(at+"/pay", http.StatusConflict, "is unknown", "confirm", "yes")
	d.render("billinghealth", func() (any, error) { return d.pages.health(d.Context(), metering.DefaultOrg) }).
		wants("Payments whose end is not known", "acme", "unknown", "$10.00 USD", "no period is overdue")

	d.Bank.Silent = false
	d.Settle()
	d.open(at).wants("paid", "succeeded", "$0.00 USD")
	if minor, n := d.Bank.Taken(); minor != 1000 || n != 1 {
		t.Errorf("%d minor units were taken by %d charges", minor, n)
	}
	d.render("billinghealth", func() (any, error) { return d.pages.health(d.Context(), metering.DefaultOrg) }).wants("no payment is without an end")
}

// render renders a block as if it were a page.
func (d *desk) render(block string, data func() (any, error)) answer {
	d.Helper()
	v, err := data()
	d.Must(err)
	w := httptest.NewRecorder()
	d.pages.site.Render(w, httptest.NewRequest(http.MethodGet, "/console/x", nil), http.StatusOK, block, v)
	if w.Code != http.StatusOK {
		d.Fatalf("block %s: %d\n%s", block, w.Code, w.Body)
	}
	return answer{d, w.Code, w.Body.String(), w.Header()}
}

// TestBillingPages_invoices filters, adds up and exports.
func TestBillingPages_invoices(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Card("declines")
	acc := d.billed("1000000") // failed: 10.00
	d.Use("2026-02-10T00:00:00Z", "2000000")
	d.Card("works")
	d.Move("2026-03-01T00:00:01Z")
	d.Settle() // paid: 20.00
	d.Use("2026-03-02T00:00:00Z", "1000")
	d.Move("2026-04-10T00:00:00Z")
	d.Settle() // carried: 0.01
	page := d.open("/invoices")
	page.wants("What is owed $10.00 USD", "longer 1 $10.00 USD", "31 to 60 days 0 –", "failed 1", "paid 1", "carried 1", "unpaid 1", "all 3")
	for state, want := range map[string]int{"": 3, "paid": 1, "failed": 1, "unpaid": 1, "carried": 1, "unknown": 0, "action": 0, "open": 0} {
		rows := d.file("/invoices.csv?state=" + state)
		if len(rows) != want {
			t.Errorf("%d invoices of state %q, want %d: %v", len(rows), state, want, rows)
		}
		for _, row := range rows {
			d.open("/invoices?state=" + state).wants(row["number"])
		}
	}
	row := d.file("/invoices.csv?state=failed")[0]
	if row["number"] != acc.Invoice.Number || row["due"] != "10.00" || row["customer"] != "acme" || row["period_start"] != "2026-01-01T00:00:00Z" {
		t.Errorf("the row is %v", row)
	}
	d.AddCustomer("other")
	d.open("/invoices?customer=other").wants("all 0", "There is no invoice yet")
	d.open("/invoices?customer=acme&state=paid").wants("$20.00 USD")
	d.open("/invoices?state=unknown").wants("No invoice is in this state")
	if n := len(d.file("/invoices.csv?customer=other")); n != 0 {
		t.Errorf("%d invoices of a customer that has none", n)
	}
}

// TestBillingPages_csvFormula: a name is never a formula.
func TestBillingPages_csvFormula(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Customer = d.AddCustomer("=cmd()")
	d.billed("1000000")
	if got := d.file("/invoices.csv")[0]["customer_name"]; got != "'=cmd()" {
		t.Errorf("the name is %q", got)
	}
}

// TestBillingPages_overdue: a period that has ended and cannot close says what
// it waits for.
func TestBillingPages_overdue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Subscribe("2026-01-01T00:00:00Z")
	d.Use("2026-01-10T12:00:00Z", "1000000")
	_, err := d.Usage.ClaimJournal(d.Context(), metering.JournalClaim{Journal: "01890a5d-ac96-774b-bcce-b302099a8057", Nonce: "n", Host: "proxy-7"})
	d.Must(err)
	d.Move("2026-02-01T02:00:00Z")
	d.open("/invoices").wants("Periods overdue", "acme", "2 h 00 m", "the journal of proxy-7 has come to")
	d.render("billinghealth", func() (any, error) { return d.pages.health(d.Context(), metering.DefaultOrg) }).
		wants("acme", "the journal of proxy-7 has come to", "Close what is due now")
}

// TestBillingPages_settle closes what is due at once.
func TestBillingPages_settle(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Subscribe("2026-01-01T00:00:00Z")
	d.Use("2026-01-10T12:00:00Z", "1000000")
	d.Move("2026-02-01T02:00:00Z")
	d.open("/invoices").wants("every journal has passed the end")
	page, _ := d.done("/invoices/settle")
	page.wants("Everything that could be closed", "$10.00 USD")
	page.lacks("Periods overdue")
}
