package invoicing_test

import (
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
		w.Call("2026-02-03T00:30:00Z", "large", 1000, func(e *metering.Event) { e.Tags = []metering.Tag{{Name: "team", Value: "red"}} })
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
		if _, rows := charges(w, metering.UsageQuery{By: []string{"tag:team"}}); rows["red "] != "0.0075" || rows[" "] != "0.0225" {
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
