package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/ledger"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// Close closes a period: the invoice gets its number and is written with its
// lines, postings and the payment to be made, credit is used, and the next
// period is opened; all of it or nothing. A closing that went through already
// is not made again. metering.ErrFenced: another process does this work now.
// metering.ErrConflict: something that the invoice was drafted from has changed
// since, so it has to be drafted again.
func (s *Store) Close(ctx context.Context, c billing.Closing) error {
	return s.db.Write(ctx, "close a period", func(tx sqldb.Tx) error {
		org := c.Period.Org
		if err := fence(ctx, tx, c.Lease); err != nil {
			return err
		}
		if err := lock(ctx, tx, org, c.Period.Customer); err != nil {
			return err
		}
		done, err := closedBefore(ctx, tx, &c)
		if done || err != nil {
			return err
		}
		sub, err := readSubscription(ctx, tx, org, c.Period.Subscription)
		if err != nil {
			return err
		}
		same, err := tx.Exec(ctx, `UPDATE subscriptions SET version = version WHERE org_id = $1 AND id = $2 AND version = $3`, org, sub.ID, c.Version)
		if err != nil {
			return err
		}
		if same == 0 {
			return fmt.Errorf("the subscription or a price of it has changed: %w", metering.ErrConflict)
		}
		id := ""
		if c.Invoice != nil {
			id = c.Invoice.ID
			if err := issue(ctx, tx, &c); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE periods SET state = 'closed', invoice = $4, closed_at = $5 WHERE org_id = $1 AND subscription = $2 AND idx = $3`,
			org, c.Period.Subscription, c.Period.Index, id, int64(c.At)); err != nil {
			return err
		}
		return openPeriod(ctx, tx, sub.Subscription, c.Period.Index+1)
	})
}

// closedBefore tells a closing that went through from one that is to be made.
func closedBefore(ctx context.Context, tx sqldb.Tx, c *billing.Closing) (bool, error) {
	var state billing.PeriodState
	var invoice string
	var end metering.Micros
	err := tx.Row(ctx, `SELECT state, invoice, end_at FROM periods WHERE org_id = $1 AND subscription = $2 AND idx = $3`,
		c.Period.Org, c.Period.Subscription, c.Period.Index).Scan(&state, &invoice, &end)
	if err != nil {
		return false, sqldb.Absent(err, "period")
	}
	switch {
	case state == billing.PeriodOpen && end != c.Period.End:
		return false, fmt.Errorf("the period has another end now: %w", metering.ErrConflict)
	case state == billing.PeriodOpen:
		return false, nil
	case c.Invoice != nil && invoice == c.Invoice.ID, c.Invoice == nil && invoice == "":
		return true, nil
	default:
		return false, fmt.Errorf("the period is closed with invoice %q: %w", invoice, metering.ErrConflict)
	}
}

// issue numbers and writes the invoice.
func issue(ctx context.Context, tx sqldb.Tx, c *billing.Closing) error {
	v, org := *c.Invoice, c.Period.Org
	used, err := usable(ctx, tx, org, &v)
	if err != nil {
		return err
	}
	seq, err := nextNumber(ctx, tx, org, "invoice")
	if err != nil {
		return err
	}
	v.Number = fmt.Sprintf("INV-%06d", seq)
	document, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the invoice: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO invoices (org_id, id, seq, number, customer, subscription, reason, idx, currency, total, paid, carried_into, state, issued_at, document, sha256)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', $11, $12, $13, $14)`,
		org, v.ID, seq, v.Number, v.Customer.ID, v.Subscription, string(v.Reason), v.Index, string(v.Currency), v.Total.Minor,
		string(stateOf(c)), int64(v.Issued), document, digest(document)); err != nil {
		return err
	}
	if err := writeLines(ctx, tx, org, &v); err != nil {
		return err
	}
	t, err := ledger.Invoiced(v, used)
	if err != nil {
		return err
	}
	if _, err := post(ctx, tx, org, t); err != nil {
		return err
	}
	if c.Charge != nil {
		return insertPayment(ctx, tx, *c.Charge)
	}
	return nil
}

func stateOf(c *billing.Closing) billing.InvoiceState {
	switch {
	case c.Invoice.Total.Minor == 0:
		return billing.InvoicePaid
	case c.Carry:
		return billing.InvoiceCarried
	default:
		return billing.InvoiceOpen
	}
}

// usable returns the grants that the invoice uses, having made sure that each
// still has what is used of it.
func usable(ctx context.Context, tx sqldb.Tx, org string, v *billing.Invoice) (map[string]billing.Grant, error) {
	uses := append([]billing.CreditUse(nil), v.Uses...)
	for _, l := range v.Lines {
		uses = append(uses, l.Uses...)
	}
	total := make(map[string]metering.Number)
	for _, u := range uses {
		total[u.Grant] = total[u.Grant].Add(u.Amount)
	}
	out := make(map[string]billing.Grant, len(total))
	for id, amount := range total {
		list, err := readGrants(ctx, tx, org, "id = $2", id)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 || list[0].Customer != v.Customer.ID || list[0].Remaining().Compare(amount) < 0 {
			return nil, fmt.Errorf("grant %s does not have %s any more: %w", id, amount, metering.ErrConflict)
		}
		out[id] = list[0]
	}
	return out, nil
}

// nextNumber takes the next number of a sequence; it is given back if the
// transaction comes to nothing, so the sequence has no gaps.
func nextNumber(ctx context.Context, tx sqldb.Tx, org, name string) (int64, error) {
	if _, err := tx.Exec(ctx, `INSERT INTO numbers (org_id, name, next) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING`, org, name); err != nil {
		return 0, err
	}
	var next int64
	err := tx.Row(ctx, `UPDATE numbers SET next = next + 1 WHERE org_id = $1 AND name = $2 RETURNING next - 1`, org, name).Scan(&next)
	return next, err
}

func writeLines(ctx context.Context, tx sqldb.Tx, org string, v *billing.Invoice) error {
	for n, l := range v.Lines {
		price, meter := "", ""
		if l.Price != nil {
			price, meter = l.Price.ID, l.Price.Meter
		}
		quantity, quantityPicos := numbers(l.Quantity)
		covered, coveredPicos := numbers(l.Covered)
		if _, err := tx.Exec(ctx, `INSERT INTO invoice_lines (org_id, invoice, n, number, kind, subscription, idx, price, meter, start_at, end_at,
			quantity_units, quantity_picos, covered_units, covered_picos, amount, currency)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
			org, v.ID, n+1, v.Number, string(l.Kind), l.Subscription, l.Index, price, meter, int64(l.Span.Start), int64(l.Span.End),
			quantity, quantityPicos, covered, coveredPicos, l.Amount.Minor, string(l.Amount.Currency)); err != nil {
			return err
		}
		if l.Kind != billing.LineCarry {
			continue
		}
		taken, err := tx.Exec(ctx, `UPDATE invoices SET carried_into = $3 WHERE org_id = $1 AND number = $2 AND state = 'carried' AND carried_into = '' AND total = $4`,
			org, l.Corrects, v.ID, l.Amount.Minor)
		if err != nil {
			return err
		}
		if taken == 0 {
			return fmt.Errorf("invoice %s was taken over already: %w", l.Corrects, metering.ErrConflict)
		}
	}
	return nil
}
