package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// productsPage lists products.
type productsPage struct {
	Products   []productRow
	Meters     []metering.Meter // that can be priced
	Currencies []billing.Currency
	Pager      page.Pager
	Done       string
	Form       form
	New        bool // the form is open: it was asked for, or there is nothing else
}

// productRow is a product and the prices that are in force.
type productRow struct {
	billing.Product
	Now []pricedMeter
}

// pricedMeter is a price and the name of what it is for.
type pricedMeter struct {
	Meter string
	billing.Price
}

// currencies are those that the form offers first; any other of ISO 4217 can be
// typed.
func currencies() []billing.Currency {
	return []billing.Currency{"USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD", "INR", "SEK", "NOK", "DKK", "PLN", "BRL"}
}

func (b *billingPages) showProducts(w http.ResponseWriter, r *http.Request) {
	b.renderProducts(w, r, form{}, http.StatusOK)
}

func (b *billingPages) renderProducts(w http.ResponseWriter, r *http.Request, f form, status int) {
	products, next, err := b.Store.Products(r.Context(), b.org(r), listed, r.URL.Query().Get("cursor"))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	meters, names, err := b.meters(r.Context(), b.org(r))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data := productsPage{Meters: meters, Currencies: currencies(), Done: doneText(r), Form: f}
	for _, p := range products {
		row := productRow{Product: p}
		for _, m := range p.Meters() {
			if v, ok := billing.InForce(p.Versions(m), b.instant()); ok {
				row.Now = append(row.Now, pricedMeter{names[m], v})
			}
		}
		data.Products = append(data.Products, row)
	}
	data.New = f.Name == "product" || len(products) == 0
	if data.Pager, err = b.pager(r, next); err != nil {
		b.site.Fail(w, r, err)
		return
	}
	b.site.Render(w, r, status, "billing-products", data)
}

// pager leads through a list.
func (b *billingPages) pager(r *http.Request, next string) (p page.Pager, err error) {
	if r.URL.Query().Get("cursor") != "" {
		if p.First, err = page.Query(r.URL, "done", ""); err != nil {
			return p, err
		}
	}
	if next != "" {
		p.Next, err = page.Query(r.URL, "cursor", next, "done", "")
	}
	return p, err
}

func (b *billingPages) createProduct(w http.ResponseWriter, r *http.Request) {
	p, err := b.productForm(r)
	if err == nil {
		p, err = b.Store.CreateProduct(r.Context(), p)
		err = taken(err)
	}
	if err != nil {
		b.refused(w, r, "product", err, func(f form, status int) { b.renderProducts(w, r, f, status) })
		return
	}
	b.done(w, r, "/products/"+p.ID, "product")
}

// taken explains a clash of names.
func taken(err error) error {
	if errors.Is(err, metering.ErrConflict) {
		return fmt.Errorf("there is another product of this name: %w", metering.ErrConflict)
	}
	return err
}

// productForm reads a product with its first price.
func (b *billingPages) productForm(r *http.Request) (billing.Product, error) {
	p := billing.Product{
		Org: b.org(r), Name: strings.TrimSpace(r.PostFormValue("name")), TrialUsage: billing.TrialRule(r.PostFormValue("trial_usage")), Created: b.instant(),
	}
	if !utf8.ValidString(p.Name) {
		return p, invalid("the name is not text")
	}
	if p.TrialUsage == "" {
		p.TrialUsage = billing.TrialFree
	}
	months, err := wholeField(r, "months", 1)
	if err != nil {
		return p, err
	}
	days, err := wholeField(r, "trial_days", 0)
	if err != nil {
		return p, err
	}
	if months < 1 || months > 12 || days < 0 || days > 366 {
		return p, invalid("a period has 1, 3, 6 or 12 months and a trial at most 366 days")
	}
	p.Months, p.TrialDays = int(months), int(days)
	price, err := priceForm(r)
	p.Prices = []billing.Price{price}
	return p, err
}

// priceForm reads a price. Its instant is in UTC.
func priceForm(r *http.Request) (billing.Price, error) {
	p := billing.Price{
		Meter: r.PostFormValue("meter"), Model: billing.PriceModel(r.PostFormValue("model")),
		Currency: billing.Currency(strings.ToUpper(strings.TrimSpace(r.PostFormValue("currency")))),
	}
	if p.Model == "" {
		p.Model = billing.PerUnit
	}
	if strings.TrimSpace(r.PostFormValue("amount")) == "" {
		return p, invalid("a price needs an amount; 0 is one")
	}
	var err error
	if p.Amount, err = numberField(r, "amount"); err != nil {
		return p, err
	}
	if p.Per, err = wholeField(r, "per", 1); err != nil {
		return p, err
	}
	if p.Included, err = numberField(r, "included"); err != nil {
		return p, err
	}
	zone, err := zoneOf("")
	if err != nil {
		return p, err
	}
	p.From, err = instantField(r, "from", zone)
	return p, err
}
