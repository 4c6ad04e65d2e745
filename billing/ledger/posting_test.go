package ledger_test

import (
	"errors"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/ledger"
	"github.com/weirhq/weir/metering"
)

func usd(minor int64) billing.Money { return billing.Money{Minor: minor, Currency: billing.USD} }

// TestCheck refuses what does not sum to zero in each unit, B12.
func TestCheck(t *testing.T) {
	t.Parallel()
	one, less := metering.NumberOf(1), metering.NumberOf(-1)
	for name, tt := range map[string]struct {
		postings []ledger.Posting
		ok       bool
	}{
		"balanced":           {[]ledger.Posting{{"a", "USD", one}, {"b", "USD", less}}, true},
		"one side":           {[]ledger.Posting{{"a", "USD", one}}, false},
		"across two units":   {[]ledger.Posting{{"a", "USD", one}, {"b", "EUR", less}}, false},
		"a pico too much":    {[]ledger.Posting{{"a", "USD", one}, {"b", "USD", less.Add(metering.Number{Picos: 1})}}, false},
		"balanced in either": {[]ledger.Posting{{"a", "USD", one}, {"b", "EUR", one}, {"c", "USD", less}, {"d", "EUR", less}}, true},
	} {
		err := ledger.Transaction{ID: name, Postings: tt.postings}.Check()
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInvoiced: what an invoice books balances, with credit of either kind and
// an amount that an earlier invoice has booked, and the customer owes its total.
func TestInvoiced(t *testing.T) {
	t.Parallel()
	v := billing.Invoice{
		ID: "i", Customer: billing.Party{ID: "acme"}, Currency: billing.USD, Subtotal: usd(730), Credit: usd(200), Total: usd(530),
		Uses: []billing.CreditUse{{Grant: "money", Amount: metering.NumberOf(2)}},
		Lines: []billing.Line{
			{Kind: billing.LineUsage, Amount: usd(700), Uses: []billing.CreditUse{{Grant: "units", Amount: metering.NumberOf(100)}}},
			{Kind: billing.LineCarry, Amount: usd(30)},
		},
	}
	grants := map[string]billing.Grant{"units": {ID: "units", Meter: "m"}, "money": {ID: "money", Currency: billing.USD}}
	booked, err := ledger.Invoiced(v, grants)
	if err != nil || booked.Check() != nil {
		t.Fatalf("%v, %v", err, booked.Check())
	}
	sums := make(map[string]string)
	for _, p := range booked.Postings {
		sums[p.Account+" "+p.Unit] = p.Amount.String()
	}
	for account, want := range map[string]string{
		"receivable:acme USD": "5", "revenue USD": "-7", "credit:acme USD": "2", "grant:units meter:m": "-100", "used:units meter:m": "100",
		"grant:money USD": "-2", "used:money USD": "2",
	} {
		if sums[account] != want {
			t.Errorf("%s: %q, want %q", account, sums[account], want)
		}
	}
	if _, err := ledger.Invoiced(v, nil); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a grant that nobody knows: %v", err)
	}
}
