package billing_test

import (
	"math/big"
	"testing"

	"github.com/weirhq/weir/billing"
)

func TestRound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		amount   string
		currency billing.Currency
		want     string
	}{
		{"0.005", "USD", "0.01 USD"}, {"-0.005", "USD", "-0.01 USD"}, {"0.0049999", "USD", "0.00 USD"}, {"-0.0049999", "USD", "0.00 USD"},
		{"1851", "USD", "1851.00 USD"}, {"2.5", "JPY", "3 JPY"}, {"-2.5", "JPY", "-3 JPY"}, {"0.00005", "CLF", "0.0001 CLF"}, {"-1234.5", "EUR", "-1234.50 EUR"},
	} {
		r, ok := new(big.Rat).SetString(tt.amount)
		if !ok {
			t.Fatal(tt.amount)
		}
		m, added, err := billing.Round(r, tt.currency)
		if err != nil || m.String() != tt.want {
			t.Errorf("%s %s: %s, %v; want %s", tt.amount, tt.currency, m, err, tt.want)
			continue
		}
		back, ok := new(big.Rat).SetString(m.Decimal())
		if !ok || back.Sub(back, added).Cmp(r) != 0 {
			t.Errorf("%s %s: %s less what rounding added, %s, is not the amount", tt.amount, tt.currency, m, added)
		}
	}
	if m, _, err := billing.Round(big.NewRat(1, 1), "usd"); err == nil {
		t.Errorf("a currency that is none rounds to %s", m)
	}
}
