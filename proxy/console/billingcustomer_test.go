package console

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
)

// TestBillingPages_subscription adds a subscription, switches its product and
// ends it.
func TestBillingPages_subscription(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	small := d.Product("Small", []billing.Price{d.Price("0.02", 1000)}, func(p *billing.Product) { p.TrialDays = 7 })
	large := d.Product("Large", []billing.Price{d.Price("0.01", 1000)})
	d.Product("Yearly", []billing.Price{d.Price("0.01", 1000)}, func(p *billing.Product) { p.Months = 12 })
	customer := "/customers/" + d.Customer.ID

	d.refused(customer+"/subscriptions", http.StatusUnprocessableEntity, "not the name of a time zone", "product", small.ID, "zone", "Europe/Nowhere")
	d.refused(customer+"/subscriptions", http.StatusUnprocessableEntity, "not the name of a time zone", "product", small.ID, "zone", "Local")
	d.refused(customer+"/subscriptions", http.StatusUnprocessableEntity, "neither a date", "product", small.ID, "start", "soon")
	d.refused(customer+"/subscriptions", http.StatusUnprocessableEntity, "Choose a product")
	page, _ := d.done(customer+"/subscriptions", "product", small.ID, "zone", "Europe/Berlin", "start", "2026-01-15T00:00", "anchor", "first")
	// 15 January in Berlin, periods on the first; the trial is the product's, and over.
	page.wants("subscription was made", "Small", "every month on day 1 at 00:00", "Europe/Berlin", "1 Feb 2026 00:00 CET", "until 22 Jan 2026 00:00 CET, usage is free")
	a := d.refused(customer+"/subscriptions", http.StatusConflict, "a unit is billed once", "product", large.ID, "zone", "Asia/Tokyo")
	if !strings.Contains(a.body, `value="Asia/Tokyo"`) {
		t.Error("what was typed is gone")
	}

	d.open("/subscriptions").wants("acme", "Small", "active", "Europe/Berlin", "1 Feb 2026 00:00 CET")
	list, _, err := d.Store.Subscriptions(d.Context(), metering.DefaultOrg, "", 10, "")
	d.Must(err)
	if len(list) != 1 || list[0].Start != billingtest.Instant("2026-01-14T23:00:00Z") || list[0].Anchor.Day != 1 {
		t.Fatalf("subscriptions are %+v", list)
	}
	at := "/subscriptions/" + list[0].ID
	d.open(at).lacks("Yearly") // its periods are of another length

	d.refused(at+"/switch", http.StatusUnprocessableEntity, "Choose when", "product", large.ID)
	d.refused(at+"/switch", http.StatusUnprocessableEntity, "in the past", "product", large.ID, "when", "date", "at", "2026-01-20T00:00")
	page, _ = d.done(at+"/switch", "product", large.ID, "when", "period")
	page.wants("The switch was made", "Large", "1 Feb 2026 00:00 CET")
	d.refused(at+"/end", http.StatusUnprocessableEntity, "tick the box", "when", "now")
	page, _ = d.done(at+"/end", "confirm", "yes", "when", "date", "at", "2026-03-10T12:00")
	page.wants("The end was set", "10 Mar 2026 12:00 CET", "ending")
	d.Move("2026-03-11T00:00:00Z")
	d.open(at).wants("ended")
	d.open(at).lacks("End the subscription")
}

// TestBillingPages_credit grants credit once however often it is sent, and
// takes back what is left of it. P13: issued = used + expired + voided + balance.
func TestBillingPages_credit(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	at := "/customers/" + d.Customer.ID
	once := regexp.MustCompile(`name="once" value="([^"]+)"`).FindStringSubmatch(d.open(at + "/billing").body)
	if once == nil {
		t.Fatal("the form for credit can be sent twice")
	}
	pairs := []string{"amount", "1,000.5", "unit", "meter:" + d.Meter, "note", "  a   gift ", "expires", "2026-12-31T00:00", "priority", "2", "once", once[1]}
	d.refused(at+"/credits", http.StatusUnprocessableEntity, "say why", "amount", "5", "unit", "money:USD", "note", " ", "once", once[1])
	d.refused(at+"/credits", http.StatusUnprocessableEntity, "A grant of 0", "amount", "0", "unit", "money:USD", "note", "x", "once", once[1])
	d.refused(at+"/credits", http.StatusUnprocessableEntity, "no whole number of minor units", "amount", "0.001", "unit", "money:USD", "note", "x", "once", once[1])
	d.refused(at+"/credits", http.StatusUnprocessableEntity, "what the credit is in", "amount", "1", "unit", "x", "note", "x")
	page, _ := d.done(at+"/credits", pairs...)
	page.wants("The credit was granted", "a gift", "1,000.5", "llm-tokens", "2026-12-31 00:00:00 UTC", "usable")
	d.done(at+"/credits", pairs...) // the button was pressed twice
	d.WantLeft("a gift 1000.5")
	if !strings.Contains(d.log.String(), `by=op@example.com reason="a gift"`) {
		t.Errorf("the log does not say who gave the credit: %s", d.log)
	}

	grants, err := d.Store.Grants(d.Context(), metering.DefaultOrg, d.Customer.ID)
	d.Must(err)
	void := at + "/credits/" + grants[0].ID + "/void"
	d.refused(void, http.StatusUnprocessableEntity, "tick the box", "reason", "mistake")
	d.refused(void, http.StatusUnprocessableEntity, "say why", "confirm", "yes")
	other := d.AddCustomer("other")
	d.refused("/customers/"+other.ID+"/credits/"+grants[0].ID+"/void", http.StatusUnprocessableEntity, "there is none", "confirm", "yes", "reason", "x")
	d.WantLeft("a gift 1000.5")
	page, _ = d.done(void, "confirm", "yes", "reason", "a mistake")
	page.wants("taken back", "voided")
	d.WantLeft("a gift 0")
	if !strings.Contains(d.log.String(), `reason="a mistake"`) {
		t.Errorf("the log does not say why the credit was taken: %s", d.log)
	}
	d.Balanced()
}

// TestBillingPages_customer covers P08: usage that nobody is charged for is
// shown as such, beside the estimate of the open period, what is owed, the card
// and the credit.
func TestBillingPages_customer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Use("2025-12-20T00:00:00Z", "777")
	d.Use("2026-01-10T00:00:00Z", "1234567")
	page := d.open("/customers/acme/billing")
	page.wants("Used and not billed", "llm-tokens: 1,235,344 in 2 events", "None: what this customer uses is measured and not billed", "none: invoices stay open")
	d.Subscribe("2026-01-01T00:00:00Z")
	d.Grant(billing.Grant{Meter: d.Meter, Issued: billingtest.Number("34567"), Note: "start"})
	d.Grant(billing.Grant{Currency: billing.USD, Issued: billingtest.Number("2"), Note: "sorry", Expires: billingtest.Instant("2026-02-20T00:00:00Z")})
	page = d.open("/customers/acme/billing")
	// 1,234,567 - 34,567 are 1,200 thousands at 0.01: 12.00, less 2.00 of credit.
	page.wants("LLM usage", "$10.00 USD", "estimate", "llm-tokens: 777 in 1 event,", "1,200,000", "$12.00 USD", "-$2.00 USD", "1 Jan 2026 00:00 to 1 Feb 2026 00:00 UTC")

	d.Card("declines")
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	d.open("/customers/acme/billing").wants("Unpaid $10.00 USD", "card declines", "failed", "used up")
	d.Move("2026-02-21T00:00:00Z")
	d.Grant(billing.Grant{Currency: billing.USD, Issued: billingtest.Number("3"), Note: "late", Expires: billingtest.Instant("2026-02-22T00:00:00Z")})
	d.Move("2026-02-23T00:00:00Z")
	d.open("/customers/acme/billing").wants("expired, covers usage from before")
}

// TestInstantField reads what browsers and people write, in a zone.
func TestInstantField(t *testing.T) {
	t.Parallel()
	berlin, err := zoneOf("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2026-07-01T00:00": "2026-06-30T22:00:00Z", "2026-01-01T00:00:30": "2025-12-31T23:00:30Z", "2026-01-01": "2025-12-31T23:00:00Z",
		" 2026-01-01 06:00 ": "2026-01-01T05:00:00Z", "2026-01-01T00:00:00-05:00": "2026-01-01T05:00:00Z", "": "",
		"1970-01-01": "error", "9999-01-01": "error", "tomorrow": "error", "2026-02-30": "error",
	} {
		r, err := http.NewRequest(http.MethodPost, "/", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.PostForm = map[string][]string{"at": {text}}
		r.Form = r.PostForm
		got, err := instantField(r, "at", berlin)
		shown := "error"
		if err == nil {
			shown = machineInstant(got)
		}
		if shown != want {
			t.Errorf("%q is %s (%v), want %s", text, shown, err, want)
		}
	}
	if zone, err := zoneOf(""); err != nil || zone != time.UTC {
		t.Errorf("no zone is %v, %v", zone, err)
	}
}
