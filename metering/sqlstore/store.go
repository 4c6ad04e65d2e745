// Package sqlstore keeps customers, keys, events, rollups and meters in SQLite
// or PostgreSQL through one SQL text.
package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weirhq/weir/metering/sqldb"
)

// Store is an open database. Its methods are safe for concurrent use.
type Store struct {
	db *sqldb.DB

	meters     meterCache
	partitions partitions
	inflaters  inflaters
}

// Open opens the database at a URL, sqlite:/path or postgres://…, and brings it
// to the schema of this release.
func Open(ctx context.Context, address string) (*Store, error) {
	db, err := sqldb.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db}
	if err := s.ensurePartitions(ctx, time.Now()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// DB is the database that the store is in, for other stores in it.
func (s *Store) DB() *sqldb.DB { return s.db }

// Close closes every connection.
func (s *Store) Close() error { return s.db.Close() }
