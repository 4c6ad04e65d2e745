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

const (
	methodSelect  = `SELECT id, customer, provider, token, label, created_at FROM payment_methods`
	paymentSelect = `SELECT p.id, p.invoice, p.customer, p.amount, p.currency, p.state, p.provider, p.reference, p.reason, p.action_url, p.created_at, p.updated_at,
		COALESCE(m.id, ''), COALESCE(m.token, ''), COALESCE(m.label, '')
		FROM payments p LEFT JOIN payment_methods m ON m.org_id = p.org_id AND m.id = p.method`
)

func scanPayment(org string) func(*sql.Rows) (billing.Payment, error) {
	return func(r *sql.Rows) (billing.Payment, error) {
		p := billing.Payment{Org: org}
		err := r.Scan(&p.ID, &p.Invoice, &p.Customer, &p.Amount.Minor, &p.Amount.Currency, &p.State, &p.Provider, &p.Reference, &p.Reason, &p.ActionURL,
			&p.Created, &p.Updated, &p.Method.ID, &p.Method.Token, &p.Method.Label)
		p.Method.Org, p.Method.Customer, p.Method.Provider = org, p.Customer, p.Provider
		return p, err
	}
}

// SaveMethod puts a card on file, in the place of the one before.
func (s *Store) SaveMethod(ctx context.Context, m billing.PaymentMethod) (billing.PaymentMethod, error) {
	if err := sqldb.Storable(m.Org, m.Customer, m.Provider, m.Token, m.Label); err != nil {
		return m, fmt.Errorf("save payment method: %w", err)
	}
	var err error
	if m.ID, err = newID(); err != nil {
		return m, fmt.Errorf("save payment method: %w", err)
	}
	err = s.db.Write(ctx, "save payment method", func(tx sqldb.Tx) error {
		if err := lock(ctx, tx, m.Org, m.Customer); err != nil {
			return err
		}
		have, err := currentMethod(ctx, tx, m.Org, m.Customer)
		if err == nil && have.Provider == m.Provider && have.Token == m.Token {
			m = have // the same one again
			return nil
		}
		if err != nil && !none(err) {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO payment_methods (org_id, id, customer, provider, token, label, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			m.Org, m.ID, m.Customer, m.Provider, m.Token, m.Label, int64(m.Created))
		return err
	})
	return m, err
}

func currentMethod(ctx context.Context, q sqldb.Tx, org, customer string) (billing.PaymentMethod, error) {
	m := billing.PaymentMethod{Org: org}
	err := q.Row(ctx, methodSelect+" WHERE org_id = $1 AND customer = $2 ORDER BY id DESC LIMIT 1", org, customer).
		Scan(&m.ID, &m.Customer, &m.Provider, &m.Token, &m.Label, &m.Created)
	return m, err
}

// Method returns the card on file of a customer; metering.ErrNotFound if there
// is none.
func (s *Store) Method(ctx context.Context, org, customer string) (billing.PaymentMethod, error) {
	m, err := currentMethod(ctx, s.db.Read(), org, customer)
	return m, sqldb.Absent(err, "card on file")
}

// Payments lists the attempts to charge an invoice, the oldest first.
func (s *Store) Payments(ctx context.Context, org, invoice string) ([]billing.Payment, error) {
	return sqldb.All(ctx, s.db.Read(), "payments", scanPayment(org), paymentSelect+` WHERE p.org_id = $1 AND p.invoice = $2 ORDER BY p.id`, org, invoice)
}

// Unsettled lists the payments of every organisation whose end is not known,
// the oldest first.
func (s *Store) Unsettled(ctx context.Context) ([]billing.Payment, error) {
	return everywhere(ctx, s, func(q sqldb.Tx, org string) ([]billing.Payment, error) {
		return sqldb.All(ctx, q, "unsettled payments", scanPayment(org), paymentSelect+` WHERE p.org_id = $1 AND p.state IN ('pending', 'unknown', 'action') ORDER BY p.id`, org)
	})
}

// StartPayment puts an attempt to charge what is due of an invoice on record,
// before the provider hears of it. metering.ErrConflict: there is nothing due,
// or an attempt whose end is not known.
func (s *Store) StartPayment(ctx context.Context, p billing.Payment) (billing.Payment, error) {
	err := s.db.Write(ctx, "start payment", func(tx sqldb.Tx) error {
		if err := lock(ctx, tx, p.Org, p.Customer); err != nil {
			return err
		}
		var customer string
		var total, paid int64
		var state billing.InvoiceState
		err := tx.Row(ctx, `SELECT customer, total, paid, currency, state FROM invoices WHERE org_id = $1 AND id = $2`, p.Org, p.Invoice).
			Scan(&customer, &total, &paid, &p.Amount.Currency, &state)
		if err != nil {
			return sqldb.Absent(err, "invoice "+p.Invoice)
		}
		var mine int
		if err := tx.Row(ctx, `SELECT COUNT(*) FROM payments WHERE org_id = $1 AND id = $2`, p.Org, p.ID).Scan(&mine); err != nil {
			return err
		}
		if mine == 1 {
			return nil // by an attempt of this call whose commit lost its reply
		}
		p.Amount.Minor = total - paid
		switch {
		case customer != p.Customer:
			return fmt.Errorf("invoice %s: %w", p.Invoice, metering.ErrNotFound)
		case p.Amount.Minor <= 0, state != billing.InvoiceOpen && state != billing.InvoiceFailed:
			return fmt.Errorf("invoice %s is %s: %w", p.Invoice, state, metering.ErrConflict)
		}
		return insertPayment(ctx, tx, p)
	})
	return p, err
}

func insertPayment(ctx context.Context, tx sqldb.Tx, p billing.Payment) error {
	n, err := tx.Exec(ctx, `INSERT INTO payments (org_id, id, invoice, customer, amount, currency, state, provider, method, reference, reason, action_url, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, '', '', '', $9, $9) ON CONFLICT DO NOTHING`,
		p.Org, p.ID, p.Invoice, p.Customer, p.Amount.Minor, string(p.Amount.Currency), p.Provider, p.Method.ID, int64(p.Created))
	if err == nil && n == 0 {
		err = fmt.Errorf("invoice %s has an attempt whose end is not known: %w", p.Invoice, metering.ErrConflict)
	}
	return err
}

// SettlePayment writes what became of a payment, and with it where the money of
// its invoice is. A payment that has succeeded or was declined stays so.
func (s *Store) SettlePayment(ctx context.Context, org, id string, r billing.ChargeResult, at metering.Micros) (billing.Payment, error) {
	var out billing.Payment
	err := s.db.Write(ctx, "settle payment", func(tx sqldb.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE payments SET state = $3, reference = $4, reason = $5, action_url = $6, updated_at = $7
			WHERE org_id = $1 AND id = $2 AND state IN ('pending', 'unknown', 'action')`,
			org, id, string(r.State), sqldb.Label(r.Reference), sqldb.Label(r.Reason), sqldb.Cut(r.ActionURL, 2000), int64(at))
		if err != nil {
			return err
		}
		list, err := sqldb.All(ctx, tx, "payment", scanPayment(org), paymentSelect+` WHERE p.org_id = $1 AND p.id = $2`, org, id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("payment %.100q: %w", id, metering.ErrNotFound)
		}
		out = list[0]
		if n == 0 {
			return nil
		}
		return settleInvoice(ctx, tx, out, at)
	})
	return out, err
}

// settleInvoice follows a payment that changed.
func settleInvoice(ctx context.Context, tx sqldb.Tx, p billing.Payment, at metering.Micros) error {
	states := map[billing.PaymentState]billing.InvoiceState{
		billing.PaymentUnknown: billing.InvoiceUnknown, billing.PaymentAction: billing.InvoiceAction, billing.PaymentDeclined: billing.InvoiceFailed,
		billing.PaymentSucceeded: billing.InvoicePaid,
	}
	state, ok := states[p.State]
	if !ok {
		return fmt.Errorf("payment %s cannot become %q: %w", p.ID, p.State, metering.ErrInvalid)
	}
	var captured int64
	if p.State == billing.PaymentSucceeded {
		captured = p.Amount.Minor
		if fresh, err := post(ctx, tx, p.Org, ledger.Paid(p, at)); err != nil || !fresh {
			return err
		}
	}
	return found(tx.Exec(ctx, `UPDATE invoices SET paid = paid + $3, state = $4 WHERE org_id = $1 AND id = $2 AND paid + $3 <= total`,
		p.Org, p.Invoice, captured, string(state)))("invoice " + p.Invoice + " with that much due")
}

// Unpaid lists the invoices of a customer that a new card would pay, the oldest
// first.
func (s *Store) Unpaid(ctx context.Context, org, customer string) ([]billing.Account, error) {
	return readAccounts(ctx, s.db.Read(), org, `customer = $2 AND state IN ('open', 'failed') AND total > paid ORDER BY seq`, customer)
}
