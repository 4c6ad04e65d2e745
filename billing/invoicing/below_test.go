package invoicing_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
)

// TestBelowMargin: who earns less than is asked for, by customer and by model;
// nothing is asked of a customer without a subscription, and what has no known
// cost is below nothing.
func TestBelowMargin(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000)}), "2026-02-01T00:00:00Z")
		first := w.Customer.ID
		w.Call("2026-02-02T00:30:00Z", "fair", 1000) // earns 0.01, costs 0.001
		w.Call("2026-02-02T00:30:00Z", "dear", 1000, func(e *metering.Event) { e.Cost = metering.Cost{Micros: 20_000} })
		w.Call("2026-02-02T00:30:00Z", "new", 1000, func(e *metering.Event) { e.CostState, e.Cost = metering.CostUnpriced, metering.Cost{} })
		w.Call("2026-02-03T00:30:00Z", "dear", 1000, func(e *metering.Event) { e.Cost = metering.Cost{Micros: 900_000} }) // after the span
		w.Customer = w.AddCustomer("no contract")
		w.Call("2026-02-02T00:30:00Z", "unsold", 5000)
		below := func(percent int64, want ...string) {
			w.Helper()
			list, err := w.Biller.BelowMargin(w.Context(), metering.DefaultOrg, billingtest.Instant("2026-02-02T00:00:00Z"), billingtest.Instant("2026-02-03T00:00:00Z"), big.NewRat(percent, 1))
			w.Must(err)
			var got []string
			for _, b := range list {
				got = append(got, b.By+" "+b.Group+" "+b.Revenue+" - "+b.Cost.String()+" = "+b.Margin+", "+b.Percent+" %")
			}
			if d := cmp.Diff(want, got); d != "" {
				w.Errorf("below %d %% (-want +got):\n%s", percent, d)
			}
		}
		dear := "model dear 0.01 - 0.02 = -0.01, -100.0 %"
		below(-100)
		below(-99, dear)
		below(30, dear) // the customer has exactly that
		below(31, "customer "+first+" 0.03 - 0.021 = 0.009, 30.0 %", dear)
		below(91, "customer "+first+" 0.03 - 0.021 = 0.009, 30.0 %", dear, "model fair 0.01 - 0.001 = 0.009, 90.0 %")
	})
}

// TestBelowMargin_unattributed: a model that may have earned more than can be told
// is below if it were so with all of that; of its customer everything is known.
func TestBelowMargin_unattributed(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		most := w.Price("1", 1000)
		most.Meter = meter(w, "peak", metering.AggregateMax, "totalTokens")
		w.Contract(w.Product("P", []billing.Price{w.Price("0.01", 1000), most}), "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:30:00Z", "m", 1000, func(e *metering.Event) { e.Cost = metering.Cost{Micros: 20_000} }) // earns 0.01 and a part of 1
		for percent, want := range map[int64]string{0: "", 98: "", 99: "customer model"} {
			list, err := w.Biller.BelowMargin(w.Context(), metering.DefaultOrg, 0, 0, big.NewRat(percent, 1))
			w.Must(err)
			var got []string
			for _, b := range list {
				got = append(got, b.By)
			}
			if strings.Join(got, " ") != want {
				w.Errorf("below %d %%: %+v, want %q", percent, list, want)
			}
		}
	})
}
