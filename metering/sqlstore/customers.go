package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

const customerSelect = "SELECT id, external_id, name, on_loss, created_at, archived_at FROM customers"

func scanCustomer(r interface{ Scan(...any) error }, org string) (metering.Customer, error) {
	c := metering.Customer{Org: org}
	err := r.Scan(&c.ID, &c.ExternalID, &c.Name, &c.OnLoss, &c.Created, &c.Archived)
	return c, err
}

// CreateCustomer makes a customer. It gets the id under which events were
// reported for its external id before it existed, if there were any.
func (s *Store) CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error) {
	if err := storable(c.Org, c.ExternalID, c.Name); err != nil {
		return c, fmt.Errorf("create customer: %w", err)
	}
	id, err := metering.NewID()
	if err != nil {
		return c, err
	}
	c.ID = id.String()
	if c.OnLoss == "" {
		c.OnLoss = metering.LossRefuse
	}
	err = s.write(ctx, "create customer", func(tx querier) error {
		err := tx.row(ctx, `SELECT id FROM reserved_customers WHERE org = $1 AND external_id = $2`, c.Org, c.ExternalID).Scan(&c.ID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		n, err := tx.exec(ctx, `INSERT INTO customers (org, id, external_id, name, on_loss, created_at, archived_at) VALUES ($1, $2, $3, $4, $5, $6, 0)
			ON CONFLICT DO NOTHING`, c.Org, c.ID, c.ExternalID, c.Name, string(c.OnLoss), int64(c.Created))
		if err != nil {
			return err
		}
		if n == 0 {
			return s.sameCustomer(ctx, tx, c)
		}
		return touchKeyring(ctx, tx)
	})
	return c, err
}

// sameCustomer is nil if the row is the one that an earlier attempt of the same
// call inserted.
func (s *Store) sameCustomer(ctx context.Context, tx querier, c metering.Customer) error {
	var id string
	err := tx.row(ctx, `SELECT id FROM customers WHERE org = $1 AND external_id = $2`, c.Org, c.ExternalID).Scan(&id)
	if err == nil && id == c.ID {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("external id %q: %w", c.ExternalID, metering.ErrConflict)
	}
	return err
}

// touchKeyring makes every replica read its keys again.
func touchKeyring(ctx context.Context, tx querier) error {
	_, err := tx.exec(ctx, `UPDATE keyring SET version = version + 1`)
	return err
}

// Customer returns the customer of an id or external id. An id wins.
func (s *Store) Customer(ctx context.Context, org, ref string) (metering.Customer, error) {
	if !clean(ref) {
		return metering.Customer{}, fmt.Errorf("customer: %w", metering.ErrNotFound)
	}
	q := s.read()
	c, err := scanCustomer(q.row(ctx, customerSelect+" WHERE org = $1 AND id = $2", org, ref), org)
	if errors.Is(err, sql.ErrNoRows) {
		c, err = scanCustomer(q.row(ctx, customerSelect+" WHERE org = $1 AND external_id = $2", org, ref), org)
	}
	return c, absent(err, fmt.Sprintf("customer %.100q", ref))
}

// Customers lists customers in the order in which they were made.
func (s *Store) Customers(ctx context.Context, org string, limit int, cursor string) ([]metering.Customer, string, error) {
	return page(ctx, s.read(), limit, cursor, "list customers", func(r *sql.Rows) (metering.Customer, error) { return scanCustomer(r, org) },
		func(c metering.Customer) string { return c.ID }, customerSelect+" WHERE org = $1 AND id > $2", org)
}

// page reads one page ordered by id. query ends in a condition on the id, whose
// argument is the last one.
func page[T any](ctx context.Context, q querier, limit int, cursor, what string, scan func(*sql.Rows) (T, error), id func(T) string, query string, args ...any) ([]T, string, error) {
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	if cursor != "" {
		if _, err := metering.ParseID(cursor); err != nil {
			return nil, "", fmt.Errorf("%s: cursor: %w", what, metering.ErrInvalid)
		}
	}
	var out []T
	err := q.each(ctx, func(r *sql.Rows) error {
		v, err := scan(r)
		if err == nil {
			out = append(out, v)
		}
		return err
	}, query+fmt.Sprintf(" ORDER BY id LIMIT %d", limit+1), append(args, cursor)...)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", what, err)
	}
	if len(out) <= limit {
		return out, "", nil
	}
	return out[:limit], id(out[limit-1]), nil
}

// UpdateCustomer changes name and policy.
func (s *Store) UpdateCustomer(ctx context.Context, c metering.Customer) error {
	if err := storable(c.Name); err != nil {
		return fmt.Errorf("update customer: %w", err)
	}
	return s.write(ctx, "update customer", func(tx querier) error {
		n, err := tx.exec(ctx, `UPDATE customers SET name = $3, on_loss = $4 WHERE org = $1 AND id = $2`, c.Org, c.ID, c.Name, string(c.OnLoss))
		return changed(ctx, tx, n, err, "customer "+c.ID)
	})
}

// ArchiveCustomer refuses the keys of a customer from then on.
func (s *Store) ArchiveCustomer(ctx context.Context, org, id string, at metering.Micros) error {
	return s.write(ctx, "archive customer", func(tx querier) error {
		n, err := tx.exec(ctx, `UPDATE customers SET archived_at = CASE WHEN archived_at = 0 THEN $3 ELSE archived_at END WHERE org = $1 AND id = $2`, org, id, int64(at))
		return changed(ctx, tx, n, err, "customer "+id)
	})
}

// changed ends a change of a key or customer.
func changed(ctx context.Context, tx querier, n int64, err error, what string) error {
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", what, metering.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return touchKeyring(ctx, tx)
}

// reserve returns the id that the customer of an external id has, or will get
// when it is made.
func reserve(ctx context.Context, tx querier, org, external string) (string, error) {
	var id string
	err := tx.row(ctx, `SELECT id FROM customers WHERE org = $1 AND external_id = $2`, org, external).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	fresh, err := metering.NewID()
	if err != nil {
		return "", err
	}
	if _, err := tx.exec(ctx, `INSERT INTO reserved_customers (org, external_id, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, org, external, fresh.String()); err != nil {
		return "", err
	}
	err = tx.row(ctx, `SELECT id FROM reserved_customers WHERE org = $1 AND external_id = $2`, org, external).Scan(&id)
	return id, err
}
