package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/ledger"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

const grantSelect = `SELECT id, customer, meter, currency, issued_units, issued_picos, priority, expires_at, note, created_at FROM grants`

func scanGrant(org string) func(*sql.Rows) (billing.Grant, error) {
	return func(r *sql.Rows) (billing.Grant, error) {
		g := billing.Grant{Org: org}
		err := r.Scan(&g.ID, &g.Customer, &g.Meter, &g.Currency, &g.Issued.Units, &g.Issued.Picos, &g.Priority, &g.Expires, &g.Note, &g.Created)
		return g, err
	}
}

// CreateGrant gives a customer credit.
func (s *Store) CreateGrant(ctx context.Context, g billing.Grant) (billing.Grant, error) {
	g.Used, g.Expired, g.Voided = metering.Number{}, metering.Number{}, metering.Number{}
	if err := sqldb.Storable(g.Org, g.Customer, g.Meter, g.Note); err != nil {
		return g, fmt.Errorf("create grant: %w", err)
	}
	if err := g.Validate(); err != nil {
		return g, fmt.Errorf("create grant: %w", err)
	}
	var err error
	if g.ID, err = newID(); err != nil {
		return g, fmt.Errorf("create grant: %w", err)
	}
	err = s.db.Write(ctx, "create grant", func(tx sqldb.Tx) error {
		if err := lock(ctx, tx, g.Org, g.Customer); err != nil {
			return err
		}
		if g.Meter != "" {
			var id string
			if err := sqldb.Absent(tx.Row(ctx, `SELECT id FROM meters WHERE org_id = $1 AND id = $2`, g.Org, g.Meter).Scan(&id), "meter "+g.Meter); err != nil {
				return err
			}
		}
		units, picos := numbers(g.Issued)
		if _, err := tx.Exec(ctx, `INSERT INTO grants (org_id, id, customer, meter, currency, issued_units, issued_picos, priority, expires_at, note, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
			g.Org, g.ID, g.Customer, g.Meter, string(g.Currency), units, picos, g.Priority, int64(g.Expires), g.Note, int64(g.Created)); err != nil {
			return err
		}
		_, err := post(ctx, tx, g.Org, ledger.Granted(g))
		return err
	})
	return g, err
}

// Grants lists the credit of a customer in the order in which it is used, with
// its balances.
func (s *Store) Grants(ctx context.Context, org, customer string) ([]billing.Grant, error) {
	var out []billing.Grant
	err := s.db.Snapshot(ctx, "grants", func(q sqldb.Tx) (err error) {
		out, err = readGrants(ctx, q, org, "customer = $2", customer)
		return err
	})
	return out, err
}

func readGrants(ctx context.Context, q sqldb.Tx, org, where string, args ...any) ([]billing.Grant, error) {
	out, err := sqldb.All(ctx, q, "grants", scanGrant(org), grantSelect+" WHERE org_id = $1 AND "+where, append([]any{org}, args...)...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		g := &out[i]
		names := ledger.AccountsOf(g.ID)
		for account, into := range map[string]*metering.Number{names.Used: &g.Used, names.Expired: &g.Expired, names.Voided: &g.Voided} {
			if *into, err = balance(ctx, q, org, account); err != nil {
				return nil, err
			}
		}
	}
	billing.SortGrants(out)
	return out, nil
}

// VoidGrant takes back what is left of a grant. What was used stays used.
func (s *Store) VoidGrant(ctx context.Context, org, id string, at metering.Micros) (billing.Grant, error) {
	return s.endGrant(ctx, org, id, "void grant", func(g billing.Grant) (ledger.Transaction, bool) { return ledger.Voided(g, at), true })
}

// ExpireGrant books what is left of a grant that has expired; nothing if the
// grant is still good at the instant.
func (s *Store) ExpireGrant(ctx context.Context, org, id string, at metering.Micros) (billing.Grant, error) {
	return s.endGrant(ctx, org, id, "expire grant", func(g billing.Grant) (ledger.Transaction, bool) {
		return ledger.Expired(g, at), g.Expires != 0 && g.Expires <= at
	})
}

func (s *Store) endGrant(ctx context.Context, org, id, what string, book func(billing.Grant) (ledger.Transaction, bool)) (billing.Grant, error) {
	var out billing.Grant
	err := s.db.Write(ctx, what, func(tx sqldb.Tx) error {
		list, err := readGrants(ctx, tx, org, "id = $2", id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("grant %.100q: %w", id, metering.ErrNotFound)
		}
		if err := lock(ctx, tx, org, list[0].Customer); err != nil {
			return err
		}
		if list, err = readGrants(ctx, tx, org, "id = $2", id); err != nil {
			return err
		}
		t, due := book(list[0])
		if due && list[0].Remaining().Compare(metering.Number{}) > 0 {
			if _, err := post(ctx, tx, org, t); err != nil {
				return err
			}
			if list, err = readGrants(ctx, tx, org, "id = $2", id); err != nil {
				return err
			}
		}
		out = list[0]
		return nil
	})
	return out, err
}

// Expiring lists grants that expired before the instant and may have something
// left, of every organisation. Those that an open period could still use are
// left out: it may have begun before they expired.
func (s *Store) Expiring(ctx context.Context, before metering.Micros) ([]billing.Grant, error) {
	type named struct{ org, id string }
	ids, err := sqldb.All(ctx, s.db.Read(), "grants that expire", func(r *sql.Rows) (named, error) {
		var v named
		return v, r.Scan(&v.org, &v.id)
	}, `SELECT g.org_id, g.id FROM grants g WHERE g.expires_at > 0 AND g.expires_at <= $1
		AND NOT EXISTS (SELECT 1 FROM postings p WHERE p.org_id = g.org_id AND p.txn IN ('expire:' || g.id, 'void:' || g.id))
		AND NOT EXISTS (SELECT 1 FROM periods o JOIN subscriptions s ON s.org_id = o.org_id AND s.id = o.subscription
			WHERE o.org_id = g.org_id AND s.customer = g.customer AND o.state = 'open' AND o.start_at < g.expires_at)`, int64(before))
	if err != nil {
		return nil, err
	}
	var out []billing.Grant
	for _, v := range ids {
		list, err := readGrants(ctx, s.db.Read(), v.org, "id = $2", v.id)
		if err != nil {
			return nil, err
		}
		for _, g := range list {
			if g.Remaining().Compare(metering.Number{}) > 0 {
				out = append(out, g)
			}
		}
	}
	return out, nil
}

// post books a transaction, once: fresh is false if it was booked before.
func post(ctx context.Context, tx sqldb.Tx, org string, t ledger.Transaction) (fresh bool, err error) {
	if err := t.Check(); err != nil {
		return false, err
	}
	for n, p := range t.Postings {
		units, picos := numbers(p.Amount)
		changed, err := tx.Exec(ctx, `INSERT INTO postings (org_id, txn, n, account, unit, units, picos, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			org, t.ID, n, p.Account, p.Unit, units, picos, int64(t.At))
		if err != nil {
			return false, fmt.Errorf("book %s: %w", t.ID, err)
		}
		if n == 0 {
			fresh = changed == 1
		}
		if (changed == 1) != fresh {
			return false, fmt.Errorf("book %s: it was booked in part: %w", t.ID, metering.ErrConflict)
		}
	}
	return fresh, nil
}

// balance is the sum of the postings of an account.
func balance(ctx context.Context, q sqldb.Tx, org, account string) (metering.Number, error) {
	var sum metering.Number
	err := q.Each(ctx, func(r *sql.Rows) error {
		var n metering.Number
		err := r.Scan(&n.Units, &n.Picos)
		sum = sum.Add(n)
		return err
	}, `SELECT units, picos FROM postings WHERE org_id = $1 AND account = $2`, org, account)
	if err != nil {
		return sum, fmt.Errorf("balance of %s: %w", account, err)
	}
	return sum, nil
}

// Unbalanced lists what does not sum to zero over the whole ledger of an
// organisation, by unit: it has to be empty.
func (s *Store) Unbalanced(ctx context.Context, org string) (map[string]metering.Number, error) {
	sums := make(map[string]metering.Number)
	err := s.db.Read().Each(ctx, func(r *sql.Rows) error {
		var unit string
		var n metering.Number
		err := r.Scan(&unit, &n.Units, &n.Picos)
		sums[unit] = sums[unit].Add(n)
		return err
	}, `SELECT unit, units, picos FROM postings WHERE org_id = $1`, org)
	if err != nil {
		return nil, fmt.Errorf("sum the ledger: %w", err)
	}
	for unit, sum := range sums {
		if sum.IsZero() {
			delete(sums, unit)
		}
	}
	return sums, nil
}
