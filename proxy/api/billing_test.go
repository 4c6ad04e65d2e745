package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
	"github.com/weirhq/weir/proxy/api"
)

// bank is a provider that also has a page for cards: what is entered there
// becomes the token of the card.
type bank struct{ *billingtest.Bank }

func (b *bank) SetupURL(_ context.Context, customer, back string) (string, error) {
	return "https://bank.example/setup/" + customer + "?back=" + back, nil
}

func (b *bank) Method(_ context.Context, customer, setup string) (billing.PaymentMethod, error) {
	if setup == "nothing" {
		return billing.PaymentMethod{}, metering.ErrNotFound
	}
	return billing.PaymentMethod{Customer: customer, Token: setup, Label: "Visa ending in 4242, " + setup}, nil
}

func (s *server) must(what string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// in is the instant some hours from now.
func (s *server) in(hours int) api.Instant {
	return api.Instant(metering.MicrosOf(s.clock.Now().Add(time.Duration(hours) * time.Hour)))
}

// refused holds that an error of the client is a problem of that code.
func (s *server) refused(what string, err error, code string) {
	s.t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) || p.Code != code {
		s.t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// use reports tokens that a customer used, at an instant or now.
func (s *server) use(customer, at, tokens string) {
	s.t.Helper()
	id, err := metering.NewID()
	s.must("id", err)
	when := ""
	if at != "" {
		when = fmt.Sprintf(`"timestamp":%q,`, at)
	}
	batch := fmt.Sprintf(`{"events":[{"name":"llm-tokens",%s"external_customer_id":%q,"external_id":%q,"metadata":{"totalTokens":%s}}]}`, when, customer, id, tokens)
	_, err = s.client.Ingest(s.t.Context(), json.RawMessage(batch))
	s.must("ingest", err)
}

// subscribed makes a customer with the guide's product: 0.01 USD per 1,000
// tokens, billed each month.
func (s *server) subscribed(external string) api.Subscription {
	s.t.Helper()
	ctx := s.t.Context()
	_, err := s.client.CreateCustomer(ctx, api.NewCustomer{ExternalID: external, Name: external})
	s.must("create customer", err)
	name := "LLM usage of " + external
	_, err = s.client.CreateProduct(ctx, api.NewProduct{Name: name, Prices: []api.NewPrice{{Meter: metering.MeterLLM, Amount: "0.01", Per: 1000, Currency: "USD"}}})
	s.must("create product", err)
	sub, err := s.client.CreateSubscription(ctx, api.NewSubscription{Customer: external, Product: name})
	s.must("create subscription", err)
	return sub
}

// walkBilling makes every call about money once, for the customer acme.
func walkBilling(s *server) {
	s.t.Helper()
	ctx, c := s.t.Context(), s.client
	p, err := c.CreateProduct(ctx, api.NewProduct{
		Name: "Basic", TrialDays: 7, TrialUsage: billing.TrialBilled,
		Prices: []api.NewPrice{{Meter: metering.MeterLLM, Amount: "0.01", Per: 1000, Included: "500", Currency: "USD"}},
	})
	s.must("create product", err)
	_, err = c.Products(ctx, api.ListOptions{Limit: 5})
	s.must("list products", err)
	_, err = c.RenameProduct(ctx, p.ID, "Starter")
	s.must("rename product", err)
	v, err := c.AddPrice(ctx, "Starter", api.NewPrice{Meter: metering.MeterLLM, Amount: "0.02", Per: 1000, Currency: "USD", From: s.in(240)})
	s.must("add price", err)
	shown, err := c.Product(ctx, "Starter")
	s.must("show product", err)
	if len(shown.Prices) != 2 || shown.Prices[1].ID != v.ID || shown.Prices[0].From != 0 || shown.TrialDays != 7 || shown.Interval != "1mo" {
		s.t.Errorf("product %+v", shown)
	}
	better, err := c.CreateProduct(ctx, api.NewProduct{Name: "Better", Prices: []api.NewPrice{{Meter: metering.MeterLLM, Model: billing.PerPackage, Amount: "5", Per: 1000000, Currency: "USD"}}})
	s.must("create product", err)

	sub, err := c.CreateSubscription(ctx, api.NewSubscription{Customer: "acme", Product: "Starter", AnchorDay: 15, Zone: "Europe/Berlin"})
	s.must("create subscription", err)
	_, err = c.Subscriptions(ctx, "acme", api.ListOptions{})
	s.must("list subscriptions", err)
	sub, err = c.SwitchProduct(ctx, sub.ID, "Better", s.in(48))
	s.must("switch product", err)
	if len(sub.Phases) != 2 || sub.Phases[1].ProductID != better.ID || sub.Product != "Starter" {
		s.t.Errorf("subscription %+v", sub)
	}
	shownSub, err := c.Subscription(ctx, sub.ID)
	s.must("show subscription", err)
	if len(shownSub.Periods) != 1 || shownSub.Anchor != "2026-01-15T13:00:00" || shownSub.Zone != "Europe/Berlin" {
		s.t.Errorf("subscription %+v", shownSub)
	}
	s.use("acme", "", "1204")
	e, err := c.Estimate(ctx, "acme", true)
	s.must("estimate", err)
	if len(e.Invoices) != 1 || e.Invoices[0].Total != "0.01" { // (1204 - 500) / 1000 x 0.01 = 0.00704
		s.t.Errorf("estimate %+v", e)
	}
	walkCredit(s)
	walkInvoice(s, sub.ID)
	_, err = c.ArchiveProduct(ctx, better.ID)
	s.must("archive product", err)
}

func walkCredit(s *server) {
	s.t.Helper()
	ctx, c := s.t.Context(), s.client
	credit, err := c.CreateCredit(ctx, api.NewCredit{Customer: "acme", Meter: metering.MeterLLM, Units: "100", Note: "welcome", ExpiresAt: s.in(9000)})
	s.must("create credit", err)
	_, err = c.CreateCredit(ctx, api.NewCredit{Customer: "acme", Amount: "5.00", Currency: "USD", Priority: 3})
	s.must("create credit", err)
	voided, err := c.VoidCredit(ctx, credit.ID)
	s.must("void credit", err)
	if voided.Voided.String() != "100" || !voided.Remaining.IsZero() {
		s.t.Errorf("voided %+v", voided)
	}
	list, err := c.Credits(ctx, "acme")
	s.must("list credits", err)
	if len(list.Items) != 2 || list.Items[1].Remaining.String() != "5" || list.Items[0].Meter != metering.MeterLLM {
		s.t.Errorf("credits %+v", list.Items)
	}
	_, err = c.VoidCredit(ctx, list.Items[1].ID)
	s.must("void credit", err)
}

func walkInvoice(s *server, subscription string) {
	s.t.Helper()
	ctx, c := s.t.Context(), s.client
	for range 100 { // enough to be charged
		s.use("acme", "", "2000")
	}
	_, err := c.SetupCard(ctx, "acme", "https://example.com/back")
	s.must("set a card up", err)
	_, err = c.SaveCard(ctx, "acme", "declines")
	s.must("save card", err)
	_, err = c.Card(ctx, "acme")
	s.must("show card", err)
	ended, err := c.EndSubscription(ctx, subscription, s.in(1))
	s.must("end subscription", err)
	if ended.End == 0 {
		s.t.Errorf("ended %+v", ended)
	}
	now, err := c.Clock(ctx)
	s.must("clock", err)
	moved, err := c.AdvanceClock(ctx, "2h")
	s.must("advance the clock", err)
	if ahead := metering.Micros(moved.Now).Time().Sub(metering.Micros(now.Now).Time()); ahead < 2*time.Hour || len(moved.Invoices) != 1 || len(moved.Waiting) != 0 {
		s.t.Fatalf("advanced by %s: %+v", ahead, moved)
	}
	v := moved.Invoices[0]
	if v.State != billing.InvoiceFailed || v.Total != "2.01" { // (201204 - 500) / 1000 x 0.01 = 2.00704
		s.t.Errorf("invoice %+v", v)
	}
	_, err = c.Invoices(ctx, "acme", api.ListOptions{})
	s.must("list invoices", err)
	_, err = c.SaveCard(ctx, "acme", "good") // charges what is unpaid
	s.must("save card", err)
	full, err := c.Invoice(ctx, v.Number)
	s.must("show invoice", err)
	states := []billing.PaymentState{}
	for _, p := range full.Payments {
		states = append(states, p.State)
	}
	if diff := cmp.Diff([]billing.PaymentState{billing.PaymentDeclined, billing.PaymentSucceeded}, states); diff != "" || full.State != billing.InvoicePaid || full.Due != "0.00" {
		s.t.Errorf("%s due %s: payments (-want +got)\n%s", full.State, full.Due, diff)
	}
	_, err = c.PayInvoice(ctx, v.ID)
	s.refused("pay again", err, api.CodeState)
	audit, err := c.AuditInvoice(ctx, v.Number)
	s.must("audit", err)
	if !audit.OK || len(audit.Checks) < 5 || audit.Events != 101 {
		s.t.Errorf("audit %+v", audit)
	}
	margin, err := c.Margin(ctx, api.MarginOptions{By: "customer", From: "-24h"})
	s.must("margin", err)
	_, err = c.Cost(ctx, api.MarginOptions{By: "model"})
	s.must("cost", err)
	if len(margin.Rows) != 1 || margin.Rows[0].Groups[0].Name != "acme" || margin.Totals.Revenue != "2.00704" {
		s.t.Errorf("margin %+v", margin)
	}
	walkPay(s)
	portal, err := c.PortalLink(ctx, "acme")
	s.must("portal link", err)
	console, err := c.ConsoleLink(ctx)
	s.must("console link", err)
	admin, err := c.SetPassword(ctx, "Ada@example.com", "a long password")
	s.must("password", err)
	have, err := s.store.AdminByEmail(ctx, metering.DefaultOrg, "ada@example.com")
	s.must("admin", err)
	if admin.Email != "ada@example.com" || have.PasswordHash != "hash of a long password" {
		s.t.Errorf("admin %+v, %+v", admin, have)
	}
	if !strings.Contains(portal.URL, "/portal/") || !strings.Contains(console.URL, "/login/") || console.ExpiresAt <= moved.Now {
		s.t.Errorf("links %+v %+v", portal, console)
	}
}

// walkPay pays an invoice that was declined by hand.
func walkPay(s *server) {
	s.t.Helper()
	ctx, c := s.t.Context(), s.client
	sub := s.subscribed("late")
	s.use("late", "", "100000")
	_, err := c.EndSubscription(ctx, sub.ID, 0)
	s.must("end subscription", err)
	moved, err := c.AdvanceClock(ctx, "1h")
	s.must("advance the clock", err)
	if len(moved.Invoices) != 1 || moved.Invoices[0].State != billing.InvoiceOpen {
		s.t.Fatalf("advanced: %+v", moved)
	}
	_, err = c.PayInvoice(ctx, moved.Invoices[0].ID)
	s.refused("pay without a card", err, api.CodeNoCard)
	owner, err := c.Customer(ctx, "late")
	s.must("customer", err)
	_, err = s.bills.SaveMethod(ctx, billing.PaymentMethod{Org: metering.DefaultOrg, Customer: owner.ID, Provider: s.bank.Name(), Token: "good", Label: "card"})
	s.must("save a card", err)
	p, err := c.PayInvoice(ctx, moved.Invoices[0].Number)
	s.must("pay", err)
	if p.State != billing.PaymentSucceeded || p.Amount != "1.00" {
		s.t.Errorf("payment %+v", p)
	}
	_, err = c.ArchiveCustomer(ctx, "late")
	s.must("archive customer", err)
}

// TestWithout: what a server is not set up for it says, and 404 where there is
// no card.
func TestWithout(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.subscribed("acme")
	_, err := s.client.Card(t.Context(), "acme")
	s.refused("no card", err, api.CodeNoCard)
	_, err = s.client.SaveCard(t.Context(), "acme", "nothing")
	s.refused("no setup", err, api.CodeNotFound)

	bare := newServer(t, func(o *api.Options) { o.Billing, o.Clock, o.PortalLink, o.ConsoleLink = nil, nil, nil, nil })
	_, err = bare.client.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: "acme"})
	bare.must("create customer", err)
	_, err = bare.client.Products(t.Context(), api.ListOptions{})
	bare.refused("products", err, api.CodeAbsent)
	_, err = bare.client.PortalLink(t.Context(), "acme")
	bare.refused("portal", err, api.CodeAbsent)
	_, err = bare.client.ConsoleLink(t.Context())
	bare.refused("console", err, api.CodeAbsent)
	_, err = bare.client.Clock(t.Context())
	bare.refused("clock", err, api.CodeSandboxOnly)
	_, err = bare.client.AdvanceClock(t.Context(), "1mo")
	bare.refused("advance", err, api.CodeSandboxOnly)
	u, err := bare.client.Usage(t.Context(), api.UsageOptions{})
	bare.must("usage", err)
	if u.Totals.Charge == nil || *u.Totals.Charge != "0" || u.Totals.Currency != "USD" {
		t.Errorf("usage %+v", u.Totals)
	}

	unpaid := newServer(t, func(o *api.Options) { o.Billing.Payments = nil })
	unpaid.subscribed("acme")
	_, err = unpaid.client.SetupCard(t.Context(), "acme", "https://example.com")
	unpaid.refused("setup", err, api.CodeAbsent)
	_, err = unpaid.client.SaveCard(t.Context(), "acme", "x")
	unpaid.refused("save", err, api.CodeAbsent)
	_, err = unpaid.client.PayInvoice(t.Context(), "INV-000001")
	unpaid.refused("pay", err, api.CodeAbsent)
}

// TestBillingTenancy: what is billed in another organisation does not exist,
// S26, B29.
func TestBillingTenancy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	sub := s.subscribed("acme")
	s.use("acme", "", "100000")
	credit, err := s.client.CreateCredit(ctx, api.NewCredit{Customer: "acme", Amount: "0.10", Currency: "USD"})
	s.must("credit", err)
	moved, err := s.client.AdvanceClock(ctx, "1mo")
	s.must("advance", err)
	if len(moved.Invoices) != 1 {
		t.Fatalf("%d invoices", len(moved.Invoices))
	}
	secret, hash, prefix, last4, err := keyring.MintToken()
	s.must("mint", err)
	_, err = s.store.CreateToken(ctx, metering.AccessToken{Org: "other", Name: "theirs", Hash: hash, Prefix: prefix, Last4: last4, Scopes: []string{"*"}, Created: 1})
	s.must("token", err)
	theirs := http.Header{"Authorization": {"Bearer " + secret}}
	for _, tt := range []struct{ method, path, body string }{
		{"GET", "/api/v1/products/" + sub.ProductID, ""},
		{"PATCH", "/api/v1/products/" + sub.ProductID, `{"name":"x"}`},
		{"POST", "/api/v1/products/" + sub.ProductID + "/archive", ""},
		{"POST", "/api/v1/products/" + sub.ProductID + "/prices", `{"meter":"llm-tokens","amount":"1","currency":"USD"}`},
		{"GET", "/api/v1/subscriptions/" + sub.ID, ""},
		{"GET", "/api/v1/subscriptions?customer=" + sub.CustomerID, ""},
		{"POST", "/api/v1/subscriptions", `{"customer":"` + sub.CustomerID + `","product":"` + sub.ProductID + `"}`},
		{"POST", "/api/v1/subscriptions/" + sub.ID + "/product", `{"product":"` + sub.ProductID + `"}`},
		{"POST", "/api/v1/subscriptions/" + sub.ID + "/end", ""},
		{"GET", "/api/v1/credits?customer=" + sub.CustomerID, ""},
		{"POST", "/api/v1/credits", `{"customer":"` + sub.CustomerID + `","amount":"1","currency":"USD"}`},
		{"POST", "/api/v1/credits/" + credit.ID + "/void", ""},
		{"GET", "/api/v1/invoices?customer=" + sub.CustomerID, ""},
		{"GET", "/api/v1/invoices/" + moved.Invoices[0].ID, ""},
		{"GET", "/api/v1/invoices/" + moved.Invoices[0].Number, ""},
		{"POST", "/api/v1/invoices/" + moved.Invoices[0].ID + "/pay", ""},
		{"GET", "/api/v1/invoices/" + moved.Invoices[0].ID + "/audit", ""},
		{"GET", "/api/v1/customers/" + sub.CustomerID + "/estimate", ""},
		{"GET", "/api/v1/customers/" + sub.CustomerID + "/method", ""},
		{"POST", "/api/v1/customers/" + sub.CustomerID + "/method", `{"setup":"good"}`},
		{"POST", "/api/v1/customers/" + sub.CustomerID + "/method/setup", `{"return_url":"https://example.com"}`},
		{"POST", "/api/v1/portal/links", `{"customer":"` + sub.CustomerID + `"}`},
	} {
		if status, code, body := s.request(tt.method, tt.path, tt.body, theirs); status != http.StatusNotFound || code != api.CodeNotFound {
			t.Errorf("%s %s: %d %s %s", tt.method, tt.path, status, code, body)
		}
	}
	for _, path := range []string{"/api/v1/products", "/api/v1/subscriptions", "/api/v1/invoices"} {
		_, _, body := s.request(http.MethodGet, path, "", theirs)
		if want := `{"items":[],"next_cursor":null}`; strings.TrimSpace(string(body)) != want {
			t.Errorf("%s: %s", path, body)
		}
	}
}
