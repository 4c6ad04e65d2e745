package invoicing

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Below is a customer or a model whose margin is lower than is asked for.
type Below struct {
	By    string // "customer" or "model"
	Group string // id of the customer, or the model
	MarginRow
}

// BelowMargin lists the customers with a subscription in US dollars, and the
// models that earned something, whose margin in a span is below a percentage of
// their revenue. What has no known cost is below nothing. Where customers pay in
// several currencies, models have no margin; where some of what was earned may be of
// any model, a model is below if it were so with all of that.
func (b *Biller) BelowMargin(ctx context.Context, org string, from, to metering.Micros, percent *big.Rat) ([]Below, error) {
	list, err := b.accruals(ctx, org, "", from, to)
	if err != nil {
		return nil, fmt.Errorf("low margins: %w", err)
	}
	dollars := slices.DeleteFunc(slices.Clone(list), func(a accrual) bool { return a.currency != billing.USD })
	customers := make(map[string]bool, len(dollars))
	for _, a := range dollars {
		customers[a.customer] = true
	}
	asks := map[string]func(string, *margin) bool{
		"customer": func(name string, _ *margin) bool { return customers[name] },
		"model": func(name string, g *margin) bool {
			return name != "" && g.kind == RowGroup && g.revenue.Sign() > 0 && len(dollars) == len(list)
		},
	}
	var out []Below
	for by, asked := range asks {
		p, err := MarginQuery{Org: org, From: from, To: to, By: []string{by}}.compile()
		if err != nil {
			return nil, fmt.Errorf("low margins: %w", err)
		}
		m, err := b.earned(ctx, p, dollars)
		if err == nil {
			m.round(rounded(m.sum()))
			err = m.spend(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("low margins: %w", err)
		}
		unsaid := new(big.Rat) // revenue that may be of any group
		for _, g := range m.groups {
			if g.kind == RowUnattributed {
				unsaid.Add(unsaid, &g.revenue)
			}
		}
		for _, g := range m.groups {
			name := g.values[0]
			revenue, left := new(big.Rat).Add(&g.revenue, unsaid), new(big.Rat).Add(g.left(), unsaid)
			least := revenue.Mul(revenue, percent)
			least.Quo(least, new(big.Rat).SetInt64(100))
			if asked(name, g) && !g.cost.IsZero() && left.Cmp(least) < 0 {
				out = append(out, Below{by, name, m.row(g)})
			}
		}
	}
	slices.SortFunc(out, func(a, b Below) int { return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Group, b.Group)) })
	return out, nil
}
