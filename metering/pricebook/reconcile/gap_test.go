package reconcile_test

import (
	"testing"

	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// TestReport_Gap: the cost decides where it was compared, else all tokens; nothing
// is no part of anything.
func TestReport_Gap(t *testing.T) {
	t.Parallel()
	d := func(measure, diff, theirs string) reconcile.Difference {
		return reconcile.Difference{Measure: measure, Diff: diff, Theirs: theirs}
	}
	for _, tt := range []struct {
		want string
		list []reconcile.Difference
	}{
		{"", nil},
		{"", []reconcile.Difference{d("requests", "-1", "10"), d("cost_usd", "", "")}},
		{"-0.015", []reconcile.Difference{d("input_tokens", "-1", "100"), d("output_tokens", "-2", "100"), d("cost_usd", "", "")}},
		{"0.001", []reconcile.Difference{d("input_tokens", "-1", "100"), d("cost_usd", "0.00125", "1.25")}},
		{"0", []reconcile.Difference{d("cost_usd", "0", "0")}},
		{"", []reconcile.Difference{d("input_tokens", "-1", "100"), d("cost_usd", "1", "0")}},
		{"-1", []reconcile.Difference{d("cost_usd", "2", "-2"), d("cost_usd", "-4", "0")}},
	} {
		r := &reconcile.Report{Totals: reconcile.Row{Measures: tt.list}}
		if got := r.Gap(); got != tt.want {
			t.Errorf("%v: gap %q, want %q", tt.list, got, tt.want)
		}
	}
}
