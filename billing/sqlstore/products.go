package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

const (
	productSelect = `SELECT id, name, months, trial_days, trial_usage, created_at, archived_at FROM products`
	priceSelect   = `SELECT id, product, meter, model, currency, amount_units, amount_picos, per, included_units, included_picos, from_at, created_at FROM prices`
)

func scanProduct(org string) func(*sql.Rows) (billing.Product, error) {
	return func(r *sql.Rows) (billing.Product, error) {
		p := billing.Product{Org: org}
		err := r.Scan(&p.ID, &p.Name, &p.Months, &p.TrialDays, &p.TrialUsage, &p.Created, &p.Archived)
		return p, err
	}
}

func scanPrice(r *sql.Rows) (billing.Price, error) {
	var p billing.Price
	err := r.Scan(&p.ID, &p.Product, &p.Meter, &p.Model, &p.Currency, &p.Amount.Units, &p.Amount.Picos, &p.Per,
		&p.Included.Units, &p.Included.Picos, &p.From, &p.Created)
	return p, err
}

// CreateProduct makes a product with the first versions of its prices, which
// are in force from the beginning. All of them are in one currency.
func (s *Store) CreateProduct(ctx context.Context, p billing.Product) (billing.Product, error) {
	if err := checkProduct(&p); err != nil {
		return p, fmt.Errorf("create product: %w", err)
	}
	var err error
	if p.ID, err = newID(); err != nil {
		return p, fmt.Errorf("create product: %w", err)
	}
	for i := range p.Prices {
		v := &p.Prices[i]
		if v.ID, err = newID(); err != nil {
			return p, fmt.Errorf("create product: %w", err)
		}
		v.Product, v.Created, v.From = p.ID, p.Created, 0
	}
	err = s.db.Write(ctx, "create product", func(tx sqldb.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO products (org_id, id, name, months, trial_days, trial_usage, created_at, archived_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT DO NOTHING`,
			p.Org, p.ID, p.Name, p.Months, p.TrialDays, string(p.TrialUsage), int64(p.Created))
		if err != nil {
			return err
		}
		if n == 0 {
			have, err := product(ctx, tx, p.Org, "name", p.Name)
			if err == nil && have.ID != p.ID { // of another call, not of an attempt of this one whose reply was lost
				return fmt.Errorf("product %q: %w", p.Name, metering.ErrConflict)
			}
			return err
		}
		for _, v := range p.Prices {
			if err := insertPrice(ctx, tx, p.Org, v); err != nil {
				return err
			}
		}
		return nil
	})
	billing.SortPrices(p.Prices)
	return p, err
}

func checkProduct(p *billing.Product) error {
	if err := sqldb.Storable(p.Org, p.Name); err != nil {
		return err
	}
	if err := p.Validate(); err != nil {
		return err
	}
	meters := make(map[string]bool)
	for _, v := range p.Prices {
		if err := v.Validate(); err != nil {
			return err
		}
		if v.Currency != p.Prices[0].Currency {
			return fmt.Errorf("prices in %s and %s: the prices of a product are in one currency: %w", p.Prices[0].Currency, v.Currency, metering.ErrInvalid)
		}
		if meters[v.Meter] {
			return fmt.Errorf("two prices for meter %s: %w", v.Meter, metering.ErrInvalid)
		}
		meters[v.Meter] = true
	}
	return nil
}

func insertPrice(ctx context.Context, tx sqldb.Tx, org string, v billing.Price) error {
	var meter string
	if err := sqldb.Absent(tx.Row(ctx, `SELECT id FROM meters WHERE org_id = $1 AND id = $2`, org, v.Meter).Scan(&meter), "meter "+v.Meter); err != nil {
		return err
	}
	amount, amountPicos := numbers(v.Amount)
	included, includedPicos := numbers(v.Included)
	n, err := tx.Exec(ctx, `INSERT INTO prices (org_id, id, product, meter, model, currency, amount_units, amount_picos, per, included_units, included_picos, from_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
		org, v.ID, v.Product, v.Meter, string(v.Model), string(v.Currency), amount, amountPicos, v.Per, included, includedPicos, int64(v.From), int64(v.Created))
	if err != nil || n == 1 {
		return err
	}
	var have string
	if err := tx.Row(ctx, `SELECT id FROM prices WHERE org_id = $1 AND product = $2 AND meter = $3 AND from_at = $4`, org, v.Product, v.Meter, int64(v.From)).Scan(&have); err != nil {
		return err
	}
	if have != v.ID {
		return fmt.Errorf("another price comes into force at that instant: %w", metering.ErrConflict)
	}
	return nil
}

// product reads a product without its prices. column is one of ours.
func product(ctx context.Context, q sqldb.Tx, org, column, value string) (billing.Product, error) {
	p := billing.Product{Org: org}
	err := q.Row(ctx, productSelect+" WHERE org_id = $1 AND "+column+" = $2", org, value).
		Scan(&p.ID, &p.Name, &p.Months, &p.TrialDays, &p.TrialUsage, &p.Created, &p.Archived)
	return p, err
}

// withPrices adds every version of the prices.
func withPrices(ctx context.Context, q sqldb.Tx, p *billing.Product) error {
	var err error
	p.Prices, err = sqldb.All(ctx, q, "prices of product "+p.ID, scanPrice, priceSelect+" WHERE org_id = $1 AND product = $2", p.Org, p.ID)
	billing.SortPrices(p.Prices)
	return err
}

// Product returns the product of an id or name. An id wins.
func (s *Store) Product(ctx context.Context, org, ref string) (billing.Product, error) {
	if err := sqldb.Storable(ref); err != nil {
		return billing.Product{}, fmt.Errorf("product: %w", err)
	}
	return readProduct(ctx, s.db.Read(), org, ref)
}

func readProduct(ctx context.Context, q sqldb.Tx, org, ref string) (billing.Product, error) {
	p, err := product(ctx, q, org, "id", ref)
	if none(err) {
		p, err = product(ctx, q, org, "name", ref)
	}
	if err != nil {
		return p, sqldb.Absent(err, fmt.Sprintf("product %.100q", ref))
	}
	return p, withPrices(ctx, q, &p)
}

// Products lists products in the order in which they were made.
func (s *Store) Products(ctx context.Context, org string, limit int, cursor string) ([]billing.Product, string, error) {
	q := s.db.Read()
	list, next, err := sqldb.Page(ctx, q, limit, cursor, "list products", scanProduct(org), func(p billing.Product) string { return p.ID },
		productSelect+" WHERE org_id = $1 AND id > $2", org)
	for i := range list {
		if err == nil {
			err = withPrices(ctx, q, &list[i])
		}
	}
	return list, next, err
}

// PricedMeters lists the meters that any product has a price for.
func (s *Store) PricedMeters(ctx context.Context, org string) ([]string, error) {
	return sqldb.All(ctx, s.db.Read(), "priced meters", func(r *sql.Rows) (string, error) {
		var meter string
		return meter, r.Scan(&meter)
	}, `SELECT DISTINCT meter FROM prices WHERE org_id = $1 ORDER BY meter`, org)
}

// RenameProduct gives a product another name.
func (s *Store) RenameProduct(ctx context.Context, org, id, name string) error {
	p := billing.Product{Org: org, Name: name, Months: 1, TrialUsage: billing.TrialFree}
	if err := checkProduct(&p); err != nil {
		return fmt.Errorf("rename product: %w", err)
	}
	return s.db.Write(ctx, "rename product", func(tx sqldb.Tx) error {
		have, err := product(ctx, tx, org, "name", name)
		if err == nil && have.ID != id {
			return fmt.Errorf("product %q: %w", name, metering.ErrConflict)
		}
		if err != nil && !none(err) {
			return err
		}
		return found(tx.Exec(ctx, `UPDATE products SET name = $3 WHERE org_id = $1 AND id = $2`, org, id, name))("product " + id)
	})
}

// ArchiveProduct keeps a product from being subscribed to. Subscriptions to it
// go on.
func (s *Store) ArchiveProduct(ctx context.Context, org, id string, at metering.Micros) error {
	return s.db.Write(ctx, "archive product", func(tx sqldb.Tx) error {
		return found(tx.Exec(ctx, `UPDATE products SET archived_at = CASE WHEN archived_at = 0 THEN $3 ELSE archived_at END WHERE org_id = $1 AND id = $2`, org, id, int64(at)))("product " + id)
	})
}

// found turns an update of no row into metering.ErrNotFound.
func found(n int64, err error) func(what string) error {
	return func(what string) error {
		if err == nil && n == 0 {
			return fmt.Errorf("%s: %w", what, metering.ErrNotFound)
		}
		return err
	}
}

// AddPrice adds a version of a price, which comes into force now or later: what
// was authorised before keeps the price that it had. The first price for a
// meter holds from now on too, if the product has subscriptions.
func (s *Store) AddPrice(ctx context.Context, org string, v billing.Price, now metering.Micros) (billing.Price, error) {
	if err := v.Validate(); err != nil {
		return v, fmt.Errorf("add price: %w", err)
	}
	if v.From == 0 {
		v.From = now
	}
	if v.From < now {
		return v, fmt.Errorf("add price: it would come into force in the past, where usage has its price: %w", metering.ErrInvalid)
	}
	var err error
	if v.ID, err = newID(); err != nil {
		return v, fmt.Errorf("add price: %w", err)
	}
	v.Created = now
	err = s.db.Write(ctx, "add price", func(tx sqldb.Tx) error {
		p, err := readProduct(ctx, tx, org, v.Product)
		if err != nil {
			return err
		}
		v.Product = p.ID
		if len(p.Prices) > 0 && p.Prices[0].Currency != v.Currency {
			return fmt.Errorf("the prices of this product are in %s: %w", p.Prices[0].Currency, metering.ErrInvalid)
		}
		if len(p.Versions(v.Meter)) == 0 {
			if err := unclaimed(ctx, tx, org, p.ID, v.Meter); err != nil {
				return err
			}
		}
		// Whoever closes a period meanwhile has to read the prices again.
		if _, err := tx.Exec(ctx, `UPDATE subscriptions SET version = version + 1 WHERE org_id = $1 AND id IN (SELECT subscription FROM phases WHERE org_id = $1 AND product = $2)`, org, v.Product); err != nil {
			return err
		}
		if err := unsettled(ctx, tx, v.From, `SELECT MAX(p.end_at) FROM periods p JOIN phases f ON f.org_id = p.org_id AND f.subscription = p.subscription
			WHERE p.org_id = $1 AND f.product = $2 AND p.state = 'closed'`, org, v.Product); err != nil {
			return err
		}
		return insertPrice(ctx, tx, org, v)
	})
	return v, err
}

// unsettled refuses a change at an instant that is in a closed period, which a
// query finds the end of: clocks differ, and what is billed stays.
func unsettled(ctx context.Context, tx sqldb.Tx, at metering.Micros, query string, args ...any) error {
	var end sql.NullInt64
	if err := tx.Row(ctx, query, args...).Scan(&end); err != nil {
		return fmt.Errorf("look for closed periods: %w", err)
	}
	if end.Valid && at < metering.Micros(end.Int64) {
		return fmt.Errorf("a period that ended at %s is closed: %w", metering.Micros(end.Int64).Time().Format(time.RFC3339), metering.ErrInvalid)
	}
	return nil
}

// unclaimed refuses a first price for a meter that a subscriber of the product
// has from another product already.
func unclaimed(ctx context.Context, tx sqldb.Tx, org, product, meter string) error {
	var customer string
	err := tx.Row(ctx, `SELECT s.customer FROM subscriptions s JOIN phases f ON f.org_id = s.org_id AND f.subscription = s.id
		WHERE s.org_id = $1 AND f.product = $2 AND EXISTS (
			SELECT 1 FROM subscriptions o JOIN phases g ON g.org_id = o.org_id AND g.subscription = o.id
			JOIN prices p ON p.org_id = g.org_id AND p.product = g.product
			WHERE o.org_id = s.org_id AND o.customer = s.customer AND o.id <> s.id AND p.meter = $3 AND g.product <> $2) LIMIT 1`,
		org, product, meter).Scan(&customer)
	if none(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for other prices of the meter: %w", err)
	}
	return fmt.Errorf("customer %s has another subscription with a price for this meter, and a unit is billed once: %w", customer, metering.ErrConflict)
}
