package reconcile

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// causes are why a row is likely to differ, the likeliest first. Rules look at
// what differs together and what does not, and at what is known of our calls.
func (c *comparison) causes(n, model *node, j *judgement, explained bool) []Cause {
	f := &finder{c: c, n: n, j: j}
	midnight := func() {
		if more, less := c.shifts(n, model); c.nearMidnight(n, model, j) {
			f.add(CauseBoundary, "%d of our calls lie near the ends of these days, and %d in the days around: the provider cuts days by its own clock", more.Calls, less.Calls)
		}
	}
	// What a whole month lacks, no day has on its neighbour.
	if explained {
		midnight()
	}
	switch {
	case n.theirs.there && !n.ours.there:
		f.absentHere()
	case n.ours.there && !n.theirs.there:
		f.absentThere()
	case j.tokensDiffer():
		f.usage()
	case j.cost == VerdictDiffers:
		f.money()
	}
	if !explained {
		midnight()
	}
	return f.list
}

// finder collects causes.
type finder struct {
	c    *comparison
	n    *node
	j    *judgement
	list []Cause
}

func (f *finder) add(kind, format string, args ...any) {
	f.list = append(f.list, Cause{kind, fmt.Sprintf(format, args...)})
}

// absentHere is of what only the provider has.
func (f *finder) absentHere() {
	t := &f.n.theirs
	switch {
	case t.counts == Counts{} && f.n.theirs.cost.Micros < 0:
		f.add(CauseCredit, "%s is a credit or a discount, not a use", f.n.model)
	case t.known == 0:
		f.add(CauseUnmetered, "the bill has the item %q, and no recorded call has used it", f.n.model)
	case f.n.level == LevelKey:
		f.add(CauseElsewhere, "the provider's key %s made calls, and nothing was recorded of it: they did not go through Weir, or it is another credential's id (--key %s=CREDENTIAL, or =- to leave it out)", f.n.key, f.n.key)
	default:
		f.add(CauseElsewhere, "nothing was recorded of %s: its calls did not go through Weir%s", f.n.model, f.keysOf())
	}
}

// keysOf names the keys that the provider has for a row.
func (f *finder) keysOf() string {
	keys := slices.Sorted(maps.Keys(f.n.theirs.keys))
	if len(keys) == 0 {
		return ""
	}
	return ", but with the keys " + strings.Join(keys[:min(len(keys), 5)], ", ")
}

// absentThere is of what only we have.
func (f *finder) absentThere() {
	o := &f.n.ours
	if f.testOnly() {
		return
	}
	what := "the model " + f.n.model
	if f.n.level == LevelKey {
		what = "the credential " + f.n.credential
	}
	f.add(CauseNotInExport, "the export has nothing of %s, of which %d calls were recorded: it is of another account or project, or a report of its kind is missing from the export", what, o.calls)
}

// testOnly adds that test traffic is what differs.
func (f *finder) testOnly() bool {
	t := f.n.ours.test
	if t.Calls == 0 || !f.covers(t.Tokens, 1) {
		return false
	}
	f.add(CauseTest, "%d calls with %d tokens were made with test keys, whose upstream may be none of the provider's", t.Calls, t.Tokens)
	return true
}

// total is the difference of all tokens.
func (f *finder) total() int64 { return f.n.ours.counts.Tokens() - f.n.theirs.counts.Tokens() }

// covers reports whether so many tokens of ours account for what we have more,
// but for a tenth.
func (f *finder) covers(tokens int64, sign int64) bool {
	d := f.total() * sign
	return d > 0 && tokens > 0 && tokens <= d+d/10 && tokens >= d-d/10
}

// usage is of rows whose usage differs.
func (f *finder) usage() {
	j := f.j
	if f.classes() {
		return
	}
	f.elsewhere()
	f.testOnly()
	before := len(f.list)
	f.unsure()
	f.calls()
	if len(f.list) == before && f.tierDiffers() {
		f.tiers()
	}
	if j.cost == VerdictDiffers && !f.sameShare() {
		f.money()
	}
}

// classes is of input that is all there, in other classes.
func (f *finder) classes() bool {
	j := f.j
	if !j.has.Has(InputAll) || j.differs(InputAll) || j.differs(Output) {
		return false
	}
	var cache, modal []string
	for _, m := range []Measure{Input, CacheRead, CacheWrite, CacheWrite5m, CacheWrite1h} {
		if j.differs(m) {
			cache = append(cache, fmt.Sprintf("%s %+d", m, j.measures[m].diff))
		}
	}
	for _, m := range []Measure{AudioInput, ImageInput, AudioOutput, ImageOutput} {
		if j.differs(m) {
			modal = append(modal, fmt.Sprintf("%s %+d", m, j.measures[m].diff))
		}
	}
	switch {
	case len(cache) > 0:
		f.add(CauseCache, "the tokens are all there, in other classes of the cache: %s", strings.Join(cache, ", "))
	case len(modal) > 0:
		f.add(CauseModality, "the tokens are all there, as another kind of content: %s", strings.Join(modal, ", "))
	default:
		return false
	}
	return true
}

// elsewhere is of keys that nobody said are ours, and that account for what the
// provider has more.
func (f *finder) elsewhere() {
	var tokens int64
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(f.n.theirs.keys)) {
		if f.c.keys.compared && f.c.keys.credential[id] == "" {
			tokens += f.n.theirs.keys[id]
			ids = append(ids, id)
		}
	}
	if f.covers(tokens, -1) {
		f.add(CauseElsewhere, "the keys %s made calls of %d tokens, and are no credential of Weir's", strings.Join(ids[:min(len(ids), 5)], ", "), tokens)
	}
}

// unsure is of our calls whose numbers are no provider's. Calls whose usage is
// unknown count for nothing here, and for something there.
func (f *finder) unsure() {
	o := &f.n.ours
	if f.j.differs(Requests) {
		return // calls are missing, whatever those that are there say
	}
	d := f.total()
	if e := o.estimated; e.Calls > 0 && (d < 0 || d <= e.Tokens) {
		f.add(CauseEstimated, "%d of %d calls have usage that was estimated, %d tokens of it: weir event correct says what the provider reported", e.Calls, o.calls, e.Tokens)
	}
	if b := o.broken; b.Calls > 0 && (d < 0 || d <= b.Tokens) {
		f.add(CauseBroken, "%d of %d calls were cut off, hung up or died with a process, and the provider bills what it had made", b.Calls, o.calls)
	}
}

// calls is of whole calls that one side lacks: everything differs the same way.
// Where the provider counts requests, theirs must differ by a like part; a
// factor of two allows for calls of unlike sizes.
func (f *finder) calls() {
	o, t := &f.n.ours, &f.n.theirs
	sign := int64(1)
	if f.total() < 0 {
		sign = -1
	}
	for _, m := range []Measure{InputAll, Output} {
		if f.j.has.Has(m) && f.j.measures[m].diff*sign < 0 && f.j.differs(m) {
			return
		}
	}
	share := part(f.total(), t.counts.Tokens())
	if share.Sign() == 0 {
		return
	}
	text := fmt.Sprintf("tokens %s%%", percentOf(share))
	if t.known.Has(Requests) {
		requests := part(f.j.measures[Requests].diff, t.counts[Requests])
		if requests.Sign() != share.Sign() || !alike(requests, share) {
			return
		}
		text = fmt.Sprintf("requests %s%% (%d of %d), ", percentOf(requests), o.counts[Requests], t.counts[Requests]) + text
	} else if len(f.list) > 0 {
		return // something better is known
	}
	if sign < 0 {
		f.add(CauseMissing, "calls are missing here: %s; weir doctor shows journals that are behind and what is in quarantine", text)
		return
	}
	f.add(CauseExtra, "the provider lacks calls: %s; they were refused by it, are of another account, or its report is not complete yet", text)
}

// part is a difference as a part of the whole.
func part(diff, whole int64) *big.Rat {
	if whole == 0 {
		return new(big.Rat)
	}
	return big.NewRat(diff, max(whole, -whole))
}

// alike reports whether two parts are within a factor of two.
func alike(a, b *big.Rat) bool {
	x, y := new(big.Rat).Abs(a), new(big.Rat).Abs(b)
	two := big.NewRat(2, 1)
	return x.Cmp(new(big.Rat).Mul(y, two)) <= 0 && y.Cmp(new(big.Rat).Mul(x, two)) <= 0
}

// sameShare reports whether the cost differs as the tokens do.
func (f *finder) sameShare() bool {
	cost := new(big.Rat)
	if theirs := picos(f.n.theirs.cost); theirs.Sign() != 0 {
		cost.SetFrac(f.j.costDiff, theirs)
	}
	return alike(cost, part(f.total(), f.n.theirs.counts.Tokens()))
}

// money is of rows whose usage agrees and whose cost does not.
func (f *finder) money() {
	o, t := &f.n.ours, &f.n.theirs
	if t.credit.Micros < 0 {
		f.add(CauseCredit, "the bill has credits or discounts of %s USD", t.credit)
	}
	if o.unpriced > 0 {
		f.add(CauseUnpriced, "%d of %d calls have no price here: weir doctor says of which models", o.unpriced, o.calls)
	}
	if f.tierDiffers() {
		f.tiers()
	}
	if f.unknownItems() || len(f.list) > 0 {
		return
	}
	ours := picos(f.n.shown())
	if ours.Sign() <= 0 {
		f.add(CausePrice, "the usage is the same and costs nothing here")
		return
	}
	ratio := new(big.Rat).SetFrac(picos(t.cost), ours)
	f.add(CausePrice, "the usage is the same, and the provider charges %s times what the price book says%s%s", trimmed(ratio, 1, 4), f.rates(), f.terms())
}

// rates are the prices that the provider's items come to.
func (f *finder) rates() string {
	var out []string
	for _, c := range f.n.theirs.charges() {
		if c.PerMillion != "" && len(out) < 4 {
			out = append(out, fmt.Sprintf("%s %s", c.Class, c.PerMillion))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; its prices for a million: " + strings.Join(out, ", ")
}

// terms are what of the provider's tokens may have a price of its own.
func (f *finder) terms() string {
	var out []string
	for _, term := range slices.Sorted(maps.Keys(f.n.theirs.terms)) {
		if len(out) < 4 {
			out = append(out, fmt.Sprintf("%d of %s", f.n.theirs.terms[term], term))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; of its tokens " + strings.Join(out, ", ") + " may have prices of their own"
}

// tierDiffers reports whether the tokens of the service tiers differ although
// all together do not.
func (f *finder) tierDiffers() bool {
	if !f.c.export.ByTier {
		return false
	}
	for tier, theirs := range f.n.theirs.tiers {
		ours := f.n.ours.tiers[tier]
		if f.c.verdict(big.NewInt(ours-theirs), big.NewInt(theirs), big.NewInt(max(0, f.c.options.FloorTokens))) == VerdictDiffers {
			return true
		}
	}
	return false
}

// tiers names the service tiers of both sides.
func (f *finder) tiers() {
	of := func(tiers map[string]int64) string {
		var out []string
		for _, tier := range slices.Sorted(maps.Keys(tiers)) {
			if n := tiers[tier]; n != 0 {
				out = append(out, fmt.Sprintf("%s %d", orNone(tier), n))
			}
		}
		return strings.Join(out, ", ")
	}
	f.add(CauseTier, "the service tiers differ, and their prices do: tokens here %s; there %s", of(f.n.ours.tiers), of(f.n.theirs.tiers))
}

func orNone(tier string) string {
	if tier == "" {
		return "of no tier"
	}
	return tier
}

// unknownItems is of items that account for what the bill is higher by, and that
// no model has.
func (f *finder) unknownItems() bool {
	if f.n.level != LevelTotal {
		return false
	}
	var sum metering.Cost
	var items []string
	for name, m := range f.n.children {
		if m.theirs.there && !m.ours.there && m.theirs.known == 0 {
			sum = sum.Add(m.theirs.cost)
			items = append(items, name)
		}
	}
	left := new(big.Int).Add(f.j.costDiff, picos(sum))
	if len(items) == 0 || f.c.verdict(left, picos(f.n.theirs.cost), picos(f.c.options.FloorCost)) == VerdictDiffers {
		return false
	}
	slices.Sort(items)
	f.add(CauseUnmetered, "the bill has items that no recorded call has used, of %s USD: %s", sum, strings.Join(items[:min(len(items), 5)], ", "))
	return true
}
