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
	"github.com/weirhq/weir/metering/sqldb"
)

// Measured adds up what a meter of sums or numbers measures by groups, of events
// that no test key made, by reading every one of them: for what there are no sums
// of. events is how many were read: if that is more than most, there are no rows.
func (s *Store) Measured(ctx context.Context, q metering.UsageQuery, m metering.Meter, most int) (rows []metering.MeasuredRow, events int, err error) {
	if m.Aggregate.Func != metering.AggregateSum && m.Aggregate.Func != metering.AggregateCount {
		return nil, 0, fmt.Errorf("a meter of %s has no parts: %w", m.Aggregate.Func, metering.ErrInvalid)
	}
	if err := checkGroups(q); err != nil {
		return nil, 0, err
	}
	x := &measuring{tally: tally{s: s, query: q, zone: q.Zone}, meter: &m, parts: make(map[string]*part)}
	if x.zone == nil {
		x.zone = time.UTC
	}
	err = s.snapshot(ctx, "measure events", func(on querier) error {
		clear(x.parts)
		x.events = 0
		c := eventsDuring(q.Org, q.Customer, span{q.From, q.To})
		c.And("NOT test")
		x.narrow(&c, eventGroups())
		groups := eventGroups()
		query := "SELECT " + groups["upstream"].expression + ", " + groups["run"].expression + ", " + strings.TrimPrefix(eventSelect, "SELECT ")
		return on.Each(ctx, x.scan, query+c.Where()+" LIMIT "+strconv.Itoa(most+1), c.Args...)
	})
	if err != nil || x.events > most {
		return nil, x.events, err
	}
	rows, err = x.rows()
	return rows, x.events, err
}

// measuring is a quantity being added up by groups.
type measuring struct {
	tally
	meter  *metering.Meter
	parts  map[string]*part
	events int
}

// part is the quantity of a group.
type part struct {
	values []string
	sum    total
}

// behind scans the columns of an event that stand behind others.
type behind struct {
	rows  *sql.Rows
	first []any
}

func (b behind) Scan(into ...any) error {
	return b.rows.Scan(append(slices.Clone(b.first), into...)...)
}

func (x *measuring) scan(r *sql.Rows) error {
	var upstream, run string
	e, err := x.s.scanEvent(behind{r, []any{&upstream, &run}})
	if err != nil {
		return err
	}
	x.events++
	v, measured := measures(x.meter, e)
	if !measured {
		return nil
	}
	found, err := groupsOf(e)
	if err != nil {
		return err
	}
	found["upstream"], found["run"] = upstream, run
	if keep, err := x.keeps(found); err != nil || !keep {
		return err
	}
	values, err := x.values(found)
	if err != nil {
		return err
	}
	name := strings.Join(values, "\x00")
	p := x.parts[name]
	if p == nil {
		p = &part{values: values}
		x.parts[name] = p
	}
	one := v.Num
	if x.meter.Aggregate.Func == metering.AggregateCount {
		one = metering.NumberOf(1)
	}
	p.sum = p.sum.add(totalOf(one))
	return nil
}

// groupsOf is what the columns of an event have.
func groupsOf(e *metering.Event) (map[string]string, error) {
	at := func(step metering.Micros) string { return strconv.FormatInt(int64(e.At-e.At%step), 10) }
	out := map[string]string{
		"model": sqldb.Label(e.Model), "provider": sqldb.Label(e.Provider), "key": e.Key, "customer": e.Customer, "name": sqldb.Label(e.Name),
		"test": "0", "day": at(quarter), "hour": at(hour),
	}
	if len(e.Tags) > 0 {
		tags, err := json.Marshal(e.Tags)
		if err != nil {
			return nil, fmt.Errorf("tags of event %s: %w", e.ID, err)
		}
		out["tag"] = string(tags)
	}
	return out, nil
}

// rows are the groups by name.
func (x *measuring) rows() ([]metering.MeasuredRow, error) {
	list := make([]*part, 0, len(x.parts))
	for _, p := range x.parts {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *part) int { return slices.Compare(a.values, b.values) })
	out := make([]metering.MeasuredRow, 0, len(list))
	for _, p := range list {
		text, _ := decimal(p.sum.rat())
		n, err := metering.ParseNumber(text)
		if err != nil {
			return nil, fmt.Errorf("quantity %q: %w", text, err)
		}
		row := metering.MeasuredRow{Group: make(map[string]string, len(p.values)), Quantity: n}
		for i, by := range x.query.By {
			row.Group[by] = p.values[i]
		}
		out = append(out, row)
	}
	return out, nil
}
