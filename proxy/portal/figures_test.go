package portal_test

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
	"github.com/weirhq/weir/proxy/portal"
)

// busy is a month of calls by two keys and three models, with credit in units,
// included units and a test key beside them.
func busy(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.Move("2026-03-01T00:00:00Z")
	price := d.Price("0.012", 1000)
	price.Included = billingtest.Number("100000")
	d.Contract(d.Product("LLM usage", []billing.Price{price}), "2026-03-01T00:00:00Z")
	d.Grant(billing.Grant{Meter: d.Meter, Issued: billingtest.Number("50000"), Note: "start"})
	backend, batch, ci := d.key(d.Customer.ID, "backend"), d.key(d.Customer.ID, "batch"), d.key(d.Customer.ID, "ci", func(k *metering.Key) { k.Test = true })
	for i, model := range []string{"gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"} {
		for day := range 5 {
			k := backend
			if i == 1 {
				k = batch
			}
			at := time.Date(2026, 3, 1+day*2, 23, 30, 0, 0, time.UTC).Format(time.RFC3339)
			d.Call(at, model, int64(33_333*(i+1)+day*1_001), with(k))
		}
	}
	d.Call("2026-03-04T12:00:00Z", "gpt-4o-mini", 7_000, with(ci))
	d.Move("2026-03-14T09:26:53Z")
	return d.signIn(d.Customer.ID)
}

func rat(t *testing.T, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	return r
}

// TestUsage_numbers compares every table of the page and every file with the
// store and with the estimate: one total, whichever way it is cut.
func TestUsage_numbers(t *testing.T) {
	t.Parallel()
	d := busy(t)
	e, err := d.Biller.Estimate(d.Context(), metering.DefaultOrg, d.Customer.ID, d.At())
	d.Must(err)
	line := e.Invoices[0].Lines[0]
	tokens, exact := line.Quantity.String(), line.Exact
	spend := page.Money(e.Invoices[0].Total.Decimal(), "USD")
	_, totals, err := d.Usage.Usage(d.Context(), metering.UsageQuery{
		Org: metering.DefaultOrg, Customer: d.Customer.ID, From: line.Span.Start, To: line.Span.End,
	})
	d.Must(err)
	if got := metering.NumberOf(totals.Total - 7_000).String(); got != tokens {
		t.Fatalf("the store has %s live tokens, the estimate %s", got, tokens)
	}
	a := d.open("/usage")
	a.wants("Of test keys there are 1 call more with 7,000 tokens", "1 Mar 2026 00:00 to 1 Apr 2026 00:00 UTC")
	for label, rows := range map[string]int{"By model": 3, "By key": 2, "By day": 5} {
		table := a.table(">" + label + "<")
		last := table[len(table)-1]
		if len(table) != rows+2 || last[0] != "Total" || last[1] != "15" || last[6] != page.Number(totals.Total-7_000) || last[7] != spend {
			t.Errorf("%s: %q", label, table)
		}
		by := strings.TrimPrefix(label, "By ")
		sum, charge := new(big.Rat), new(big.Rat)
		for _, row := range d.file("/usage.csv?by=" + by) {
			sum.Add(sum, rat(t, row["total"]))
			charge.Add(charge, rat(t, row["charge"]))
			if row["currency"] != "USD" {
				t.Errorf("%s: %v", label, row)
			}
		}
		if sum.Cmp(rat(t, tokens)) != 0 {
			t.Errorf("%s: the CSV has %s tokens, the estimate %s", label, sum.FloatString(0), tokens)
		}
		// A share that does not end is cut at twelve places.
		if diff := new(big.Rat).Sub(charge, rat(t, exact)); diff.Abs(diff).Cmp(rat(t, "0.00000000001")) > 0 {
			t.Errorf("%s: the CSV charges %s, the estimate %s", label, charge.FloatString(12), exact)
		}
		var twin struct {
			Rows   []map[string]any
			Totals map[string]any
		}
		d.Must(json.Unmarshal([]byte(d.open("/usage.json?by="+by).body), &twin))
		if len(twin.Rows) != rows || twin.Totals["charge"] != exact || twin.Totals["total"] != float64(totals.Total-7_000) {
			t.Errorf("%s as JSON: %d rows, %v", label, len(twin.Rows), twin.Totals)
		}
	}
}

// TestOverview_numbers: the figure, what is included and covered, and the chart
// are those of the biller.
func TestOverview_numbers(t *testing.T) {
	t.Parallel()
	d := busy(t)
	e, err := d.Biller.Estimate(d.Context(), metering.DefaultOrg, d.Customer.ID, d.At())
	d.Must(err)
	v := e.Invoices[0]
	l := v.Lines[0]
	a := d.open("/")
	a.wants(
		page.Money(v.Total.Decimal(), "USD")+" i estimate", "1 Mar 2026 00:00 to 1 Apr 2026 00:00 UTC. Resets 1 Apr 2026 00:00 UTC, in 17 d.",
		"as of 2026-03-14 09:26:53 UTC, 0 s behind", "before credit in money and rounding",
	)
	row := a.table("What the period comes to so far")[1]
	want := []string{
		"LLM usage: llm-tokens", page.Figure{Value: l.Quantity.String()}.String(), "100,000 of 100,000", "50,000",
		page.Figure{Value: l.Charged.String()}.String(), "$0.012 USD per 1,000", page.Money(v.Subtotal.Decimal(), "USD"),
	}
	if !slices.Equal(row, want) {
		t.Errorf("line %q, want %q", row, want)
	}
	chart := a.table("Spend per day, by model, table")
	if !slices.Equal(chart[0], []string{"Day (UTC)", "gemini-2.5-flash", "claude-sonnet-4-5", "gpt-4o-mini"}) || len(chart) != 15 {
		t.Errorf("chart of %d rows: %q", len(chart), chart[0])
	}
	if chart[2][1] != "$0.00" || chart[1][1] == "$0.00" || !strings.HasPrefix(chart[14][0], "2026-03-14 running") {
		t.Errorf("days %q", chart)
	}
}

// TestFreshness: the stamp is the lowest watermark of what records, and says
// when it is late.
func TestFreshness(t *testing.T) {
	t.Parallel()
	d := busy(t)
	lease, err := d.Usage.ClaimJournal(d.Context(), metering.JournalClaim{Journal: "j1", Nonce: "n", Host: "secret-host"})
	d.Must(err)
	_, err = d.Usage.Beat(d.Context(), metering.Beat{Lease: lease, Watermark: metering.MicrosOf(d.Time().Add(-2 * time.Second))})
	d.Must(err)
	d.open("/").wants("as of 2026-03-14 09:26:51 UTC, 2 s behind").lacks("not in these figures yet", "secret-host")
	d.Later(73 * time.Second)
	d.open("/").wants("as of 2026-03-14 09:26:51 UTC, 75 s behind: the latest calls are not in these figures yet")
}

// TestTrial: the portal says what becomes of usage during a trial, P18.
func TestTrial(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule           billing.TrialRule
		during, after  string
		figure, charge string
	}{
		{billing.TrialFree, "what you use until then is free", "what you used in it was free", "$0.00 USD", "free trial"},
		{billing.TrialBilled, "what you use until then is charged with its period", "what you used in it is charged with its period", "$10.00 USD", "$10.00 USD"},
	} {
		d := newDesk(t)
		d.Move("2026-03-01T00:00:00Z")
		p := d.Product("LLM usage", []billing.Price{d.Price("0.01", 1000)}, func(p *billing.Product) { p.TrialDays, p.TrialUsage = 14, tt.rule })
		d.Contract(p, "2026-03-01T00:00:00Z")
		d.Call("2026-03-02T12:00:00Z", "gpt-4o-mini", 1_000_000)
		d.Move("2026-03-03T00:00:00Z")
		d.signIn(d.Customer.ID)
		for _, path := range []string{"/", "/usage", "/prices"} {
			d.open(path).wants("Trial until 15 Mar 2026 00:00 UTC: " + tt.during)
		}
		d.open("/").wants(tt.figure + " i estimate")
		d.open("/calls").wants(tt.charge)
		d.Move("2026-03-20T00:00:00Z")
		d.open("/").wants("The trial ended 15 Mar 2026 00:00 UTC: " + tt.after)
	}
}

// TestZone: days and periods are those of the subscription's zone, and say so.
func TestZone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	zone, err := time.LoadLocation("Asia/Kolkata")
	d.Must(err)
	d.Move("2026-02-28T18:30:00Z")
	p := d.Product("LLM usage", []billing.Price{d.Price("0.01", 1000)})
	d.Contract(p, "2026-02-28T18:30:00Z", func(s *billing.Subscription) { s.Anchor = period.AnchorAt(s.Start, zone, 1) })
	d.Call("2026-03-01T18:00:00Z", "m", 1_000) // 23:30 on the first there
	d.Call("2026-03-01T19:00:00Z", "m", 2_000) // 00:30 on the second
	d.Move("2026-03-10T00:00:00Z")
	d.signIn(d.Customer.ID)
	a := d.open("/usage").wants("1 Mar 2026 00:00 to 1 Apr 2026 00:00 Asia/Kolkata", "Day (Asia/Kolkata)")
	table := a.table(">By day<")
	if len(table) != 4 || table[1][0] != "2026-03-01" || table[1][6] != "1,000" || table[2][0] != "2026-03-02" || table[2][6] != "2,000" {
		t.Errorf("days %q", table)
	}
	for _, link := range a.links() {
		if strings.Contains(link, "/portal/calls?from=2026-02-28T18%3A30%3A00Z&to=2026-03-01T18%3A30%3A00Z") {
			rows := d.open(strings.TrimPrefix(link, "/portal")).table("Calls, table")
			if len(rows) != 2 || rows[1][0] != "03-01 18:00:00" {
				t.Errorf("calls of the first day: %q", rows)
			}
			return
		}
	}
	t.Errorf("no link leads to the calls of the first day: %q", a.links())
}

// TestSpans: what a page is about is in its URL, and what is no period is said.
func TestSpans(t *testing.T) {
	t.Parallel()
	d := busy(t)
	d.Move("2026-04-02T00:00:00Z")
	d.Settle()
	d.Call("2026-04-01T12:00:00Z", "gpt-4o-mini", 555)
	for query, want := range map[string]string{
		"": "1 Apr 2026 00:00 to 1 May 2026 00:00 UTC", "?period=previous": "1 Mar 2026 00:00 to 1 Apr 2026 00:00 UTC",
		"?period=7d": "27 Mar 2026 00:00 to 3 Apr 2026 00:00 UTC", "?period=30d": "4 Mar 2026 00:00 to 3 Apr 2026 00:00 UTC",
		"?period=month": "1 Apr 2026 00:00 to 1 May 2026 00:00 UTC", "?from=2026-03-05&to=2026-03-06": "5 Mar 2026 00:00 to 6 Mar 2026 00:00 UTC",
	} {
		d.open("/usage" + query).wants(want)
	}
	d.open("/usage").wants("555", "Last period")
	d.open("/usage?period=previous").lacks("What it comes to so far")
	for _, query := range []string{"?period=moon", "?from=2026-03-05&to=2026-03-05", "?from=yesterday", "?from=2020-01-01&to=2026-01-01"} {
		if a := d.get("/usage" + query); a.status != 400 {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

// TestReported: what another source reported is in the estimate and said to be
// in no call.
func TestReported(t *testing.T) {
	t.Parallel()
	d := busy(t)
	d.Use("2026-03-06T12:00:00Z", "123456")
	d.open("/usage").wants("123,456 of the tokens were reported by another source than the proxy")
}

// TestOtherCurrencies: amounts in other currencies have their own decimals.
func TestOtherCurrencies(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Move("2026-03-01T00:00:00Z")
	price := d.Price("1.5", 1000)
	price.Currency = "JPY"
	d.Contract(d.Product("LLM usage", []billing.Price{price}), "2026-03-01T00:00:00Z", func(s *billing.Subscription) { s.Currency = "JPY" })
	d.Call("2026-03-02T12:00:00Z", "m", 123_457)
	d.Move("2026-03-03T00:00:00Z")
	d.signIn(d.Customer.ID)
	d.open("/").wants("¥185 JPY i estimate", "Spend per day, by model, JPY")
}

// TestAmounts: what is not nothing is never shown as nothing, nor with an
// exponent.
func TestAmounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ amount, currency, want string }{
		{"0", "USD", "$0.00 USD"}, {"12.345", "USD", "$12.35 USD"}, {"1234567.8", "USD", "$1,234,567.80 USD"}, {"0.01", "USD", "$0.01 USD"},
		{"0.0099999", "USD", "$0.01 USD"}, {"0.000182", "USD", "$0.000182 USD"}, {"0.0000001", "USD", "<$0.000001 USD"}, {"-0.0000001", "USD", "-<$0.000001 USD"},
		{"-0.005", "USD", "-$0.005 USD"}, {"0.4", "JPY", "¥0.4 JPY"}, {"2.5", "JPY", "¥3 JPY"}, {"0.0005", "KWD", "0.0005 KWD"}, {"1/3", "USD", "$0.33 USD"}, {"1/3000", "USD", "$0.000333 USD"},
	} {
		got, err := portal.AmountText(rat(t, tt.amount), billing.Currency(tt.currency))
		if err != nil || got != tt.want {
			t.Errorf("%s %s: %q, %v, want %q", tt.amount, tt.currency, got, err, tt.want)
		}
	}
}

// TestEstimate_belowCent: a period that comes to less than a cent says how much.
func TestEstimate_belowCent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Move("2026-03-01T00:00:00Z")
	d.Subscribe("2026-03-01T00:00:00Z")
	d.Call("2026-03-02T12:00:00Z", "m", 18)
	d.Move("2026-03-03T00:00:00Z")
	d.signIn(d.Customer.ID)
	d.open("/").wants("$0.00018 USD i estimate").lacks("$0.00 USD i estimate")
}
