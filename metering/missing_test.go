package metering_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// TestUsage_Withhold: what is withheld is in no cell and comes back as it was;
// what the provider reported stays. T31.
func TestUsage_Withhold(t *testing.T) {
	t.Parallel()
	text, cached := metering.InputCell(metering.CacheNone, metering.Text), metering.InputCell(metering.CacheRead, metering.Text)
	output := metering.OutputCell(false, metering.Text)
	usage := func() *metering.Usage {
		u := &metering.Usage{State: metering.UsagePartial, Input: 30, Output: 12, Estimate: &metering.Estimate{Method: "bytes/4", Input: 20, Output: 12}}
		u.Tokens[text], u.Tokens[cached], u.Tokens[output] = 25, 5, 12
		return u
	}
	for _, policy := range []metering.MissingPolicy{metering.MissingZero, metering.MissingHold} {
		u := usage()
		u.Withhold(policy)
		u.Withhold(policy) // once is enough
		if u.Tokens[text] != 5 || u.Tokens[cached] != 5 || u.Tokens[output] != 0 || u.Input != 10 || u.Output != 0 || u.Estimate.Input != 20 {
			t.Errorf("%s: %+v", policy, u)
		}
		if u.Held() != (policy == metering.MissingHold) {
			t.Errorf("%s: held is %v", policy, u.Held())
		}
		u.Release()
		u.Release()
		if diff := cmp.Diff(usage(), u); diff != "" {
			t.Errorf("%s, released (-before +after):\n%s", policy, diff)
		}
	}
	u := usage()
	u.Withhold(metering.MissingBill)
	if diff := cmp.Diff(usage(), u); diff != "" {
		t.Errorf("billed (-before +after):\n%s", diff)
	}
}
