package work_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/rerate"
)

// TestRerate covers B11 and T45: a product that is the upstream cost and a quarter
// more. A call whose price came after its period had closed is a line of the next
// invoice, for the difference; the closed one keeps its bytes.
func TestRerate(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		cents, err := w.Usage.CreateMeter(w.Context(), metering.Meter{
			Org: metering.DefaultOrg, Name: "cost", Aggregate: metering.Aggregate{Func: metering.AggregateSum, Property: "_cost.amount"},
			Filter: metering.Filter{Conjunction: metering.And},
		})
		w.Must(err)
		plus := billing.Price{Meter: cents.ID, Model: billing.PerUnit, Currency: billing.USD, Amount: billingtest.Number("0.0125"), Per: 1}
		w.Contract(w.Product("cost and a quarter", []billing.Price{plus}), "2026-02-01T00:00:00Z")
		w.Call("2026-02-10T00:00:00Z", "known", 1_000_000) // a dollar
		w.Call("2026-02-11T00:00:00Z", "new", 2_000_000, func(e *metering.Event) {
			e.CostState, e.CostReason, e.Cost = metering.CostUnpriced, "model: new", metering.Cost{}
		})
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		first := wantTotals(w, 125)[0]
		document, _, err := w.Store.Document(w.Context(), metering.DefaultOrg, first.Invoice.ID)
		w.Must(err)

		price := "2"
		l, err := catalogue.NewLayer(catalogue.Operator, catalogue.Rows{Rates: []catalogue.Rate{
			{Provider: "openai", SKU: "new", Meter: "input", Price: &price}, {Provider: "openai", SKU: "new", Meter: "output", Price: &price},
		}})
		w.Must(err)
		book, err := pricebook.Compile(l)
		w.Must(err)
		again := rerate.New(rerate.Options{
			Store: w.Usage, Book: func() *pricebook.Book { return book }, Complete: func(context.Context) (metering.Micros, error) { return 0, nil },
		})
		for i, want := range []string{"4", "0"} {
			got, err := again.Run(w.Context(), rerate.Request{Org: metering.DefaultOrg})
			w.Must(err)
			if got.Added.String() != want {
				w.Errorf("pass %d adds %s, want %s", i+1, got.Added, want)
			}
		}
		if r := w.Audit(first.Invoice.ID); r.Late != 1 {
			w.Errorf("%d events came late", r.Late)
		}
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		second := wantTotals(w, 125, 500)[1]
		i := slices.IndexFunc(second.Invoice.Lines, func(l billing.Line) bool { return l.Kind == billing.LineAdjustment })
		if i < 0 || second.Invoice.Lines[i].Corrects != first.Invoice.Number {
			w.Errorf("lines %+v", second.Invoice.Lines)
		}
		after, _, err := w.Store.Document(w.Context(), metering.DefaultOrg, first.Invoice.ID)
		w.Must(err)
		if !bytes.Equal(document, after) {
			w.Error("the first invoice has changed")
		}
	})
}
