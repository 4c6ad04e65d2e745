package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering/sqldb"
)

// Contract reads a subscription with everything that decides what it bills.
func (s *Store) Contract(ctx context.Context, org, subscription string) (billing.Contract, error) {
	var c billing.Contract
	if err := sqldb.Storable(subscription); err != nil {
		return c, fmt.Errorf("contract: %w", err)
	}
	err := s.db.Snapshot(ctx, "contract of subscription "+subscription, func(q sqldb.Tx) error {
		sub, err := readSubscription(ctx, q, org, subscription)
		if err != nil {
			return err
		}
		c = billing.Contract{Subscription: sub.Subscription, Version: sub.version, Products: make(map[string]billing.Product), Meters: make(map[string]string)}
		if c.Customer, err = party(ctx, q, org, sub.Customer); err != nil {
			return err
		}
		if err := pricesOf(ctx, q, &c); err != nil {
			return err
		}
		if c.Periods, err = sqldb.All(ctx, q, "periods", scanPeriod(org), periodSelect+` WHERE org_id = $1 AND subscription = $2 ORDER BY idx`, org, subscription); err != nil {
			return err
		}
		if c.Billed, err = readLines(ctx, q, org, subscription); err != nil {
			return err
		}
		if c.Grants, err = readGrants(ctx, q, org, "customer = $2", sub.Customer); err != nil {
			return err
		}
		c.Carried, err = readAccounts(ctx, q, org, `customer = $2 AND currency = $3 AND state = 'carried' AND carried_into = '' ORDER BY seq`, sub.Customer, string(sub.Currency))
		return err
	})
	return c, err
}

// pricesOf adds the products of every phase, and the names of their meters.
func pricesOf(ctx context.Context, q sqldb.Tx, c *billing.Contract) error {
	org := c.Subscription.Org
	for _, id := range c.Subscription.Products() {
		p, err := readProduct(ctx, q, org, id)
		if err != nil {
			return err
		}
		c.Products[id] = p
		for _, meter := range p.Meters() {
			var name string
			if err := sqldb.Absent(q.Row(ctx, `SELECT name FROM meters WHERE org_id = $1 AND id = $2`, org, meter).Scan(&name), "meter "+meter); err != nil {
				return err
			}
			c.Meters[meter] = name
		}
	}
	return nil
}

// party is the customer as it is now.
func party(ctx context.Context, q sqldb.Tx, org, id string) (billing.Party, error) {
	p := billing.Party{ID: id}
	err := q.Row(ctx, `SELECT external_id, name FROM customers WHERE org_id = $1 AND id = $2`, org, id).Scan(&p.ExternalID, &p.Name)
	return p, sqldb.Absent(err, "customer "+id)
}

func readLines(ctx context.Context, q sqldb.Tx, org, subscription string) ([]billing.BilledLine, error) {
	return sqldb.All(ctx, q, "billed lines", func(r *sql.Rows) (billing.BilledLine, error) {
		var l billing.BilledLine
		err := r.Scan(&l.Invoice, &l.Number, &l.Kind, &l.Index, &l.Price, &l.Meter, &l.Start, &l.End, &l.Quantity.Units, &l.Quantity.Picos,
			&l.Covered.Units, &l.Covered.Picos, &l.Amount.Minor, &l.Amount.Currency)
		return l, err
	}, `SELECT l.invoice, l.number, l.kind, l.idx, l.price, l.meter, l.start_at, l.end_at, l.quantity_units, l.quantity_picos, l.covered_units, l.covered_picos, l.amount, l.currency
		FROM invoice_lines l JOIN invoices i ON i.org_id = l.org_id AND i.id = l.invoice
		WHERE l.org_id = $1 AND l.subscription = $2 ORDER BY i.seq, l.n`, org, subscription)
}
