// Package ledger is double-entry bookkeeping in its smallest form: transactions
// of postings that sum to zero in each unit. A transaction is named after what
// happened, so that it cannot be booked twice.
package ledger

import (
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Posting moves an amount of a unit into an account, out of it if negative.
type Posting struct {
	Account string
	Unit    string // a currency, or "meter:ID" for units of a meter
	Amount  metering.Number
}

// Transaction is what is booked at once.
type Transaction struct {
	ID       string // "grant:ID", "invoice:ID", "payment:ID", …: unique for ever
	At       metering.Micros
	Postings []Posting
}

// Accounts that customers and grants have.
const (
	revenue = "revenue"
	cash    = "cash"
)

func receivable(customer string) string { return "receivable:" + customer }
func remaining(grant string) string     { return "grant:" + grant }
func issued(grant string) string        { return "issued:" + grant }
func used(grant string) string          { return "used:" + grant }
func expired(grant string) string       { return "expired:" + grant }
func voided(grant string) string        { return "voided:" + grant }

// GrantAccounts are the accounts whose balances are those of a grant.
type GrantAccounts struct{ Remaining, Used, Expired, Voided string }

// AccountsOf names the accounts of a grant.
func AccountsOf(grant string) GrantAccounts {
	return GrantAccounts{remaining(grant), used(grant), expired(grant), voided(grant)}
}

// Unit is what a grant is counted in.
func Unit(g billing.Grant) string {
	if g.Meter != "" {
		return "meter:" + g.Meter
	}
	return string(g.Currency)
}

// Granted books a new grant.
func Granted(g billing.Grant) Transaction {
	return Transaction{"grant:" + g.ID, g.Created, move(issued(g.ID), remaining(g.ID), Unit(g), g.Issued)}
}

// Expired books what is left of a grant that has expired.
func Expired(g billing.Grant, at metering.Micros) Transaction {
	return Transaction{"expire:" + g.ID, at, move(remaining(g.ID), expired(g.ID), Unit(g), g.Remaining())}
}

// Voided books what is left of a grant that is taken back.
func Voided(g billing.Grant, at metering.Micros) Transaction {
	return Transaction{"void:" + g.ID, at, move(remaining(g.ID), voided(g.ID), Unit(g), g.Remaining())}
}

// Invoiced books an invoice: what was earned, the credit that paid for it and
// what the customer owes. A carried amount was booked with its own invoice.
func Invoiced(v billing.Invoice, grants map[string]billing.Grant) (Transaction, error) {
	t := Transaction{ID: "invoice:" + v.ID, At: v.Issued}
	var carried int64
	for _, l := range v.Lines {
		if l.Kind == billing.LineCarry {
			carried += l.Amount.Minor
		}
		for _, u := range l.Uses {
			g, ok := grants[u.Grant]
			if !ok {
				return t, fmt.Errorf("book invoice %s: grant %s is unknown: %w", v.ID, u.Grant, metering.ErrInvalid)
			}
			t.Postings = append(t.Postings, move(remaining(g.ID), used(g.ID), Unit(g), u.Amount)...)
		}
	}
	for _, u := range v.Uses {
		t.Postings = append(t.Postings, move(remaining(u.Grant), used(u.Grant), string(v.Currency), u.Amount)...)
	}
	money := func(account string, minor int64) {
		if minor != 0 {
			t.Postings = append(t.Postings, Posting{account, string(v.Currency), billing.Money{Minor: minor, Currency: v.Currency}.Units()})
		}
	}
	money(receivable(v.Customer.ID), v.Total.Minor-carried)
	money("credit:"+v.Customer.ID, v.Credit.Minor)
	money(revenue, carried-v.Subtotal.Minor)
	return t, nil
}

// Paid books a payment that the provider has taken.
func Paid(p billing.Payment, at metering.Micros) Transaction {
	return Transaction{"payment:" + p.ID, at, move(receivable(p.Customer), cash, string(p.Amount.Currency), p.Amount.Units())}
}

// move takes an amount out of one account into another.
func move(from, to, unit string, amount metering.Number) []Posting {
	return []Posting{{from, unit, amount.Neg()}, {to, unit, amount}}
}

// Check reports a transaction that does not sum to zero in each unit, or that
// has nothing in it.
func (t Transaction) Check() error {
	sums := make(map[string]metering.Number)
	for _, p := range t.Postings {
		sums[p.Unit] = sums[p.Unit].Add(p.Amount)
	}
	for unit, sum := range sums {
		if !sum.IsZero() {
			return fmt.Errorf("transaction %s sums to %s %s: %w", t.ID, sum, unit, metering.ErrInvalid)
		}
	}
	return nil
}
