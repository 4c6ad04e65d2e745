package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Snapshot reads what a customer used in windows, and up to which fact of each
// journal that is, at one instant. Usage of test keys is in no window, and
// neither are reported events, which have no key: no limit counted them.
func (s *Store) Snapshot(ctx context.Context, slot metering.Slot, windows []metering.Window) (metering.Snapshot, error) {
	out := metering.Snapshot{Slot: slot, Positions: make(map[string]uint64)}
	type counted struct {
		key string
		span
	}
	known := make(map[counted]*sums) // windows differ in their unit alone, mostly
	err := s.snapshot(ctx, "read totals of a customer", func(q querier) error {
		err := q.Each(ctx, func(r *sql.Rows) error {
			var journal string
			var seq int64
			if err := r.Scan(&journal, &seq); err != nil {
				return err
			}
			out.Positions[journal] = uint64(seq)
			return nil
		}, `SELECT journal, seq FROM positions WHERE org_id = $1 AND customer = $2`, slot.Org, pack(slot.Customer))
		if err != nil {
			return fmt.Errorf("positions: %w", err)
		}
		for _, w := range windows {
			c := counted{w.Key, span{w.Start, w.End}}
			if known[c] == nil {
				if known[c], err = s.counted(ctx, q, slot, w.Key, c.span); err != nil {
					return err
				}
			}
			amount, err := amountOf(known[c], w.Unit)
			if err != nil {
				return err
			}
			out.Totals = append(out.Totals, metering.Addition{Window: w, Amount: amount})
		}
		return nil
	})
	return out, err
}

func amountOf(v *sums, unit metering.Unit) (int64, error) {
	switch unit {
	case metering.UnitRequests:
		return v[sumRequests], nil
	case metering.UnitTokens:
		t := v.totals()
		return t.Total, nil
	case metering.UnitCost:
		return v[sumNanos], nil
	default:
		return 0, fmt.Errorf("unit %q: %w", unit, metering.ErrInvalid)
	}
}

// counted sums what limits count, of a key or of all keys of a customer.
func (s *Store) counted(ctx context.Context, q querier, slot metering.Slot, key string, w span) (*sums, error) {
	all := new(sums)
	add := func(query string, c condition) error {
		var v sums
		if err := q.Row(ctx, query+c.Where(), c.Args...).Scan(v.pointers()...); err != nil {
			return err
		}
		all.add(&v)
		return nil
	}
	whole, edges := w.split()
	if !whole.empty() {
		var c condition
		c.And("org_id = ? AND customer = ?", slot.Org, pack(slot.Customer))
		within(&c, "hour", whole)
		c.And("test = 0")
		ofKey(&c, key)
		if err := add("SELECT "+rollupSums()+" FROM rollups", c); err != nil {
			return nil, err
		}
	}
	for _, edge := range edges {
		var c condition
		c.And("org_id = ? AND customer = ?", slot.Org, pack(slot.Customer))
		within(&c, "at", edge)
		c.And("NOT test")
		ofKey(&c, key)
		if err := add("SELECT "+eventSums()+" FROM events", c); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func ofKey(c *condition, key string) {
	if key == "" {
		c.And("key <> ?", []byte{})
	} else {
		c.And("key = ?", pack(key))
	}
}
