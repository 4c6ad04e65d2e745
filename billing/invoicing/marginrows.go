package invoicing

import (
	"cmp"
	"maps"
	"math/big"
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// sum is what all groups have earned, exactly.
func (m *margins) sum() *big.Rat {
	sum := new(big.Rat)
	for _, g := range m.groups {
		sum.Add(sum, &g.revenue)
	}
	return sum
}

// round makes revenue decimals that can be written, so that rows sum to the total:
// that is shared among the values of the first dimension, what each of them got among
// those of the second, and so on. So a total that is opened by one dimension after
// the other has the same figures as all of them at once.
func (m *margins) round(total *big.Rat) {
	list := slices.SortedFunc(maps.Values(m.groups), byName)
	m.divide(list, total, 0)
	m.outside.Set(rounded(&m.outside))
}

// divide shares a total among rows that have the same values of the first
// dimensions. Rows are sorted by name.
func (m *margins) divide(rows []*margin, total *big.Rat, dimension int) {
	if dimension == len(m.By) {
		for _, g := range rows { // there is one
			g.revenue.Set(total)
		}
		return
	}
	var branches [][]*margin
	var exact []*big.Rat
	for i, g := range rows {
		if i == 0 || !m.together(rows[i-1], g, dimension) {
			branches, exact = append(branches, nil), append(exact, new(big.Rat))
		}
		last := len(branches) - 1
		branches[last] = append(branches[last], g)
		exact[last].Add(exact[last], &g.revenue)
	}
	for i, n := range allot(total, exact) {
		m.divide(branches[i], n, dimension+1)
	}
}

// together reports whether rows are of one group by a dimension: not where it is
// unknown to one of which run a call was, and to the other of which call.
func (m *margins) together(a, b *margin, dimension int) bool {
	return a.values[dimension] == b.values[dimension] && (a.kind == b.kind || !slices.Contains(m.calls, m.By[dimension]))
}

func byName(a, b *margin) int {
	return cmp.Or(slices.Compare(a.values, b.values), cmp.Compare(a.kind, b.kind))
}

// report sorts the rows and sums them.
func (m *margins) report() MarginReport {
	total := margin{kind: RowTotal}
	var groups, unattributed []*margin
	for _, g := range m.groups {
		switch {
		case g.empty() && !g.billed:
		case g.kind == RowUnattributed:
			unattributed = append(unattributed, g)
			total.plus(g)
		default:
			groups = append(groups, g)
			total.plus(g)
		}
	}
	slices.SortFunc(groups, m.worst)
	slices.SortFunc(unattributed, m.worst)
	if m.Top > 0 {
		groups, unattributed = gather(groups, m.Top, RowOthers), gather(unattributed, 0, RowUnattributed)
	}
	r := MarginReport{Totals: m.row(&total), Outside: brief(&m.outside)}
	if m.costsOnly {
		r.Outside = ""
	}
	for _, g := range slices.Concat(groups, unattributed) {
		r.Rows = append(r.Rows, m.row(g))
	}
	return r
}

// worst orders rows: the lowest margin first, of costs alone the highest cost.
func (m *margins) worst(a, b *margin) int {
	switch {
	case m.costsOnly:
		return cmp.Or(compareCosts(b.cost, a.cost), byName(a, b))
	case !m.comparable():
		return byName(a, b)
	default:
		return cmp.Or(a.left().Cmp(b.left()), byName(a, b))
	}
}

func compareCosts(a, b metering.Cost) int {
	a, b = a.Normal(), b.Normal()
	return cmp.Or(cmp.Compare(a.Micros, b.Micros), cmp.Compare(a.Picos, b.Picos))
}

// gather keeps the first rows and makes one of the others.
func gather(rows []*margin, top int, kind RowKind) []*margin {
	if len(rows) <= top {
		return rows
	}
	rest := &margin{kind: kind}
	for _, g := range rows[top:] {
		rest.plus(g)
	}
	return append(rows[:top:top], rest)
}

// row writes a group.
func (m *margins) row(g *margin) MarginRow {
	r := MarginRow{
		Kind: g.kind, Values: g.values, Currency: cmp.Or(m.currency, billing.USD), Cost: g.cost,
		Requests: g.requests, Unpriced: g.unpriced, Open: g.open, Groups: g.groups,
	}
	if m.costsOnly {
		return r
	}
	r.Revenue = brief(&g.revenue)
	if !m.comparable() {
		return r
	}
	left := g.left()
	r.Margin = brief(left)
	if g.revenue.Sign() > 0 {
		percent := new(big.Rat).Quo(left, &g.revenue)
		r.Percent = percent.Mul(percent, new(big.Rat).SetInt64(100)).FloatString(1)
	}
	return r
}
