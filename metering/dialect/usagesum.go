package dialect

import (
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// stateOrder is from the best-known state to the least known.
func stateOrder(s metering.UsageState) int {
	return slices.Index([]metering.UsageState{
		metering.UsageNone, metering.UsageExact, metering.UsagePartial, metering.UsageEstimated, metering.UsageUnknown,
	}, s)
}

// sumUsage adds usages up: the state is the least known of theirs, and what names
// one exchange (its id, tier, raw object) is left out unless it is the only one.
func sumUsage(all []metering.Usage) metering.Usage {
	used := slices.DeleteFunc(slices.Clone(all), func(u metering.Usage) bool { return u.State == metering.UsageNone })
	if len(used) == 1 {
		return withQuantities(used[0], all)
	}
	sum := metering.Usage{State: metering.UsageNone}
	var split []metering.ModelTokens
	for i := range used {
		addUsage(&sum, &used[i])
		split = addShare(split, &used[i])
	}
	switch len(split) {
	case 0:
	case 1:
		sum.Model = split[0].Model
	default:
		sum.ByModel = split
	}
	return withQuantities(sum, all)
}

// withQuantities gives u the quantities of all.
func withQuantities(u metering.Usage, all []metering.Usage) metering.Usage {
	var q quantities
	for i := range all {
		for _, one := range all[i].Quantities {
			q.add(one.Name, one.Amount)
		}
	}
	slices.SortFunc(q, func(x, y metering.Quantity) int { return strings.Compare(x.Name, y.Name) })
	u.Quantities = q
	return u
}

// addUsage adds the counts of u, quantities apart.
func addUsage(sum, u *metering.Usage) {
	if stateOrder(u.State) > stateOrder(sum.State) {
		sum.State = u.State
	}
	sum.Tokens.Add(&u.Tokens)
	sum.Input += u.Input
	sum.Output += u.Output
	sum.Objects += u.Objects
	for _, f := range u.Flags {
		sum.Flag(f)
	}
	if e := u.Estimate; e != nil {
		if sum.Estimate == nil {
			sum.Estimate = &metering.Estimate{Method: e.Method}
		}
		sum.Estimate.Low += e.Low
		sum.Estimate.High += e.High
	}
}

// addShare adds u to the share of its model.
func addShare(split []metering.ModelTokens, u *metering.Usage) []metering.ModelTokens {
	for i := range split {
		if s := &split[i]; s.Model == u.Model {
			s.Tokens.Add(&u.Tokens)
			s.Input += u.Input
			s.Output += u.Output
			return split
		}
	}
	return append(split, metering.ModelTokens{Model: u.Model, Tokens: u.Tokens, Input: u.Input, Output: u.Output})
}
