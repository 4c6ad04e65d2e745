package portal_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
	"github.com/weirhq/weir/proxy/portal"
)

// billed is a month with an adjustment-free invoice of 12.35 USD, which was
// charged to a card that does what its token says; empty: there was no card.
func billed(t *testing.T, card string, edit ...func(*portal.Options)) (*desk, billing.Account) {
	t.Helper()
	d := newDesk(t, edit...)
	d.Subscribe("2026-01-01T00:00:00Z")
	if card != "" {
		d.Card(card)
	}
	d.Call("2026-01-10T12:00:00Z", "m", 1_234_567)
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	list := d.Invoices()
	if len(list) != 1 {
		t.Fatalf("%d invoices", len(list))
	}
	return d.signIn(d.Customer.ID), list[0]
}

// TestInvoice shows every figure of every line as fields, P11, P12.
func TestInvoice(t *testing.T) {
	t.Parallel()
	d, acc := billed(t, "works")
	v := acc.Invoice
	d.open("/invoices").wants(v.Number, "1 Jan 2026 00:00 to 1 Feb 2026 00:00 UTC", "$12.35 USD", "paid")
	a := d.open("/invoices/"+v.ID).wants("Invoice "+v.Number, "It is paid.", acc.SHA256, "together that changed 0.00433 USD", "card works")
	row := a.table("Lines of the invoice")[1]
	if got := strings.Join(row, " | "); !strings.HasPrefix(got, "1 | LLM usage: llm-tokens 1 Jan 2026 00:00 to 1 Feb 2026 00:00 UTC | 1,234,567 1 call | 0 | 0 | 1,234,567 | $0.01 USD per 1,000 version ") ||
		!strings.HasSuffix(got, " | 12.34567 | 0.00433 | $12.35 USD") {
		t.Errorf("line %q", got)
	}
	line, cell := v.Lines[0], d.file("/invoices/" + v.ID + "/lines.csv")[0]
	for name, want := range map[string]string{
		"invoice": v.Number, "line": "1", "quantity": line.Quantity.String(), "included": "0", "covered": "0", "charged": "1234567", "price_version": line.Price.ID,
		"unit_amount": "0.01", "per": "1000", "exact": line.Exact, "rounding": line.Rounding, "amount": "12.35", "currency": "USD", "from": "2026-01-01T00:00:00Z",
	} {
		if cell[name] != want {
			t.Errorf("%s of the line is %q, want %q", name, cell[name], want)
		}
	}
	pdf := d.open("/invoices/" + v.ID + "/pdf")
	if pdf.body != "%PDF of "+v.Number+", 1 payments" || pdf.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("%q of type %s", pdf.body, pdf.header.Get("Content-Type"))
	}
	for _, link := range a.links() {
		if strings.HasPrefix(link, "/portal/calls?") {
			d.open(strings.TrimPrefix(link, "/portal")).wants("01-10 12:00:00", "$12.35 USD")
		}
		if strings.HasPrefix(link, "/portal/prices#") && !strings.Contains(d.open("/prices").body, `id="`+strings.TrimPrefix(link, "/portal/prices#")+`"`) {
			t.Errorf("%s leads nowhere", link)
		}
	}
	d.open("/calls/"+firstCall(d)).wants("1,234,567 × $0.01 USD per 1,000 = $12.34567 USD", v.Number+", line 1", "invoice paid")
}

// firstCall is the id of the only call.
func firstCall(d *desk) string { return d.file("/calls.csv")[0]["id"] }

// TestInvoice_payAgain: a declined charge is tried again with the card on file,
// when the customer says so and not twice.
func TestInvoice_payAgain(t *testing.T) {
	t.Parallel()
	d, acc := billed(t, "declines")
	path := "/invoices/" + acc.Invoice.ID
	d.open("/").wants("The charge of $12.35 USD for invoice " + acc.Invoice.Number + " was declined.")
	d.open(path).wants("declined", "card declined", "Charge $12.35 USD to card declines now")
	if a := d.send(path + "/pay"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text(), "Tick the box") {
		t.Errorf("charged without a word: %d", a.status)
	}
	d.done(path+"/pay", "confirm", "yes").wants("declined")
	if d.Bank.Asked != 2 {
		t.Errorf("%d charges were sent", d.Bank.Asked)
	}
	d.Card("works")
	d.done(path+"/pay", "confirm", "yes").wants("It is paid.").lacks("Pay again")
	if a := d.send(path+"/pay", "confirm", "yes"); a.status != http.StatusConflict {
		t.Errorf("a paid invoice is charged again: %d", a.status)
	}
	if minor, charges := d.Bank.Taken(); minor != 1235 || charges != 1 {
		t.Errorf("%d taken by %d charges", minor, charges)
	}
	d.open("/").lacks("was declined")
}

// TestInvoice_states: what a state means is said, and what to do about it.
func TestInvoice_states(t *testing.T) {
	t.Parallel()
	t.Run("unknown", func(t *testing.T) { // P15
		t.Parallel()
		d, acc := billed(t, "", func(*portal.Options) {})
		d.open("/").wants("Invoice "+acc.Invoice.Number+" over $12.35 USD is to be paid.", "Add a card")
		d.open("/invoices/"+acc.Invoice.ID).wants("No card is on file", "Add a card")
		d.Card("works")
		d.Bank.LoseNext = 1
		d.done("/invoices/"+acc.Invoice.ID+"/pay", "confirm", "yes").wants("A charge was sent and its reply was lost").lacks("Pay again")
		d.open("/").wants("is being looked up. It is not made twice.")
		if a := d.send("/invoices/"+acc.Invoice.ID+"/pay", "confirm", "yes"); a.status != http.StatusConflict {
			t.Errorf("charged beside a charge whose end is not known: %d", a.status)
		}
	})
	t.Run("action", func(t *testing.T) {
		t.Parallel()
		d, acc := billed(t, "declines")
		p, err := d.Store.StartPayment(d.Context(), billing.Payment{
			Org: metering.DefaultOrg, ID: "p1", Invoice: acc.Invoice.ID, Customer: d.Customer.ID, Amount: acc.Due, State: billing.PaymentPending, Provider: "bank", Created: d.At(),
		})
		d.Must(err)
		_, err = d.Store.SettlePayment(d.Context(), metering.DefaultOrg, p.ID, billing.ChargeResult{State: billing.PaymentAction, ActionURL: "https://bank.example/confirm/7"}, d.At())
		d.Must(err)
		for _, path := range []string{"/", "/invoices/" + acc.Invoice.ID} {
			a := d.open(path).wants("Your bank wants you to confirm")
			if !strings.Contains(a.body, `href="https://bank.example/confirm/7"`) {
				t.Errorf("%s does not lead to the confirmation", path)
			}
		}
	})
	t.Run("carried", func(t *testing.T) { // P10
		t.Parallel()
		d := newDesk(t)
		d.Subscribe("2026-01-01T00:00:00Z")
		d.Card("works")
		d.Call("2026-01-10T12:00:00Z", "m", 20_000)
		d.Move("2026-02-01T00:00:01Z")
		d.Settle()
		number := d.Invoices()[0].Invoice.Number
		d.signIn(d.Customer.ID)
		d.open("/invoices/" + number).wants("too small to be charged: it is a line of the next invoice")
		d.open("/").wants("carried over from invoice "+number, "$0.20 USD i estimate")
	})
}

// TestInvoice_withoutPDF: there is no link to what is not there.
func TestInvoice_withoutPDF(t *testing.T) {
	t.Parallel()
	d, acc := billed(t, "works", func(o *portal.Options) { o.PDF = nil })
	d.open("/invoices/" + acc.Invoice.ID).lacks("/pdf")
	if a := d.get("/invoices/" + acc.Invoice.ID + "/pdf"); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
	d, acc = billed(t, "works", func(o *portal.Options) {
		o.PDF = func(w io.Writer, _ billing.Account, _ []billing.Payment) error {
			_, err := io.WriteString(w, "half")
			return errors.Join(err, errors.New("canary"))
		}
	})
	if a := d.get("/invoices/" + acc.Invoice.ID + "/pdf"); a.status != http.StatusInternalServerError || strings.Contains(a.body, "half") || strings.Contains(a.body, "canary") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestCredits: issued = used + expired + taken back + remaining for each grant,
// in the order of use, with what the open period would use, P13.
func TestCredits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Move("2026-01-01T00:00:00Z")
	d.Subscribe("2026-01-01T00:00:00Z")
	d.Card("works")
	grant := func(g billing.Grant, issued string) billing.Grant {
		g.Issued = billingtest.Number(issued)
		return d.Grant(g)
	}
	grant(billing.Grant{Meter: d.Meter, Note: "units"}, "500000")
	grant(billing.Grant{Currency: billing.USD, Note: "later", Priority: 5}, "40")
	grant(billing.Grant{Currency: billing.USD, Note: "first", Priority: 1}, "10")
	lapses := grant(billing.Grant{Currency: billing.USD, Note: "lapses", Priority: 9, Expires: billingtest.Instant("2026-01-20T00:00:00Z")}, "7")
	voided := grant(billing.Grant{Currency: billing.USD, Note: "mistake", Priority: 8}, "3")
	_, err := d.Store.VoidGrant(d.Context(), metering.DefaultOrg, voided.ID, d.At())
	d.Must(err)
	d.Call("2026-01-10T12:00:00Z", "m", 2_000_000) // 1.5 M after units: 15 USD
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	_, err = d.Store.ExpireGrant(d.Context(), metering.DefaultOrg, lapses.ID, d.At())
	d.Must(err)
	d.Call("2026-02-01T00:00:00Z", "m", 600_000) // 6 USD
	number := d.Invoices()[0].Invoice.Number
	d.signIn(d.Customer.ID)
	a := d.open("/credits")
	got := make(map[string][]string)
	for _, row := range a.table("In the order of use")[1:] {
		got[strings.Fields(row[1])[0]] = row
	}
	for name, want := range map[string]string{
		"later": "1 $40.00 USD $5.00 USD $0.00 USD $0.00 USD $35.00 USD $6.00 USD leaves $29.00 USD never", "first": "– $10.00 USD $10.00 USD $0.00 USD $0.00 USD $0.00 USD – never",
		"units": "– 500,000 500,000 0 0 0 – never", "lapses": "– $7.00 USD $0.00 USD $7.00 USD $0.00 USD $0.00 USD – 2026-01-20", "mistake": "– $3.00 USD $0.00 USD $0.00 USD $3.00 USD $0.00 USD – never",
	} {
		row := got[name]
		if text := strings.Join(append([]string{row[0]}, row[2:]...), " "); text != want {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
	}
	d.Balanced()
	grants, err := d.Store.Grants(d.Context(), metering.DefaultOrg, d.Customer.ID)
	d.Must(err)
	for _, g := range grants {
		row, at := got[g.Note], 2
		for _, n := range []metering.Number{g.Issued, g.Used, g.Expired, g.Voided, g.Remaining()} {
			want := page.Figure{Value: n.String()}.String()
			if g.Currency != "" {
				minor, _ := billing.MinorOf(n, 2)
				want = page.Money(billing.Money{Minor: minor, Currency: g.Currency}.Decimal(), "USD")
			}
			if row[at] != want {
				t.Errorf("%s column %d: %s, the ledger has %s", g.Note, at, row[at], want)
			}
			at++
		}
	}
	a.wants("Left $29.00 USD does not expire", "used by invoice "+number+" first USD -$10.00 USD", "used by invoice "+number+" units llm-tokens -500,000",
		"expired lapses USD -$7.00 USD", "taken back mistake USD -$3.00 USD", "given later USD $40.00 USD")
	d.open("/").wants("Credit left $29.00 USD", "$0.00 USD i estimate", "Paid by credit: later -$6.00 USD")
}

// TestPrices lists what holds from when until when, announced versions too.
func TestPrices(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Move("2026-01-01T00:00:00Z")
	p := d.Product("LLM usage", []billing.Price{d.Price("0.01", 1000)})
	d.Contract(p, "2026-01-01T00:00:00Z")
	for at, amount := range map[string]string{"2026-02-15T00:00:00Z": "0.012", "2026-05-01T00:00:00Z": "0.009"} {
		next := d.Price(amount, 1000)
		next.Product, next.From, next.Included = p.ID, billingtest.Instant(at), billingtest.Number("1000")
		_, err := d.Store.AddPrice(d.Context(), metering.DefaultOrg, next, d.At())
		d.Must(err)
	}
	other := d.Product("Somebody else's", []billing.Price{d.Price("99", 1)})
	d.Move("2026-03-01T00:00:00Z")
	d.signIn(d.Customer.ID)
	rows := d.open("/prices").lacks(other.Name).table("Prices of LLM usage")
	want := []string{
		"llm-tokens|$0.01 USD per 1,000|0|1 Jan 2026 00:00 UTC|15 Feb 2026 00:00 UTC|past", "llm-tokens|$0.012 USD per 1,000|1,000|15 Feb 2026 00:00 UTC|1 May 2026 00:00 UTC|✓ in force",
		"llm-tokens|$0.009 USD per 1,000|1,000|1 May 2026 00:00 UTC|–|i announced",
	}
	if len(rows) != 4 {
		t.Fatalf("%d rows: %q", len(rows), rows)
	}
	for i, w := range want {
		if got := strings.Join(rows[i+1][:6], "|"); got != w {
			t.Errorf("row %d: %q, want %q", i, got, w)
		}
	}
}

// TestNoSubscription: usage and credit are shown all the same, and nobody is
// asked for a card that nothing would be charged to.
func TestNoSubscription(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.signIn(d.Customer.ID)
	d.open("/").wants("There is no subscription yet", "No call was made yet", "curl http://weir.example/v1/chat/completions", "Make a key").lacks("Add a card", "Card on file", "USD")
	d.Call("2026-01-10T12:00:00Z", "m", 5_000)
	d.Grant(billing.Grant{Currency: billing.USD, Issued: billingtest.Number("50"), Note: "prepaid"})
	d.open("/").wants("There is no subscription yet", "Requests 1", "Credit left $50.00 USD", "Tokens per day, by model", "5,000 tokens in 1 request.").lacks("Add a card", "Card on file")
	d.open("/usage").wants("5,000", "There is no subscription yet")
	d.open("/credits").wants("$50.00 USD", "available")
	for _, path := range []string{"/invoices", "/prices"} {
		d.open(path).wants("There is no subscription yet").lacks("Add a card")
	}
	d.open("/keys").wants("None. Make one")
}

// TestCardPrompt: a card is asked for once there is something that it will be
// charged for, and not before.
func TestCardPrompt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Move("2026-03-01T00:00:00Z")
	d.Subscribe("2026-03-01T00:00:00Z")
	d.signIn(d.Customer.ID)
	d.open("/").wants("Nothing was used in this period yet").lacks("Add a card")
	d.Grant(billing.Grant{Currency: billing.USD, Issued: billingtest.Number("5"), Note: "prepaid"})
	d.Call("2026-03-02T12:00:00Z", "m", 400_000)
	d.Move("2026-03-03T00:00:00Z")
	d.open("/").wants("Paid by credit: prepaid -$4.00 USD").lacks("Add a card")
	d.Call("2026-03-02T13:00:00Z", "m", 400_000)
	d.open("/").wants("$3.00 USD i estimate", "Add a card")
	d.Card("works")
	d.open("/").wants("card works").lacks("Add a card")
}

// TestEnded: after a subscription has ended, what it billed is there still.
func TestEnded(t *testing.T) {
	t.Parallel()
	d, acc := billed(t, "works")
	_, err := d.Store.EndSubscription(d.Context(), metering.DefaultOrg, acc.Invoice.Subscription, d.At()+metering.Micros(time.Hour/time.Microsecond), d.At())
	d.Must(err)
	d.Later(2 * time.Hour)
	d.Settle()
	d.Call("2026-02-01T01:30:00Z", "m", 777)
	d.open("/").wants(acc.Invoice.Number, "Used outside of a subscription", "llm-tokens: 777 in 1 call").lacks("There is no subscription yet")
	d.open("/prices").wants("ended", "until 1 Feb 2026 01:00 UTC")
	d.open("/usage").wants("777")
}
