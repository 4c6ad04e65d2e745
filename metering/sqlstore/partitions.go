package sqlstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

// monthsAhead is how far partitions are made before they are needed.
const monthsAhead = 2

// partitions remembers up to which month there are some.
type partitions struct {
	mu     sync.Mutex
	until  time.Time
	failed error
}

// lookAhead makes the partitions of coming months. That it fails holds nothing
// up: events of a month without one go to the default partition, and Health
// tells.
func (s *Store) lookAhead(ctx context.Context, now time.Time) {
	err := s.ensurePartitions(ctx, now)
	s.partitions.mu.Lock()
	defer s.partitions.mu.Unlock()
	s.partitions.failed = err
}

// ensurePartitions makes the partitions of events up to two months ahead. An
// event's id begins with its creation in milliseconds, big-endian, so a month is
// a range of ids.
func (s *Store) ensurePartitions(ctx context.Context, now time.Time) error {
	if s.db.Engine != schema.Postgres {
		return nil
	}
	s.partitions.mu.Lock()
	defer s.partitions.mu.Unlock()
	month := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	for range monthsAhead + 1 {
		next := month.AddDate(0, 1, 0)
		if next.After(s.partitions.until) {
			if err := s.makePartition(ctx, month, next); err != nil {
				return err
			}
			s.partitions.until = next
		}
		month = next
	}
	return nil
}

func (s *Store) makePartition(ctx context.Context, month, next time.Time) error {
	name := "events_" + month.Format("2006_01")
	err := s.write(ctx, "make partition "+name, func(tx querier) error {
		var there bool
		if err := tx.Row(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil || there {
			return err // CREATE would lock the table even if there is nothing to do
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s PARTITION OF events FOR VALUES FROM ('%s') TO ('%s')`, name, firstID(month), firstID(next)))
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "23505", "42P07": // another replica was first
			return nil
		case "23514": // the default partition has events of the month, and keeps it
			return nil
		}
	}
	return err
}

// firstID is the least id made at or after an instant.
func firstID(at time.Time) string {
	var id metering.ID
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli())<<16)
	return id.String()
}
