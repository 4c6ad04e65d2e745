package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// quarter is the step in which events are summed by the day: every zone is a
// whole number of quarters of an hour from UTC, since 1972.
const quarter = hour / 4

// Usage sums usage by groups, exactly: whole hours from the rollups, the hours
// at the edges from their events. Tags, runs, upstreams and names are in no
// rollup: a group by them reads events, and so does one by day in a zone whose
// days begin within an hour of UTC. Groups are those of [metering.UsageQuery];
// usage of test keys is in the sums.
func (s *Store) Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error) {
	t := &tally{s: s, query: q, zone: q.Zone, rows: make(map[string]*tallyRow)}
	if t.zone == nil {
		t.zone = time.UTC
	}
	if err := checkGroups(q); err != nil {
		return nil, metering.UsageTotals{}, err
	}
	err := s.snapshot(ctx, "usage", func(on querier) error {
		span := span{q.From, q.To}
		if span.empty() {
			return nil
		}
		fromRollups, err := t.hourly(ctx, on, span)
		if err != nil {
			return err
		}
		if !fromRollups {
			return t.events(ctx, on, span)
		}
		whole, edges := span.split()
		for _, edge := range edges {
			if err := t.events(ctx, on, edge); err != nil {
				return err
			}
		}
		if whole.empty() {
			return nil
		}
		return t.rollups(ctx, on, whole)
	})
	if err != nil {
		return nil, metering.UsageTotals{}, err
	}
	rows, totals := t.result()
	return rows, totals, nil
}

// tally adds usage up by group.
type tally struct {
	s     *Store
	query metering.UsageQuery
	zone  *time.Location
	rows  map[string]*tallyRow
	total sums
}

type tallyRow struct {
	values []string
	sums
}

// hourly reports whether rollups can answer.
func (t *tally) hourly(ctx context.Context, on querier, w span) (bool, error) {
	if slices.ContainsFunc(t.groups(), func(by string) bool { return !inRollups(by) }) {
		return false, nil
	}
	if t.zone == time.UTC || !slices.Contains(t.query.By, "day") {
		return true, nil
	}
	var first, last metering.Micros
	err := on.Row(ctx, `SELECT COALESCE(MIN(hour), 0), COALESCE(MAX(hour), 0) FROM rollups WHERE org_id = $1`, t.query.Org).Scan(&first, &last)
	if err != nil {
		return false, err
	}
	if w.to != 0 {
		last = min(last, w.to)
	}
	return wholeHours(t.zone, max(first, w.from).Time(), last.Time()), nil
}

// wholeHours reports whether a zone is a whole number of hours from UTC all the
// time between two instants.
func wholeHours(zone *time.Location, from, to time.Time) bool {
	for at := from.In(zone); ; {
		if _, offset := at.Zone(); offset%3600 != 0 {
			return false
		}
		_, end := at.ZoneBounds()
		if end.IsZero() || end.After(to) {
			return true
		}
		at = end
	}
}

func (t *tally) rollups(ctx context.Context, on querier, w span) error {
	var c condition
	c.And("org_id = ?", t.query.Org)
	if t.query.Customer != "" {
		c.And("customer = ?", pack(t.query.Customer))
	}
	within(&c, "hour", w)
	return t.read(ctx, on, "rollups", rollupSums(), c, rollupGroups())
}

func (t *tally) events(ctx context.Context, on querier, w span) error {
	c := eventsDuring(t.query.Org, t.query.Customer, w)
	return t.read(ctx, on, "events", eventSums(), c, eventGroups())
}

// read adds the sums of a table by the columns that the groups are made of.
func (t *tally) read(ctx context.Context, on querier, table, sum string, c condition, known map[string]dimension) error {
	names := t.columns()
	t.narrow(&c, known)
	columns, grouped := make([]string, 0, len(names)+1), make([]string, 0, len(names))
	for i, name := range names {
		columns = append(columns, known[name].expression)
		grouped = append(grouped, strconv.Itoa(i+1))
	}
	query := "SELECT " + strings.Join(append(columns, sum), ", ") + " FROM " + table + c.Where()
	if len(grouped) > 0 {
		query += " GROUP BY " + strings.Join(grouped, ", ")
	}
	return on.Each(ctx, func(r *sql.Rows) error {
		var v sums
		into := make([]any, len(names))
		for i, name := range names {
			into[i] = known[name].scan()
		}
		if err := r.Scan(append(slices.Clone(into), v.pointers()...)...); err != nil {
			return err
		}
		found := make(map[string]string, len(names))
		for i, name := range names {
			found[name] = known[name].text(into[i])
		}
		return t.add(found, &v)
	}, query, c.Args...)
}

func (t *tally) add(found map[string]string, v *sums) error {
	if *v == (sums{}) {
		return nil // the sum over nothing; corrections count without a request
	}
	if keep, err := t.keeps(found); err != nil || !keep {
		return err
	}
	t.total.add(v)
	values, err := t.values(found)
	if err != nil {
		return err
	}
	name := strings.Join(values, "\x00")
	row := t.rows[name]
	if row == nil {
		row = &tallyRow{values: values}
		t.rows[name] = row
	}
	row.add(v)
	return nil
}

// values are those of the groups that were asked for, in their order.
func (t *tally) values(found map[string]string) (out []string, err error) {
	out = make([]string, len(t.query.By))
	for i, by := range t.query.By {
		if out[i], err = t.value(found, by); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t *tally) value(found map[string]string, by string) (string, error) {
	switch by {
	case "day":
		at, err := strconv.ParseInt(found["day"], 10, 64)
		return metering.Micros(at).Time().In(t.zone).Format(time.DateOnly), err
	case "hour":
		at, err := strconv.ParseInt(found["hour"], 10, 64)
		return metering.Micros(at).Time().Format(time.RFC3339), err
	case "test":
		return strconv.FormatBool(found["test"] == "1"), nil
	}
	if name, isTag := strings.CutPrefix(by, "tag:"); isTag {
		return tagged(found["tag"], name)
	}
	return found[by], nil
}

// tagged is the value of a tag among those of an event, as its column has them.
func tagged(column, name string) (string, error) {
	if column == "" {
		return "", nil
	}
	var tags []metering.Tag
	if err := json.Unmarshal([]byte(column), &tags); err != nil {
		return "", fmt.Errorf("decode tags: %w", err)
	}
	for _, tag := range tags {
		if tag.Name == name {
			return tag.Value, nil
		}
	}
	return "", nil
}

// result sorts the rows by their groups.
func (t *tally) result() ([]metering.UsageRow, metering.UsageTotals) {
	rows := make([]*tallyRow, 0, len(t.rows))
	for _, row := range t.rows {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *tallyRow) int { return slices.Compare(a.values, b.values) })
	out := make([]metering.UsageRow, 0, len(rows))
	for _, row := range rows {
		group := make(map[string]string, len(row.values))
		for i, by := range t.query.By {
			group[by] = row.values[i]
		}
		out = append(out, metering.UsageRow{Group: group, UsageTotals: row.totals()})
	}
	return out, t.total.totals()
}
