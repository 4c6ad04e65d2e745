package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
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

// Meter returns the meter of an id or name. An id wins.
func (s *Store) Meter(ctx context.Context, org, ref string) (metering.Meter, error) {
	return s.meter(ctx, s.read(), org, ref)
}

func (s *Store) meter(ctx context.Context, q querier, org, ref string) (metering.Meter, error) {
	if err := sqldb.Storable(ref); err != nil {
		return metering.Meter{}, fmt.Errorf("meter: %w", err)
	}
	m, err := scanMeter(q.Row(ctx, meterSelect+" WHERE org_id = $1 AND id = $2", org, ref), org)
	if errors.Is(err, sql.ErrNoRows) {
		m, err = scanMeter(q.Row(ctx, meterSelect+" WHERE org_id = $1 AND name = $2", org, ref), org)
	}
	return m, sqldb.Absent(err, fmt.Sprintf("meter %.100q", ref))
}

// Meters lists meters in the order in which they were made.
func (s *Store) Meters(ctx context.Context, org string, limit int, cursor string) ([]metering.Meter, string, error) {
	return sqldb.Page(ctx, s.db.Read(), limit, cursor, "list meters", func(r *sql.Rows) (metering.Meter, error) { return scanMeter(r, org) },
		func(m metering.Meter) string { return m.ID }, meterSelect+" WHERE org_id = $1 AND id > $2", org)
}

// RenameMeter renames a meter. ErrConflict says that the name is taken.
func (s *Store) RenameMeter(ctx context.Context, org, id, name string) error {
	if err := sqldb.Storable(id, name); err != nil {
		return fmt.Errorf("rename meter: %w", err)
	}
	if n := utf8.RuneCountInString(name); n == 0 || n > metering.MaxMeterName {
		return fmt.Errorf("rename meter: name has %d characters, not 1 to %d: %w", n, metering.MaxMeterName, metering.ErrInvalid)
	}
	return s.write(ctx, "rename meter", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE meters SET name = $3 WHERE org_id = $1 AND id = $2`, org, id, name)
		if sqldb.Taken(err) {
			return fmt.Errorf("a meter named %q exists: %w", name, metering.ErrConflict)
		}
		if err == nil && n == 0 {
			err = fmt.Errorf("meter %s: %w", id, metering.ErrNotFound)
		}
		return err
	})
}

// meterInserted adds events that were really inserted to the meters there are.
func (s *Store) meterInserted(ctx context.Context, tx querier, events []*metering.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := s.shareMeters(ctx, tx); err != nil {
		return err
	}
	byOrg := make(map[string][]*metering.Event)
	for _, e := range events {
		byOrg[e.Org] = append(byOrg[e.Org], e)
	}
	for _, org := range slices.Sorted(maps.Keys(byOrg)) {
		meters, err := s.live(ctx, tx, org)
		if err != nil {
			return err
		}
		added, err := measure(meters, byOrg[org])
		if err != nil {
			return err
		}
		if err := added.store(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// shareMeters keeps the meters as they are until the transaction ends. Events
// that it has inserted by then are counted here if a meter is made afterwards,
// and by the meter's fill if it was made before: each exactly once.
func (s *Store) shareMeters(ctx context.Context, tx querier) error {
	return s.lockMeters(ctx, tx, "ROW SHARE")
}

// holdMeters waits for the transactions that share the meters, and keeps others
// from beginning to, while everybody may still read them.
func (s *Store) holdMeters(ctx context.Context, tx querier) error {
	return s.lockMeters(ctx, tx, "EXCLUSIVE")
}

// lockMeters does nothing in SQLite, where transactions that write follow each
// other.
func (s *Store) lockMeters(ctx context.Context, tx querier, mode string) error {
	if s.db.Engine != schema.Postgres {
		return nil
	}
	if _, err := tx.Exec(ctx, "LOCK TABLE meters IN "+mode+" MODE"); err != nil {
		return fmt.Errorf("lock meters: %w", err)
	}
	return nil
}

// meterCache keeps parsed meters, of which only the name and the end change, so
// that shipping parses no filters.
type meterCache struct {
	mu sync.Mutex
	m  map[meterName]metering.Meter
}

type meterName struct{ org, id string }

// live reads the meters of an organisation within the transaction, archived ones
// too.
func (s *Store) live(ctx context.Context, tx querier, org string) ([]*metering.Meter, error) {
	var out []*metering.Meter
	err := tx.Each(ctx, func(r *sql.Rows) error {
		m := metering.Meter{Org: org}
		out = append(out, &m)
		return r.Scan(&m.ID, &m.Archived)
	}, `SELECT id, archived_at FROM meters WHERE org_id = $1`, org)
	if err != nil {
		return nil, fmt.Errorf("read meters: %w", err)
	}
	for _, m := range out {
		archived := m.Archived
		if *m, err = s.parsed(ctx, tx, meterName{org, m.ID}); err != nil {
			return nil, err
		}
		m.Archived = archived
	}
	return out, nil
}

func (s *Store) parsed(ctx context.Context, tx querier, name meterName) (metering.Meter, error) {
	s.meters.mu.Lock()
	m, ok := s.meters.m[name]
	s.meters.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := scanMeter(tx.Row(ctx, meterSelect+" WHERE org_id = $1 AND id = $2", name.org, name.id), name.org)
	if err != nil {
		return m, fmt.Errorf("read meter %s: %w", name.id, err)
	}
	s.meters.mu.Lock()
	defer s.meters.mu.Unlock()
	if s.meters.m == nil {
		s.meters.m = make(map[meterName]metering.Meter)
	}
	s.meters.m[name] = m
	return m, nil
}
