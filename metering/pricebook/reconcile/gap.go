package reconcile

import (
	"math/big"
	"slices"

	"github.com/weirhq/weir/metering"
)

// Gap is by how much what was recorded differs from what the provider says, as a
// decimal part of that: of the cost where it was compared, else of all tokens.
// Negative: less was recorded. Empty: there is nothing that it could be a part of.
func (r *Report) Gap() string {
	if gap, ok := r.gapOf(MeasureCost); ok {
		return gap
	}
	gap, _ := r.gapOf(InputAll.String(), Output.String())
	return gap
}

// gapOf is the gap of measures together, and whether any of them was compared.
func (r *Report) gapOf(measures ...string) (gap string, compared bool) {
	diff, theirs := new(big.Rat), new(big.Rat)
	for i := range r.Totals.Measures {
		m := &r.Totals.Measures[i]
		d, ok := new(big.Rat).SetString(m.Diff)
		t, ok2 := new(big.Rat).SetString(m.Theirs)
		if ok && ok2 && slices.Contains(measures, m.Measure) {
			diff.Add(diff, d)
			theirs.Add(theirs, t)
			compared = true
		}
	}
	switch {
	case !compared || theirs.Sign() == 0 && diff.Sign() != 0:
		return "", compared
	case diff.Sign() == 0:
		return "0", true
	}
	const decimals = 6
	return trimmed(diff.Quo(diff, theirs.Abs(theirs)), 1, decimals), true
}

// Standing is what a provider says otherwise: the days that differ by their latest
// comparison.
type Standing struct {
	Provider string
	Days     []Day           // in order; at least one
	Since    metering.Micros // when the first of them was found to differ
}
