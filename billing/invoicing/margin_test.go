package invoicing_test

import (
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

// TestMargins is B26: revenue less cost adds up over whatever it is grouped by.
func TestMargins(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		p := w.Product("P", []billing.Price{w.Price("0.01", 1000)})
		w.Contract(p, "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:30:00Z", "small", 3000, func(e *metering.Event) {
			e.Key, e.Run, e.Upstream, e.Tags = "k", "r", "eu", []metering.Tag{{Name: "team", Value: "blue"}}
		})
		w.Call("2026-02-03T00:30:00Z", "dear", 1000, func(e *metering.Event) { e.Cost = metering.Cost{Micros: 500_000} })
		w.Call("2026-02-03T00:30:00Z", "unknown", 1000, func(e *metering.Event) { e.CostState, e.Cost = metering.CostUnpriced, metering.Cost{} })
		w.Call("2026-02-03T00:30:00Z", "small", 9000, func(e *metering.Event) { e.Test = true })
		first := w.Customer
		w.Customer = w.AddCustomer("no contract")
		w.Call("2026-02-04T00:30:00Z", "small", 500)
		want := map[string][]string{ // group: revenue, cost, margin, percent
			"customer " + first.ID:      {"0.05", "0.503", "-0.453", "-906.0"},
			"customer " + w.Customer.ID: {"0", "0.0005", "-0.0005", ""},
			"product P":                 {"0.05", "0.503", "-0.453", "-906.0"},
			"product ":                  {"0", "0.0005", "-0.0005", ""},
			"day 2026-02-02":            {"0.03", "0.003", "0.027", "90.0"},
			"day 2026-02-03":            {"0.02", "0.5", "-0.48", "-2400.0"},
			"day 2026-02-04":            {"0", "0.0005", "-0.0005", ""},
			"hour 2026-02-02T00:00:00Z": {"0.03", "0.003", "0.027", "90.0"},
			"hour 2026-02-03T00:00:00Z": {"0.02", "0.5", "-0.48", "-2400.0"},
			"hour 2026-02-04T00:00:00Z": {"0", "0.0005", "-0.0005", ""},
			"provider openai":           {"0.05", "0.5035", "-0.4535", "-907.0"},
			"key k":                     {"0.03", "0.003", "0.027", "90.0"},
			"key ":                      {"0.02", "0.5005", "-0.4805", "-2402.5"},
			"tag:team blue":             {"0.03", "0.003", "0.027", "90.0"},
			"tag:team ":                 {"0.02", "0.5005", "-0.4805", "-2402.5"},
			"run r":                     {"0.03", "0.003", "0.027", "90.0"},
			"run ":                      {"0.02", "0.5005", "-0.4805", "-2402.5"},
			"upstream eu":               {"0.03", "0.003", "0.027", "90.0"},
			"upstream ":                 {"0.02", "0.5005", "-0.4805", "-2402.5"},
			"period 2026-02-01T00:00:00Z/2026-03-01T00:00:00Z": {"0.05", "0.503", "-0.453", "-906.0"},
			"period ":       {"0", "0.0005", "-0.0005", ""},
			"model small":   {"0.03", "0.0035", "0.0265", "88.3"},
			"model dear":    {"0.01", "0.5", "-0.49", "-4900.0"},
			"model unknown": {"0.01", "0", "0.01", "100.0"},
		}
		got := make(map[string][]string)
		for _, by := range append(invoicing.Dimensions(), "tag:team") {
			r := report(w, invoicing.MarginQuery{By: []string{by}})
			for i, row := range r.Rows {
				got[by+" "+row.Values[0]] = []string{row.Revenue, row.Cost.String(), row.Margin, row.Percent}
				if i > 0 && rat(w, r.Rows[i-1].Margin).Cmp(rat(w, row.Margin)) > 0 {
					w.Errorf("by %s: %s is after %s", by, row.Margin, r.Rows[i-1].Margin)
				}
			}
			if t := r.Totals; t.Revenue != "0.05" || t.Cost.String() != "0.5035" || t.Unpriced != 1 || t.Requests != 4 || !t.Open || r.Outside != "0" {
				w.Errorf("by %s: totals %+v, outside %s", by, t, r.Outside)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.Errorf("margins (-want +got):\n%s", diff)
		}
	})
}

// report asks for margins and holds that they add up.
func report(w *billingtest.World, q invoicing.MarginQuery) invoicing.MarginReport {
	w.Helper()
	q.Org = metering.DefaultOrg
	r, err := w.Biller.Margins(w.Context(), q)
	w.Must(err)
	adds(w, q, r)
	return r
}

// adds holds that rows sum to the total, B26.
func adds(w *billingtest.World, q invoicing.MarginQuery, r invoicing.MarginReport) {
	w.Helper()
	sum := invoicing.MarginRow{Kind: invoicing.RowTotal, Currency: r.Totals.Currency, Percent: r.Totals.Percent, Revenue: r.Totals.Revenue, Margin: r.Totals.Margin}
	revenue, margin := new(big.Rat), new(big.Rat)
	for _, row := range r.Rows {
		revenue, margin = revenue.Add(revenue, rat(w, row.Revenue)), margin.Add(margin, rat(w, row.Margin))
		sum.Cost, sum.Requests, sum.Unpriced = sum.Cost.Add(row.Cost), sum.Requests+row.Requests, sum.Unpriced+row.Unpriced
		sum.Open, sum.Groups = sum.Open || row.Open, sum.Groups+row.Groups
	}
	if d := cmp.Diff(sum, r.Totals); d != "" {
		w.Errorf("%+v: the total is not the sum of the rows (-sum +total):\n%s", q, d)
	}
	if revenue.Cmp(rat(w, r.Totals.Revenue)) != 0 || margin.Cmp(rat(w, r.Totals.Margin)) != 0 {
		w.Errorf("%+v: rows sum to %s and %s, the total is %s and %s", q, revenue.FloatString(15), margin.FloatString(15), r.Totals.Revenue, r.Totals.Margin)
	}
}

func rat(w *billingtest.World, s string) *big.Rat {
	w.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		w.Fatalf("%q is no number", s)
	}
	return r
}
