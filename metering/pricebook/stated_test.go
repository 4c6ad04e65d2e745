package pricebook_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// TestPrice_stated covers T41: the policy of the call says which figure is its
// cost, the other stays beside it, and pricing again changes nothing.
func TestPrice_stated(t *testing.T) {
	t.Parallel()
	b := book(t, "rate p m input=10")
	f := func(policy metering.CostPolicy, model, stated, want string, computed *metering.Figure) {
		t.Helper()
		e := call(t, "p", model, map[string]int64{"input": 1_000_000})
		e.CostPolicy = policy
		if stated != "" {
			e.Usage.StatedCost = &metering.StatedCost{Amount: stated, Unit: "usd", Field: "usage.cost"}
		}
		for range 2 {
			b.Price(e)
			if got := outcome(e); got != want {
				t.Errorf("%s of %s, stated %q: %s, want %s", policy, model, stated, got, want)
			}
			if diff := cmp.Diff(computed, e.Computed); diff != "" {
				t.Errorf("%s of %s, stated %q: beside it (-want +got)\n%s", policy, model, stated, diff)
			}
		}
	}
	// The policy takes the provider's figure; what it costs by the book can change.
	e := call(t, "p", "x", map[string]int64{"input": 1_000_000})
	e.CostPolicy, e.Usage.StatedCost = metering.CostOfProviderIfUnpriced, &metering.StatedCost{Amount: "9", Unit: "usd"}
	b.Price(e)
	if book(t, "rate p x input=3").Price(e); outcome(e) != "exact 3" || e.Computed != nil {
		t.Errorf("with a price of its own it is %s beside %+v", outcome(e), e.Computed)
	}

	ours := &metering.Figure{Cost: metering.Cost{Micros: 10_000_000}, State: metering.CostExact, Rates: []string{"p/m/input"}}
	none := &metering.Figure{State: metering.CostUnpriced, Reason: "model: x"}
	f("", "m", "9", "exact 10", nil)
	f(metering.CostComputed, "m", "9", "exact 10", nil)
	f(metering.CostOfProvider, "m", "9", "stated 9", ours)
	f(metering.CostOfProvider, "m", "", "exact 10", nil)
	f(metering.CostOfProvider, "m", "-9", "exact 10", nil) // it cannot be read
	f(metering.CostOfProvider, "m", "0", "stated 0", ours)
	f(metering.CostOfProvider, "x", "9", "stated 9", none)
	f(metering.CostOfProviderIfUnpriced, "m", "9", "exact 10", nil)
	f(metering.CostOfProviderIfUnpriced, "x", "9", "stated 9", none)
	f(metering.CostOfProviderIfUnpriced, "x", "", "unpriced model: x", nil)
}
