package console

import (
	"html"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// margins is a month with a model that earns and one that loses.
func margins(t *testing.T) *desk {
	d := newDesk(t)
	d.Subscribe("2026-01-01T00:00:00Z")
	d.Call("2026-01-10T12:00:00Z", "cheap", 1_000_000)                                                                        // earns 10, costs 1
	d.Call("2026-01-11T12:00:00Z", "dear", 1_000_000, func(e *metering.Event) { e.Cost = metering.Cost{Micros: 15_000_000} }) // earns 10, costs 15
	d.Call("2026-01-11T13:00:00Z", "new", 1000, func(e *metering.Event) { e.CostState, e.Cost = metering.CostUnpriced, metering.Cost{} })
	return d
}

// TestBillingPages_margin: the page, its chart and its file have the same
// figures, and what loses comes first.
func TestBillingPages_margin(t *testing.T) {
	t.Parallel()
	d := margins(t)
	period := "?from=2026-01-01&to=2026-02-01"
	d.open("/margin"+period+"&by=customer").wants("acme", "$20.01", "$16.00", "$4.01", "20.0 %", "estimate", "unpriced: 1")
	page := d.open("/margin" + period + "&by=model")
	page.wants("cheap", "dear", "$9.00", "-$5.00", "loses", "1 of 3 groups by model cost more than earned")
	if body := page.body[strings.Index(page.body, "<caption>Margin by"):]; strings.Index(body, "dear") > strings.Index(body, "cheap") {
		t.Error("what loses does not come first")
	}
	d.open("/margin"+period+"&by=product").wants("LLM usage", "$20.01")
	d.open("/margin"+period+"&by=day").wants("2026-01-10", "2026-01-11", "Revenue, cost and margin per day")

	for _, by := range []string{"customer", "product", "day", "model"} {
		rows := d.file("/margin.csv" + period + "&by=" + by)
		sum, total := new(big.Rat), rows[len(rows)-1]
		for _, row := range rows[:len(rows)-1] {
			r, ok := new(big.Rat).SetString(row["margin"])
			if !ok || row["row"] != "group" {
				t.Fatalf("by %s: %v", by, row)
			}
			sum.Add(sum, r)
		}
		if want, ok := new(big.Rat).SetString(total["margin"]); !ok || want.Cmp(sum) != 0 || total["row"] != "total" {
			t.Errorf("by %s: rows sum to %s, the total is %v", by, sum.FloatString(6), total)
		}
		if total["revenue"] != "20.01" || total["cost_usd"] != "16" || total["unpriced"] != "1" || total["estimated"] != "true" {
			t.Errorf("by %s: the total is %v", by, total)
		}
	}
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	d.open("/margin"+period+"&by=customer").wants("closed periods, before rounding", "$20.01")
}

// TestBillingPages_marginOpen: a total is opened by dimensions, filters and the
// rows themselves, down to the calls; its figures stay what they were.
func TestBillingPages_marginOpen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Subscribe("2026-01-01T00:00:00Z")
	tag := []metering.Tag{{Name: "team", Value: "a&b=c"}}
	d.Call("2026-01-10T12:00:00Z", "dear", 1_000_000, func(e *metering.Event) {
		e.Run, e.Tags, e.Cost = "r/1", tag, metering.Cost{Micros: 12_000_000}
	})
	d.Call("2026-01-11T23:10:00Z", "dear", 500_000, func(e *metering.Event) { e.Upstream = "eu" })
	d.Call("2026-01-11T13:00:00Z", "cheap", 100_000, func(e *metering.Event) { e.Tags = tag })
	period := "?from=2026-01-01&to=2026-02-01"
	// link is where a row of that name leads, and follow goes there.
	link := func(at answer, name, kind string) string {
		t.Helper()
		label := `aria-label="` + kind + " " + name + `"`
		i := strings.Index(at.body, label)
		if i < 0 {
			t.Fatalf("there is no %s in\n%s", label, text(at.body))
		}
		path, _, _ := strings.Cut(at.body[strings.LastIndex(at.body[:i], `href="`)+len(`href="`):], `"`)
		return strings.TrimPrefix(html.UnescapeString(path), "/console")
	}
	follow := func(at answer, name, kind string) answer {
		t.Helper()
		return d.open(link(at, name, kind))
	}
	start := d.open("/margin" + period + "&by=model&then=run&per=day")
	start.wants("Margin by model and run and day", "dear", "r/1", "no run", "2026-01-10", "-$2.00", "2026-01-11", "cheap")
	page := follow(start, "dear, r/1, 2026-01-10", "Open")
	page.wants("Only Model dear ( any Model ) Run r/1 ( any Run )", "Margin by customer", "acme", "-$2.00", "$10.00")
	page = follow(page, "acme", "Open")
	page.wants("Customer acme ( any Customer )", "Margin by key", "-$2.00")
	if strings.Contains(page.body, "cheap") {
		t.Error("the rows of other groups are there")
	}
	page = follow(d.open("/margin"+period+"&by=day"), "2026-01-11", "Open")
	page.wants("Margin by customer", "$6.00", "11 Jan 2026 00:00 to 12 Jan 2026 00:00")
	if got, want := link(d.open("/margin"+period+"&by=model&then=day"), "dear, 2026-01-10", "Calls of"), "/events?from=2026-01-10T00%3A00%3A00Z&model=dear&to=2026-01-11T00%3A00%3A00Z"; got != want {
		t.Errorf("calls are at %s, want %s", got, want)
	}
	if strings.Contains(d.open("/margin"+period+"&by=model&then=key").body, `aria-label="Calls of`) {
		t.Error("calls without a key cannot be listed")
	}
	part := link(d.open("/margin?from=2026-01-11T13:30:00Z&to=2026-01-12T12:00:00Z&by=day"), "2026-01-11", "Open")
	if from, to := "from=2026-01-11T13%3A30%3A00Z", "to=2026-01-12T00%3A00%3A00Z"; !strings.Contains(part, from) || !strings.Contains(part, to) {
		t.Errorf("a part of a day leads to %s, want %s and %s", part, from, to)
	}
	follow(d.open("/margin"+period+"&by=model&only=model%3Ddear"), "dear", "Open").wants("Only Model dear ( any Model )", "$15.00")

	labels := d.open("/margin" + period + "&by=customer&label=team")
	labels.wants("Label team", "a&b=c", "no team")
	page = follow(labels, "a&amp;b=c", "Open")
	page.wants("Only Label team a&b=c ( any Label team )", "Margin by customer", "$11.00")
	d.open("/margin"+period+"&by=model&only="+url.QueryEscape("tag:team=a&b=c")+"&where=model&is=cheap").wants("Only Label team a&b=c ( any Label team ) Model cheap", "$1.00")
	d.open("/margin"+period+"&by=model&where=label&is=team%3Da%26b%3Dc&only=run%3D").wants("Run no run", "Label team a&b=c", "$1.00")
	d.open("/margin"+period+"&by=model&only=run").wants("Run not recorded", "Nothing passes the filters")
	d.open("/margin"+period+"&by=model&where=customer&is=acme").wants("Customer acme", "$16.00")
	for _, query := range []string{"&by=day&per=hour", "&only=day%3D1", "&only=colour%3Dred", "&only=model"} {
		if a := d.do(httptest.NewRequest(http.MethodGet, "/console/margin"+period+query, nil)); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, a.status)
		}
	}
	rows := d.file("/margin.csv" + period + "&by=customer&then=run&only=" + url.QueryEscape("model=dear"))
	if len(rows) != 3 || rows[0]["customer_name"] != "acme" || rows[0]["run"] != "r/1" || rows[0]["margin"] != "-2" || rows[2]["revenue"] != "15" {
		t.Errorf("the file has %v", rows)
	}
	d.Use("2026-01-12T00:00:00Z", "1000") // reported: no call
	d.open("/margin"+period+"&by=model").wants("no model", "$0.01", "$16.01")
	peak, err := d.Usage.CreateMeter(d.Context(), metering.Meter{
		Org: metering.DefaultOrg, Name: "peak", Filter: metering.Filter{Conjunction: metering.And}, Aggregate: metering.Aggregate{Func: metering.AggregateMax, Property: "totalTokens"}, Created: d.At(),
	})
	d.Must(err)
	most := d.Price("1", 1_000_000)
	most.Meter = peak.ID
	d.Contract(d.Product("Peak", []billing.Price{most}), "2026-01-01T00:00:00Z")
	d.open("/margin"+period+"&by=model").wants("unattributed", "$1.00", "$17.01")
	d.open("/margin"+period+"&by=customer&only="+url.QueryEscape("model=dear")).wants("1 USD more were earned of which nobody can tell", "$15.00")
}

// TestBillingPages_currencies: what cannot be added up is said, and takes
// neither the page nor the overview with it.
func TestBillingPages_currencies(t *testing.T) {
	t.Parallel()
	d := margins(t)
	d.Customer = d.AddCustomer("euro")
	euro := d.Price("0.01", 1000)
	euro.Currency = "EUR"
	d.Contract(d.Product("Euro", []billing.Price{euro}), "2026-01-01T00:00:00Z")
	d.Call("2026-01-12T12:00:00Z", "cheap", 1000)
	d.open("/margin?from=2026-01-01&to=2026-02-01").wants("cannot be added up")
	if a := d.do(httptest.NewRequest(http.MethodGet, "/console/margin.csv?from=2026-01-01&to=2026-02-01", nil)); a.status != http.StatusBadRequest {
		t.Errorf("a file of two currencies: %d", a.status)
	}
	tiles, err := d.pages.tiles(d.Context(), metering.DefaultOrg, january(d))
	d.Must(err)
	if len(tiles) != 1 || !strings.Contains(tiles[0].Note, "cannot be added up") {
		t.Errorf("tiles are %+v", tiles)
	}
}

func january(d *desk) page.Period {
	p, err := page.ParsePeriod(map[string][]string{"from": {"2026-01-01"}, "to": {"2026-02-01"}}, d.Time(), "month")
	d.Must(err)
	return p
}

// TestBillingPages_tiles: the overview has the revenue and the margin of the
// period, and leads to what makes them.
func TestBillingPages_tiles(t *testing.T) {
	t.Parallel()
	d := margins(t)
	tiles, err := d.pages.tiles(d.Context(), metering.DefaultOrg, january(d))
	d.Must(err)
	if len(tiles) != 2 {
		t.Fatalf("tiles are %+v", tiles)
	}
	if got := text(string(tiles[0].Value)); tiles[0].Label != "Revenue (estimate)" || got != "$20.01" {
		t.Errorf("%s is %s", tiles[0].Label, got)
	}
	if got := text(string(tiles[1].Value)); tiles[1].Label != "Margin" || got != "$4.01" || tiles[1].Note != "20.0 % of revenue" {
		t.Errorf("%s is %s (%s)", tiles[1].Label, got, tiles[1].Note)
	}
	d.open(strings.TrimPrefix(tiles[1].Link, "/console")).wants("$4.01")
}

// TestBillingPages_event follows a call from its quantity to the payment.
func TestBillingPages_event(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Subscribe("2026-01-01T00:00:00Z")
	e := d.Call("2026-01-10T12:00:00Z", "gpt", 100_000)
	show := func() answer {
		return d.render("eventbilling", func() (any, error) { return d.pages.event(d.Context(), metering.DefaultOrg, e) })
	}
	show().wants("llm-tokens", "open period", "100,000", "100000 × 0.01 USD ÷ 1000 = 1 USD", "LLM usage")
	d.Card("works")
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	number := d.Invoices()[0].Invoice.Number
	page := show()
	page.wants("invoice "+number+", line 1", "paid", "succeeded", "$1.00 USD", "card works")
	for _, link := range page.links() {
		if at, line, ok := strings.Cut(link, "#line-"); ok && !strings.Contains(d.open(strings.TrimPrefix(at, "/console")).body, `id="line-`+line+`"`) {
			t.Errorf("the link %s leads to no line", link)
		}
	}
	test := d.Call("2026-01-10T12:00:00Z", "gpt", 10, func(e *metering.Event) { e.Test = true })
	d.render("eventbilling", func() (any, error) { return d.pages.event(d.Context(), metering.DefaultOrg, test) }).wants("test key: never billed")
	other := *e
	other.Name = "something-else"
	d.render("eventbilling", func() (any, error) { return d.pages.event(d.Context(), metering.DefaultOrg, &other) }).wants("No meter measures this event")
}

// TestBillingPages_marginStated covers T41: what providers state of the calls of
// the period is beside what the book says of them.
func TestBillingPages_marginStated(t *testing.T) {
	t.Parallel()
	d := margins(t)
	period := "?from=2026-01-01&to=2026-02-01"
	if body := d.open("/margin" + period).body; strings.Contains(body, "the provider states") {
		t.Error("what no provider states is compared")
	}
	for at, cost := range map[string]string{"2026-01-12T12:00:00Z": "15", "2026-01-12T13:00:00Z": "2", "2026-02-01T00:00:00Z": "9"} {
		d.Call(at, "dear", 1000, func(e *metering.Event) {
			e.Cost, e.Usage.StatedCost = metering.Cost{Micros: 2_000_000}, &metering.StatedCost{Amount: cost, Unit: "usd"}
		})
	}
	if body := d.open("/margin" + period + "&only=model%3Ddear").body; strings.Contains(body, "the provider states") {
		t.Error("what is stated of all calls is beside some of them")
	}
	d.open("/margin" + period).wants("Of 2 calls the provider states a cost that the price book has too: $17 stated, $4 by the book; 1 of them differ")
}

// TestAlertOfMargin: an alert of a low margin leads to what makes it.
func TestAlertOfMargin(t *testing.T) {
	t.Parallel()
	d := margins(t)
	s := &Server{opts: Options{Billing: &Billing{}}}
	for subject, want := range map[string][]string{
		"model:dear":                {"Only Model dear ( any Model )", "Margin by customer", "acme", "-$5.00"},
		"customer:" + d.Customer.ID: {"Only Customer acme ( any Customer )", "Margin by model", "dear", "-$5.00"},
	} {
		link, ok := strings.CutPrefix(s.linkOf(metering.Alert{Kind: metering.AlertNegativeMargin, Subject: subject}), Base)
		if !ok {
			t.Fatalf("%s leads nowhere", subject)
		}
		d.open(link + "&from=2026-01-01&to=2026-02-01").wants(want...)
	}
	if got := new(Server).linkOf(metering.Alert{Kind: metering.AlertNegativeMargin, Subject: "customer:c1"}); got != Base+"/customers/c1" {
		t.Errorf("where nobody is billed: %s", got)
	}
}

// TestBillingPages_marginHours: the chart of a time has every hour of it, however
// many there are; none is drawn as one without usage because others lost more.
func TestBillingPages_marginHours(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Subscribe("2026-01-01T00:00:00Z")
	start := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	const hours = marginShown + 20
	for i := range hours {
		d.Call(start.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), "m", int64(1000+i))
	}
	q, err := d.pages.marginQuery(httptest.NewRequest(http.MethodGet, "/console/margin?from=2026-01-02&to=2026-01-12&by=hour", nil))
	d.Must(err)
	rows, _, err := d.pages.margins(d.Context(), q)
	d.Must(err)
	drawn := 0
	for _, revenue := range marginChart(q, rows[:len(rows)-1]).Series[0].Values {
		if revenue != "0" {
			drawn++
		}
	}
	if drawn != hours {
		t.Errorf("%d hours are drawn with what they earned, want %d", drawn, hours)
	}
}

// TestBillingPages_marginOutside: revenue that filters cannot tell is said where
// nothing passes them, too.
func TestBillingPages_marginOutside(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	peak, err := d.Usage.CreateMeter(d.Context(), metering.Meter{
		Org: metering.DefaultOrg, Name: "peak", Filter: metering.Filter{Conjunction: metering.And}, Aggregate: metering.Aggregate{Func: metering.AggregateMax, Property: "totalTokens"}, Created: d.At(),
	})
	d.Must(err)
	most := d.Price("1", 1000)
	most.Meter = peak.ID
	d.Contract(d.Product("Peak", []billing.Price{most}), "2026-01-01T00:00:00Z")
	d.Call("2026-01-10T12:00:00Z", "m", 1000)
	d.open("/margin?from=2026-01-01&to=2026-02-01&only=model%3Dother").wants("Nothing passes the filters", "1 USD more were earned of which nobody can tell")
}
