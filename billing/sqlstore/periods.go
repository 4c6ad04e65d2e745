package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// openPeriod opens period k, if the subscription has a part of it.
func openPeriod(ctx context.Context, tx sqldb.Tx, sub billing.Subscription, k int) error {
	span, ok := sub.Period(k)
	if !ok {
		return nil
	}
	return insertPeriod(ctx, tx, billing.Period{Org: sub.Org, Subscription: sub.ID, Index: k, Customer: sub.Customer, Start: span.Start, End: span.End})
}

// insertPeriod opens a period, if it was not opened before.
func insertPeriod(ctx context.Context, tx sqldb.Tx, p billing.Period) error {
	_, err := tx.Exec(ctx, `INSERT INTO periods (org_id, subscription, idx, customer, start_at, end_at, state, invoice, closed_at)
		VALUES ($1, $2, $3, $4, $5, $6, 'open', '', 0) ON CONFLICT DO NOTHING`,
		p.Org, p.Subscription, p.Index, p.Customer, int64(p.Start), int64(p.End))
	return err
}

// recut gives the open period of a subscription the end that it has now. One
// that the subscription has no part of any more is taken away.
func recut(ctx context.Context, tx sqldb.Tx, sub billing.Subscription) error {
	open, err := sqldb.All(ctx, tx, "open periods", scanPeriod(sub.Org), periodSelect+` WHERE org_id = $1 AND subscription = $2 AND state = 'open'`, sub.Org, sub.ID)
	if err != nil {
		return err
	}
	for _, p := range open {
		span, ok := sub.Period(p.Index)
		if !ok {
			if _, err := tx.Exec(ctx, `DELETE FROM periods WHERE org_id = $1 AND subscription = $2 AND idx = $3 AND state = 'open'`, sub.Org, sub.ID, p.Index); err != nil {
				return err
			}
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE periods SET end_at = $4 WHERE org_id = $1 AND subscription = $2 AND idx = $3 AND state = 'open'`, sub.Org, sub.ID, p.Index, int64(span.End)); err != nil {
			return err
		}
	}
	return nil
}

const periodSelect = `SELECT subscription, idx, customer, start_at, end_at, state, invoice, closed_at FROM periods`

func scanPeriod(org string) func(*sql.Rows) (billing.Period, error) {
	return func(r *sql.Rows) (billing.Period, error) {
		p := billing.Period{Org: org}
		err := r.Scan(&p.Subscription, &p.Index, &p.Customer, &p.Start, &p.End, &p.State, &p.Invoice, &p.Closed)
		return p, err
	}
}

// Periods lists the periods of a subscription that were opened, in order.
func (s *Store) Periods(ctx context.Context, org, subscription string) ([]billing.Period, error) {
	return sqldb.All(ctx, s.db.Read(), "periods", scanPeriod(org), periodSelect+` WHERE org_id = $1 AND subscription = $2 ORDER BY idx`, org, subscription)
}

// Ended lists the last periods of subscriptions that ended within a span and
// have no open one, of every organisation.
func (s *Store) Ended(ctx context.Context, since, until metering.Micros) ([]billing.Period, error) {
	return everywhere(ctx, s, func(q sqldb.Tx, org string) ([]billing.Period, error) {
		return sqldb.All(ctx, q, "last periods", scanPeriod(org), periodSelect+` WHERE org_id = $1 AND state = 'closed'
			AND EXISTS (SELECT 1 FROM subscriptions s WHERE s.org_id = periods.org_id AND s.id = periods.subscription AND s.end_at > $2 AND s.end_at <= $3)
			AND NOT EXISTS (SELECT 1 FROM periods q WHERE q.org_id = periods.org_id AND q.subscription = periods.subscription AND q.idx > periods.idx)`,
			org, int64(since), int64(until))
	})
}

// Reopen opens a period after the last one of a subscription that has ended.
func (s *Store) Reopen(ctx context.Context, lease billing.Lease, p billing.Period) error {
	return s.db.Write(ctx, "reopen a subscription for what came late", func(tx sqldb.Tx) error {
		if err := fence(ctx, tx, lease); err != nil {
			return err
		}
		return insertPeriod(ctx, tx, p)
	})
}

// Due lists open periods that ended before the instant, the oldest first, of
// every organisation.
func (s *Store) Due(ctx context.Context, before metering.Micros, limit int) ([]billing.Period, error) {
	return everywhere(ctx, s, func(q sqldb.Tx, org string) ([]billing.Period, error) {
		return sqldb.All(ctx, q, "periods that are due", scanPeriod(org),
			fmt.Sprintf(periodSelect+` WHERE org_id = $1 AND state = 'open' AND end_at <= $2 ORDER BY end_at, subscription LIMIT %d`, limit), org, int64(before))
	})
}
