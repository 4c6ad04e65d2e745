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

// everywhere asks the same of every organisation of the installation.
func everywhere[T any](ctx context.Context, s *Store, ask func(q sqldb.Tx, org string) ([]T, error)) ([]T, error) {
	q := s.db.Read()
	orgs, err := sqldb.All(ctx, q, "organisations", func(r *sql.Rows) (string, error) {
		var org string
		return org, r.Scan(&org)
	}, `SELECT org_id FROM orgs ORDER BY org_id`)
	if err != nil {
		return nil, err
	}
	var out []T
	for _, org := range orgs {
		list, err := ask(q, org)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
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
