package metering_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

func dollars(t *testing.T, s string) metering.Cost {
	t.Helper()
	c, err := metering.ParseCost(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestStatedOf covers T41: which calls are compared, which differ, and that what
// the provider rounds is no difference.
func TestStatedOf(t *testing.T) {
	t.Parallel()
	f := func(what string, said metering.StatedCost, computed string, state metering.CostState, want metering.StatedSums) {
		t.Helper()
		e := &metering.Event{CostState: state}
		e.Usage.StatedCost = &said
		if computed != "" {
			e.Cost = dollars(t, computed)
		}
		if diff := cmp.Diff(want, metering.StatedOf(e, nil)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
		// With the other policy the two have changed places, and the sums are the same.
		if stated, ok := e.Stated(); ok {
			e.Computed = &metering.Figure{Cost: e.Cost, State: state}
			e.Cost, e.CostState = stated, metering.CostStated
			if diff := cmp.Diff(want, metering.StatedOf(e, nil)); diff != "" {
				t.Errorf("%s, where the provider's counts (-want +got)\n%s", what, diff)
			}
		}
		e.Test = true
		if got := metering.StatedOf(e, nil); got != (metering.StatedSums{}) {
			t.Errorf("%s of a test key is %+v", what, got)
		}
	}
	usd := func(amount string) metering.StatedCost { return metering.StatedCost{Amount: amount, Unit: "usd"} }
	both := func(said, computed string, differing, rounded int64) metering.StatedSums {
		return metering.StatedSums{
			Calls: 1, Compared: 1, Differing: differing, Rounded: rounded,
			Stated: dollars(t, said), StatedCompared: dollars(t, said), Computed: dollars(t, computed),
		}
	}
	f("the same", usd("0.5"), "0.5", metering.CostExact, both("0.5", "0.5", 0, 0))
	f("at the tolerance", usd("1"), "1.001", metering.CostProvisional, both("1", "1.001", 0, 0))
	f("above the tolerance", usd("1"), "0.998999999999", metering.CostExact, both("1", "0.998999999999", 1, 0))
	f("a pico-dollar", usd("0.000000000002"), "0.000000000001", metering.CostExact, both("0.000000000002", "0.000000000001", 0, 0))
	f("two", usd("0.000000000003"), "0.000000000001", metering.CostExact, both("0.000000000003", "0.000000000001", 1, 0))
	f("nothing, and we say something", usd("0"), "0.1", metering.CostExact, both("0", "0.1", 1, 0))
	f("free on both sides", usd("0"), "0", metering.CostFree, both("0", "0", 0, 0))

	rounds := usd("0.00502")
	rounds.Within = "0.00001"
	f("rounded", rounds, "0.005013", metering.CostExact, both("0.00502", "0.005013", 0, 1))
	f("rounded, and off all the same", rounds, "0.005", metering.CostExact, both("0.00502", "0.005", 1, 0))

	f("unpriced", usd("2"), "", metering.CostUnpriced, metering.StatedSums{Calls: 1, Unpriced: 1, Stated: dollars(t, "2")})
	f("not to be read", usd("-2"), "1", metering.CostExact, metering.StatedSums{Invalid: 1})
	if got := metering.StatedOf(&metering.Event{CostState: metering.CostExact, Cost: dollars(t, "1")}, nil); got != (metering.StatedSums{}) {
		t.Errorf("without a stated cost it is %+v", got)
	}

	own := &metering.Event{CostState: metering.CostUnpriced}
	own.Usage.StatedCost = &metering.StatedCost{Amount: "0.01", Unit: "usd", Vendor: "0.2"}
	own.Usage.Flag(metering.FlagStatedFee)
	want := metering.StatedSums{Calls: 1, Unpriced: 1, OwnKey: 1, Stated: dollars(t, "0.01"), Vendor: dollars(t, "0.2")}
	if diff := cmp.Diff(want, metering.StatedOf(own, nil)); diff != "" {
		t.Errorf("with a key of one's own (-want +got)\n%s", diff)
	}
}

// TestStatedOf_corrected: the comparison is with what the price book says after
// corrections, and the sums of both states cancel out.
func TestStatedOf_corrected(t *testing.T) {
	t.Parallel()
	for _, policy := range []metering.CostPolicy{metering.CostComputed, metering.CostOfProvider} {
		event := func(cost string, state metering.CostState) *metering.Event {
			e := &metering.Event{Cost: dollars(t, cost), CostState: state}
			e.CostPolicy, e.Usage.State = policy, metering.UsageExact
			e.Usage.StatedCost = &metering.StatedCost{Amount: "3", Unit: "usd"}
			if policy == metering.CostOfProvider {
				e.Computed = &metering.Figure{Cost: e.Cost, State: state}
				e.Cost, e.CostState = dollars(t, "3"), metering.CostStated
			}
			return e
		}
		e := event("0", metering.CostUnpriced)
		var before []*metering.Event
		correct := func(cost string, state metering.CostState, want metering.StatedSums) {
			t.Helper()
			c, err := metering.Correction(metering.ID{1}, e, before, event(cost, state), false)
			if err != nil {
				t.Fatal(err)
			}
			if got := metering.StatedOf(c, nil); got != (metering.StatedSums{}) {
				t.Errorf("%s: a correction alone is %+v", policy, got)
			}
			before = append(before, c)
			got := metering.StatedOf(e, before)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s corrected to %s (-want +got)\n%s", policy, cost, diff)
			}
			sum, less := got, got.Neg()
			if sum.Add(&less); sum != (metering.StatedSums{}) {
				t.Errorf("%s: and less the same it is %+v", policy, sum)
			}
		}
		said := dollars(t, "3")
		correct("2", metering.CostProvisional, metering.StatedSums{Calls: 1, Compared: 1, Differing: 1, Stated: said, StatedCompared: said, Computed: dollars(t, "2")})
		correct("3", metering.CostExact, metering.StatedSums{Calls: 1, Compared: 1, Stated: said, StatedCompared: said, Computed: said})
		correct("0", metering.CostUnpriced, metering.StatedSums{Calls: 1, Unpriced: 1, Stated: said})
	}
}

// TestStated_cut covers T41: what an answer that was cut off states is what it had
// cost by then, and counts for nothing.
func TestStated_cut(t *testing.T) {
	t.Parallel()
	e := &metering.Event{CostState: metering.CostExact, Cost: dollars(t, "1")}
	e.Usage.State, e.Usage.StatedCost = metering.UsagePartial, &metering.StatedCost{Amount: "0.005", Unit: "usd"}
	if got, ok := e.Stated(); ok {
		t.Errorf("it is stated as %s", got)
	}
	if got := metering.StatedOf(e, nil); got != (metering.StatedSums{}) {
		t.Errorf("it is compared as %+v", got)
	}
}

// TestStatedSums_off: how far two sums are apart, in percent of what is stated.
func TestStatedSums_off(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		said, computed, percent string
		off                     bool
	}{
		{"1", "1", "0.00", false},
		{"1", "0.999", "0.10", false},
		{"1", "0.998", "0.20", true},
		{"1", "1.0011", "-0.11", true},
		{"0", "0.1", "", true},
		{"0", "0", "", false},
		{"3", "2", "33.33", true},
	} {
		s := metering.StatedSums{StatedCompared: dollars(t, tt.said), Computed: dollars(t, tt.computed)}
		if got, off := s.Percent(), s.Off(metering.Number{Picos: metering.PicosPerUnit / 10}); got != tt.percent || off != tt.off {
			t.Errorf("%s stated of %s is %q %t, want %q %t", tt.said, tt.computed, got, off, tt.percent, tt.off)
		}
	}
}
