package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// amount is what a meter measured: of one hour of a customer, or of more.
type amount struct {
	events   int64
	sum      metering.Number
	min, max metering.Number
}

// add adds one event's value. Counting and collecting meters have none.
func (a *amount) add(v metering.Value) {
	if v.Kind != metering.KindNumber {
		a.events++
		return
	}
	a.merge(amount{1, v.Num, v.Num, v.Num})
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
	a.sum = a.sum.Add(b.sum)
}

// cell is where a meter keeps an amount.
type cell struct {
	meter, customer string
	hour            metering.Micros
	test            int64
}

// measure adds events to the rollups of meters.
func measure(ctx context.Context, tx querier, meters []*metering.Meter, events []*metering.Event) error {
	for _, m := range meters {
		added := make(map[cell]*amount)
		var order []cell
		for _, e := range events {
			v, ok := m.Measure(e)
			if !ok {
				continue
			}
			c := cell{m.ID, e.Customer, e.At.Hour(), groupOf(e).test}
			if added[c] == nil {
				added[c] = new(amount)
				order = append(order, c)
			}
			if m.Aggregate.Func == metering.AggregateUnique {
				added[c].events++
				if err := collect(ctx, tx, m.Org, c, v); err != nil {
					return err
				}
				continue
			}
			added[c].add(v)
		}
		for _, c := range order {
			if err := accumulate(ctx, tx, m.Org, c, *added[c]); err != nil {
				return fmt.Errorf("meter %s: %w", m.ID, err)
			}
		}
	}
	return nil
}

// collect remembers a value of a meter of unique values.
func collect(ctx context.Context, tx querier, org string, c cell, v metering.Value) error {
	value, err := valueKey(v)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO meter_values (org, meter, customer, hour, value) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		org, c.meter, c.customer, int64(c.hour), value)
	return err
}

// valueKey stands for a value: itself as JSON where that is short, else its
// hash. "1" and 1 are two values.
func valueKey(v metering.Value) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	if len(b) <= 32 {
		return b, nil
	}
	sum := sha256.Sum256(b)
	return append([]byte("#"), sum[:]...), nil
}

// accumulate adds an amount to its cell. Minimum and maximum are compared here,
// because two columns make one number.
func accumulate(ctx context.Context, tx querier, org string, c cell, a amount) error {
	before, err := readCell(ctx, tx, org, c)
	if err != nil {
		return err
	}
	a.merge(before)
	_, err = tx.exec(ctx, `INSERT INTO meter_rollups (org, meter, customer, hour, test, events, sum_units, sum_picos, min_units, min_picos, max_units, max_picos)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (org, meter, customer, hour, test) DO UPDATE SET events = excluded.events, sum_units = excluded.sum_units, sum_picos = excluded.sum_picos,
			min_units = excluded.min_units, min_picos = excluded.min_picos, max_units = excluded.max_units, max_picos = excluded.max_picos`,
		org, c.meter, c.customer, int64(c.hour), c.test, a.events, a.sum.Units, a.sum.Picos, a.min.Units, a.min.Picos, a.max.Units, a.max.Picos)
	return err
}

const amountColumns = "events, sum_units, sum_picos, min_units, min_picos, max_units, max_picos"

func (a *amount) pointers() []any {
	return []any{&a.events, &a.sum.Units, &a.sum.Picos, &a.min.Units, &a.min.Picos, &a.max.Units, &a.max.Picos}
}
