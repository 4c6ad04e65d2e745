package invoicing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// bazaar is two months of calls of three customers: at prices whose shares do not
// end, with included units, a product that is switched, meters of what sums do not
// have and, unless everything has to have parts, of what has none, and a customer
// without a subscription.
func bazaar(w *billingtest.World, seed uint64, parts bool) *rand.Rand {
	r := rand.New(rand.NewPCG(seed, 1))
	peak := meter(w, "peak", metering.AggregateMax, "totalTokens")
	images := meter(w, "images", metering.AggregateSum, "images", metering.Clause{Property: "name", Operator: metering.OpEq, Value: metering.StringValue(metering.EventLLM)})
	blue := meter(w, "blue", metering.AggregateSum, "_llm.output_tokens", metering.Clause{Property: "metadata.team", Operator: metering.OpEq, Value: metering.StringValue("blue")})
	tokens := w.Price("0.01", 7)
	tokens.Included = billingtest.Number("11")
	third := w.Price("0.02", 3)
	third.Meter = blue
	pictures := w.Price("1", 3)
	pictures.Meter = images
	most := w.Price("0.7", 13)
	most.Meter = peak
	prices := []billing.Price{tokens, pictures}
	if !parts {
		prices = append(prices, most)
	}
	first, second := w.Product("A", prices), w.Product("B", []billing.Price{third, w.Price("0.1", 9)})
	customers := []string{w.Customer.ID}
	w.Contract(first, "2026-02-01T00:00:00Z", func(s *billing.Subscription) {
		s.Phases = append(s.Phases, billing.Phase{From: billingtest.Instant("2026-02-14T11:30:00Z"), Product: second.ID})
	})
	w.Customer = w.AddCustomer("second")
	customers = append(customers, w.Customer.ID)
	w.Contract(second, "2026-02-03T10:20:00Z")
	w.Customer = w.AddCustomer("third")
	customers = append(customers, w.Customer.ID)
	for range 70 {
		at := billingtest.Instant("2026-01-30T00:00:00Z") + metering.Micros(r.Int64N(int64(45*24*time.Hour/time.Microsecond)))
		w.Call(at.Time().Format(time.RFC3339Nano), []string{"m1", "m2", "m3"}[r.IntN(3)], 10+r.Int64N(90), func(e *metering.Event) {
			e.Customer, e.Key, e.Provider = customers[r.IntN(3)], []string{"", "k1", "k2"}[r.IntN(3)], []string{"openai", "anthropic"}[r.IntN(2)]
			e.Run, e.Upstream, e.Test = []string{"", "r1", "r2"}[r.IntN(3)], []string{"eu", "us"}[r.IntN(2)], r.IntN(9) == 0
			e.Cost = metering.Cost{Micros: r.Int64N(200_000), Picos: r.Int64N(1_000_000)}
			if r.IntN(3) > 0 {
				e.Tags = []metering.Tag{{Name: "team", Value: []string{"blue", "red"}[r.IntN(2)]}}
			}
			if r.IntN(8) == 0 {
				e.CostState, e.Cost = metering.CostUnpriced, metering.Cost{}
			}
			if r.IntN(4) == 0 {
				e.Usage.Quantities = []metering.Quantity{{Name: "images", Amount: metering.NumberOf(1 + r.Int64N(3))}}
			}
		})
	}
	return r
}

// meter makes a meter of a property.
func meter(w *billingtest.World, name string, do metering.Aggregation, property string, clauses ...metering.Clause) string {
	w.Helper()
	m, err := w.Usage.CreateMeter(w.Context(), metering.Meter{
		Org: metering.DefaultOrg, Name: name, Filter: metering.Filter{Conjunction: metering.And, Clauses: clauses},
		Aggregate: metering.Aggregate{Func: do, Property: property}, Created: w.At(),
	})
	w.Must(err)
	return m.ID
}

// TestMargins_open is B26 as a law: by whatever it is grouped, rows sum to the same
// total to the last pico-dollar, and a row that is opened by anything else has the
// same total.
func TestMargins_open(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		r := bazaar(w, 7, false)
		all := append(invoicing.Dimensions(), "tag:team")
		pick := func(n int) []string {
			var by []string
			for _, i := range r.Perm(len(all))[:n] {
				if by = append(by, all[i]); invoicing.CheckDimensions(by) != nil {
					by = by[:len(by)-1]
				}
			}
			return by
		}
		want := report(w, invoicing.MarginQuery{By: []string{"customer"}}).Totals
		if len(want.Revenue) < 12 || want.Unpriced == 0 {
			w.Fatalf("the totals are too simple: %+v", want)
		}
		for i := range 24 {
			q := invoicing.MarginQuery{By: pick(1 + i%3)}
			rows := report(w, q)
			got := rows.Totals
			if got.Groups = want.Groups; !cmp.Equal(got, want) {
				w.Errorf("by %v: the total is %+v, by customer %+v", q.By, got, want)
			}
			for _, at := range r.Perm(len(rows.Rows))[:min(2, len(rows.Rows))] {
				open(w, q, rows.Rows[at], pick(2))
			}
		}
	})
}

// open opens a row by other dimensions.
func open(w *billingtest.World, q invoicing.MarginQuery, row invoicing.MarginRow, by []string) {
	w.Helper()
	if row.Kind != invoicing.RowGroup {
		return
	}
	inner := invoicing.MarginQuery{By: by}
	for i, d := range q.By {
		if d == "day" || d == "hour" {
			return // an instant is chosen by the span, which other rows have a share of
		}
		inner.Only = append(inner.Only, metering.UsageFilter{By: d, Value: row.Values[i]})
	}
	got := report(w, inner).Totals
	got.Kind, got.Values, got.Groups = row.Kind, row.Values, row.Groups
	if d := cmp.Diff(row, got); d != "" {
		w.Errorf("the row of %v opened by %v (-row +total):\n%s", inner.Only, by, d)
	}
	costs, err := w.Biller.Costs(w.Context(), invoicing.MarginQuery{Org: metering.DefaultOrg, By: by, Only: inner.Only})
	w.Must(err)
	if t := costs.Totals; t.Cost != row.Cost || t.Requests != row.Requests || t.Unpriced != row.Unpriced || t.Revenue != "" || t.Margin != "" {
		w.Errorf("costs of %v are %+v, in margins %+v", inner.Only, t, row)
	}
	if !slices.IsSortedFunc(costs.Rows, func(a, b invoicing.MarginRow) int { return rat(w, b.Cost.String()).Cmp(rat(w, a.Cost.String())) }) {
		w.Errorf("costs are not sorted: %+v", costs.Rows)
	}
}

// TestMargins_time: the total of a month is that of its days, each asked for by
// itself too, to a pico-dollar.
func TestMargins_time(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		bazaar(w, 11, true)
		from, to := billingtest.Instant("2026-02-10T00:00:00Z"), billingtest.Instant("2026-02-17T00:00:00Z")
		zone, err := time.LoadLocation("Asia/Kolkata")
		w.Must(err)
		whole := report(w, invoicing.MarginQuery{From: from, To: to, By: []string{"product"}}).Totals
		for _, q := range []invoicing.MarginQuery{{By: []string{"day"}}, {By: []string{"hour"}}, {By: []string{"day", "model"}}, {By: []string{"day"}, Zone: zone}} {
			q.From, q.To = from, to
			rows := report(w, q)
			if rows.Totals.Revenue != whole.Revenue || rows.Totals.Cost != whole.Cost {
				w.Errorf("by %v: %+v, want %+v", q.By, rows.Totals, whole)
			}
		}
		for _, row := range report(w, invoicing.MarginQuery{From: from, To: to, By: []string{"day"}}).Rows {
			start := billingtest.Instant(row.Values[0] + "T00:00:00Z")
			day := report(w, invoicing.MarginQuery{From: start, To: start + 86_400_000_000, By: []string{"model"}}).Totals
			off := rat(w, day.Revenue)
			off.Sub(off, rat(w, row.Revenue)).Abs(off)
			if day.Cost != row.Cost || off.Cmp(rat(w, "0.000000000001")) > 0 {
				w.Errorf("%s by itself is %+v, among others %+v", row.Values[0], day, row)
			}
		}
	})
}

// TestMargins_unattributed: what cannot be said to be of a group has a row of its
// own, and is apart where only some groups are asked for.
func TestMargins_unattributed(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		price := w.Price("0.5", 1)
		price.Meter = meter(w, "images", metering.AggregateMax, "images")
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000), price}), "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:30:00Z", "m", 3000, func(e *metering.Event) {
			e.Run, e.Usage.Quantities = "r", []metering.Quantity{{Name: "images", Amount: metering.NumberOf(3)}}
		})
		w.Call("2026-02-02T00:30:00Z", "n", 1000)
		for _, c := range []struct {
			q    invoicing.MarginQuery
			want string
		}{
			{invoicing.MarginQuery{By: []string{"model"}}, `group ["n"] 0.01-0.001; group ["m"] 0.03-0.003; unattributed ["\x01"] 1.5-0; total [] 1.54-0.004; 0`},
			{invoicing.MarginQuery{By: []string{"customer", "run"}}, `group ["acme" ""] 0.01-0.001; group ["acme" "r"] 0.03-0.003; unattributed ["acme" "\x01"] 1.5-0; total [] 1.54-0.004; 0`},
			{invoicing.MarginQuery{By: []string{"customer"}, Only: []metering.UsageFilter{{By: "model", Value: "m"}}}, `group ["acme"] 0.03-0.003; total [] 0.03-0.003; 1.5`},
			{invoicing.MarginQuery{By: []string{"model"}, Only: []metering.UsageFilter{{By: "run"}, {By: "product", Value: "P"}}}, `group ["n"] 0.01-0.001; total [] 0.01-0.001; 1.5`},
			{invoicing.MarginQuery{By: []string{"model"}, Only: []metering.UsageFilter{{By: "product"}}}, `total [] 0-0; 0`},
			{invoicing.MarginQuery{By: []string{"model"}, Only: []metering.UsageFilter{{By: "customer"}}}, `total [] 0-0; 0`},
			{invoicing.MarginQuery{By: []string{"product"}, Only: []metering.UsageFilter{{By: "run", Value: metering.GroupUnknown}}}, `total [] 0-0; 1.5`},
			{invoicing.MarginQuery{By: []string{"model"}, Top: 1}, `group ["n"] 0.01-0.001; others [] 0.03-0.003; unattributed [] 1.5-0; total [] 1.54-0.004; 0`},
			{invoicing.MarginQuery{By: []string{"day"}}, `group ["2026-02-02"] 0.04-0.004; unattributed ["\x01"] 1.5-0; total [] 1.54-0.004; 0`},
			{invoicing.MarginQuery{By: []string{"period", "product"}}, `group ["2026-02-01T00:00:00Z/2026-03-01T00:00:00Z" "P"] 1.54-0.004; total [] 1.54-0.004; 0`},
		} {
			if d := cmp.Diff(c.want, shown(w, c.q)); d != "" {
				w.Errorf("%+v (-want +got):\n%s", c.q, d)
			}
		}
	})
}

// shown is a report in one line.
func shown(w *billingtest.World, q invoicing.MarginQuery) string {
	w.Helper()
	r := report(w, q)
	out := ""
	for _, row := range append(r.Rows, r.Totals) {
		out += fmt.Sprintf("%s %q %s-%s; ", row.Kind, row.Values, row.Revenue, row.Cost)
	}
	return strings.ReplaceAll(out, w.Customer.ID, "acme") + r.Outside
}

// TestMargins_periods: each billing period has what was earned and spent in it,
// the open one so far.
func TestMargins_periods(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000)}), "2026-02-01T00:00:00Z")
		w.Call("2026-01-20T12:00:00Z", "m", 5000)
		w.Call("2026-02-28T23:59:59Z", "m", 1000)
		w.Move("2026-03-01T00:00:01Z")
		w.Settle()
		w.Call("2026-03-01T00:10:00Z", "m", 2000)
		feb, mar := "2026-02-01T00:00:00Z/2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z/2026-04-01T00:00:00Z"
		got := shown(w, invoicing.MarginQuery{By: []string{"period"}})
		if want := `group [""] 0-0.005; group ["` + feb + `"] 0.01-0.001; group ["` + mar + `"] 0.02-0.002; total [] 0.03-0.008; 0`; got != want {
			w.Errorf("by period:\n%s, want\n%s", got, want)
		}
		got = shown(w, invoicing.MarginQuery{By: []string{"hour"}, Only: []metering.UsageFilter{{By: "period", Value: mar}}})
		if want := `group ["2026-03-01T00:00:00Z"] 0.02-0.002; total [] 0.02-0.002; 0`; got != want {
			w.Errorf("hours of a period:\n%s, want\n%s", got, want)
		}
		for _, row := range report(w, invoicing.MarginQuery{By: []string{"period"}}).Rows {
			if row.Open != (row.Values[0] == mar) {
				w.Errorf("period %q: open is %v", row.Values[0], row.Open)
			}
		}
	})
}

// TestMargins_begun: what is used after the end of a period that is not closed yet
// has earned something too, and is of the period that it will be billed with.
func TestMargins_begun(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000)}), "2026-02-01T00:00:00Z")
		w.Call("2026-02-28T23:59:59Z", "m", 1000)
		w.Call("2026-03-01T00:10:00Z", "m", 2000)
		feb, mar := "2026-02-01T00:00:00Z/2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z/2026-04-01T00:00:00Z"
		want := `group ["` + feb + `"] 0.01-0.001; group ["` + mar + `"] 0.02-0.002; total [] 0.03-0.003; 0`
		if got := shown(w, invoicing.MarginQuery{By: []string{"period"}}); got != want {
			w.Errorf("before February is closed:\n%s, want\n%s", got, want)
		}
		w.Move("2026-03-01T00:30:00Z")
		w.Settle()
		if got := shown(w, invoicing.MarginQuery{By: []string{"period"}}); got != want {
			w.Errorf("after it:\n%s, want\n%s", got, want)
		}
	})
}

// TestMargins_granted: units of a grant are taken once, by the oldest period that
// is not billed with them, whichever periods are asked for.
func TestMargins_granted(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000)}), "2026-02-01T00:00:00Z")
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("10000")})
		w.Call("2026-02-10T00:00:00Z", "m", 6000)
		w.Move("2026-03-01T00:30:00Z")
		w.Settle()
		w.Call("2026-02-20T00:00:00Z", "m", 3000) // late: 1000 are left for what follows
		w.Call("2026-03-02T00:00:00Z", "m", 4000)
		feb, mar := "2026-02-01T00:00:00Z/2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z/2026-04-01T00:00:00Z"
		got := shown(w, invoicing.MarginQuery{By: []string{"period"}})
		if want := `group ["` + feb + `"] 0-0.009; group ["` + mar + `"] 0.03-0.004; total [] 0.03-0.013; 0`; got != want {
			w.Errorf("periods:\n%s, want\n%s", got, want)
		}
		got = shown(w, invoicing.MarginQuery{By: []string{"model"}, From: billingtest.Instant("2026-03-01T00:00:00Z")})
		if want := `group ["m"] 0.03-0.004; total [] 0.03-0.004; 0`; got != want {
			w.Errorf("March alone:\n%s, want\n%s", got, want)
		}
		w.Move("2026-04-01T00:30:00Z")
		w.Settle()
		got = shown(w, invoicing.MarginQuery{By: []string{"period"}})
		if want := `group ["` + feb + `"] 0-0.009; group ["` + mar + `"] 0.03-0.004; total [] 0.03-0.013; 0`; got != want {
			w.Errorf("once both are billed:\n%s, want\n%s", got, want)
		}
	})
}

type read = invoicing.Usage

// busy is usage that goes on while it is read.
type busy struct {
	read
	use func()
}

func (b busy) Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error) {
	b.use()
	return b.read.Usage(ctx, q)
}

func (b busy) Measured(ctx context.Context, q metering.UsageQuery, m metering.Meter, most int) ([]metering.MeasuredRow, int, error) {
	b.use()
	return b.read.Measured(ctx, q, m, most)
}

// TestMargins_busy: revenue is attributed while customers go on calling, of what
// sums show and of what is read, of a period and of a part of it.
func TestMargins_busy(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		pictures := w.Price("1", 3)
		pictures.Meter = meter(w, "images", metering.AggregateSum, "images")
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000), pictures}), "2026-02-01T00:00:00Z")
		call := func(model string) {
			w.Call("2026-02-02T00:30:00Z", model, 1000, func(e *metering.Event) {
				e.Usage.Quantities = []metering.Quantity{{Name: "images", Amount: metering.NumberOf(1)}}
			})
		}
		call("m")
		call("n")
		w.Biller = invoicing.New(w.Store, busy{w.Usage, func() { call("m") }})
		for _, q := range []invoicing.MarginQuery{
			{By: []string{"model"}},
			{By: []string{"model"}, From: billingtest.Instant("2026-02-02T00:00:00Z"), To: billingtest.Instant("2026-02-03T00:00:00Z")},
			{By: []string{"key"}, Only: []metering.UsageFilter{{By: "model", Value: "n"}}},
		} {
			r := report(w, q)
			for _, row := range r.Rows {
				if row.Kind != invoicing.RowGroup || row.Revenue == "0" {
					w.Errorf("%+v: %+v", q, row)
				}
			}
			if r.Outside != "0" {
				w.Errorf("%+v: %s is outside", q, r.Outside)
			}
		}
	})
}

// TestMargins_counted: revenue is shared among what a meter counted. Events of
// another name are none of it, and what sums of calls do not show, such as reported
// usage and other quantities, is read.
func TestMargins_counted(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000)}), "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:20:00Z", "m", 3000)
		w.Call("2026-02-02T00:20:00Z", "n", 7000, func(e *metering.Event) { e.Name = "embeddings" })
		by := invoicing.MarginQuery{By: []string{"model"}}
		if got, want := shown(w, by), `group ["n"] 0-0.007; group ["m"] 0.03-0.003; total [] 0.03-0.01; 0`; got != want {
			w.Errorf("with events of another name:\n%s, want\n%s", got, want)
		}
		w.Use("2026-02-03T00:00:00Z", "1000")
		if got, want := shown(w, by), `group ["n"] 0-0.007; group [""] 0.01-0.001; group ["m"] 0.03-0.003; total [] 0.04-0.011; 0`; got != want {
			w.Errorf("with reported usage:\n%s, want\n%s", got, want)
		}
		only := invoicing.MarginQuery{By: []string{"hour", "tag:team"}, Only: []metering.UsageFilter{{By: "model"}, {By: "run"}}}
		if got, want := shown(w, only), `group ["2026-02-03T00:00:00Z" ""] 0.01-0.001; total [] 0.01-0.001; 0`; got != want {
			w.Errorf("reported usage alone:\n%s, want\n%s", got, want)
		}
		zones := map[string]string{"day": "America/New_York", "hour": "Asia/Kolkata"} // whose hours are not those of UTC
		for by, want := range map[string]string{
			"day":  `group ["2026-02-02"] 0.01-0.001; group ["2026-02-01"] 0.03-0.01; total [] 0.04-0.011; 0`,
			"hour": `group ["2026-02-03T00:00:00Z"] 0.01-0.001; group ["2026-02-02T00:00:00Z"] 0.03-0.01; total [] 0.04-0.011; 0`,
		} {
			zone, err := time.LoadLocation(zones[by])
			w.Must(err)
			if got := shown(w, invoicing.MarginQuery{By: []string{by}, Zone: zone}); got != want {
				w.Errorf("by %s:\n%s, want\n%s", by, got, want)
			}
		}
	})
}

// TestMargins_history is B11: what was earned stays what it was when prices change
// later, in periods that are open too.
func TestMargins_history(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		p := w.Product("P", []billing.Price{w.Price("0.01", 1000)})
		w.Contract(p, "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:30:00Z", "m", 3000, func(e *metering.Event) { e.Run = "r" })
		w.Move("2026-02-10T00:00:00Z")
		past := invoicing.MarginQuery{By: []string{"run"}, To: w.At()}
		before := report(w, past)
		later := w.Price("9", 1000)
		later.From, later.Product = w.At(), p.ID
		_, err := w.Store.AddPrice(w.Context(), metering.DefaultOrg, later, w.At())
		w.Must(err)
		w.Call("2026-02-11T00:30:00Z", "m", 1000, func(e *metering.Event) { e.Run = "r" })
		if d := cmp.Diff(before, report(w, past)); d != "" {
			w.Errorf("a later price changes what was earned before it (-before +after):\n%s", d)
		}
		if now := report(w, invoicing.MarginQuery{By: []string{"run"}}).Totals; now.Revenue != "9.03" {
			w.Errorf("with what the later price earns: %s", now.Revenue)
		}
	})
}

// TestMargins_reconciled is B27 from our side: by day, model and provider, costs
// are what is compared with the provider's own report.
func TestMargins_reconciled(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		bazaar(w, 13, true)
		want := make(map[string]metering.Cost)
		for _, provider := range []string{"openai", "anthropic"} {
			list, err := w.Usage.Recorded(w.Context(), reconcile.Query{
				Org: metering.DefaultOrg, Provider: provider, From: reconcile.DayOf(billingtest.Instant("2026-01-01T00:00:00Z")), To: reconcile.DayOf(billingtest.Instant("2026-05-01T00:00:00Z")),
			})
			w.Must(err)
			for _, r := range list {
				name := r.Day.String() + " " + r.Asked + " " + provider
				want[name] = want[name].Add(r.Cost).Add(r.Test.Cost.Neg())
			}
		}
		got := make(map[string]metering.Cost)
		costs, err := w.Biller.Costs(w.Context(), invoicing.MarginQuery{Org: metering.DefaultOrg, By: []string{"day", "model", "provider"}})
		w.Must(err)
		for _, r := range costs.Rows {
			got[strings.Join(r.Values, " ")] = r.Cost
		}
		for name, cost := range want {
			if _, there := got[name]; !there && cost.IsZero() {
				delete(want, name) // of test keys alone
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			w.Errorf("costs (-recorded +margins):\n%s", d)
		}
	})
}

// TestMargins_refused: questions that have no answer say so.
func TestMargins_refused(t *testing.T) {
	t.Parallel()
	only := func(by ...string) []metering.UsageFilter {
		var out []metering.UsageFilter
		for _, d := range by {
			out = append(out, metering.UsageFilter{By: d, Value: "x"})
		}
		return out
	}
	for _, c := range []struct {
		q    invoicing.MarginQuery
		says string
	}{
		{invoicing.MarginQuery{}, "want 1 to 4 dimensions"},
		{invoicing.MarginQuery{By: []string{"key", "model", "run", "day", "customer"}}, "want 1 to 4 dimensions"},
		{invoicing.MarginQuery{By: []string{"colour"}}, `"colour" is no dimension; want some of customer, key`},
		{invoicing.MarginQuery{By: []string{"tag:"}}, "tag:NAME"},
		{invoicing.MarginQuery{By: []string{"model", "model"}}, "twice"},
		{invoicing.MarginQuery{By: []string{"hour", "day"}}, "want one of day and hour"},
		{invoicing.MarginQuery{By: []string{"model"}, Only: only("day")}, "by the span of time"},
		{invoicing.MarginQuery{By: []string{"model"}, Only: only("colour")}, "no dimension"},
		{invoicing.MarginQuery{By: []string{"model"}, Only: only("run", "run")}, "two values"},
		{invoicing.MarginQuery{By: []string{"model"}, Only: []metering.UsageFilter{{By: "model", Value: metering.GroupUnknown}}}, "known of every call"},
		{invoicing.MarginQuery{By: []string{"product"}}, "nobody is billed here"},
		{invoicing.MarginQuery{By: []string{"model"}, Only: only("period")}, "nobody is billed here"},
	} {
		_, err := invoicing.Costs(t.Context(), nil, c.q)
		if !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.q, err, c.says)
		}
	}
}
