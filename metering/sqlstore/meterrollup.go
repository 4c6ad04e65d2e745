package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// amount is what a meter measured: of one hour of a customer, or of more.
type amount struct {
	events   int64
	sum      total
	min, max metering.Number
}

// add adds one event's value. Counting and collecting meters have none to sum.
func (a *amount) add(v metering.Value) {
	b := amount{events: 1}
	if v.Kind == metering.KindNumber {
		b.sum, b.min, b.max = totalOf(v.Num), v.Num.Normal(), v.Num.Normal()
	}
	a.merge(b)
}

func (a *amount) merge(b amount) {
	if b.events == 0 {
		return
	}
	if a.events == 0 || b.min.Compare(a.min) < 0 {
		a.min = b.min
	}
	if a.events == 0 || b.max.Compare(a.max) > 0 {
		a.max = b.max
	}
	a.events += b.events
	a.sum = a.sum.add(b.sum)
}

const amountColumns = "events, sum_high, sum_units, sum_picos, min_units, min_picos, max_units, max_picos"

func (a *amount) pointers() []any {
	return []any{&a.events, &a.sum.high, &a.sum.units, &a.sum.picos, &a.min.Units, &a.min.Picos, &a.max.Units, &a.max.Picos}
}

// cell is where a meter keeps an amount.
type cell struct {
	org, meter, customer string
	hour                 metering.Micros
	test                 int64 // 1: of test keys
}

func (c cell) compare(d cell) int {
	return cmp.Or(cmp.Compare(c.org, d.org), cmp.Compare(c.meter, d.meter), cmp.Compare(c.customer, d.customer),
		cmp.Compare(c.hour, d.hour), cmp.Compare(c.test, d.test))
}

// seen is a value that a meter of unique values saw.
type seen struct {
	cell
	value string // by valueKey
}

// measured is what events add to the rollups of meters.
type measured struct {
	amounts map[cell]*amount
	values  map[seen]struct{}
}

// measures is the meter's Measure, of the events that the meter is for: an
// archived one measures what was authorised before it was archived.
func measures(m *metering.Meter, e *metering.Event) (metering.Value, bool) {
	if m.Archived != 0 && e.At >= m.Archived {
		return metering.Value{}, false
	}
	return m.Measure(e)
}

func measure(meters []*metering.Meter, events []*metering.Event) (measured, error) {
	out := measured{amounts: make(map[cell]*amount), values: make(map[seen]struct{})}
	for _, m := range meters {
		for _, e := range events {
			v, ok := measures(m, e)
			if !ok {
				continue
			}
			c := cell{m.Org, m.ID, e.Customer, e.At.Hour(), testOf(e)}
			if out.amounts[c] == nil {
				out.amounts[c] = new(amount)
			}
			if m.Aggregate.Func != metering.AggregateUnique {
				out.amounts[c].add(v)
				continue
			}
			out.amounts[c].add(metering.Value{})
			key, err := valueKey(v)
			if err != nil {
				return out, err
			}
			out.values[seen{c, key}] = struct{}{}
		}
	}
	return out, nil
}

func testOf(e *metering.Event) int64 {
	if e.Test {
		return 1
	}
	return 0
}

// valueKey stands for a value: itself as JSON where that is short, else its
// hash. "1" and 1 are two values, 1 and 1.0 are one.
func valueKey(v metering.Value) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode value: %w", err)
	}
	if len(b) <= sha256.Size {
		return string(b), nil
	}
	sum := sha256.Sum256(b)
	return "#" + string(sum[:]), nil // a byte longer than what stands for itself
}

// store adds to the rollups. Rows are written in one order by every shipper, so
// that two of them wait for each other and never in a circle.
func (x *measured) store(ctx context.Context, tx querier) error {
	cells := slices.SortedFunc(maps.Keys(x.amounts), cell.compare)
	for rows := range slices.Chunk(cells, rowsPerInsert) {
		args := make([]any, 0, len(rows)*amountArgs)
		for _, c := range rows {
			a := x.amounts[c]
			args = append(args, c.org, c.meter, c.customer, int64(c.hour), c.test,
				a.events, a.sum.high, a.sum.units, a.sum.picos, a.min.Units, a.min.Picos, a.max.Units, a.max.Picos)
		}
		if _, err := tx.Exec(ctx, accumulateText(len(rows)), args...); err != nil {
			return fmt.Errorf("add to the rollups of meters: %w", err)
		}
	}
	values := slices.SortedFunc(maps.Keys(x.values), func(a, b seen) int {
		return cmp.Or(a.compare(b.cell), bytes.Compare([]byte(a.value), []byte(b.value)))
	})
	for rows := range slices.Chunk(values, rowsPerInsert) {
		args := make([]any, 0, len(rows)*seenArgs)
		for _, v := range rows {
			args = append(args, v.org, v.meter, v.customer, int64(v.hour), v.test, []byte(v.value))
		}
		if _, err := tx.Exec(ctx, collectText(len(rows)), args...); err != nil {
			return fmt.Errorf("add to the values of meters: %w", err)
		}
	}
	return nil
}

// Arguments of a row.
const (
	amountArgs = 13
	seenArgs   = 6
)

// accumulateText adds n amounts. Sums carry as [total] does; of two numbers the
// lesser is found by comparing both columns at once.
func accumulateText(n int) string {
	return "INSERT INTO meter_rollups AS r (org_id, meter, customer, hour, test, " + amountColumns + ") VALUES " + sqldb.Values(n, amountArgs) + `
		ON CONFLICT (org_id, meter, customer, hour, test) DO UPDATE SET events = r.events + excluded.events,
			sum_high = r.sum_high + excluded.sum_high + (r.sum_units + excluded.sum_units + (r.sum_picos + excluded.sum_picos) / 1000000000000) / 1000000000000000000,
			sum_units = (r.sum_units + excluded.sum_units + (r.sum_picos + excluded.sum_picos) / 1000000000000) % 1000000000000000000,
			sum_picos = (r.sum_picos + excluded.sum_picos) % 1000000000000,
			min_units = CASE WHEN (excluded.min_units, excluded.min_picos) < (r.min_units, r.min_picos) THEN excluded.min_units ELSE r.min_units END,
			min_picos = CASE WHEN (excluded.min_units, excluded.min_picos) < (r.min_units, r.min_picos) THEN excluded.min_picos ELSE r.min_picos END,
			max_units = CASE WHEN (excluded.max_units, excluded.max_picos) > (r.max_units, r.max_picos) THEN excluded.max_units ELSE r.max_units END,
			max_picos = CASE WHEN (excluded.max_units, excluded.max_picos) > (r.max_units, r.max_picos) THEN excluded.max_picos ELSE r.max_picos END`
}

func collectText(n int) string {
	return "INSERT INTO meter_values (org_id, meter, customer, hour, test, value) VALUES " + sqldb.Values(n, seenArgs) + " ON CONFLICT DO NOTHING"
}
