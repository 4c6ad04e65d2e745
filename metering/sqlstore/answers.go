package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// answersKept is for how long answers to requests with an Idempotency-Key are
// remembered.
const answersKept = 48 * time.Hour

// Answer returns the answer remembered under a name.
func (s *Store) Answer(ctx context.Context, org, key string) (hash [32]byte, status int, body []byte, ok bool, err error) {
	if err := sqldb.Storable(key); err != nil {
		return hash, 0, nil, false, fmt.Errorf("read an answer: %w", err)
	}
	found := false
	err = s.read().Each(ctx, func(r *sql.Rows) error {
		var h []byte
		found = true
		if err := r.Scan(&h, &status, &body); err != nil {
			return err
		}
		copy(hash[:], h)
		return nil
	}, `SELECT hash, status, body FROM answers WHERE org_id = $1 AND name = $2`, org, key)
	if err != nil {
		return hash, 0, nil, false, fmt.Errorf("read an answer: %w", err)
	}
	return hash, status, body, found, nil
}

// SaveAnswer remembers an answer; the first under a name stands.
func (s *Store) SaveAnswer(ctx context.Context, org, key string, hash [32]byte, status int, body []byte) error {
	if err := sqldb.Storable(key); err != nil {
		return fmt.Errorf("remember an answer: %w", err)
	}
	now := time.Now()
	if body == nil {
		body = []byte{}
	}
	return s.write(ctx, "remember an answer", func(tx querier) error {
		if _, err := tx.Exec(ctx, `DELETE FROM answers WHERE created_at < $1`, int64(metering.MicrosOf(now.Add(-answersKept)))); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO answers (org_id, name, hash, status, body, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			org, key, hash[:], status, body, int64(metering.MicrosOf(now)))
		return err
	})
}
