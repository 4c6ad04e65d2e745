package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

// Health is what a person wants to know about the database.
type Health struct {
	Engine string          // with its version
	Schema string          // version of the schema
	Bytes  int64           // size
	Ahead  metering.Micros // how far its clock is ahead of ours
}

// Health measures the database.
func (s *Store) Health(ctx context.Context) (Health, error) {
	h := Health{Schema: fmt.Sprint(s.version)}
	q := s.read()
	var err error
	if s.engine == schema.SQLite {
		err = q.row(ctx, `SELECT 'SQLite ' || sqlite_version(), page_count * page_size FROM pragma_page_count(), pragma_page_size()`).Scan(&h.Engine, &h.Bytes)
	} else {
		var clock int64
		before := time.Now()
		err = q.row(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version'), pg_database_size(current_database()),
			CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&h.Engine, &h.Bytes, &clock)
		half := time.Since(before) / 2
		h.Ahead = metering.Micros(clock) - metering.MicrosOf(before.Add(half))
	}
	if err != nil {
		return h, fmt.Errorf("measure the database: %w", err)
	}
	return h, nil
}
