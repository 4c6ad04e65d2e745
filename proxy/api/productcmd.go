package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirhq/weir/billing"
)

// ProductCmd groups the commands about products.
type ProductCmd struct {
	Add     ProductAdd     `cmd:"" aliases:"create" help:"Create a product."`
	List    ProductList    `cmd:"" help:"List products."`
	Show    ProductShow    `cmd:"" help:"Show a product with every version of its prices."`
	Update  ProductUpdate  `cmd:"" help:"Rename a product."`
	Archive ProductArchive `cmd:"" help:"Archive a product: nobody subscribes to it from then on, subscriptions go on."`
	Price   ProductPrice   `cmd:"" help:"Add a version of a price, from now on or later. What was used before keeps its price."`
}

// PriceFlags are a price.
type PriceFlags struct {
	Price    string `placeholder:"AMOUNT" help:"What --per units cost, an exact decimal, e.g. 0.01."`
	Per      int64  `default:"1" help:"For how many units the price is, e.g. 1000."`
	Currency string `default:"USD" help:"Of the price, ISO 4217."`
	Included string `placeholder:"N" help:"Units of each period that cost nothing."`
	Model    string `enum:"per_unit,per_package" default:"per_unit" help:"per_unit charges exact fractions, per_package whole packages of --per units."`
}

func (f PriceFlags) price(meter string) NewPrice {
	return NewPrice{
		Meter: meter, Model: billing.PriceModel(f.Model), Amount: f.Price, Per: f.Per, Included: f.Included,
		Currency: billing.Currency(f.Currency),
	}
}

// ProductAdd creates a product.
type ProductAdd struct {
	Common     `embed:""`
	Name       string `required:"" help:"Its name, unique."`
	Meter      string `help:"Meter that is charged: id or name. More of them: weir product price."`
	PriceFlags `embed:""`
	Interval   string `enum:"1mo,3mo,6mo,12mo" default:"1mo" help:"Length of a period: 1mo, 3mo, 6mo or 12mo."`
	TrialDays  int    `name:"trial-days" help:"Days of trial from the start of a subscription."`
	TrialUsage string `name:"trial-usage" enum:"free,billed" default:"free" help:"What becomes of usage during the trial: free or billed."`
}

// Run runs the command.
func (c *ProductAdd) Run(ctx context.Context, env *Env) error {
	n := NewProduct{Name: c.Name, Interval: c.Interval, TrialDays: c.TrialDays, TrialUsage: billing.TrialRule(c.TrialUsage)}
	if (c.Meter == "") != (c.Price == "") {
		return &UsageError{errors.New("--meter and --price go together")}
	}
	if c.Meter != "" {
		n.Prices = []NewPrice{c.price(c.Meter)}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Product, error) { return cl.CreateProduct(ctx, n) }, printProduct)
}

func printProduct(p *printer, it Product) {
	p.row("product", it.Name)
	p.row("id", it.ID)
	p.row("period", it.Interval)
	if it.TrialDays > 0 {
		p.row("trial", fmt.Sprintf("%d days, usage %s", it.TrialDays, it.TrialUsage))
	}
	p.row("created", it.CreatedAt)
	if it.ArchivedAt != 0 {
		p.row("archived", it.ArchivedAt)
	}
	for _, v := range it.Prices {
		printPrice(p, v)
	}
}

func printPrice(p *printer, v Price) {
	p.row("price", v.Meter, priced(v), "from "+since(v.From), v.ID)
}

// priced writes a price the way one reads it: "0.01 USD per 1,000, 5,000 included".
func priced(v Price) string {
	text := fmt.Sprintf("%s %s per %s", v.Amount, v.Currency, grouped(fmt.Sprint(v.Per)))
	if v.Model == billing.PerPackage {
		text += ", whole packages"
	}
	if !v.Included.IsZero() {
		text += fmt.Sprintf(", %s included", grouped(v.Included.String()))
	}
	return text
}

func since(from Instant) string {
	if from == 0 {
		return "the beginning"
	}
	return from.String()
}

// ProductList lists products.
type ProductList struct {
	Common    `embed:""`
	PageFlags `embed:""`
}

// Run runs the command.
func (c *ProductList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Product], error) { return cl.Products(ctx, c.options()) },
		func(p *printer, page Page[Product]) {
			p.row("NAME", "PERIOD", "METER", "PRICE", "ARCHIVED", "ID")
			for _, it := range page.Items {
				if len(it.Prices) == 0 {
					p.row(it.Name, it.Interval, "", "", it.ArchivedAt, it.ID)
				}
				for _, v := range current(it.Prices, instantOf(env.Now())) {
					p.row(it.Name, it.Interval, v.Meter, priced(v), it.ArchivedAt, it.ID)
				}
			}
			p.more(page.NextCursor)
		})
}

// current keeps of each meter the version that is in force, or the first if none
// is yet. Versions are ordered by meter and instant.
func current(versions []Price, now Instant) []Price {
	var out []Price
	for _, v := range versions {
		switch last := len(out) - 1; {
		case last < 0 || out[last].MeterID != v.MeterID:
			out = append(out, v)
		case v.From <= now:
			out[last] = v
		}
	}
	return out
}

// ProductShow shows a product.
type ProductShow struct {
	Common  `embed:""`
	Product string `arg:"" help:"Id or name."`
}

// Run runs the command.
func (c *ProductShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Product, error) { return cl.Product(ctx, c.Product) }, printProduct)
}

// ProductUpdate renames a product.
type ProductUpdate struct {
	Common  `embed:""`
	Product string `arg:"" help:"Id or name."`
	Name    string `required:"" help:"New name. Prices change by weir product price; periods and trials are part of running contracts."`
}

// Run runs the command.
func (c *ProductUpdate) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Product, error) { return cl.RenameProduct(ctx, c.Product, c.Name) }, printProduct)
}

// ProductArchive archives a product.
type ProductArchive struct {
	Common  `embed:""`
	Product string `arg:"" help:"Id or name."`
}

// Run runs the command.
func (c *ProductArchive) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Product, error) { return cl.ArchiveProduct(ctx, c.Product) }, printProduct)
}

// ProductPrice adds a version of a price.
type ProductPrice struct {
	Common     `embed:""`
	Product    string `arg:"" help:"Id or name."`
	Meter      string `required:"" help:"Meter that is charged: id or name."`
	PriceFlags `embed:""`
	From       string `placeholder:"WHEN" help:"From when: an instant, a date, or a span like +7d. Default: now."`
	Zone       string `placeholder:"ZONE" help:"Time zone of dates, e.g. Europe/Berlin. Default: UTC."`
}

// Run runs the command.
func (c *ProductPrice) Run(ctx context.Context, env *Env) error {
	n := c.price(c.Meter)
	if n.Amount == "" {
		return &UsageError{errors.New("--price is missing: what --per units cost")}
	}
	var err error
	if n.From, err = env.at("from", c.From, c.Zone); err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Price, error) { return cl.AddPrice(ctx, c.Product, n) }, printPrice)
}
