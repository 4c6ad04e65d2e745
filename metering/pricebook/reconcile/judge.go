package reconcile

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
)

// unrecorded are measures that no event has: they are shown and decide nothing.
func unrecorded() Mask { return MaskOf(CodeSessions, StorageBytes) }

// row turns a node and all beneath it into a row. model is the node of the model
// that it belongs to, nil above models. causes counts what is likely.
func (c *comparison) row(n, model, parent *node, causes map[string]int) Row {
	if n.level == LevelModel {
		model = n
	}
	c.settleCost(n)
	row := Row{Level: n.level, Model: n.model, Key: n.key, Credential: n.credential, Verdict: VerdictUnknown, Items: n.theirs.charges()}
	if n.level == LevelDay || n.level == LevelKey {
		row.Day = n.day.String()
	}
	j := c.judge(n)
	row.Measures = j.list
	for _, d := range j.list {
		if d.decides {
			row.Verdict = worse(row.Verdict, d.Verdict)
		}
	}
	if row.Verdict == VerdictDiffers && c.nearMidnight(n, model, j) && (parent == nil || !parent.bad || n.level == LevelModel) {
		row.Verdict = VerdictExplained
	}
	n.bad = row.Verdict == VerdictDiffers
	if row.Verdict == VerdictDiffers || row.Verdict == VerdictExplained {
		row.Causes = c.causes(n, model, j, row.Verdict == VerdictExplained)
	}
	c.report.Compared++
	if row.Verdict == VerdictDiffers {
		c.report.Differing++
		if len(row.Causes) > 0 {
			causes[row.Causes[0].Kind]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		child := c.row(n.children[name], model, n, causes)
		if child.Verdict == VerdictUnknown && len(child.Measures) == 0 {
			continue // calls near midnight of a day that is not compared
		}
		row.Verdict = worse(row.Verdict, child.Verdict)
		row.Rows = append(row.Rows, child)
	}
	slices.SortStableFunc(row.Rows, func(a, b Row) int { return cmp.Or(b.Verdict.rank()-a.Verdict.rank(), a.byWeight(&b)) })
	return row
}

// byWeight puts what differs by more money, else by more tokens, first.
func (r *Row) byWeight(s *Row) int {
	of := func(x *Row, measure string) *big.Rat {
		for _, d := range x.Measures {
			if d.Measure == measure {
				if v, ok := new(big.Rat).SetString(d.Diff); ok {
					return v.Abs(v)
				}
			}
		}
		return new(big.Rat)
	}
	for _, measure := range []string{MeasureCost, InputAll.String(), Output.String()} {
		if order := of(s, measure).Cmp(of(r, measure)); order != 0 {
			return order
		}
	}
	return strings.Compare(r.Model+r.Day+r.Credential, s.Model+s.Day+s.Credential)
}

// settleCost decides whether the cost of a node can be compared.
func (c *comparison) settleCost(n *node) {
	switch {
	case len(c.billed) == 0, c.left && !c.export.CostByKey:
	case n.level == LevelTotal:
		n.theirs.priced = true
	case !c.byModel:
	case n.level == LevelKey && !c.export.CostByKey:
	case n.level == LevelModel:
		n.theirs.priced = true
	default:
		n.theirs.priced = c.billed[n.day]
	}
}

// MeasureCost is the name of the measure that is money.
const MeasureCost = "cost_usd"

// judged is one measure of a row with its verdict.
type judged struct {
	of      Measure
	diff    int64 // ours - theirs
	theirs  int64
	Verdict Verdict
	decides bool
}

// judgement is the measures of a row.
type judgement struct {
	list     []Difference
	measures [NumMeasures]judged
	has      Mask
	cost     Verdict // VerdictUnknown: not compared
	costDiff *big.Int
}

// judge compares the measures of a node.
func (c *comparison) judge(n *node) *judgement {
	j := &judgement{list: []Difference{}, cost: VerdictUnknown, costDiff: new(big.Int)}
	known := n.theirs.known
	if c.export.hasUsage && known == 0 && (n.ours.there || n.theirs.there) {
		known = c.stated // the export has nothing of it: that is zero
	}
	tokens := known&^MaskOf(Requests) != 0
	for m := range Measure(NumMeasures) {
		if !known.Has(m) {
			continue
		}
		ours, theirs := n.ours.counts[m], n.theirs.counts[m]
		if ours == 0 && theirs == 0 && m != InputAll && m != Output && m != Requests {
			continue
		}
		d := judged{of: m, diff: ours - theirs, theirs: theirs}
		d.decides = !unrecorded().Has(m) && (m != Requests || !tokens)
		floor := int64(0)
		if m.isTokens() {
			floor = max(0, c.options.FloorTokens)
		}
		d.Verdict = c.verdict(big.NewInt(d.diff), big.NewInt(theirs), big.NewInt(floor))
		shown := Difference{
			Measure: m.String(), Ours: strconv.FormatInt(ours, 10), Theirs: strconv.FormatInt(theirs, 10), Diff: strconv.FormatInt(d.diff, 10),
			Percent: percentage(big.NewInt(d.diff), big.NewInt(theirs)), Verdict: d.Verdict, decides: d.decides,
		}
		if unrecorded().Has(m) {
			shown.Ours, shown.Diff, shown.Percent, shown.Verdict = "", "", "", VerdictUnknown
		}
		j.measures[m], j.has = d, j.has|MaskOf(m)
		j.list = append(j.list, shown)
	}
	c.judgeCost(n, j)
	return j
}

// judgeCost compares what a node cost.
func (c *comparison) judgeCost(n *node, j *judgement) {
	if !n.ours.there && !n.theirs.there {
		return
	}
	ours := n.shown()
	d := Difference{Measure: MeasureCost, Ours: ours.String(), Verdict: VerdictUnknown}
	if n.theirs.priced {
		theirs := n.theirs.cost
		j.costDiff = picos(ours.Add(theirs.Neg()))
		floor := c.options.FloorCost
		if floor.Micros < 0 {
			floor = metering.Cost{}
		}
		j.cost = c.verdict(j.costDiff, picos(theirs), picos(floor))
		d.Theirs, d.Diff, d.Percent = theirs.String(), ours.Add(theirs.Neg()).String(), percentage(j.costDiff, picos(theirs))
		d.Verdict, d.decides = j.cost, true
	}
	j.list = append(j.list, d)
}

// verdict is that of one measure.
func (c *comparison) verdict(diff, theirs, floor *big.Int) Verdict {
	switch {
	case diff.Sign() == 0:
		return VerdictEqual
	case diff.CmpAbs(floor) <= 0, c.tolerates(diff, theirs):
		return VerdictWithin
	default:
		return VerdictDiffers
	}
}

// tolerates reports whether a difference is a small enough part of the whole.
func (c *comparison) tolerates(diff, whole *big.Int) bool {
	part := new(big.Rat).SetInt(new(big.Int).Abs(diff))
	most := new(big.Rat).SetInt(new(big.Int).Abs(whole))
	return part.Cmp(most.Mul(most, c.options.Tolerance)) <= 0
}

// percentage is a difference as a percentage of the whole; empty: there is none.
func percentage(diff, whole *big.Int) string {
	if whole.Sign() == 0 {
		return ""
	}
	return percentOf(new(big.Rat).SetFrac(diff, new(big.Int).Abs(whole)))
}

// differs reports whether the measure is compared and out of tolerance.
func (j *judgement) differs(m Measure) bool { return j.measures[m].Verdict == VerdictDiffers }

// tokensDiffer reports whether any measure of usage that decides is out of
// tolerance.
func (j *judgement) tokensDiffer() bool {
	for i := range j.measures {
		if d := &j.measures[i]; d.decides && d.Verdict == VerdictDiffers {
			return true
		}
	}
	return false
}

// nearMidnight reports whether calls near the ends of the days can be all that
// differs: ours beyond the provider's by those that it has in a day around, and
// the provider's beyond ours by those that we have there.
func (c *comparison) nearMidnight(n, model *node, j *judgement) bool {
	more, less := c.shifts(n, model)
	if more.Calls+less.Calls == 0 {
		return false
	}
	for i := range j.measures {
		d := &j.measures[i]
		if !d.decides || d.Verdict != VerdictDiffers {
			continue
		}
		if !d.of.isTokens() || d.diff > more.Tokens || -d.diff > less.Tokens {
			return false
		}
	}
	return j.cost != VerdictDiffers || j.costDiff.Cmp(picos(more.Cost)) <= 0 && new(big.Int).Neg(j.costDiff).Cmp(picos(less.Cost)) <= 0
}

// shifts are the calls that the provider may have in days around, and those that
// it may have in the days of the node while we do not.
func (c *comparison) shifts(n, model *node) (more, less Share) {
	around := n
	if model != nil {
		around = model
	}
	own := n.edges
	for d := range n.days {
		if !n.days[d-1] {
			more.add(ends(own, d).first)
			less.add(ends(around.edges, d-1).last)
		}
		if !n.days[d+1] {
			more.add(ends(own, d).last)
			less.add(ends(around.edges, d+1).first)
		}
	}
	return more, less
}

// ends is the edge of a day, empty where there is none.
func ends(edges map[Day]*edge, d Day) edge {
	if e := edges[d]; e != nil {
		return *e
	}
	return edge{}
}
