package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// CreateMeter makes a meter and fills its rollup from the events there are, in
// one transaction that keeps shipments out until it is done: an event is counted
// by the fill or by its shipment, never by both or neither. ErrConflict says
// that the name is taken.
func (s *Store) CreateMeter(ctx context.Context, m metering.Meter) (metering.Meter, error) {
	if err := m.Validate(); err != nil {
		return m, fmt.Errorf("create meter: %w", err)
	}
	id, err := metering.NewID()
	if err != nil {
		return m, err
	}
	m.ID, m.Archived = id.String(), 0
	if m.Created == 0 {
		m.Created = metering.MicrosOf(time.Now())
	}
	filter, err := json.Marshal(m.Filter)
	if err != nil {
		return m, fmt.Errorf("encode filter: %w", err)
	}
	if err := sqldb.Storable(m.Org, m.Name, m.Aggregate.Property, string(filter)); err != nil {
		return m, fmt.Errorf("create meter: %w", err)
	}
	err = s.write(ctx, "create meter", func(tx querier) error {
		if err := s.holdMeters(ctx, tx); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO meters (org_id, id, name, filter, func, property, created_at, archived_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT DO NOTHING`,
			m.Org, m.ID, m.Name, string(filter), string(m.Aggregate.Func), m.Aggregate.Property, int64(m.Created))
		if err != nil {
			return err
		}
		if n == 0 {
			return notTaken(ctx, tx, m)
		}
		return fill(ctx, tx, &m, span{})
	})
	return m, err
}

// notTaken is nil if the meter is there because an earlier attempt of this call
// went through without its reply.
func notTaken(ctx context.Context, tx querier, m metering.Meter) error {
	var mine int
	if err := tx.Row(ctx, `SELECT COUNT(*) FROM meters WHERE org_id = $1 AND id = $2`, m.Org, m.ID).Scan(&mine); err != nil {
		return err
	}
	if mine == 0 {
		return fmt.Errorf("a meter named %q exists: %w", m.Name, metering.ErrConflict)
	}
	return nil
}

// ArchiveMeter ends a meter: it measures what was authorised before then and
// nothing after, whenever that is shipped. What was counted beyond is taken out
// again. The first end stands.
func (s *Store) ArchiveMeter(ctx context.Context, org, id string, at metering.Micros) error {
	if err := sqldb.Storable(id); err != nil {
		return fmt.Errorf("archive meter: %w", err)
	}
	if at <= 0 {
		return fmt.Errorf("archive meter: an instant of %d: %w", at, metering.ErrInvalid)
	}
	return s.write(ctx, "archive meter", func(tx querier) error {
		if err := s.holdMeters(ctx, tx); err != nil {
			return err
		}
		m, err := scanMeter(tx.Row(ctx, meterSelect+" WHERE org_id = $1 AND id = $2", org, id), org)
		if err != nil {
			return sqldb.Absent(err, fmt.Sprintf("meter %.100q", id))
		}
		var product string
		err = tx.Row(ctx, `SELECT product FROM prices WHERE org_id = $1 AND meter = $2 LIMIT 1`, org, m.ID).Scan(&product)
		if err == nil {
			return fmt.Errorf("product %s has a price for meter %q, which would bill nothing from then on: %w", product, m.Name, metering.ErrConflict)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if m.Archived != 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE meters SET archived_at = $3 WHERE org_id = $1 AND id = $2`, org, id, int64(at)); err != nil {
			return err
		}
		for _, table := range []string{"meter_rollups", "meter_values"} {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE org_id = $1 AND meter = $2 AND hour >= $3", org, id, int64(at.Hour())); err != nil {
				return fmt.Errorf("take out what came later: %w", err)
			}
		}
		if at == at.Hour() {
			return nil
		}
		return fill(ctx, tx, &m, span{at.Hour(), at})
	})
}

// fillBatch bounds what a fill holds in memory.
const fillBatch = 1000

// fill adds the events of a span to the rollup of a meter.
func fill(ctx context.Context, tx querier, m *metering.Meter, w span) error {
	after := metering.ID{}
	for {
		c := eventsDuring(m.Org, "", w)
		c.And("id > ?", tx.s.uid(after))
		batch := make([]*metering.Event, 0, fillBatch)
		err := tx.Each(ctx, func(r *sql.Rows) error {
			e, err := tx.s.scanEvent(r)
			batch = append(batch, e)
			return err
		}, eventSelect+c.Where()+fmt.Sprintf(" ORDER BY id LIMIT %d", fillBatch), c.Args...)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		added, err := measure([]*metering.Meter{m}, batch)
		if err != nil {
			return err
		}
		if err := added.store(ctx, tx); err != nil {
			return err
		}
		if len(batch) < fillBatch {
			return nil
		}
		after = batch[len(batch)-1].ID
	}
}
