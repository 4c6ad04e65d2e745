package api_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// weir runs a command against the server and returns its exit status and what it
// printed.
func (s *server) weir(args ...string) (status int, out, errs string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	env := &api.Env{
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Transport: s.check, Now: s.clock.Now,
		Getenv: func(name string) string { return map[string]string{"WEIR_URL": s.url, "WEIR_TOKEN": s.token}[name] },
	}
	status = api.Run(s.t.Context(), env, &api.Commands{}, args)
	return status, stdout.String(), stderr.String()
}

// says runs a command that has to succeed and to print some texts, blanks aside.
func (s *server) says(command string, want ...string) string {
	s.t.Helper()
	status, out, errs := s.weir(strings.Split(command, " ")...)
	if status != api.ExitDone {
		s.t.Fatalf("weir %s: exit %d: %s%s", command, status, out, errs)
	}
	text := strings.Join(strings.Fields(out), " ")
	for _, w := range want {
		if !strings.Contains(text, w) {
			s.t.Errorf("weir %s does not print %q:\n%s", command, w, out)
		}
	}
	return out
}

func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// TestGuide is the way of the guide, by its commands: a product, a subscription,
// usage, the estimate, a month, the invoice and its proof.
func TestGuide(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.says("customer add --external-id acme --name Acme")
	s.says("product add --name LLM --meter llm-tokens --price 0.01 --per 1000 --currency USD", "product LLM", "llm-tokens 0.01 USD per 1,000 from the beginning")
	s.says("product list", "LLM 1mo llm-tokens 0.01 USD per 1,000")
	s.says("subscription add --customer acme --product LLM", "1mo from 2026-01-31T12:00:00", "period 0 2026-01-31T12:00:00", "to 2026-02-28T12:00:00")
	s.use("acme", "", "1204000")
	s.says("usage --customer acme --sync", "12.04 USD")
	s.says("usage --customer acme --by tag:team", "total 1")
	s.says("invoice estimate --customer acme --sync", "1,204,000 - 0 included - 0 by credit = 1,204,000", "at 0.01 USD per 1,000 = 12.04, rounding 0", "total 12.04 USD")
	s.says("credit add --customer acme --meter llm-tokens --units 4000 --note welcome", "of llm-tokens", "remaining 4,000")
	money := s.says("credit add --customer acme --amount 5.00 --currency USD --expires 90d", "of USD", "issued 5")
	s.says("credit list --customer acme", "USD 5 5 0 0 0 0 2026-05-01T", "llm-tokens 4000 4000")
	s.says("credit void "+field(money, "credit"), "remaining 0")
	if status, _, errs := s.weir("customer", "card", "acme"); status != api.ExitRefused || !strings.Contains(errs, "weir customer card acme --new") {
		t.Errorf("no card: exit %d, %s", status, errs)
	}
	if page := lastLine(s.says("customer card acme --new")); !strings.HasPrefix(page, "https://bank.example/setup/") {
		t.Errorf("the page for cards: %s", page)
	}
	s.says("customer card acme --setup good", "Visa ending in 4242, good")
	s.says("customer card acme", "Visa ending in 4242, good")
	s.says("clock show", "ahead 0s")
	s.says("clock advance 1mo", "ahead 672h0m0s", "INV-000001 acme", "12.00 USD 0.00 paid")
	s.says("invoice list --customer acme", "INV-000001 acme")
	s.says("invoice show INV-000001", "1,204,000 - 0 included - 4,000 by credit = 1,200,000", "= 12, rounding 0", "total 12.00 USD", "paid 12.00", "due 0.00", "succeeded")
	s.says("invoice audit INV-000001", "ok line 1: quantity 1204000 1204000", "0 differ")
	s.says("margin --by customer", "acme 12 USD", "total 12 USD")
	if link := lastLine(s.says("portal link --customer acme")); !strings.HasPrefix(link, "http://127.0.0.1/portal/org") && !strings.Contains(link, "/portal/") {
		t.Errorf("portal: %s", link)
	}
	for _, command := range []string{"login", "console link"} {
		if link := lastLine(s.says(command)); !strings.HasPrefix(link, "http://127.0.0.1/login/") {
			t.Errorf("%s: %s", command, link)
		}
	}
}

// field is the value beside a name in a table of two columns.
func field(out, name string) string {
	for line := range strings.SplitSeq(out, "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			return f[1]
		}
	}
	return ""
}

// TestContractCommands: prices have versions, products are switched, contracts
// end.
func TestContractCommands(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.says("customer add --external-id acme")
	s.says("product add --name A --meter llm-tokens --price 0.01 --per 1000 --included 500 --model per_package --interval 3mo --trial-days 14 --trial-usage billed",
		"period 3mo", "trial 14 days, usage billed", "0.01 USD per 1,000, whole packages, 500 included")
	s.says("product price A --meter llm-tokens --price 0.02 --per 1000 --from +7d", "price llm-tokens 0.02 USD per 1,000 from 2026-02-07T12:00:00")
	s.says("product update A --name B", "product B")
	s.says("product add --name C --meter llm-tokens --price 0.5 --interval 3mo")
	sub := s.says("subscription add --customer acme --product B --anchor-day 1 --zone Europe/Berlin --start 2026-01-10",
		"3mo from 2026-01-01T00:00:00, Europe/Berlin", "start 2026-01-09T23:00:00", "trial until 2026-01-23T23:00:00", "to 2026-03-31T22:00:00")
	id := field(sub, "subscription")
	s.says("subscription update "+id+" --product C --from +1d", "phase B from 2026-01-09T23:00:00", "phase C from 2026-02-01T12:00:00")
	s.says("subscription list --customer acme", "acme B 3mo", id)
	s.says("subscription cancel "+id+" --at +2d", "end 2026-02-02T12:00:00")
	s.says("subscription show "+id, "period 0", "to 2026-02-02T12:00:00")
	s.says("product archive C", "archived")
	for command, want := range map[string]int{
		"subscription add --customer acme --product C":                              api.ExitRefused, // archived
		"subscription add --customer acme --product B --anchor-day 32":              api.ExitUsage,
		"subscription update " + id + " --product B --from -1d":                     api.ExitRefused,
		"product add --name D --meter llm-tokens":                                   api.ExitUsage,
		"product price B --meter llm-tokens":                                        api.ExitUsage,
		"product add --name D --interval 2mo":                                       api.ExitUsage,
		"credit add --customer acme --units 5":                                      api.ExitUsage,
		"credit add --customer acme --units 5 --meter llm-tokens --amount 3":        api.ExitUsage,
		"credit add --customer acme --amount 0.001":                                 api.ExitRefused, // no whole cent
		"customer card acme --return-url https://example.com":                       api.ExitUsage,
		"clock advance 1month":                                                      api.ExitUsage,
		"clock advance 0d":                                                          api.ExitUsage,
		"margin --by colour":                                                        api.ExitUsage,
		"invoice show INV-000009":                                                   api.ExitRefused,
		"invoice audit INV-000009":                                                  api.ExitRefused,
		"invoice estimate --customer nobody":                                        api.ExitRefused,
		"product price B --meter llm-tokens --price 0.0000000000001":                api.ExitRefused,
		"product price B --meter llm-tokens --price 1 --currency EUR":               api.ExitRefused,
		"subscription add --customer acme --product B --zone Mars/Olympus":          api.ExitRefused,
		"subscription add --customer acme --product B --start 2026-01-20 --zone xx": api.ExitUsage,
	} {
		if status, out, errs := s.weir(strings.Split(command, " ")...); status != want {
			t.Errorf("weir %s: exit %d, want %d: %s%s", command, status, want, out, errs)
		}
	}
}

// wrong is a biller whose audit finds a difference.
type wrong struct{ api.Biller }

func (w wrong) Audit(ctx context.Context, org, ref string) (invoicing.AuditReport, error) {
	r, err := w.Biller.Audit(ctx, org, ref)
	r.OK = false
	r.Checks = append(r.Checks, invoicing.Check{Name: "total", Want: "12.04 USD", Got: "12.05 USD"})
	return r, err
}

// TestFailures: an audit that finds a difference and a charge that is declined
// are exit status 1, having said what is wrong.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *api.Options) { o.Billing.Biller = wrong{o.Billing.Biller} })
	s.subscribed("acme")
	s.use("acme", "", "1204000")
	s.says("customer card acme --setup declines")
	s.says("clock advance 1mo", "12.04 USD 12.04 failed")
	status, out, _ := s.weir("invoice", "audit", "INV-000001")
	if status != api.ExitRefused || !strings.Contains(out, "DIFFERS") || !strings.Contains(out, "1 differ") {
		t.Errorf("audit: exit %d, %s", status, out)
	}
	status, out, _ = s.weir("invoice", "pay", "INV-000001")
	if status != api.ExitRefused || !strings.Contains(out, "card declined") {
		t.Errorf("pay: exit %d, %s", status, out)
	}
}

// TestEventBilling: one event opens up to its price, invoice line and payment.
func TestEventBilling(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.subscribed("acme")
	s.use("acme", "", "1204")
	s.use("acme", "2026-01-31T11:00:00Z", "7") // before the subscription
	s.use("nobody", "", "9")
	page, err := s.client.Events(t.Context(), api.EventOptions{})
	s.must("events", err)
	ids := make(map[string]string)
	for _, e := range page.Items {
		ids[e.ExternalCustomerID+" "+e.Timestamp.String()[:13]] = e.ID
	}
	billed, before, nobody := ids["acme 2026-01-31T12"], ids["acme 2026-01-31T11"], ids["nobody 2026-01-31T12"]
	s.says("event show "+billed, "meter llm-tokens 1204", "product LLM usage of acme", "charge 1,204 / 1000 x 0.01 USD = 0.01204", "state open period")
	s.says("event show "+before, "meter llm-tokens 7", "state unbilled")
	s.says("event show "+nobody, "meter llm-tokens 9", "state unbilled")
	for range 50 {
		s.use("acme", "", "1000")
	}
	s.says("customer card acme --setup good")
	s.says("clock advance 1mo", "0.51 USD 0.00 paid")
	s.says("event show "+billed, "invoice INV-000001, line 1", "state paid", "succeeded 0.51 USD Visa")
}

// TestUsageCharges: what is known is exact, what is not is null and never zero.
func TestUsageCharges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	s.subscribed("acme")
	s.use("acme", "", "1500")
	charge := func(o api.UsageOptions) (total, row string) {
		t.Helper()
		u, err := s.client.Usage(ctx, o)
		s.must("usage", err)
		text := func(c *string, currency billing.Currency) string {
			if c == nil {
				return "null " + string(currency)
			}
			return *c + " " + string(currency)
		}
		if len(u.Rows) == 0 {
			return text(u.Totals.Charge, u.Totals.Currency), ""
		}
		return text(u.Totals.Charge, u.Totals.Currency), text(u.Rows[0].Charge, u.Rows[0].Currency)
	}
	if total, row := charge(api.UsageOptions{Customer: "acme", By: "tag:team"}); total != "0.015 USD" || row != "0.015 USD" {
		t.Errorf("by tag: total %s, row %s", total, row)
	}
	s.subscribed("globex")
	s.peak("globex")
	s.use("globex", "", "1000")
	if total, row := charge(api.UsageOptions{Customer: "globex", By: "tag:team"}); total != "0.035 USD" || row != "null USD" {
		t.Errorf("of what has no parts: total %s, row %s", total, row)
	}
	if total, _ := charge(api.UsageOptions{To: "2026-01-01"}); total != "0 USD" {
		t.Errorf("before everything: %s", total)
	}
	_, err := s.client.CreateCustomer(ctx, api.NewCustomer{ExternalID: "euro"})
	s.must("customer", err)
	_, err = s.client.CreateProduct(ctx, api.NewProduct{Name: "E", Prices: []api.NewPrice{{Meter: metering.MeterLLM, Amount: "1", Currency: "EUR"}}})
	s.must("product", err)
	_, err = s.client.CreateSubscription(ctx, api.NewSubscription{Customer: "euro", Product: "E"})
	s.must("subscription", err)
	s.use("euro", "", "3")
	if total, row := charge(api.UsageOptions{By: "customer"}); total != "null " || row != "null " {
		t.Errorf("of two currencies: total %s, row %s", total, row)
	}
	s.says("usage --by customer", "-")
	if _, err := s.client.Margin(ctx, api.MarginOptions{}); err == nil {
		t.Error("margins of two currencies are added up")
	}
}

// TestRefuseMoney: bad input about money is named and nothing is made of it.
func TestRefuseMoney(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.subscribed("acme")
	past := s.clock.Now().Add(-time.Hour).Format(time.RFC3339)
	for _, tt := range []struct {
		path, body, says string
		code             string
	}{
		{"products", `{}`, `"name"`, api.CodeInvalid},
		{"products", `{"name":"P","interval":"2mo"}`, `"interval"`, api.CodeInvalid},
		{"products", `{"name":"P","trial_usage":"half"}`, `"trial_usage"`, api.CodeInvalid},
		{"products", `{"name":"P","trial_days":-1}`, `"trial_days"`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"llm-tokens","amount":0.01,"currency":"USD"}]}`, `"prices[0].amount","message":"must be a decimal in a string`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"llm-tokens","amount":"-1","currency":"USD"}]}`, `"prices[0].amount"`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"llm-tokens","amount":"1/3","currency":"USD"}]}`, `"prices[0].amount"`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"llm-tokens","amount":"1","currency":"usd"}]}`, `"prices[0].currency"`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"llm-tokens","amount":"1","currency":"USD","per":0}]}`, `"prices[0].per"`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"llm-tokens","amount":"1","currency":"USD","model":"tiers"}]}`, `"prices[0].model"`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"llm-tokens","amount":"1","currency":"USD","from":"2027-01-01T00:00:00Z"}]}`, `"prices[0].from"`, api.CodeInvalid},
		{"products", `{"name":"P","prices":[{"meter":"m","amount":"1","currency":"USD"}]}`, `\"m\"`, api.CodeNotFound},
		{"products", `{"name":"LLM usage of acme"}`, `exists`, api.CodeConflict},
		{"products/LLM%20usage%20of%20acme/prices", `{"meter":"llm-tokens","amount":"1","currency":"USD","from":"` + past + `"}`, `"from"`, api.CodeInvalid},
		{"products/nothing/prices", `{"meter":"llm-tokens","amount":"1","currency":"USD"}`, `nothing`, api.CodeNotFound},
		{"subscriptions", `{"customer":"acme"}`, `"product"`, api.CodeInvalid},
		{"subscriptions", `{"customer":"acme","product":"LLM usage of acme","anchor_day":0}`, `"anchor_day"`, api.CodeInvalid},
		{"subscriptions", `{"customer":"acme","product":"LLM usage of acme","anchor_day":32}`, `"anchor_day"`, api.CodeInvalid},
		{"subscriptions", `{"customer":"acme","product":"LLM usage of acme","zone":"Local"}`, `"zone"`, api.CodeInvalid},
		{"subscriptions", `{"customer":"acme","product":"LLM usage of acme","start":"2026-01-01"}`, `"start"`, api.CodeInvalid},
		{"subscriptions", `{"customer":"acme","product":"nothing"}`, `nothing`, api.CodeNotFound},
		{"subscriptions", `{"customer":"nobody","product":"LLM usage of acme"}`, `nobody`, api.CodeNotFound},
		{"subscriptions", `{"customer":"acme","product":"LLM usage of acme"}`, `a unit is billed once`, api.CodeConflict},
		{"subscriptions/x/end", `{"at":"` + past + `"}`, `"at"`, api.CodeInvalid},
		{"subscriptions/x/product", `{"product":"LLM usage of acme"}`, `"detail":"no subscription`, api.CodeNotFound},
		{"credits", `{"customer":"acme"}`, `"units"`, api.CodeInvalid},
		{"credits", `{"customer":"acme","units":"5","meter":"llm-tokens","amount":"1","currency":"USD"}`, `"units"`, api.CodeInvalid},
		{"credits", `{"customer":"acme","units":"0","meter":"llm-tokens"}`, `"units"`, api.CodeInvalid},
		{"credits", `{"customer":"acme","units":"5"}`, `"meter"`, api.CodeInvalid},
		{"credits", `{"customer":"acme","units":"5","meter":"m"}`, `\"m\"`, api.CodeNotFound},
		{"credits", `{"customer":"acme","amount":"5"}`, `"currency"`, api.CodeInvalid},
		{"credits", `{"customer":"acme","amount":"0.005","currency":"USD"}`, `at most 2 decimals`, api.CodeInvalid},
		{"credits", `{"customer":"acme","amount":"1.5","currency":"JPY"}`, `at most 0 decimals`, api.CodeInvalid},
		{"credits", `{"customer":"acme","amount":"1","currency":"USD","priority":1001}`, `"priority"`, api.CodeInvalid},
		{"credits", `{"customer":"acme","amount":"1","currency":"USD","expires_at":"` + past + `"}`, `"expires_at"`, api.CodeInvalid},
		{"customers/acme/method/setup", `{"return_url":"javascript:alert(1)"}`, `"return_url"`, api.CodeInvalid},
		{"customers/acme/method/setup", `{"return_url":"https://user:pw@example.com"}`, `"return_url"`, api.CodeInvalid},
		{"customers/acme/method", `{}`, `"setup"`, api.CodeInvalid},
		{"portal/links", `{"customer":"nobody"}`, `nobody`, api.CodeNotFound},
		{"clock/advance", `{}`, `"by"`, api.CodeInvalid},
		{"clock/advance", `{"by":"-1mo"}`, `"by"`, api.CodeInvalid},
		{"clock/advance", `{"by":"9999y"}`, `hundred years`, api.CodeInvalid},
	} {
		status, code, body := s.request("POST", "/api/v1/"+tt.path, tt.body, nil)
		if code != tt.code || !bytes.Contains(body, []byte(tt.says)) {
			t.Errorf("%s %s: %d %s, want %s naming %s", tt.path, tt.body, status, body, tt.code, tt.says)
		}
	}
	for path, says := range map[string]string{"credits": "customer", "margin?by=colour": "by", "invoices?cursor=x": "cursor", "subscriptions?customer=nobody": "nobody", "products?limit=0": "limit"} {
		if status, _, body := s.request("GET", "/api/v1/"+path, "", nil); status < 400 || !bytes.Contains(body, []byte(says)) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if products, err := s.client.Products(t.Context(), api.ListOptions{}); err != nil || len(products.Items) != 1 {
		t.Errorf("%d products, want 1: %v", len(products.Items), err)
	}
	if credits, err := s.client.Credits(t.Context(), "acme"); err != nil || len(credits.Items) != 0 {
		t.Errorf("%d credits, want none: %v", len(credits.Items), err)
	}
}
