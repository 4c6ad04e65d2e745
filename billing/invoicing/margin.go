package invoicing

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// MarginRow is what a group earned and cost.
type MarginRow struct {
	Group    string           `json:"group"`
	Currency billing.Currency `json:"currency"`
	Revenue  string           `json:"revenue"`  // accrued, exact; empty: not known for this group
	Cost     metering.Cost    `json:"cost_usd"` // upstream, of the priced calls
	Margin   string           `json:"margin"`   // revenue - cost; empty unless revenue is known and in USD
	Percent  string           `json:"percent"`  // of revenue, one decimal; empty where there is none
	Unpriced int64            `json:"unpriced"` // calls whose cost is unknown
	Open     bool             `json:"open"`     // with periods that are not closed
}

// MarginGroups are what margins can be grouped by, beside labels ("tag:NAME").
func MarginGroups() []string {
	return []string{"customer", "product", "day", "hour", "model", "provider", "key"}
}

// GroupsMargins reports whether margins can be grouped by that. By a label, costs
// are known and what was earned is shown apart: prices are for what meters count,
// whose sums have no labels.
func GroupsMargins(by string) bool {
	label, ok := strings.CutPrefix(by, "tag:")
	return ok && label != "" || slices.Contains(MarginGroups(), by)
}

// margin is a row being added up.
type margin struct {
	revenue  big.Rat
	unknown  bool
	cost     metering.Cost
	unpriced int64
	open     bool
}

// Margins compares accrued revenue with upstream cost by customer (its id),
// product (its name, "" without a subscription), day (UTC) or model. Test keys
// are in neither. Negative margins come first. totals is the sum over all rows.
func (b *Biller) Margins(ctx context.Context, org string, from, to metering.Micros, by string) (rows []MarginRow, totals MarginRow, err error) {
	if !GroupsMargins(by) {
		return nil, totals, fmt.Errorf("margins by %.40q: %w", by, metering.ErrInvalid)
	}
	list, err := b.accruals(ctx, org, "", from, to)
	if err != nil {
		return nil, totals, fmt.Errorf("margins: %w", err)
	}
	m, err := b.compared(ctx, org, from, to, by, list)
	if err != nil {
		return nil, totals, fmt.Errorf("margins: %w", err)
	}
	rows, totals = m.result()
	return rows, totals, nil
}

// compared puts what accruals have earned, and what everything cost, into groups.
func (b *Biller) compared(ctx context.Context, org string, from, to metering.Micros, by string, list []accrual) (*margins, error) {
	m := &margins{b: b, org: org, by: by, query: metering.UsageQuery{Org: org, From: from, To: to}, groups: make(map[string]*margin)}
	for _, a := range list {
		if m.currency != "" && m.currency != a.currency {
			return nil, fmt.Errorf("customers in %s and %s cannot be added up: %w", m.currency, a.currency, metering.ErrInvalid)
		}
		m.currency = a.currency
		if err := m.earn(ctx, a); err != nil {
			return nil, err
		}
	}
	return m, m.costs(ctx)
}

type margins struct {
	b        *Biller
	org, by  string
	query    metering.UsageQuery
	currency billing.Currency
	groups   map[string]*margin
}

func (m *margins) group(name string) *margin {
	g := m.groups[name]
	if g == nil {
		g = &margin{}
		m.groups[name] = g
	}
	return g
}

// earn puts what an accrual has earned into its groups.
func (m *margins) earn(ctx context.Context, a accrual) error {
	n, err := m.b.partQuantity(ctx, m.org, a)
	if err != nil {
		return err
	}
	put := func(name string, earned *big.Rat) {
		g := m.group(name)
		g.revenue.Add(&g.revenue, earned)
		g.open = g.open || a.open
	}
	switch m.by {
	case "customer":
		put(a.customer, a.earned(n))
	case "product":
		put(a.product.Name, a.earned(n))
	default:
		shares := make(map[string]*big.Rat)
		q := m.query
		q.By = []string{m.by}
		known, err := m.b.share(ctx, q, a, n, shares)
		if err != nil {
			return err
		}
		if !known {
			g := m.group("")
			g.revenue.Add(&g.revenue, a.earned(n)) // no group's own: shown apart
			return nil
		}
		for key, share := range shares {
			put(key[:len(key)-1], share)
		}
	}
	return nil
}

// costs puts upstream cost into its groups. That of a product is what its
// subscribers cost while they had it, of the older subscription where they have
// two.
func (m *margins) costs(ctx context.Context) error {
	q := m.query
	q.By = []string{m.by, "test"}
	if m.by != "product" {
		_, err := m.cost(ctx, q, func(r metering.UsageRow) string { return r.Group[m.by] })
		return err
	}
	q.By = []string{"test"}
	rest, err := m.cost(ctx, q, func(metering.UsageRow) string { return "" })
	if err != nil {
		return err
	}
	contracts, err := m.b.contracts(ctx, m.org, "")
	if err != nil {
		return err
	}
	for _, h := range holdings(contracts, within(q.From, q.To)) {
		sub := q
		sub.Customer, sub.From, sub.To = h.customer, h.span.Start, h.span.End
		if sub.To == forever {
			sub.To = 0
		}
		has, err := m.cost(ctx, sub, func(metering.UsageRow) string { return h.product })
		if err != nil {
			return err
		}
		rest.cost, rest.unpriced = rest.cost.Add(has.cost.Neg()), rest.unpriced-has.unpriced
	}
	g := m.group("")
	g.cost, g.unpriced = rest.cost, rest.unpriced
	return nil
}

// cost adds what a query finds to the groups and returns the sum.
func (m *margins) cost(ctx context.Context, q metering.UsageQuery, name func(metering.UsageRow) string) (sum margin, err error) {
	rows, _, err := m.b.usage.Usage(ctx, q)
	if err != nil {
		return sum, err
	}
	for _, r := range rows {
		if r.Group["test"] == "true" {
			continue
		}
		g := m.group(name(r))
		g.cost, g.unpriced = g.cost.Add(r.Cost), g.unpriced+r.Unpriced
		sum.cost, sum.unpriced = sum.cost.Add(r.Cost), sum.unpriced+r.Unpriced
	}
	return sum, nil
}

func (m *margins) result() (rows []MarginRow, totals MarginRow) {
	var sum margin
	names := slices.SortedFunc(maps.Keys(m.groups), func(a, b string) int {
		if !m.comparable() {
			return cmp.Compare(a, b)
		}
		return cmp.Or(m.groups[a].left().Cmp(m.groups[b].left()), cmp.Compare(a, b))
	})
	for _, name := range names {
		g := m.groups[name]
		if name == "" && g.revenue.Sign() == 0 && g.cost.IsZero() && g.unpriced == 0 {
			continue
		}
		rows = append(rows, m.row(name, g))
		sum.revenue.Add(&sum.revenue, &g.revenue)
		sum.cost = sum.cost.Add(g.cost)
		sum.unpriced += g.unpriced
		sum.open = sum.open || g.open
	}
	return rows, m.row("", &sum)
}

// left is revenue less cost, both in US dollars.
func (g *margin) left() *big.Rat {
	cost := new(big.Rat).SetFrac64(g.cost.Picos, metering.PicosPerMicro)
	cost.Add(cost, new(big.Rat).SetInt64(g.cost.Micros))
	cost.Quo(cost, new(big.Rat).SetInt64(1_000_000))
	return cost.Sub(&g.revenue, cost)
}

// comparable reports whether there are margins at all: upstream costs are in USD,
// so revenue in another currency has none.
func (m *margins) comparable() bool { return m.currency == "" || m.currency == billing.USD }

// row writes a group.
func (m *margins) row(name string, g *margin) MarginRow {
	r := MarginRow{Group: name, Currency: m.currency, Revenue: brief(&g.revenue), Cost: g.cost, Unpriced: g.unpriced, Open: g.open}
	if m.currency == "" {
		r.Currency = billing.USD
	}
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
