package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// statedGroup is what the comparison of stated costs is kept by.
type statedGroup struct {
	org                       string
	hour                      metering.Micros
	provider, upstream, model string
}

func (g statedGroup) compare(h statedGroup) int {
	return cmp.Or(cmp.Compare(g.org, h.org), cmp.Compare(g.hour, h.hour), cmp.Compare(g.provider, h.provider),
		cmp.Compare(g.upstream, h.upstream), cmp.Compare(g.model, h.model))
}

const statedNames = "calls, compared, differing, rounded, unpriced, invalid, own_key, " +
	"stated_micros, stated_picos, compared_micros, compared_picos, computed_micros, computed_picos, vendor_micros, vendor_picos"

// statedValues are the columns of statedNames.
func statedValues(s *metering.StatedSums) []any {
	out := []any{s.Calls, s.Compared, s.Differing, s.Rounded, s.Unpriced, s.Invalid, s.OwnKey}
	for _, c := range []metering.Cost{s.Stated, s.StatedCompared, s.Computed, s.Vendor} {
		out = append(out, c.Micros, c.Picos)
	}
	return out
}

func statedPointers(s *metering.StatedSums) []any {
	return []any{
		&s.Calls, &s.Compared, &s.Differing, &s.Rounded, &s.Unpriced, &s.Invalid, &s.OwnKey, &s.Stated.Micros, &s.Stated.Picos,
		&s.StatedCompared.Micros, &s.StatedCompared.Picos, &s.Computed.Micros, &s.Computed.Picos, &s.Vendor.Micros, &s.Vendor.Picos,
	}
}

// compareStated adds the events whose providers state a cost to their hours.
func compareStated(ctx context.Context, tx querier, events []*metering.Event) error {
	var said []*metering.Event
	var sums []metering.StatedSums
	for _, e := range events {
		if s := metering.StatedOf(e, nil); s != (metering.StatedSums{}) {
			said, sums = append(said, e), append(sums, s)
		}
	}
	return addStated(ctx, tx, said, sums)
}

// recompareStated brings the hour of an event from what it was before the last of
// its corrections to what it is after it.
func (s *Store) recompareStated(ctx context.Context, tx querier, org string, of metering.ID) error {
	e, err := s.scanEvent(tx.Row(ctx, eventSelect+" WHERE org_id = $1 AND id = $2", org, s.uid(of)))
	if err != nil {
		return sqldb.Absent(err, fmt.Sprintf("event %s", of))
	}
	if metering.StatedOf(e, nil) == (metering.StatedSums{}) {
		return nil // its provider states nothing
	}
	if summed, err := s.statedSummed(ctx, tx, org, of); err != nil || !summed {
		return err // a difference to what is in no sum would stand there alone
	}
	corrections, _, err := s.corrections(ctx, tx, org, of)
	if err != nil {
		return err
	}
	sum, before := metering.StatedOf(e, corrections), metering.StatedOf(e, corrections[:len(corrections)-1])
	less := before.Neg()
	if sum.Add(&less); sum == (metering.StatedSums{}) {
		return nil
	}
	return addStated(ctx, tx, []*metering.Event{e}, []metering.StatedSums{sum})
}

// statedSummed reports whether an event was added to the sums as it was written.
func (s *Store) statedSummed(ctx context.Context, tx querier, org string, of metering.ID) (bool, error) {
	var stored []byte
	if err := tx.Row(ctx, "SELECT document FROM events WHERE org_id = $1 AND id = $2", org, s.uid(of)).Scan(&stored); err != nil {
		return false, fmt.Errorf("document of event %s: %w", of, err)
	}
	d, err := s.inflaters.decode(stored)
	if err != nil {
		return false, fmt.Errorf("event %s: %w", of, err)
	}
	return d.Summed, nil
}

// addStated adds sums, one for each event, to the hours of the events. Rows are
// locked in one order by all replicas.
func addStated(ctx context.Context, tx querier, events []*metering.Event, sums []metering.StatedSums) error {
	if len(events) == 0 {
		return nil
	}
	var from int64
	if err := tx.Row(ctx, "SELECT at FROM stated_costs_from").Scan(&from); err != nil {
		return fmt.Errorf("from when stated costs are compared: %w", err)
	}
	added := make(map[statedGroup]*metering.StatedSums)
	for i, e := range events {
		if int64(e.At) < from {
			continue
		}
		g := statedGroup{e.Org, e.At.Hour(), sqldb.Label(e.Provider), sqldb.Label(e.Upstream), sqldb.Label(e.Model)}
		if have := added[g]; have != nil {
			have.Add(&sums[i])
			continue
		}
		added[g] = &sums[i]
	}
	groups := make([]statedGroup, 0, len(added))
	for g := range added {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, statedGroup.compare)
	b := bulk{table: "stated_costs", columns: []column{{"org_id", "text"}, {"hour", "bigint"}, {"provider", "text"}, {"upstream", "text"}, {"model", "text"}}}
	b.sums(statedNames)
	for _, g := range groups {
		b.rows = append(b.rows, append([]any{g.org, int64(g.hour), g.provider, g.upstream, g.model}, statedValues(added[g])...))
	}
	return b.run(ctx, tx)
}

// StatedCosts compares what providers state with what the price book says, by
// interval, provider, upstream and model, from sums that are kept by the hour. What
// was recorded before they were kept is not in them.
func (s *Store) StatedCosts(ctx context.Context, q metering.StatedQuery) ([]metering.StatedRow, error) {
	if !sqldb.Clean(q.Org) {
		return nil, fmt.Errorf("stated costs: organisation %.40q: %w", q.Org, metering.ErrInvalid)
	}
	interval, err := statedInterval(q.Interval)
	if err != nil {
		return nil, err
	}
	var c condition
	c.And("org_id = ?", q.Org)
	for _, equal := range []struct{ column, text string }{{"provider", q.Provider}, {"upstream", q.Upstream}, {"model", q.Model}} {
		if equal.text != "" {
			c.And(equal.column+" = ?", sqldb.Label(equal.text))
		}
	}
	to := q.To.Hour()
	if to != q.To {
		to += hour
	}
	within(&c, "hour", span{q.From.Hour(), to})
	names := strings.Split(statedNames, ", ")
	for i, n := range names {
		names[i] = summed(n)
	}
	return sqldb.All(ctx, s.db.Read(), "sum stated costs", func(r *sql.Rows) (metering.StatedRow, error) {
		var row metering.StatedRow
		err := r.Scan(append([]any{&row.From, &row.Provider, &row.Upstream, &row.Model}, statedPointers(&row.StatedSums)...)...)
		for _, c := range []*metering.Cost{&row.Stated, &row.StatedCompared, &row.Computed, &row.Vendor} {
			*c = c.Normal()
		}
		return row, err
	}, "SELECT "+interval+", provider, upstream, model, "+strings.Join(names, ", ")+" FROM stated_costs"+c.Where()+" GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4", c.Args...)
}

// statedInterval is the SQL of when the interval of an hour begins.
func statedInterval(name string) (string, error) {
	switch name {
	case "", "total":
		return "CAST(0 AS BIGINT)", nil
	case "hour":
		return "hour", nil
	case "day":
		return "hour - hour % " + strconv.FormatInt(int64(24*hour), 10), nil
	default:
		return "", fmt.Errorf("stated costs by %.60q: %w", name, metering.ErrInvalid)
	}
}
