package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// group is what a rollup is kept by. Usage is reported under the model that was
// asked for.
type group struct {
	org, customer        string
	hour                 metering.Micros
	key, provider, model string
	test                 int64
}

func groupOf(e *metering.Event) group {
	g := group{org: e.Org, customer: e.Customer, hour: e.At.Hour(), key: e.Key, provider: sqldb.Label(e.Provider), model: sqldb.Label(e.Model)}
	if e.Test {
		g.test = 1
	}
	return g
}

func (g group) compare(h group) int {
	return cmp.Or(cmp.Compare(g.org, h.org), cmp.Compare(g.customer, h.customer), cmp.Compare(g.hour, h.hour), cmp.Compare(g.key, h.key),
		cmp.Compare(g.provider, h.provider), cmp.Compare(g.model, h.model), cmp.Compare(g.test, h.test))
}

// rollUp adds events to their hours. Rows are locked in one order by all
// replicas, so that they do not wait for each other in a circle.
func rollUp(ctx context.Context, tx querier, events []*metering.Event) error {
	added := make(map[group]*sums)
	for _, e := range events {
		g, v := groupOf(e), sumsOf(e)
		if have := added[g]; have != nil {
			have.add(&v)
			continue
		}
		added[g] = &v
	}
	groups := make([]group, 0, len(added))
	for g := range added {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, group.compare)
	b := bulk{table: "rollups", columns: []column{{"org_id", "text"}, {"customer", "bytea"}, {"hour", "bigint"}, {"key", "bytea"}, {"provider", "text"}, {"model", "text"}, {"test", "bigint"}}}
	b.sums(sumNames)
	for _, g := range groups {
		v := added[g]
		// Picos are carried here, and once per shipment in the column: it holds 9e12
		// shipments.
		cost := metering.Cost{Micros: v[sumMicros], Picos: v[sumPicos]}.Normal()
		v[sumMicros], v[sumPicos] = cost.Micros, cost.Picos
		row := []any{g.org, pack(g.customer), int64(g.hour), pack(g.key), g.provider, g.model, g.test}
		for _, n := range v {
			row = append(row, n)
		}
		b.rows = append(b.rows, row)
	}
	return b.run(ctx, tx)
}
