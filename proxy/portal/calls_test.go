package portal_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/portal"
)

// upstream is a cost, and words of the provider's, that no page may have, S29.
func upstream(e *metering.Event) {
	e.Cost = metering.Cost{Micros: 987_654_321}
	e.CostReason, e.Book, e.Rates = "reason-canary", "book-canary", []string{"rate-canary"}
	e.ProviderID, e.Upstream = "provider-id-canary", "upstream-canary"
	e.Usage.Raw = json.RawMessage(`{"raw":"raw-canary"}`)
	e.Usage.StatedCost = &metering.StatedCost{Amount: "987.654321", Unit: "usd", Field: "cost"}
	e.Properties = json.RawMessage(`{"_cost":{"amount":987.654321,"currency":"usd"},"secret":"metadata-canary"}`)
}

// TestPages_noUpstreamCost: what a call costs the operator is on no page and in
// no file, and neither are meters that only the operator knows.
func TestPages_noUpstreamCost(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mine := d.own()
	m, err := d.Usage.CreateMeter(d.Context(), metering.Meter{
		Org: metering.DefaultOrg, Name: "meter-canary", Aggregate: metering.Aggregate{Func: metering.AggregateSum, Property: "_cost.amount"},
		Filter: metering.Filter{Conjunction: metering.And}, Created: d.At(),
	})
	d.Must(err)
	sold := d.Price("2", 1)
	sold.Meter = m.ID
	d.Product("product-canary of others", []billing.Price{sold})
	at := d.Time().Format("2006-01-02T15:04:05Z")
	mine.call = d.Call(at, "gpt-4o-mini", 5_000, upstream).ID.String()
	d.Later(1)
	d.signIn(d.Customer.ID)
	for _, route := range d.server.Routes() {
		if route.Method != http.MethodGet || strings.Contains(route.Path, "login") || strings.HasSuffix(route.Path, "/return") {
			continue
		}
		d.open(mine.path(route)+"?from=2026-01-01&to=2026-12-31").lacks("987.6", "987654", "canary", "cost_usd", "unpriced")
	}
	d.open("/calls/"+mine.call).wants("5,000 × $0.01 USD per 1,000 = $0.05 USD", "on the next invoice")
}

// TestCalls_prices: what lists and files say a call costs is what the biller
// explains, whatever the meter, the price and the time.
func TestCalls_prices(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Move("2026-03-01T00:00:00Z")
	meter := func(name string, f metering.Aggregation, property string) metering.Meter {
		m, err := d.Usage.CreateMeter(d.Context(), metering.Meter{
			Org: metering.DefaultOrg, Name: name, Aggregate: metering.Aggregate{Func: f, Property: property}, Filter: metering.Filter{Conjunction: metering.And}, Created: d.At(),
		})
		d.Must(err)
		return m
	}
	count, largest := meter("calls", metering.AggregateCount, ""), meter("largest", metering.AggregateMax, "totalTokens")
	price := func(m metering.Meter, amount string, per int64) billing.Price {
		p := d.Price(amount, per)
		p.Meter = m.ID
		return p
	}
	tokens := d.Product("Tokens", []billing.Price{d.Price("0.01", 1000), price(count, "0.002", 1)}, func(p *billing.Product) { p.TrialDays = 3 })
	s := d.Contract(tokens, "2026-03-01T00:00:00Z")
	largestOnly := d.Product("Largest", []billing.Price{price(largest, "1", 1)})
	_, err := d.Store.AddPrice(d.Context(), metering.DefaultOrg, func() billing.Price {
		p := d.Price("0.03", 1000)
		p.Product, p.From = tokens.ID, billingtest.Instant("2026-03-10T00:00:00Z")
		return p
	}(), d.At())
	d.Must(err)
	_, err = d.Store.SwitchProduct(d.Context(), metering.DefaultOrg, s.ID, billing.Phase{From: billingtest.Instant("2026-03-20T00:00:00Z"), Product: largestOnly.ID}, d.At())
	d.Must(err)
	ci := d.key(d.Customer.ID, "ci", func(k *metering.Key) { k.Test = true })
	want := make(map[string]string)
	for at, cost := range map[string]string{
		"2026-02-20T12:00:00Z": "", "2026-03-02T12:00:00Z": "0", "2026-03-05T12:00:00Z": "0.01434", "2026-03-12T12:00:00Z": "0.03902", "2026-03-21T12:00:00Z": "",
	} {
		want[d.Call(at, "m", 1_234).ID.String()] = cost
	}
	want[d.Call("2026-03-05T12:00:00Z", "m", 1_234, with(ci)).ID.String()] = ""
	d.Move("2026-03-25T00:00:00Z")
	d.signIn(d.Customer.ID)
	rows := d.file("/calls.csv")
	if len(rows) != len(want) {
		t.Fatalf("%d calls, want %d", len(rows), len(want))
	}
	for _, row := range rows {
		if row["charge"] != want[row["id"]] {
			t.Errorf("call at %s costs %q (%s), want %q", row["time"], row["charge"], row["note"], want[row["id"]])
		}
		e, err := d.Usage.Event(d.Context(), metering.DefaultOrg, row["id"])
		d.Must(err)
		list, err := d.Biller.Explain(d.Context(), metering.DefaultOrg, e)
		d.Must(err)
		sum, currency := rat(t, "0"), ""
		for _, x := range list {
			if x.Price != nil && x.Share != "" && x.State == "open period" {
				sum.Add(sum, rat(t, x.Share))
				currency = string(x.Price.Currency)
			}
		}
		if row["charge"] != "" && row["charge"] != "0" && (sum.Cmp(rat(t, row["charge"])) != 0 || currency != row["currency"]) {
			t.Errorf("call at %s: the list says %s, the biller %s", row["time"], row["charge"], sum.FloatString(6))
		}
	}
	d.open("/calls").wants("$0.04 USD", "$0.01 USD", "free trial", "no share of its own", "test key: never billed", "no price")
}

// TestCalls_filters: each filter chooses, pages follow one another, and nothing
// is on two of them.
func TestCalls_filters(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a, b := d.key(d.Customer.ID, "alpha"), d.key(d.Customer.ID, "beta")
	for i := range 120 {
		k, model := a, "m1"
		if i%3 == 0 {
			k, model = b, "m2"
		}
		d.Call(fmt.Sprintf("2026-01-%02dT%02d:00:00Z", 1+i/24, i%24), model, 100, with(k), func(e *metering.Event) {
			if i%40 == 0 {
				e.Outcome, e.Usage.State = metering.OutcomeTruncated, metering.UsageEstimated
			}
			if i == 7 {
				e.Outcome, e.Status = metering.OutcomeTimeout, 504
			}
		})
	}
	d.signIn(d.Customer.ID)
	seen := make(map[string]bool)
	for path, pages := "/calls", 0; path != ""; pages++ {
		page := d.open(path)
		path = ""
		for _, link := range page.links() {
			if strings.HasPrefix(link, "/portal/calls/") {
				if seen[link] {
					t.Errorf("%s is on two pages", link)
				}
				seen[link] = true
			}
			if strings.Contains(link, "cursor=") && !strings.Contains(link, "calls.") {
				path = strings.TrimPrefix(link, "/portal")
			}
		}
		if pages > 4 {
			t.Fatal("the pages do not end")
		}
	}
	if len(seen) != 120 {
		t.Errorf("%d calls on all pages, want 120", len(seen))
	}
	for query, want := range map[string]int{
		"": 120, "?model=m2": 40, "?key=" + b.ID: 40, "?outcome=interrupted": 3, "?outcome=timeout": 1, "?outcome=complete": 116,
		"?from=2026-01-02&to=2026-01-03": 24, "?from=2026-01-02&to=2026-01-03&model=m1": 16, "?model=none": 0,
	} {
		if got := len(d.file("/calls.csv" + query)); got != want {
			t.Errorf("%q chooses %d calls, want %d", query, got, want)
		}
	}
	d.open("/calls?model=none").wants("No call matches", "Show all calls")
	d.open("/calls?outcome=interrupted").wants("interrupted", "estimated")
	if a := d.get("/calls?outcome=moon"); a.status != http.StatusBadRequest {
		t.Errorf("outcome moon: %d", a.status)
	}
	if a := d.get("/calls?cursor=moon"); a.status != http.StatusBadRequest {
		t.Errorf("cursor moon: %d", a.status)
	}
}

// TestCall_flags: an estimate and an interruption are said in words.
func TestCall_flags(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.Call("2026-01-10T12:00:00Z", "m", 500, func(e *metering.Event) {
		e.Outcome, e.Usage.State = metering.OutcomeClientGone, metering.UsageEstimated
		e.Usage.Estimate = &metering.Estimate{Method: "bytes/4", Low: 400, High: 900}
		e.Usage.Tokens[metering.InputCell(metering.CacheRead, metering.Text)] = 40
		e.Usage.Tokens[metering.OutputCell(true, metering.Text)] = 60
	})
	d.signIn(d.Customer.ID)
	d.open("/calls/"+e.ID.String()).wants(
		"interrupted", "estimated", "Your client hung up before the end", "Estimated by bytes/4; the total is between 400 and 900",
		"in, read from the cache 40", "out, reasoning 60", "In 50 , out 550 600", "No price is for it",
	)
}

// TestCalls_ofBackend: a call that a backend made for the customer is the
// customer's, and its key is not: not even its id is shown.
func TestCalls_ofBackend(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	saas := d.AddCustomer("saas")
	k := d.key(saas.ID, "saas-backend")
	e := d.Call("2026-01-10T12:00:00Z", "m", 500, with(k))
	d.signIn(d.Customer.ID)
	for _, path := range []string{"/calls", "/calls.csv", "/calls.json", "/calls/" + e.ID.String(), "/usage?period=month", "/usage.csv?period=month&by=key", "/usage.json?period=month&by=key", "/"} {
		d.open(path).lacks(k.ID, "saas-backend")
	}
	d.open("/usage?period=month").wants("(made for you)")
}

// TestCSV_injection: what a client names cannot make a spreadsheet compute, S30.
func TestCSV_injection(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const formula = `=HYPERLINK("http://evil.example","x")`
	k := d.key(d.Customer.ID, "+SUM(1)")
	product := d.Product("@product", []billing.Price{d.Price("0.01", 1000)})
	d.Contract(product, "2026-01-01T00:00:00Z")
	d.Call("2026-01-10T12:00:00Z", formula, 1_000_000, with(k), func(e *metering.Event) { e.ClientID, e.Run = "-2+3", "\t=1" })
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	invoice := d.Invoices()[0].Invoice.ID
	d.signIn(d.Customer.ID)
	found := 0
	for _, path := range []string{"/calls.csv", "/usage.csv?period=previous&by=model", "/usage.csv?period=previous&by=key", "/invoices/" + invoice + "/lines.csv"} {
		rows, err := csv.NewReader(strings.NewReader(d.open(path).body)).ReadAll()
		d.Must(err)
		for _, row := range rows {
			for _, cell := range row {
				switch {
				case strings.HasPrefix(cell, "'"):
					found++
				case strings.ContainsAny(cell[:min(1, len(cell))], "=+@\t") || strings.HasPrefix(cell, "-") && cell != "-":
					t.Errorf("%s: cell %q", path, cell)
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d cells were made safe", found)
	}
}

// TestUsage_withoutBilling: where nothing is billed there are usage, calls and
// keys, and no word of money.
func TestUsage_withoutBilling(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *portal.Options) { o.Bills, o.Biller, o.Provider, o.Pay, o.PDF = nil, nil, nil, nil, nil })
	d.Call("2026-01-10T12:00:00Z", "m", 5_000)
	d.signIn(d.Customer.ID)
	for _, path := range []string{"/", "/usage", "/calls", "/keys"} {
		d.open(path).lacks("USD", "subscription", "/portal/invoices", "/portal/card", "/portal/credits")
	}
	d.open("/usage").wants("5,000", "Tokens per day, by model")
	for _, path := range []string{"/invoices", "/credits", "/prices", "/card"} {
		if a := d.get(path); a.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
}
