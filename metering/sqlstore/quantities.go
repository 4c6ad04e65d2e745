package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
	"github.com/weirhq/weir/metering/sqldb"
)

// maxIntervals bounds an answer: a year of hours fits.
const maxIntervals = 10_000

// Quantities tells what a meter measured, by interval: whole hours from its
// rollups, the hours at the edges from their events.
func (s *Store) Quantities(ctx context.Context, q metering.QuantityQuery) ([]metering.QuantityRow, error) {
	var out []metering.QuantityRow
	err := s.Steady(ctx, func(r metering.SteadyReader) (err error) {
		out, err = r.Quantities(ctx, q)
		return err
	})
	return out, err
}

// Steady lets do read one instant of the database, as often as it likes.
func (s *Store) Steady(ctx context.Context, do func(metering.SteadyReader) error) error {
	return s.snapshot(ctx, "read at one instant", func(on querier) error { return do(steadyReader{on}) })
}

// steadyReader reads in one transaction.
type steadyReader struct{ on querier }

// Quantities is [Store.Quantities] at the instant.
func (r steadyReader) Quantities(ctx context.Context, q metering.QuantityQuery) ([]metering.QuantityRow, error) {
	m, err := r.on.s.meter(ctx, r.on, q.Org, q.Meter)
	if err != nil {
		return nil, err
	}
	spans, err := intervals(q)
	if err != nil {
		return nil, fmt.Errorf("quantities of meter %s: %w", m.ID, err)
	}
	out := make([]metering.QuantityRow, 0, len(spans))
	for _, w := range spans {
		read := reading{meter: &m, query: q, edge: make(map[string]struct{})}
		if err := read.over(ctx, r.on, w); err != nil {
			return nil, fmt.Errorf("quantities of meter %s: %w", m.ID, err)
		}
		row := metering.QuantityRow{From: w.from, Events: read.events}
		row.Quantity, row.Exact = read.quantity()
		out = append(out, row)
	}
	return out, nil
}

// Positions are the last facts of each journal that the events of a customer
// include.
func (r steadyReader) Positions(ctx context.Context, org, customer string) (map[string]uint64, error) {
	out := make(map[string]uint64)
	err := r.on.Each(ctx, func(rows *sql.Rows) error {
		var journal string
		var seq int64
		err := rows.Scan(&journal, &seq)
		out[journal] = uint64(seq)
		return err
	}, `SELECT journal, seq FROM positions WHERE org_id = $1 AND customer = $2`, org, pack(customer))
	if err != nil {
		return nil, fmt.Errorf("positions of customer %.100q: %w", customer, err)
	}
	return out, nil
}

// intervals cuts a span at the hours, days or months of the zone.
func intervals(q metering.QuantityQuery) ([]span, error) {
	if err := sqldb.Storable(q.Customer); err != nil {
		return nil, err
	}
	if q.To != 0 && q.To < q.From {
		return nil, fmt.Errorf("it ends before it begins: %w", metering.ErrInvalid)
	}
	if q.Interval == "" {
		return []span{{q.From, q.To}}, nil
	}
	if q.From == 0 || q.To == 0 {
		return nil, fmt.Errorf("an interval of %q needs a beginning and an end: %w", q.Interval, metering.ErrInvalid)
	}
	var out []span
	for at := q.From; at < q.To; {
		_, end, err := admission.Span(q.Interval).At(at, q.Zone)
		if err != nil {
			return nil, err
		}
		if len(out) == maxIntervals {
			return nil, fmt.Errorf("more than %d intervals: %w", maxIntervals, metering.ErrInvalid)
		}
		end = min(end, q.To)
		out = append(out, span{at, end})
		at = end
	}
	return out, nil
}

// reading is a quantity being read.
type reading struct {
	meter *metering.Meter
	query metering.QuantityQuery
	amount
	distinct int64               // values of whole hours, of a meter of unique values
	edge     map[string]struct{} // and those of the hours at the edges
}

// forever is the beginning of an hour after every event.
const forever = (1 << 62) / hour * hour

// over reads one interval.
func (r *reading) over(ctx context.Context, on querier, w span) error {
	if w.to == 0 {
		w.to = forever
	}
	first, last := w.from.Hour(), w.to.Hour()
	if w.from != first {
		first += hour
	}
	if first > last { // within one hour
		first, last = w.to, w.to
	}
	for _, part := range []span{{w.from, first}, {last, w.to}} {
		if err := r.fromEvents(ctx, on, part); err != nil {
			return err
		}
	}
	whole := span{first, last}
	if err := r.fromRollups(ctx, on, whole); err != nil || r.meter.Aggregate.Func != metering.AggregateUnique {
		return err
	}
	return r.unite(ctx, on, whole)
}

func (r *reading) where() condition {
	var c condition
	c.And("org_id = ?", r.query.Org)
	if r.query.Customer != "" {
		c.And("customer = ?", r.query.Customer)
	}
	return c
}

// hours is the condition on what a meter keeps by hour.
func (r *reading) hours(w span) condition {
	c := r.where()
	c.And("meter = ?", r.meter.ID)
	c.And("hour >= ?", int64(w.from))
	c.And("hour < ?", int64(w.to))
	if r.query.Live {
		c.And("test = ?", 0)
	}
	return c
}

// fromEvents adds the events of less than an hour.
func (r *reading) fromEvents(ctx context.Context, on querier, w span) error {
	if w.from >= w.to {
		return nil
	}
	c := eventsDuring(r.query.Org, r.query.Customer, w)
	return on.Each(ctx, func(rows *sql.Rows) error {
		e, err := on.s.scanEvent(rows)
		if err != nil {
			return err
		}
		v, ok := measures(r.meter, e)
		if !ok || r.query.Live && e.Test {
			return nil
		}
		if r.meter.Aggregate.Func != metering.AggregateUnique {
			r.add(v)
			return nil
		}
		r.add(metering.Value{})
		key, err := valueKey(v)
		r.edge[key] = struct{}{}
		return err
	}, eventSelect+c.Where(), c.Args...)
}

func (r *reading) fromRollups(ctx context.Context, on querier, w span) error {
	if w.from >= w.to {
		return nil
	}
	c := r.hours(w)
	return on.Each(ctx, func(rows *sql.Rows) error {
		var a amount
		if err := rows.Scan(a.pointers()...); err != nil {
			return err
		}
		r.merge(a)
		return nil
	}, "SELECT "+amountColumns+" FROM meter_rollups"+c.Where(), c.Args...)
}

// perQuestion is of how many values one statement asks whether they are there.
const perQuestion = 200

// unite counts the values of whole hours, and takes those out of the edges that
// were seen in whole hours too. Only the edges are held in memory.
func (r *reading) unite(ctx context.Context, on querier, w span) error {
	if w.from >= w.to {
		return nil
	}
	c := r.hours(w)
	if err := on.Row(ctx, "SELECT COUNT(DISTINCT value) FROM meter_values"+c.Where(), c.Args...).Scan(&r.distinct); err != nil {
		return fmt.Errorf("count values: %w", err)
	}
	for keys := range slices.Chunk(slices.Collect(maps.Keys(r.edge)), perQuestion) {
		c := r.hours(w)
		list := ""
		for i, key := range keys {
			c.Args = append(c.Args, []byte(key))
			if i > 0 {
				list += ","
			}
			list += "$" + strconv.Itoa(len(c.Args))
		}
		c.Parts = append(c.Parts, "value IN ("+list+")")
		err := on.Each(ctx, func(rows *sql.Rows) error {
			var key []byte
			err := rows.Scan(&key)
			delete(r.edge, string(key))
			return err
		}, "SELECT DISTINCT value FROM meter_values"+c.Where(), c.Args...)
		if err != nil {
			return fmt.Errorf("look values up: %w", err)
		}
	}
	return nil
}

// quantity is the decimal, and whether it is exact: only an average may have to
// be rounded. Of no events it is 0.
func (r *reading) quantity() (text string, exact bool) {
	switch r.meter.Aggregate.Func {
	case metering.AggregateCount:
		return strconv.FormatInt(r.events, 10), true
	case metering.AggregateUnique:
		return strconv.FormatInt(r.distinct+int64(len(r.edge)), 10), true
	case metering.AggregateMin:
		return decimal(r.min.Rat())
	case metering.AggregateMax:
		return decimal(r.max.Rat())
	}
	value := r.sum.rat()
	if r.meter.Aggregate.Func == metering.AggregateAvg && r.events > 0 {
		value.Quo(value, new(big.Rat).SetInt64(r.events))
	}
	return decimal(value)
}
