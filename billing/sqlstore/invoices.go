package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

const accountSelect = `SELECT id, seq, total, paid, currency, state, document, sha256 FROM invoices`

// account is an invoice with its place in the sequence.
type account struct {
	billing.Account
	seq int64
}

func scanAccount(org string) func(*sql.Rows) (account, error) {
	return func(r *sql.Rows) (account, error) {
		var a account
		var id string
		var total, paid int64
		var currency billing.Currency
		var document []byte
		if err := r.Scan(&id, &a.seq, &total, &paid, &currency, &a.State, &document, &a.SHA256); err != nil {
			return a, err
		}
		if err := json.Unmarshal(document, &a.Invoice); err != nil {
			return a, fmt.Errorf("document of invoice %s: %w", id, err)
		}
		if sum := digest(document); sum != a.SHA256 {
			return a, fmt.Errorf("the document of invoice %s is not the one that was issued: its SHA-256 is %s, not %s", id, sum, a.SHA256)
		}
		a.Invoice.Org = org
		a.Paid = billing.Money{Minor: paid, Currency: currency}
		a.Due = billing.Money{Minor: total - paid, Currency: currency}
		if a.State == billing.InvoiceCarried {
			a.Due.Minor = 0
		}
		return a, nil
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func readAccounts(ctx context.Context, q sqldb.Tx, org, where string, args ...any) ([]billing.Account, error) {
	list, err := sqldb.All(ctx, q, "invoices", scanAccount(org), accountSelect+" WHERE org_id = $1 AND "+where, append([]any{org}, args...)...)
	out := make([]billing.Account, 0, len(list))
	for _, a := range list {
		out = append(out, a.Account)
	}
	return out, err
}

// Invoice returns the invoice of an id or number.
func (s *Store) Invoice(ctx context.Context, org, ref string) (billing.Account, error) {
	if err := sqldb.Storable(ref); err != nil {
		return billing.Account{}, fmt.Errorf("invoice: %w", err)
	}
	list, err := readAccounts(ctx, s.db.Read(), org, "(id = $2 OR number = $2)", ref)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("invoice %.100q: %w", ref, metering.ErrNotFound)
	}
	if err != nil {
		return billing.Account{}, err
	}
	return list[0], nil
}

// Invoices lists invoices, the newest first, those of one customer if it is
// given.
func (s *Store) Invoices(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Account, string, error) {
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	before := int64(1<<63 - 1)
	if cursor != "" {
		n, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return nil, "", fmt.Errorf("list invoices: cursor: %w", metering.ErrInvalid)
		}
		before = n
	}
	where, args := " WHERE org_id = $1 AND seq < $2", []any{org, before}
	if customer != "" {
		where, args = where+" AND customer = $3", append(args, customer)
	}
	list, err := sqldb.All(ctx, s.db.Read(), "list invoices", scanAccount(org), accountSelect+where+fmt.Sprintf(" ORDER BY seq DESC LIMIT %d", limit+1), args...)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(list) > limit {
		list = list[:limit]
		next = strconv.FormatInt(list[limit-1].seq, 10)
	}
	out := make([]billing.Account, 0, len(list))
	for _, a := range list {
		out = append(out, a.Account)
	}
	return out, next, nil
}

// Document returns the bytes of an invoice as they were issued.
func (s *Store) Document(ctx context.Context, org, id string) (document []byte, sha string, err error) {
	err = s.db.Read().Row(ctx, `SELECT document, sha256 FROM invoices WHERE org_id = $1 AND id = $2`, org, id).Scan(&document, &sha)
	return document, sha, sqldb.Absent(err, fmt.Sprintf("invoice %.100q", id))
}
