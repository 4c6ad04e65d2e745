package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weirhq/weir/metering"
)

// Export is what a provider says of itself, added up by day. It is what a
// [Reader] has read.
type Export struct {
	Provider string
	Usage    []Usage
	Costs    []Cost
	Unread   []Unread // meters that are not known
	Days     []Day    // that are wholly covered by usage, or by costs where there is no usage
	CostDays []Day    // that are wholly covered by costs
	Partly   []Day    // of which only some hours are covered: they are not compared

	// What the rows were grouped by. What they were not cannot be compared.
	ByModel, ByKey, ByTier bool
	CostByModel, CostByKey bool
	Notes                  []string
	hasUsage, hasCosts     bool
}

// HasUsage and HasCosts report whether any file of that kind was read, be it
// one that says that nothing was used.
func (e *Export) HasUsage() bool { return e.hasUsage }

// HasCosts is said of there.
func (e *Export) HasCosts() bool { return e.hasCosts }

// Group is what usage is compared by.
type Group struct {
	Day   Day
	Model string // as the provider names it; empty: of none
	Key   string // the provider's id of the API key; empty: it does not say
	Tier  string // service tier, "batch" for batches; empty: it does not say
}

func (g Group) compare(h Group) int {
	return cmp.Or(cmp.Compare(g.Day, h.Day), cmp.Compare(g.Model, h.Model), cmp.Compare(g.Key, h.Key), cmp.Compare(g.Tier, h.Tier))
}

// Usage is what one group used, as the provider says.
type Usage struct {
	Group
	Counts Counts
	Known  Mask // what it states
	// Terms are tokens that a price of their own may hold for beside the tier:
	// "context window 200k-1M", "inference geo us". What is usual is not in it.
	Terms map[string]int64
}

// maxTerms bounds the terms of a group.
const maxTerms = 50

// addTerms adds more terms.
func (u *Usage) addTerms(more map[string]int64) {
	for term, n := range more {
		if u.Terms == nil {
			u.Terms = make(map[string]int64)
		}
		if _, there := u.Terms[term]; there || len(u.Terms) < maxTerms {
			u.Terms[term] += n
		}
	}
}

// Item is what one amount is charged for.
type Item struct {
	Group
	Name  string // as the provider calls it
	Class string // "input", "output", "cached input", …; empty: none
}

func (i Item) compare(j Item) int {
	return cmp.Or(i.Group.compare(j.Group), cmp.Compare(i.Name, j.Name), cmp.Compare(i.Class, j.Class))
}

// Cost is what the provider charges for an item.
type Cost struct {
	Item
	Amount   metering.Cost
	Quantity metering.Number // what was charged; zero where it does not say
	Unit     string          // of Quantity: "tokens", …
}

// AllModels stands for the model of a cost that the provider does not divide.
const AllModels = "*"

// gather sorts what was added up.
func gather[K comparable, V any](m map[K]*V, compare func(a, b K) int) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.SortedFunc(maps.Keys(m), compare) {
		out = append(out, *m[k])
	}
	return out
}
