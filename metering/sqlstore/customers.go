package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

const customerSelect = "SELECT id, external_id, name, on_loss, include_usage, missing_usage, created_at, archived_at FROM customers"

func scanCustomer(r interface{ Scan(...any) error }, org string) (metering.Customer, error) {
	c := metering.Customer{Org: org}
	err := r.Scan(&c.ID, &c.ExternalID, &c.Name, &c.OnLoss, &c.IncludeUsage, &c.MissingUsage, &c.Created, &c.Archived)
	return c, err
}

// Bounds of what is stored of a customer, in characters.
const (
	maxExternal = 256
	maxName     = 256
)

func checkCustomer(c *metering.Customer) error {
	if err := sqldb.Storable(c.Org, c.ExternalID, c.Name); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(c.Name); n > maxName {
		return fmt.Errorf("name has %d characters, more than %d: %w", n, maxName, metering.ErrInvalid)
	}
	if !c.IncludeUsage.Valid() {
		return fmt.Errorf("include_usage %.20q is none of splice, leave, estimate and refuse: %w", string(c.IncludeUsage), metering.ErrInvalid)
	}
	if !c.MissingUsage.Valid() {
		return fmt.Errorf("missing_usage %.20q is none of bill, zero and hold: %w", string(c.MissingUsage), metering.ErrInvalid)
	}
	switch c.OnLoss {
	case metering.LossRefuse, metering.LossPass:
		return nil
	default:
		return fmt.Errorf("on_loss %.20q is neither refuse nor pass: %w", string(c.OnLoss), metering.ErrInvalid)
	}
}

// CreateCustomer makes a customer. It gets the id under which events were
// reported for its external id before it existed, if there were any. ErrConflict
// says that the external id is taken.
func (s *Store) CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error) {
	if c.OnLoss == "" {
		c.OnLoss = metering.LossRefuse
	}
	if c.Created == 0 {
		c.Created = metering.MicrosOf(time.Now())
	}
	if err := checkCustomer(&c); err != nil {
		return c, fmt.Errorf("create customer: %w", err)
	}
	if n := utf8.RuneCountInString(c.ExternalID); n == 0 || n > maxExternal {
		return c, fmt.Errorf("create customer: external_id has %d characters, not 1 to %d: %w", n, maxExternal, metering.ErrInvalid)
	}
	tries := 0
	err := s.write(ctx, "create customer", func(tx querier) error {
		tries++
		id, err := reserve(ctx, tx, c.Org, c.ExternalID)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO customers (org_id, id, external_id, name, on_loss, created_at, include_usage, missing_usage, archived_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
			ON CONFLICT DO NOTHING`, c.Org, id, c.ExternalID, c.Name, string(c.OnLoss), int64(c.Created), string(c.IncludeUsage), string(c.MissingUsage))
		if err != nil {
			return err
		}
		if n == 0 {
			same := false
			if tries > 1 {
				if same, err = theSame(ctx, tx, c, id); err != nil {
					return err
				}
			}
			if !same {
				return fmt.Errorf("external id %q: %w", c.ExternalID, metering.ErrConflict)
			}
		}
		c.ID = id
		return touchKeyring(ctx, tx)
	})
	return c, err
}

// theSame reports whether the row is the one that an earlier attempt of this
// call inserted, whose commit went through without its reply.
func theSame(ctx context.Context, tx querier, c metering.Customer, id string) (bool, error) {
	have, err := scanCustomer(tx.Row(ctx, customerSelect+" WHERE org_id = $1 AND id = $2", c.Org, id), c.Org)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	c.ID = id
	return have == c, err
}

// touchKeyring makes every replica read its keys again.
func touchKeyring(ctx context.Context, tx querier) error {
	_, err := tx.Exec(ctx, `UPDATE keyring SET version = version + 1`)
	return err
}

// Customer returns the customer of an id or external id. An id wins.
func (s *Store) Customer(ctx context.Context, org, ref string) (metering.Customer, error) {
	if err := sqldb.Storable(ref); err != nil {
		return metering.Customer{}, fmt.Errorf("customer: %w", err)
	}
	q := s.read()
	c, err := scanCustomer(q.Row(ctx, customerSelect+" WHERE org_id = $1 AND id = $2", org, ref), org)
	if errors.Is(err, sql.ErrNoRows) {
		c, err = scanCustomer(q.Row(ctx, customerSelect+" WHERE org_id = $1 AND external_id = $2", org, ref), org)
	}
	return c, sqldb.Absent(err, fmt.Sprintf("customer %.100q", ref))
}

// Customers lists customers in the order in which they were made.
func (s *Store) Customers(ctx context.Context, org string, limit int, cursor string) ([]metering.Customer, string, error) {
	return sqldb.Page(ctx, s.db.Read(), limit, cursor, "list customers", func(r *sql.Rows) (metering.Customer, error) { return scanCustomer(r, org) },
		func(c metering.Customer) string { return c.ID }, customerSelect+" WHERE org_id = $1 AND id > $2", org)
}

// UpdateCustomer changes name and policies.
func (s *Store) UpdateCustomer(ctx context.Context, c metering.Customer) error {
	err := errors.Join(sqldb.Storable(c.ID), checkCustomer(&c))
	if err != nil {
		return fmt.Errorf("update customer: %w", err)
	}
	return s.write(ctx, "update customer", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE customers SET name = $3, on_loss = $4, include_usage = $5, missing_usage = $6 WHERE org_id = $1 AND id = $2`,
			c.Org, c.ID, c.Name, string(c.OnLoss), string(c.IncludeUsage), string(c.MissingUsage))
		return changed(ctx, tx, n, err, "customer "+c.ID)
	})
}

// ArchiveCustomer refuses the keys of a customer from then on.
func (s *Store) ArchiveCustomer(ctx context.Context, org, id string, at metering.Micros) error {
	if err := sqldb.Storable(id); err != nil {
		return fmt.Errorf("archive customer: %w", err)
	}
	return s.write(ctx, "archive customer", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE customers SET archived_at = CASE WHEN archived_at = 0 THEN $3 ELSE archived_at END WHERE org_id = $1 AND id = $2`, org, id, int64(at))
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
// when it is made. Whoever asks first decides, and who asks meanwhile waits for
// that: a customer made while events are reported for it gets their id.
func reserve(ctx context.Context, tx querier, org, external string) (string, error) {
	fresh, err := metering.NewID()
	if err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO reserved_customers (org_id, external_id, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, org, external, fresh.String()); err != nil {
		return "", err
	}
	var id string
	err = tx.Row(ctx, `SELECT id FROM reserved_customers WHERE org_id = $1 AND external_id = $2`, org, external).Scan(&id)
	return id, err
}
