package console

import (
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/metering"
)

// productPage is one product.
type productPage struct {
	Product  billing.Product
	Meters   []metering.Meter // that a version can be for
	Priced   []pricedVersions
	Currency billing.Currency
	Test     *quantityTest
	Done     string
	Form     form
}

// pricedVersions are the versions of the price of one meter, the newest first.
type pricedVersions struct {
	Meter, Name string
	Versions    []priceVersion
}

// priceVersion is a version with its place in time and what it changed.
type priceVersion struct {
	billing.Price
	Number int             // from 1, the oldest
	Until  metering.Micros // zero: until there is another one
	State  string          // "in force", "comes into force", "was in force"
	Kind   string          // of the badge
	Diff   []string
}

// PerMillion is the amount for a million units, where it ends as a decimal and
// says more than the price itself.
func (v priceVersion) PerMillion() string { return perMillion(v.Price) }

func perMillion(p billing.Price) string {
	if p.Per == 1_000_000 || p.Per < 1 || p.Model != billing.PerUnit {
		return ""
	}
	r := p.Amount.Rat()
	r.Mul(r, big.NewRat(1_000_000, p.Per))
	if text := rating.Decimal(r); !strings.Contains(text, "/") {
		return text
	}
	return ""
}

// versionsOf are the versions of one meter.
func versionsOf(p billing.Product, meter, name string, now metering.Micros) pricedVersions {
	out := pricedVersions{Meter: meter, Name: name}
	versions := p.Versions(meter)
	billing.SortPrices(versions)
	current, _ := billing.InForce(versions, now)
	for i, v := range versions {
		row := priceVersion{Price: v, Number: i + 1, State: "was in force", Kind: "plain"}
		if i+1 < len(versions) {
			row.Until = versions[i+1].From
		}
		switch {
		case v.ID == current.ID:
			row.State, row.Kind = "in force", "ok"
		case v.From > now:
			row.State, row.Kind = "comes into force", "info"
		}
		if i > 0 {
			row.Diff = priceDiff(versions[i-1], v)
		}
		out.Versions = append(out.Versions, row)
	}
	slices.Reverse(out.Versions)
	return out
}

// priceDiff says what a version changed.
func priceDiff(was, is billing.Price) []string {
	var out []string
	if was.Model != is.Model {
		out = append(out, modelText(was.Model)+" → "+modelText(is.Model))
	}
	if was.Amount != is.Amount || was.Per != is.Per {
		text := fmt.Sprintf("%s per %d → %s per %d", was.Amount, was.Per, is.Amount, is.Per)
		if was.Amount.Compare(metering.Number{}) > 0 {
			before := new(big.Rat).Quo(was.Amount.Rat(), new(big.Rat).SetInt64(was.Per))
			after := new(big.Rat).Quo(is.Amount.Rat(), new(big.Rat).SetInt64(is.Per))
			change := after.Sub(after, before)
			change.Quo(change, before).Mul(change, big.NewRat(100, 1))
			sign := ""
			if change.Sign() >= 0 {
				sign = "+"
			}
			text += " (" + sign + change.FloatString(1) + " %)"
		}
		out = append(out, text)
	}
	if was.Included != is.Included {
		out = append(out, fmt.Sprintf("included %s → %s", was.Included, is.Included))
	}
	if out == nil {
		out = []string{"no change"}
	}
	return out
}

func modelText(m billing.PriceModel) string {
	if m == billing.PerPackage {
		return "whole packages"
	}
	return "exact fraction"
}

// quantityTest is what a quantity would cost.
type quantityTest struct {
	Quantity string // as it was typed
	Meter    string
	Fault    string
	Rows     []quantityRow
}

// quantityRow is what it would cost at one version.
type quantityRow struct {
	priceVersion
	rating.Result
	Quantity metering.Number
}

// test rates a quantity with every version of a meter, as a period would that
// has used nothing else.
func (p productPage) test(text, meter string) *quantityTest {
	t := &quantityTest{Quantity: text, Meter: meter}
	if text == "" {
		return t
	}
	n, err := parseNumber(text)
	if err != nil {
		t.Fault = plain(err)
		return t
	}
	for _, m := range p.Priced {
		if meter != "" && m.Meter != meter {
			continue
		}
		for _, v := range m.Versions {
			result, err := rating.Rate(v.Price, rating.Usage{Quantity: n})
			if err != nil {
				t.Fault = plain(err)
				return t
			}
			t.Rows = append(t.Rows, quantityRow{v, result, n})
		}
	}
	return t
}

// MeterName names the meter of a version.
func (p productPage) MeterName(id string) string {
	for _, m := range p.Priced {
		if m.Meter == id {
			return m.Name
		}
	}
	return id
}

func (b *billingPages) showProduct(w http.ResponseWriter, r *http.Request) {
	b.renderProduct(w, r, form{}, http.StatusOK)
}

func (b *billingPages) renderProduct(w http.ResponseWriter, r *http.Request, f form, status int) {
	p, err := b.Store.Product(r.Context(), b.org(r), r.PathValue("product"))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	meters, names, err := b.meters(r.Context(), b.org(r))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data := productPage{Product: p, Meters: meters, Done: doneText(r), Form: f, Currency: billing.USD}
	if len(p.Prices) > 0 {
		data.Currency = p.Prices[0].Currency
	}
	for _, m := range p.Meters() {
		data.Priced = append(data.Priced, versionsOf(p, m, names[m], b.instant()))
	}
	q := r.URL.Query()
	data.Test = data.test(q.Get("quantity"), q.Get("meter"))
	b.site.Render(w, r, status, "billing-product", data)
}

// changeProduct does something with the product of the path and leads back to
// its page.
func (b *billingPages) changeProduct(w http.ResponseWriter, r *http.Request, name, done string, do func(billing.Product) error) {
	p, err := b.Store.Product(r.Context(), b.org(r), r.PathValue("product"))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	if err := do(p); err != nil {
		b.refused(w, r, name, err, func(f form, status int) { b.renderProduct(w, r, f, status) })
		return
	}
	b.done(w, r, "/products/"+p.ID, done)
}

func (b *billingPages) addPrice(w http.ResponseWriter, r *http.Request) {
	b.changeProduct(w, r, "price", "price", func(p billing.Product) error {
		v, err := priceForm(r)
		if err != nil {
			return err
		}
		v.Product = p.ID
		_, err = b.Store.AddPrice(r.Context(), b.org(r), v, b.instant())
		return err
	})
}

func (b *billingPages) renameProduct(w http.ResponseWriter, r *http.Request) {
	b.changeProduct(w, r, "rename", "renamed", func(p billing.Product) error {
		return taken(b.Store.RenameProduct(r.Context(), b.org(r), p.ID, strings.TrimSpace(r.PostFormValue("name"))))
	})
}

func (b *billingPages) archiveProduct(w http.ResponseWriter, r *http.Request) {
	b.changeProduct(w, r, "archive", "archived", func(p billing.Product) error {
		if err := confirmed(r); err != nil {
			return err
		}
		return b.Store.ArchiveProduct(r.Context(), b.org(r), p.ID, b.instant())
	})
}
