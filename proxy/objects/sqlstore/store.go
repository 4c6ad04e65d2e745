// Package sqlstore keeps who owns which object in the database of the metering
// store.
package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/sqldb"
	"github.com/weirhq/weir/proxy/objects"
)

// Store keeps rows. Its methods are safe for concurrent use.
type Store struct{ db *sqldb.DB }

var _ objects.Store = (*Store)(nil)

// New returns a store in an open database.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

// perQuery is how many ids a query has at most.
const perQuery = 100

// Find implements [objects.Store].
func (s *Store) Find(ctx context.Context, org, provider string, list []dialect.Object) ([]objects.Row, error) {
	byKind := make(map[string][]string)
	for _, o := range list {
		if sqldb.Clean(o.ID) {
			byKind[o.Kind] = append(byKind[o.Kind], o.ID)
		}
	}
	var out []objects.Row
	for kind, ids := range byKind {
		for len(ids) > 0 {
			n := min(len(ids), perQuery)
			rows, err := s.find(ctx, org, provider, kind, ids[:n])
			if err != nil {
				return nil, fmt.Errorf("find objects: %w", err)
			}
			out = append(out, rows...)
			ids = ids[n:]
		}
	}
	return out, nil
}

func (s *Store) find(ctx context.Context, org, provider, kind string, ids []string) ([]objects.Row, error) {
	args := []any{org, provider, kind}
	marks := make([]string, len(ids))
	for i, id := range ids {
		args = append(args, id)
		marks[i] = "$" + strconv.Itoa(len(args))
	}
	scan := func(r *sql.Rows) (objects.Row, error) {
		row := objects.Row{Org: org, Provider: provider, Object: dialect.Object{Kind: kind}}
		err := r.Scan(&row.Object.ID, &row.Customer, &row.Key, &row.Event, &row.Created, &row.Deleted)
		return row, err
	}
	return sqldb.All(ctx, s.db.Read(), "objects", scan, `SELECT object_id, customer, key, event, created_at, deleted_at FROM objects
		WHERE org_id = $1 AND provider = $2 AND kind = $3 AND object_id IN (`+strings.Join(marks, ",")+`)`, args...)
}

// Insert implements [objects.Store].
func (s *Store) Insert(ctx context.Context, rows []objects.Row) (fresh int64, err error) {
	var args []any
	for _, r := range rows {
		if err := sqldb.Storable(r.Org, r.Provider, r.Object.ID, r.Customer); err != nil {
			return 0, fmt.Errorf("keep objects: %w", err)
		}
		args = append(args, r.Org, r.Provider, r.Object.Kind, r.Object.ID, r.Customer, r.Key, r.Event, int64(r.Created), int64(r.Deleted))
	}
	if len(rows) == 0 {
		return 0, nil
	}
	err = s.db.Write(ctx, "keep objects", func(tx sqldb.Tx) error {
		var err error
		fresh, err = tx.Exec(ctx, "INSERT INTO objects (org_id, provider, kind, object_id, customer, key, event, created_at, deleted_at) VALUES "+
			sqldb.Values(len(rows), 9)+" ON CONFLICT DO NOTHING", args...)
		return err
	})
	return fresh, err
}

// Delete implements [objects.Store].
func (s *Store) Delete(ctx context.Context, org, provider string, o dialect.Object, at metering.Micros) error {
	if err := sqldb.Storable(org, provider, o.ID); err != nil {
		return fmt.Errorf("delete an object: %w", err)
	}
	return s.db.Write(ctx, "delete an object", func(tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO objects (org_id, provider, kind, object_id, customer, key, event, created_at, deleted_at)
			VALUES ($1, $2, $3, $4, '', '', '', $5, $5)
			ON CONFLICT (org_id, provider, kind, object_id) DO UPDATE SET deleted_at = excluded.deleted_at WHERE objects.deleted_at = 0`,
			org, provider, o.Kind, o.ID, int64(at))
		return err
	})
}

// Purge implements [objects.Store].
func (s *Store) Purge(ctx context.Context, before metering.Micros) error {
	return s.db.Write(ctx, "drop old items", func(tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM objects WHERE kind = 'item' AND created_at < $1", int64(before))
		return err
	})
}

// Ready implements [objects.Store]: it begins a transaction that could write.
func (s *Store) Ready(ctx context.Context) error {
	return s.db.Write(ctx, "reach the database", func(tx sqldb.Tx) error {
		var one int
		return tx.Row(ctx, "SELECT 1").Scan(&one)
	})
}
