package sqlstore

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/weirhq/weir/deploy/schema"
)

// monthsAhead is how far partitions are made before they are needed.
const monthsAhead = 2

// partitions remembers up to which month there are some, and when that was
// last looked at.
type partitions struct {
	mu     sync.Mutex
	until  time.Time
	looked time.Time
}

// lookAgain is how often a process that runs for months makes new partitions.
const lookAgain = 24 * time.Hour

// ensurePartitions makes the partitions of events up to two months ahead. An
// event's id begins with its creation in milliseconds, big-endian, so a month is
// a range of ids. Events of other months go to the default partition.
func (s *Store) ensurePartitions(ctx context.Context, now time.Time) error {
	if s.engine != schema.Postgres {
		return nil
	}
	s.partitions.mu.Lock()
	defer s.partitions.mu.Unlock()
	if now.Sub(s.partitions.looked) < lookAgain {
		return nil
	}
	month := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	for range monthsAhead + 1 {
		next := month.AddDate(0, 1, 0)
		if next.After(s.partitions.until) {
			err := s.write(ctx, "make a partition of events", func(tx querier) error {
				_, err := tx.exec(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS events_%s PARTITION OF events FOR VALUES FROM ('\x%s') TO ('\x%s')`,
					month.Format("2006_01"), firstID(month), firstID(next)))
				return err
			})
			if err != nil && !taken(err) {
				return err
			}
			s.partitions.until = next
		}
		month = next
	}
	s.partitions.looked = now
	return nil
}

// firstID is the least id made at or after an instant, in hexadecimal.
func firstID(at time.Time) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixMilli())<<16)
	return hex.EncodeToString(id[:])
}
