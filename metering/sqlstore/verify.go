package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
)

// VerifyRollups compares every rollup of an organisation with a direct sum over
// its events, at one instant, and returns the differences.
func (s *Store) VerifyRollups(ctx context.Context, org string) ([]string, error) {
	want, have := make(map[group]sums), make(map[group]sums)
	err := s.snapshot(ctx, "verify rollups", func(on querier) error {
		err := on.Each(ctx, func(r *sql.Rows) error {
			g := group{org: org}
			var customer, key []byte
			var v sums
			err := r.Scan(append([]any{&customer, &g.hour, &key, &g.provider, &g.model, &g.test}, v.pointers()...)...)
			g.customer, g.key = unpack(customer), unpack(key)
			want[g] = v
			return err
		}, "SELECT customer, at - at % "+strconv.FormatInt(int64(hour), 10)+", key, provider, model, CASE WHEN test THEN 1 ELSE 0 END, "+eventSums()+
			" FROM events WHERE org_id = $1 GROUP BY 1, 2, 3, 4, 5, 6", org)
		if err != nil {
			return fmt.Errorf("sum events: %w", err)
		}
		return on.Each(ctx, func(r *sql.Rows) error {
			g := group{org: org}
			var customer, key []byte
			var v sums
			err := r.Scan(append([]any{&customer, &g.hour, &key, &g.provider, &g.model, &g.test}, v.pointers()...)...)
			g.customer, g.key = unpack(customer), unpack(key)
			have[g] = v
			return err
		}, "SELECT customer, hour, key, provider, model, test, "+sumNames+" FROM rollups WHERE org_id = $1", org)
	})
	if err != nil {
		return nil, err
	}
	var differ []string
	for g, w := range want {
		h, there := have[g]
		delete(have, g)
		switch {
		case !there:
			differ = append(differ, fmt.Sprintf("%+v: no rollup, events %+v", g, w.named()))
		case h.carried() != w.carried():
			differ = append(differ, fmt.Sprintf("%+v: rollup %+v, events %+v", g, h.named(), w.named()))
		}
	}
	for g, h := range have {
		differ = append(differ, fmt.Sprintf("%+v: rollup %+v, no events", g, h.named()))
	}
	slices.Sort(differ)
	return differ, nil
}
