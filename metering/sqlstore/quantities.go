package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

// readCell reads and, in PostgreSQL, locks a cell, so that two shippers do not
// overwrite each other's sum. Where there is no row to lock, one is made.
func readCell(ctx context.Context, tx querier, org string, c cell) (amount, error) {
	var a amount
	query := "SELECT " + amountColumns + " FROM meter_rollups WHERE org = $1 AND meter = $2 AND customer = $3 AND hour = $4 AND test = $5"
	if tx.s.engine == schema.Postgres {
		_, err := tx.exec(ctx, `INSERT INTO meter_rollups (org, meter, customer, hour, test, events, sum_units, sum_picos, min_units, min_picos, max_units, max_picos)
			VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING`, org, c.meter, c.customer, int64(c.hour), c.test)
		if err != nil {
			return a, err
		}
		query += " FOR UPDATE"
	}
	err := tx.row(ctx, query, org, c.meter, c.customer, int64(c.hour), c.test).Scan(a.pointers()...)
	if errors.Is(err, sql.ErrNoRows) {
		return amount{}, nil
	}
	return a, err
}

// Quantities tells what a meter measured, by interval: whole hours from its
// rollups, the hours at the edges from their events.
func (s *Store) Quantities(ctx context.Context, q metering.QuantityQuery) ([]metering.QuantityRow, error) {
	m, err := s.Meter(ctx, q.Org, q.Meter)
	if err != nil {
		return nil, err
	}
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{Isolation: s.steady(), ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("quantities: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	on := querier{s, tx}
	var out []metering.QuantityRow
	for _, w := range intervals(q) {
		r := reading{meter: &m, query: q, values: make(map[string]struct{})}
		if err := r.over(ctx, on, w); err != nil {
			return nil, fmt.Errorf("quantities of meter %s: %w", m.ID, err)
		}
		row := metering.QuantityRow{From: w.from, Events: r.events}
		row.Quantity, row.Exact = r.quantity()
		out = append(out, row)
	}
	return out, nil
}

// intervals cuts a span at the hours, days or months of the zone.
func intervals(q metering.QuantityQuery) []span {
	zone := q.Zone
	if zone == nil {
		zone = time.UTC
	}
	if q.Interval == "" {
		return []span{{q.From, q.To}}
	}
	var out []span
	for at := q.From; at < q.To; {
		end := min(next(at, q.Interval, zone), q.To)
		out = append(out, span{at, end})
		at = end
	}
	return out
}

// next is the beginning of the interval after the one that contains at.
func next(at metering.Micros, interval string, zone *time.Location) metering.Micros {
	t := at.Time().In(zone)
	switch interval {
	case "hour":
		return at.Hour() + hour
	case "day":
		return metering.MicrosOf(time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone))
	default:
		return metering.MicrosOf(time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, zone))
	}
}

// reading is a quantity being read.
type reading struct {
	meter *metering.Meter
	query metering.QuantityQuery
	amount
	values map[string]struct{} // of a meter of unique values
}

// over reads one interval.
func (r *reading) over(ctx context.Context, on querier, w span) error {
	first, last := w.from.Hour(), w.to.Hour()
	if w.from != first {
		first += hour
	}
	if w.to == 0 {
		last = 1 << 62
	}
	if first > last {
		return r.fromEvents(ctx, on, w)
	}
	if err := r.fromEvents(ctx, on, span{w.from, first}); err != nil {
		return err
	}
	if err := r.fromRollups(ctx, on, span{first, last}); err != nil {
		return err
	}
	if w.to == 0 {
		return nil
	}
	return r.fromEvents(ctx, on, span{last, w.to})
}

func (r *reading) where() condition {
	var c condition
	c.and("org = ?", r.query.Org)
	if r.query.Customer != "" {
		c.and("customer = ?", r.query.Customer)
	}
	return c
}

func (r *reading) fromEvents(ctx context.Context, on querier, w span) error {
	if w.from >= w.to {
		return nil
	}
	c := r.where()
	c.during(w, r.query.Customer == "")
	return on.each(ctx, func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		if err != nil {
			return err
		}
		v, ok := r.meter.Measure(e)
		if !ok {
			return nil
		}
		if r.meter.Aggregate.Func != metering.AggregateUnique {
			r.add(v)
			return nil
		}
		r.events++
		key, err := valueKey(v)
		r.values[string(key)] = struct{}{}
		return err
	}, eventSelect+c.where(), c.args...)
}

func (r *reading) fromRollups(ctx context.Context, on querier, w span) error {
	if w.from >= w.to {
		return nil
	}
	c := r.where()
	c.and("hour >= ?", int64(w.from))
	c.and("hour < ?", int64(w.to))
	c.and("meter = ?", r.meter.ID)
	err := on.each(ctx, func(rows *sql.Rows) error {
		var a amount
		if err := rows.Scan(a.pointers()...); err != nil {
			return err
		}
		r.merge(a)
		return nil
	}, "SELECT "+amountColumns+" FROM meter_rollups"+c.where(), c.args...)
	if err != nil || r.meter.Aggregate.Func != metering.AggregateUnique {
		return err
	}
	return on.each(ctx, func(rows *sql.Rows) error {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return err
		}
		r.values[string(key)] = struct{}{}
		return nil
	}, "SELECT DISTINCT value FROM meter_values"+c.where(), c.args...)
}

// averageDecimals is how many decimals an average has that has no end.
const averageDecimals = 12

// quantity is the exact decimal, and whether it had to be rounded.
func (r *reading) quantity() (decimal string, exact bool) {
	switch r.meter.Aggregate.Func {
	case metering.AggregateCount:
		return fmt.Sprint(r.events), true
	case metering.AggregateUnique:
		return fmt.Sprint(len(r.values)), true
	case metering.AggregateMin:
		return r.min.String(), true
	case metering.AggregateMax:
		return r.max.String(), true
	case metering.AggregateAvg:
		if r.events == 0 {
			return "0", true
		}
		average := new(big.Rat).Quo(r.sum.Rat(), new(big.Rat).SetInt64(r.events))
		text := average.FloatString(averageDecimals) // rounds half away from zero
		back, ok := new(big.Rat).SetString(text)
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		return text, ok && back.Cmp(average) == 0
	default:
		return r.sum.String(), true
	}
}
