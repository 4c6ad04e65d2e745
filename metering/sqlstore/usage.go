package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

const hour = metering.Micros(time.Hour / time.Microsecond)

// Usage sums usage by groups: whole hours from the rollups, the hours at the
// edges from their events. Tags are in no rollup: a group by tag reads events.
func (s *Store) Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error) {
	t := &tally{query: q, zone: q.Zone, rows: make(map[string]*tallyRow)}
	if t.zone == nil {
		t.zone = time.UTC
	}
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{Isolation: s.steady(), ReadOnly: true})
	if err != nil {
		return nil, metering.UsageTotals{}, fmt.Errorf("usage: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	on := querier{s, tx}
	byTag := slices.ContainsFunc(q.By, func(g string) bool { return strings.HasPrefix(g, "tag:") })
	whole := span{q.From, q.To}
	if byTag || !s.hourly(t.zone, q.By) {
		err = t.events(ctx, on, whole)
	} else {
		err = t.split(ctx, on, whole)
	}
	if err != nil {
		return nil, metering.UsageTotals{}, fmt.Errorf("usage: %w", err)
	}
	rows, totals := t.result()
	return rows, totals, nil
}

// hourly reports whether rollups can answer: days of a zone begin on whole
// hours of UTC.
func (s *Store) hourly(zone *time.Location, by []string) bool {
	if !slices.Contains(by, "day") {
		return true
	}
	_, offset := time.Now().In(zone).Zone()
	return offset%3600 == 0
}

// span is a stretch of time; zero is without a bound.
type span struct{ from, to metering.Micros }

// tally adds usage up by group.
type tally struct {
	query metering.UsageQuery
	zone  *time.Location
	rows  map[string]*tallyRow
	total sums
}

type tallyRow struct {
	group map[string]string
	sums
}

// split answers whole hours from rollups and the rest from events.
func (t *tally) split(ctx context.Context, on querier, w span) error {
	first, last := w.from.Hour(), w.to.Hour()
	if w.from != first {
		first += hour
	}
	if w.from == 0 {
		first = 0
	}
	if w.to == 0 {
		return t.edges(ctx, on, w.from, first, span{first, 0})
	}
	if first > last { // within one hour
		return t.events(ctx, on, w)
	}
	if last < w.to {
		if err := t.events(ctx, on, span{last, w.to}); err != nil {
			return err
		}
	}
	return t.edges(ctx, on, w.from, first, span{first, last})
}

func (t *tally) edges(ctx context.Context, on querier, from, first metering.Micros, whole span) error {
	if from < first {
		if err := t.events(ctx, on, span{from, first}); err != nil {
			return err
		}
	}
	return t.rollups(ctx, on, whole)
}

func (t *tally) rollups(ctx context.Context, on querier, w span) error {
	if w.to != 0 && w.from >= w.to {
		return nil
	}
	var c condition
	c.and("org = ?", t.query.Org)
	if t.query.Customer != "" {
		c.and("customer = ?", t.query.Customer)
	}
	if w.from != 0 {
		c.and("hour >= ?", int64(w.from))
	}
	if w.to != 0 {
		c.and("hour < ?", int64(w.to))
	}
	return on.each(ctx, func(r *sql.Rows) error {
		var g group
		var v sums
		if err := r.Scan(append([]any{&g.customer, &g.hour, &g.key, &g.model, &g.provider}, v.pointers()...)...); err != nil {
			return err
		}
		t.add(g, nil, &v)
		return nil
	}, "SELECT customer, hour, key, model, provider, "+sumColumns+" FROM rollups"+c.where(), c.args...)
}

func (t *tally) events(ctx context.Context, on querier, w span) error {
	if w.to != 0 && w.from >= w.to {
		return nil
	}
	var c condition
	c.and("org = ?", t.query.Org)
	if t.query.Customer != "" {
		c.and("customer = ?", t.query.Customer)
	}
	c.during(w, t.query.Customer == "")
	return on.each(ctx, func(r *sql.Rows) error {
		e, err := scanEvent(r)
		if err != nil {
			return err
		}
		v := sumsOf(e)
		g := groupOf(e)
		g.hour = e.At
		t.add(g, e.Tags, &v)
		return nil
	}, eventSelect+c.where(), c.args...)
}

func (t *tally) add(g group, tags []metering.Tag, v *sums) {
	t.total.add(v)
	values := make([]string, len(t.query.By))
	for i, by := range t.query.By {
		values[i] = t.value(g, tags, by)
	}
	name := strings.Join(values, "\x00")
	row := t.rows[name]
	if row == nil {
		row = &tallyRow{group: make(map[string]string, len(values))}
		for i, by := range t.query.By {
			row.group[by] = values[i]
		}
		t.rows[name] = row
	}
	row.add(v)
}

func (t *tally) value(g group, tags []metering.Tag, by string) string {
	switch by {
	case "model":
		return g.model
	case "key":
		return g.key
	case "customer":
		return g.customer
	case "provider":
		return g.provider
	case "day":
		return g.hour.Time().In(t.zone).Format(time.DateOnly)
	}
	name := strings.TrimPrefix(by, "tag:")
	for _, tag := range tags {
		if tag.Name == name {
			return tag.Value
		}
	}
	return ""
}

// result sorts the rows by their groups.
func (t *tally) result() ([]metering.UsageRow, metering.UsageTotals) {
	names := make([]string, 0, len(t.rows))
	for name := range t.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	out := make([]metering.UsageRow, 0, len(names))
	for _, name := range names {
		row := t.rows[name]
		out = append(out, metering.UsageRow{Group: row.group, UsageTotals: row.totals()})
	}
	return out, t.total.totals()
}

// VerifyRollups compares every rollup with a direct sum over events and returns
// the differences.
func (s *Store) VerifyRollups(ctx context.Context, org string) ([]string, error) {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{Isolation: s.steady(), ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("verify rollups: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	on := querier{s, tx}
	want, have := make(map[group]*sums), make(map[group]sums)
	err = on.each(ctx, func(r *sql.Rows) error {
		e, err := scanEvent(r)
		if err != nil {
			return err
		}
		g, v := groupOf(e), sumsOf(e)
		if want[g] == nil {
			want[g] = new(sums)
		}
		want[g].add(&v)
		return nil
	}, eventSelect+" WHERE org = $1", org)
	if err == nil {
		err = on.each(ctx, func(r *sql.Rows) error {
			g := group{org: org}
			var v sums
			if err := r.Scan(append([]any{&g.customer, &g.hour, &g.key, &g.model, &g.provider, &g.test}, v.pointers()...)...); err != nil {
				return err
			}
			have[g] = v
			return nil
		}, "SELECT customer, hour, key, model, provider, test, "+sumColumns+" FROM rollups WHERE org = $1", org)
	}
	if err != nil {
		return nil, fmt.Errorf("verify rollups: %w", err)
	}
	var differ []string
	for g, w := range want {
		h := have[g]
		if h.totals() != w.totals() {
			differ = append(differ, fmt.Sprintf("%+v: rollup %+v, events %+v", g, h.totals(), w.totals()))
		}
		delete(have, g)
	}
	for g, h := range have {
		differ = append(differ, fmt.Sprintf("%+v: rollup %+v, no events", g, h.totals()))
	}
	slices.Sort(differ)
	return differ, nil
}
