package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

const meterSelect = "SELECT id, name, filter, func, property, created_at, archived_at FROM meters"

func scanMeter(r interface{ Scan(...any) error }, org string) (metering.Meter, error) {
	m := metering.Meter{Org: org}
	var filter string
	if err := r.Scan(&m.ID, &m.Name, &filter, &m.Aggregate.Func, &m.Aggregate.Property, &m.Created, &m.Archived); err != nil {
		return m, err
	}
	if err := json.Unmarshal([]byte(filter), &m.Filter); err != nil {
		return m, fmt.Errorf("decode the filter of meter %s: %w", m.ID, err)
	}
	return m, nil
}

// meterCache keeps parsed meters by the text of their row, so that shipping
// does not parse filters.
type meterCache struct {
	mu sync.Mutex
	m  map[string]*metering.Meter
}

// CreateMeter makes a meter and fills its rollup from the events there are. The
// table of meters is locked against shipping meanwhile, so that each event is
// counted once: by the fill, or by its shipment.
func (s *Store) CreateMeter(ctx context.Context, m metering.Meter) (metering.Meter, error) {
	if err := m.Validate(); err != nil {
		return m, fmt.Errorf("create meter: %w", err)
	}
	if err := storable(m.Name, m.Aggregate.Property); err != nil {
		return m, fmt.Errorf("create meter: %w", err)
	}
	id, err := metering.NewID()
	if err != nil {
		return m, err
	}
	m.ID = id.String()
	filter, err := json.Marshal(m.Filter)
	if err != nil {
		return m, fmt.Errorf("encode filter: %w", err)
	}
	err = s.write(ctx, "create meter", func(tx querier) error {
		if s.engine == schema.Postgres {
			if _, err := tx.exec(ctx, `LOCK TABLE meters IN ACCESS EXCLUSIVE MODE`); err != nil {
				return err
			}
		}
		n, err := tx.exec(ctx, `INSERT INTO meters (org, id, name, filter, func, property, created_at, archived_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT DO NOTHING`,
			m.Org, m.ID, m.Name, string(filter), string(m.Aggregate.Func), m.Aggregate.Property, int64(m.Created))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("a meter named %q exists: %w", m.Name, metering.ErrConflict)
		}
		return s.fill(ctx, tx, &m)
	})
	return m, err
}

// fillBatch bounds what a fill holds in memory.
const fillBatch = 2000

// fill measures the events of the past.
func (s *Store) fill(ctx context.Context, tx querier, m *metering.Meter) error {
	after := []byte{}
	for {
		var batch []*metering.Event
		err := tx.each(ctx, func(r *sql.Rows) error {
			e, err := scanEvent(r)
			if err == nil {
				batch = append(batch, e)
			}
			return err
		}, eventSelect+fmt.Sprintf(" WHERE org = $1 AND id > $2 ORDER BY id LIMIT %d", fillBatch), m.Org, after)
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if len(batch) == 0 {
			return nil
		}
		if err := measure(ctx, tx, []*metering.Meter{m}, batch); err != nil {
			return err
		}
		after = batch[len(batch)-1].ID[:]
	}
}

// meterInserted adds events that were really inserted to the meters there are.
func (s *Store) meterInserted(ctx context.Context, tx querier, events []*metering.Event) error {
	byOrg := make(map[string][]*metering.Event)
	for _, e := range events {
		byOrg[e.Org] = append(byOrg[e.Org], e)
	}
	for org, own := range byOrg {
		meters, err := s.live(ctx, tx, org)
		if err != nil {
			return err
		}
		if err := measure(ctx, tx, meters, own); err != nil {
			return err
		}
	}
	return nil
}

// live reads the meters of an organisation within the transaction.
func (s *Store) live(ctx context.Context, tx querier, org string) ([]*metering.Meter, error) {
	var out []*metering.Meter
	s.meters.mu.Lock()
	defer s.meters.mu.Unlock()
	if s.meters.m == nil {
		s.meters.m = make(map[string]*metering.Meter)
	}
	err := tx.each(ctx, func(r *sql.Rows) error {
		var id string
		if err := r.Scan(&id); err != nil {
			return err
		}
		if m := s.meters.m[org+"/"+id]; m != nil {
			out = append(out, m)
			return nil
		}
		out = append(out, &metering.Meter{Org: org, ID: id})
		return nil
	}, `SELECT id FROM meters WHERE org = $1 AND archived_at = 0`, org)
	if err != nil {
		return nil, fmt.Errorf("read meters: %w", err)
	}
	for i, m := range out {
		if m.Aggregate.Func != "" {
			continue
		}
		read, err := scanMeter(tx.row(ctx, meterSelect+" WHERE org = $1 AND id = $2", org, m.ID), org)
		if err != nil {
			return nil, fmt.Errorf("read meter %s: %w", m.ID, err)
		}
		out[i] = &read
		s.meters.m[org+"/"+m.ID] = &read // filter and aggregation never change
	}
	return out, nil
}

// Meter returns the meter of an id or name.
func (s *Store) Meter(ctx context.Context, org, ref string) (metering.Meter, error) {
	if !clean(ref) {
		return metering.Meter{}, fmt.Errorf("meter: %w", metering.ErrNotFound)
	}
	q := s.read()
	m, err := scanMeter(q.row(ctx, meterSelect+" WHERE org = $1 AND id = $2", org, ref), org)
	if errors.Is(err, sql.ErrNoRows) {
		m, err = scanMeter(q.row(ctx, meterSelect+" WHERE org = $1 AND name = $2", org, ref), org)
	}
	return m, absent(err, fmt.Sprintf("meter %.100q", ref))
}

// Meters lists meters in the order in which they were made.
func (s *Store) Meters(ctx context.Context, org string, limit int, cursor string) ([]metering.Meter, string, error) {
	return page(ctx, s.read(), limit, cursor, "list meters", func(r *sql.Rows) (metering.Meter, error) { return scanMeter(r, org) },
		func(m metering.Meter) string { return m.ID }, meterSelect+" WHERE org = $1 AND id > $2", org)
}

// RenameMeter renames a meter.
func (s *Store) RenameMeter(ctx context.Context, org, id, name string) error {
	if err := storable(name); err != nil {
		return fmt.Errorf("rename meter: %w", err)
	}
	return s.write(ctx, "rename meter", func(tx querier) error {
		n, err := tx.exec(ctx, `UPDATE meters SET name = $3 WHERE org = $1 AND id = $2`, org, id, name)
		if taken(err) {
			return fmt.Errorf("a meter named %q exists: %w", name, metering.ErrConflict)
		}
		if err == nil && n == 0 {
			err = fmt.Errorf("meter %s: %w", id, metering.ErrNotFound)
		}
		return err
	})
}

// ArchiveMeter stops a meter. What it measured stays.
func (s *Store) ArchiveMeter(ctx context.Context, org, id string, at metering.Micros) error {
	return s.write(ctx, "archive meter", func(tx querier) error {
		n, err := tx.exec(ctx, `UPDATE meters SET archived_at = CASE WHEN archived_at = 0 THEN $3 ELSE archived_at END WHERE org = $1 AND id = $2`, org, id, int64(at))
		if err == nil && n == 0 {
			err = fmt.Errorf("meter %s: %w", id, metering.ErrNotFound)
		}
		return err
	})
}
