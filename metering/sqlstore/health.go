package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

// Health is what a person wants to know about the database.
type Health struct {
	Engine  string          // with its version
	Schema  string          // version of the schema
	Bytes   int64           // size
	Ahead   metering.Micros // how far its clock is ahead of ours
	Trouble string          // why partitions of coming months cannot be made; empty if they can
}

// Health measures the database. It also shows that it answers.
func (s *Store) Health(ctx context.Context) (Health, error) {
	h := Health{Schema: strconv.FormatInt(s.db.Version, 10)}
	s.partitions.mu.Lock()
	if s.partitions.failed != nil {
		h.Trouble = s.partitions.failed.Error()
	}
	s.partitions.mu.Unlock()
	q := s.read()
	if s.db.Engine == schema.SQLite {
		// Its clock is ours.
		err := q.Row(ctx, `SELECT 'SQLite ' || sqlite_version(), page_count * page_size FROM pragma_page_count(), pragma_page_size()`).Scan(&h.Engine, &h.Bytes)
		if err != nil {
			return h, fmt.Errorf("measure the database: %w", err)
		}
		return h, nil
	}
	err := q.Row(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version'), pg_database_size(current_database())`).Scan(&h.Engine, &h.Bytes)
	if err != nil {
		return h, fmt.Errorf("measure the database: %w", err)
	}
	var clock int64
	before := time.Now()
	if err := q.Row(ctx, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&clock); err != nil {
		return h, fmt.Errorf("read the clock of the database: %w", err)
	}
	h.Ahead = metering.Micros(clock) - metering.MicrosOf(before.Add(time.Since(before)/2))
	return h, nil
}
