// Package sqlstore keeps deferred usage in the database of the metering store.
package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
	"github.com/weirhq/weir/proxy/objects/deferred"
)

// Store keeps deferrals. Its methods are safe for concurrent use.
type Store struct{ db *sqldb.DB }

var _ deferred.Store = (*Store)(nil)

// New returns a store in an open database.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

// Add implements [deferred.Store].
func (s *Store) Add(ctx context.Context, d deferred.Deferral) error {
	if err := sqldb.Storable(d.Call.Provider, d.Kind, d.Object, d.Path, d.Call.Model); err != nil {
		return fmt.Errorf("defer usage: %w", err)
	}
	call, err := json.Marshal(d.Call)
	if err != nil {
		return fmt.Errorf("defer usage: encode the call: %w", err)
	}
	return s.db.Write(ctx, "defer usage", func(tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO deferred (org_id, provider, kind, object_id, customer, call, path, state, due_at, tries, error, done_at, fence, leased_until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', 0, 0, 0) ON CONFLICT DO NOTHING`,
			d.Call.Org, d.Call.Provider, d.Kind, d.Object, d.Call.Customer, string(call), d.Path, string(deferred.StateOpen), int64(d.Due))
		return err
	})
}

// Take implements [deferred.Store]. The lease is the row's own: what is written
// with an older fence changes nothing.
func (s *Store) Take(ctx context.Context, now time.Time, ttl time.Duration, n int) ([]deferred.Deferral, error) {
	at, until := int64(metering.MicrosOf(now)), int64(metering.MicrosOf(now.Add(ttl)))
	var taken []deferred.Deferral
	err := s.db.Write(ctx, "take deferred usage", func(tx sqldb.Tx) error {
		taken = nil
		due, err := sqldb.All(ctx, tx, "deferred usage", scan,
			`SELECT provider, kind, object_id, call, path, state, due_at, tries, error, done_at, fence FROM deferred
			WHERE state = 'open' AND due_at <= $1 AND leased_until <= $2 ORDER BY due_at LIMIT $3`, at, at, n)
		if err != nil {
			return err
		}
		for _, d := range due {
			got, err := tx.Exec(ctx, `UPDATE deferred SET fence = fence + 1, leased_until = $1
				WHERE org_id = $2 AND provider = $3 AND kind = $4 AND object_id = $5 AND fence = $6 AND state = 'open'`,
				until, d.Call.Org, d.Call.Provider, d.Kind, d.Object, d.Fence)
			if err != nil {
				return err
			}
			if got == 1 { // else another one was faster
				d.Fence++
				taken = append(taken, d)
			}
		}
		return nil
	})
	return taken, err
}

func scan(r *sql.Rows) (d deferred.Deferral, err error) {
	var provider, call string
	if err := r.Scan(&provider, &d.Kind, &d.Object, &call, &d.Path, &d.State, &d.Due, &d.Tries, &d.Error, &d.Done, &d.Fence); err != nil {
		return d, err
	}
	if err := json.Unmarshal([]byte(call), &d.Call); err != nil {
		return d, fmt.Errorf("call of %s %s: %w", d.Kind, d.Object, err)
	}
	return d, nil
}

// Put implements [deferred.Store].
func (s *Store) Put(ctx context.Context, d deferred.Deferral) error {
	return s.db.Write(ctx, "keep deferred usage", func(tx sqldb.Tx) error {
		// The fence stays: a commit whose reply was lost comes to the same again.
		n, err := tx.Exec(ctx, `UPDATE deferred SET state = $1, due_at = $2, tries = $3, error = $4, done_at = $5, path = $6, leased_until = 0
			WHERE org_id = $7 AND provider = $8 AND kind = $9 AND object_id = $10 AND fence = $11`,
			string(d.State), int64(d.Due), d.Tries, sqldb.Label(d.Error), int64(d.Done), d.Path, d.Call.Org, d.Call.Provider, d.Kind, d.Object, d.Fence)
		if err == nil && n == 0 {
			err = fmt.Errorf("%s %s was taken by another worker: %w", d.Kind, d.Object, metering.ErrFenced)
		}
		return err
	})
}

// Wake implements [deferred.Store].
func (s *Store) Wake(ctx context.Context, org, provider, kind, object string, now time.Time) error {
	return s.db.Write(ctx, "wake deferred usage", func(tx sqldb.Tx) error {
		at := int64(metering.MicrosOf(now))
		_, err := tx.Exec(ctx, `UPDATE deferred SET due_at = $1 WHERE org_id = $2 AND provider = $3 AND kind = $4 AND object_id = $5 AND state = 'open' AND due_at > $6`,
			at, org, provider, kind, object, at)
		return err
	})
}

// Open implements [deferred.Store].
func (s *Store) Open(ctx context.Context, tries int) (open, failing int64, err error) {
	err = s.db.Read().Row(ctx, `SELECT COUNT(*), COUNT(CASE WHEN tries >= $1 AND error <> '' THEN 1 END) FROM deferred WHERE state = 'open'`, tries).Scan(&open, &failing)
	if err != nil {
		return 0, 0, fmt.Errorf("count deferred usage: %w", err)
	}
	return open, failing, nil
}
