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

func charges(w *billingtest.World, q metering.UsageQuery) (invoicing.Charges, map[string]string) {
	w.Helper()
	q.Org = metering.DefaultOrg
	rows, _, err := w.Usage.Usage(w.Context(), q)
	w.Must(err)
	c, err := w.Biller.Charges(w.Context(), metering.DefaultOrg, q, rows)
	w.Must(err)
	by := make(map[string]string)
	for i, r := range rows {
		name := ""
		for _, g := range q.By {
			name += r.Group[g] + " "
		}
		by[name] = c.Rows[i]
	}
	return c, by
}

// TestCharges: rows sum to the total, the total is what an invoice has before
// rounding, and a share that nobody can know is not made up.
func TestCharges(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		v := w.Price("0.01", 1000)
		v.Included = billingtest.Number("1000")
		w.Contract(w.Product("P", []billing.Price{v}), "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:30:00Z", "small", 3000)
		w.Call("2026-02-03T00:30:00Z", "large", 1000)
		w.Call("2026-02-03T00:30:00Z", "large", 50_000, func(e *metering.Event) { e.Test = true })
		c, rows := charges(w, metering.UsageQuery{By: []string{"model"}, Customer: w.Customer.ID})
		if c.Total != "0.03" || c.Currency != "USD" || !c.Open {
			w.Errorf("charges %+v", c)
		}
		// 3,000 of 4,000 tokens cost something, and tokens have no order.
		if diff := cmp.Diff(map[string]string{"small ": "0.0225", "large ": "0.0075"}, rows); diff != "" {
			w.Errorf("by model (-want +got):\n%s", diff)
		}
		_, rows = charges(w, metering.UsageQuery{By: []string{"customer", "day"}})
		if got := rows[w.Customer.ID+" 2026-02-02 "]; got != "0.0225" || len(rows) != 2 {
			w.Errorf("by customer and day: %v", rows)
		}
		if c, _ := charges(w, metering.UsageQuery{From: billingtest.Instant("2026-02-03T00:00:00Z")}); c.Total != "0.0075" {
			w.Errorf("since the 3rd: %+v", c)
		}
		if _, rows := charges(w, metering.UsageQuery{By: []string{"tag:x"}}); rows[" "] != "" {
			w.Errorf("by tag: %v", rows)
		}
		w.Use("2026-02-05T00:00:00Z", "1000") // reported, so in no sum of calls
		if c, rows := charges(w, metering.UsageQuery{By: []string{"model"}}); c.Total != "0.04" {
			w.Errorf("with reported usage: %+v, %v", c, rows)
		}
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		if a := w.Invoices()[0]; a.Invoice.Lines[0].Exact != "0.04" {
			w.Errorf("invoice %+v", a.Invoice)
		}
		if c, _ := charges(w, metering.UsageQuery{To: billingtest.Instant("2026-03-01T00:00:00Z")}); c.Total != "0.04" || c.Open {
			w.Errorf("after closing: %+v", c)
		}
	})
}

// TestMargins is B26: revenue less cost adds up over whatever it is grouped by.
func TestMargins(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		p := w.Product("P", []billing.Price{w.Price("0.01", 1000)})
		w.Contract(p, "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:30:00Z", "small", 3000, func(e *metering.Event) {
			e.Key, e.Tags = "k", []metering.Tag{{Name: "team", Value: "blue"}}
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
			// What was earned is not shared among labels: no sum has them.
			"tag:team blue": {"0", "0.003", "-0.003", ""},
			"tag:team ":     {"0.05", "0.5005", "-0.4505", "-901.0"},
			"model small":   {"0.03", "0.0035", "0.0265", "88.3"},
			"model dear":    {"0.01", "0.5", "-0.49", "-4900.0"},
			"model unknown": {"0.01", "0", "0.01", "100.0"},
		}
		got := make(map[string][]string)
		for _, by := range append(invoicing.MarginGroups(), "tag:team") {
			rows, totals, err := w.Biller.Margins(w.Context(), metering.DefaultOrg, 0, 0, by)
			w.Must(err)
			revenue, cost := new(big.Rat), metering.Cost{}
			for i, r := range rows {
				got[by+" "+r.Group] = []string{r.Revenue, r.Cost.String(), r.Margin, r.Percent}
				part, ok := new(big.Rat).SetString(r.Revenue)
				if !ok {
					w.Fatalf("revenue %q", r.Revenue)
				}
				revenue.Add(revenue, part)
				cost = cost.Add(r.Cost)
				if i > 0 && rat(w, rows[i-1].Margin).Cmp(rat(w, r.Margin)) > 0 {
					w.Errorf("by %s: %s is after %s", by, r.Margin, rows[i-1].Margin)
				}
			}
			if totals.Revenue != "0.05" || revenue.Cmp(rat(w, "0.05")) != 0 || totals.Cost != cost || cost.String() != "0.5035" || totals.Unpriced != 1 {
				w.Errorf("by %s: totals %+v, rows sum to %s and %s", by, totals, revenue.FloatString(6), cost)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.Errorf("margins (-want +got):\n%s", diff)
		}
		if _, _, err := w.Biller.Margins(w.Context(), metering.DefaultOrg, 0, 0, "moon"); err == nil {
			w.Error("by moon")
		}
	})
}

func rat(w *billingtest.World, s string) *big.Rat {
	w.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		w.Fatalf("%q is no number", s)
	}
	return r
}

// TestExplain follows one call from its tokens to the payment.
func TestExplain(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		explain := func(e *metering.Event) invoicing.Explanation {
			w.Helper()
			list, err := w.Biller.Explain(w.Context(), metering.DefaultOrg, e)
			w.Must(err)
			if len(list) != 1 {
				w.Fatalf("%d explanations", len(list))
			}
			return list[0]
		}
		early := w.Call("2026-01-15T00:00:00Z", "m", 100)
		if x := explain(early); x.State != invoicing.StateUnbilled || x.Quantity.String() != "100" {
			w.Errorf("before any contract: %+v", x)
		}
		w.Card("good")
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1000)}), "2026-02-01T00:00:00Z")
		e := w.Call("2026-02-02T00:00:00Z", "m", 1204)
		test := w.Call("2026-02-02T00:00:00Z", "m", 77, func(e *metering.Event) { e.Test = true })
		if x := explain(e); x.State != invoicing.StateOpen || x.Share != "1.204" || x.Product != "P" {
			w.Errorf("while the period is open: %+v", x)
		}
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		late := w.Call("2026-02-03T00:00:00Z", "m", 10_000)
		x := explain(e)
		if x.State != "paid" || x.Number != "INV-000001" || x.Line != 1 || len(x.Payments) != 1 || x.Payments[0].State != billing.PaymentSucceeded {
			w.Errorf("after the payment: %+v", x)
		}
		if x := explain(test); x.State != invoicing.StateTest {
			w.Errorf("of a test key: %+v", x)
		}
		if x := explain(late); x.State != invoicing.StateLate || x.Number != "" {
			w.Errorf("late: %+v", x)
		}
		w.Call("2026-03-02T00:00:00Z", "m", 10)
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		if x := explain(late); x.Number != "INV-000002" || x.Line != 1 {
			w.Errorf("on the next invoice: %+v", x)
		}
	})
}
