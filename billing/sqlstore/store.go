// Package sqlstore keeps products, subscriptions, credit, invoices and payments
// in the database of the metering store.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// Store keeps what is billed. Its methods are safe for concurrent use. What is
// asked for in the name of an organisation and belongs to another one is
// metering.ErrNotFound.
type Store struct {
	db *sqldb.DB
}

// New returns a store in an open database.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

// numbers are the two columns of a number.
func numbers(n metering.Number) (units, picos int64) {
	n = n.Normal()
	return n.Units, n.Picos
}

// newID is the id of a new row.
func newID() (string, error) {
	id, err := metering.NewID()
	return id.String(), err
}

// page reads one page ordered by id. query ends in a condition on the id, whose
// argument is the last one.
func page[T any](ctx context.Context, q sqldb.Tx, limit int, cursor, what string, scan func(*sql.Rows) (T, error), id func(T) string, query string, args ...any) ([]T, string, error) {
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	if cursor != "" {
		last, err := metering.ParseID(cursor)
		if err != nil {
			return nil, "", fmt.Errorf("%s: cursor: %w", what, metering.ErrInvalid)
		}
		cursor = last.String()
	}
	out, err := all(ctx, q, what, scan, query+fmt.Sprintf(" ORDER BY id LIMIT %d", limit+1), append(args, cursor)...)
	if err != nil || len(out) <= limit {
		return out, "", err
	}
	return out[:limit], id(out[limit-1]), nil
}

// all reads every row of a query.
func all[T any](ctx context.Context, q sqldb.Tx, what string, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	var out []T
	err := q.Each(ctx, func(r *sql.Rows) error {
		v, err := scan(r)
		out = append(out, v)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// lock makes concurrent changes of one customer's contracts wait for each other.
func lock(ctx context.Context, tx sqldb.Tx, org, customer string) error {
	n, err := tx.Exec(ctx, `UPDATE customers SET name = name WHERE org_id = $1 AND id = $2`, org, customer)
	if err == nil && n == 0 {
		err = fmt.Errorf("customer %.100q: %w", customer, metering.ErrNotFound)
	}
	return err
}

// none reports that a query found no row.
func none(err error) bool { return errors.Is(err, sql.ErrNoRows) }
