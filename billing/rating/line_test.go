package rating_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/metering"
)

func number(t testing.TB, s string) metering.Number {
	t.Helper()
	n, err := metering.ParseNumber(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRate holds amounts to the last digit, P12.
func TestRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                     string
		model                    billing.PriceModel
		currency                 billing.Currency
		amount                   string
		per                      int64
		included, quantity       string
		charged, exact, rounding string
		want                     string
	}{
		{"the guide's price", billing.PerUnit, "USD", "0.01", 1000, "0", "1234567", "1234567", "12.34567", "0.00433", "12.35 USD"},
		{"packages", billing.PerPackage, "USD", "0.01", 1000, "0", "1234567", "1234567", "12.35", "0", "12.35 USD"},
		{"a whole package is not two", billing.PerPackage, "USD", "0.01", 1000, "0", "2000", "2000", "0.02", "0", "0.02 USD"},
		{"half a cent is a cent", billing.PerUnit, "USD", "0.01", 1000, "0", "500", "500", "0.005", "0.005", "0.01 USD"},
		{"less is none", billing.PerUnit, "USD", "0.01", 1000, "0", "499", "499", "0.00499", "-0.00499", "0.00 USD"},
		{"nothing", billing.PerPackage, "USD", "0.01", 1000, "0", "0", "0", "0", "0", "0.00 USD"},
		{"included", billing.PerUnit, "EUR", "0.02", 1000, "1000000", "1234567", "234567", "4.69134", "-0.00134", "4.69 EUR"},
		{"less than included", billing.PerUnit, "EUR", "0.02", 1000, "1000000", "999999", "0", "0", "0", "0.00 EUR"},
		{"a negative quantity", billing.PerUnit, "USD", "1", 1, "0", "-5", "0", "0", "0", "0.00 USD"},
		{"yen", billing.PerUnit, "JPY", "1.5", 1000, "0", "1000", "1000", "1.5", "0.5", "2 JPY"},
		{"dinar", billing.PerUnit, "KWD", "0.0005", 1, "0", "1", "1", "0.0005", "0.0005", "0.001 KWD"},
		{"fractions of a unit", billing.PerUnit, "USD", "0.006", 60, "0", "90.5", "90.5", "0.00905", "0.00095", "0.01 USD"},
		{"no end as a decimal", billing.PerUnit, "USD", "1", 3, "0", "1", "1", "1/3", "-1/300", "0.33 USD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := billing.Price{ID: "p", Model: tt.model, Currency: tt.currency, Amount: number(t, tt.amount), Per: tt.per, Included: number(t, tt.included)}
			line, err := rating.Rate(p, rating.Usage{Quantity: number(t, tt.quantity)})
			if err != nil {
				t.Fatal(err)
			}
			if line.Charged.String() != tt.charged || line.Exact != tt.exact || line.Rounding != tt.rounding || line.Amount.String() != tt.want {
				t.Errorf("charged %s, exact %s, rounding %s, amount %s; want %s, %s, %s, %s",
					line.Charged, line.Exact, line.Rounding, line.Amount, tt.charged, tt.exact, tt.rounding, tt.want)
			}
		})
	}
}

// TestRate_refuses: what cannot be charged is an error and never an amount.
func TestRate_refuses(t *testing.T) {
	t.Parallel()
	good := billing.Price{ID: "p", Model: billing.PerUnit, Currency: "USD", Amount: number(t, "1"), Per: 1}
	for name, spoil := range map[string]func(*billing.Price, *metering.Number, *billing.Money){
		"unknown currency":  func(p *billing.Price, _ *metering.Number, _ *billing.Money) { p.Currency = "XXX" },
		"negative price":    func(p *billing.Price, _ *metering.Number, _ *billing.Money) { p.Amount = metering.NumberOf(-1) },
		"per nothing":       func(p *billing.Price, _ *metering.Number, _ *billing.Money) { p.Per = 0 },
		"no model":          func(p *billing.Price, _ *metering.Number, _ *billing.Money) { p.Model = "" },
		"negative included": func(p *billing.Price, _ *metering.Number, _ *billing.Money) { p.Included = metering.NumberOf(-1) },
		"beyond int64":      func(_ *billing.Price, q *metering.Number, _ *billing.Money) { q.Units = 1<<63 - 1 },
		"billed in euros": func(_ *billing.Price, _ *metering.Number, b *billing.Money) {
			*b = billing.Money{Minor: 1, Currency: "EUR"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, q, b := good, metering.NumberOf(1), billing.Money{}
			spoil(&p, &q, &b)
			if line, err := rating.Rate(p, rating.Usage{Quantity: q, Billed: b}); err == nil {
				t.Errorf("rated: %+v", line)
			}
		})
	}
}

// TestRate_split: however a period is cut into lines, they sum to the line of
// the whole, B08; more usage never costs less, B10; and the whole is the naive
// computation, B07.
func TestRate_split(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := billing.Price{
			ID: "p", Model: rapid.SampledFrom([]billing.PriceModel{billing.PerUnit, billing.PerPackage}).Draw(t, "model"),
			Currency: rapid.SampledFrom([]billing.Currency{"USD", "JPY", "KWD", "CLF"}).Draw(t, "currency"),
			Amount:   metering.Number{Units: rapid.Int64Range(0, 9).Draw(t, "units"), Picos: rapid.Int64Range(0, metering.PicosPerUnit-1).Draw(t, "picos")},
			Per:      rapid.Int64Range(1, 100_000).Draw(t, "per"),
			Included: metering.NumberOf(rapid.Int64Range(0, 1000).Draw(t, "included")),
		}
		var sum, last int64
		var quantity metering.Number
		billed := billing.Money{}
		for range rapid.IntRange(1, 10).Draw(t, "parts") {
			quantity = quantity.Add(metering.Number{Units: rapid.Int64Range(0, 1_000_000).Draw(t, "part"), Picos: rapid.Int64Range(0, metering.PicosPerUnit-1).Draw(t, "fraction")})
			line, err := rating.Rate(p, rating.Usage{Quantity: quantity, Billed: billed})
			if err != nil {
				t.Fatal(err)
			}
			if line.Amount.Minor < 0 {
				t.Fatalf("more usage costs %s less", line.Amount)
			}
			sum += line.Amount.Minor
			billed = billing.Money{Minor: sum, Currency: p.Currency}
		}
		whole, err := rating.Rate(p, rating.Usage{Quantity: quantity})
		if err != nil {
			t.Fatal(err)
		}
		last = naive(t, p, quantity)
		if whole.Amount.Minor != sum || whole.Amount.Minor != last {
			t.Fatalf("whole %d, parts %d, naive %d", whole.Amount.Minor, sum, last)
		}
	})
}

// naive computes in integers of the smallest unit there is, 1e-24, by long
// division.
func naive(t *rapid.T, p billing.Price, quantity metering.Number) int64 {
	big12 := func(n metering.Number) *big.Int {
		v := new(big.Int).Mul(big.NewInt(n.Units), big.NewInt(metering.PicosPerUnit))
		return v.Add(v, big.NewInt(n.Picos))
	}
	units := new(big.Int).Sub(big12(quantity), big12(p.Included))
	if units.Sign() < 0 {
		units.SetInt64(0)
	}
	per := new(big.Int).Mul(big.NewInt(p.Per), big.NewInt(metering.PicosPerUnit))
	decimals, err := p.Currency.Decimals()
	if err != nil {
		t.Fatal(err)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	top := new(big.Int).Mul(units, big12(p.Amount))
	bottom := new(big.Int).Mul(per, big.NewInt(metering.PicosPerUnit))
	if p.Model == billing.PerPackage {
		packages, rest := new(big.Int).QuoRem(units, per, new(big.Int))
		if rest.Sign() > 0 {
			packages.Add(packages, big.NewInt(1))
		}
		top, bottom = packages.Mul(packages, big12(p.Amount)), big.NewInt(metering.PicosPerUnit)
	}
	top.Mul(top, scale)
	q, rest := new(big.Int).QuoRem(top, bottom, new(big.Int))
	if rest.Lsh(rest, 1).Cmp(bottom) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	return q.Int64()
}
