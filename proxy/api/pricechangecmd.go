package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// PriceAdd adds prices.
type PriceAdd struct {
	Common   `embed:""`
	Provider string `help:"Whose price it is, as upstreams name it."`
	Model    string `help:"The vendor's id of the model; * for every model of the provider."`

	Input      string            `placeholder:"USD" help:"Price of a million input tokens."`
	Output     string            `placeholder:"USD" help:"Price of a million output tokens."`
	CacheRead  string            `placeholder:"USD" help:"Price of a million tokens read from the cache."`
	CacheWrite string            `placeholder:"USD" help:"Price of a million tokens written to the cache for five minutes; --price has the others."`
	Price      map[string]string `placeholder:"METER=USD" help:"Price of any other meter: cache_write_1h=5, web_search_requests=0.01; may be repeated."`
	Per        int64             `help:"For how many units the prices are. Default: 1,000,000 for tokens, else 1."`

	Tier       string   `help:"Only for this service tier, as answers report it: batch, flex, priority."`
	Region     string   `help:"Only for this inference region."`
	Deployment string   `help:"Only for this kind of deployment."`
	Speed      string   `help:"Only for this speed mode."`
	Above      int64    `help:"Only for calls with more than so many input tokens."`
	Calendar   string   `help:"Only in the hours of this calendar."`
	Attribute  []string `sep:"none" placeholder:"NAME=VALUE" help:"Only for calls with this attribute, such as quality=hd; may be repeated."`
	Plan       string   `help:"Only under this plan with the provider."`
	Any        []string `placeholder:"FACT" help:"It does not matter what these are: tier, region, endpoint, speed."`

	From    string   `placeholder:"WHEN" help:"Since when: an instant, a date or a span from now. Default: since ever."`
	To      string   `placeholder:"WHEN" help:"Until when, exclusive. Default: until the next one."`
	Status  string   `enum:",confirmed,promo,scheduled,provisional,regional" default:"" help:"confirmed, promo, scheduled, provisional or regional."`
	Alias   []string `help:"Another id that means the model; may be repeated."`
	Source  []string `help:"Where the price was read."`
	Account bool     `help:"Add to the account's layer, above the operator's: the prices of your own contract."`
	Note    string   `help:"What the change is about."`
	File    string   `short:"f" placeholder:"FILE" help:"Rows as JSON or YAML, {\"rates\":[…],\"skus\":[…],\"matches\":[…],\"modifiers\":[…]}; - is the standard input."`
}

// Run runs the command.
func (c *PriceAdd) Run(ctx context.Context, env *Env) error {
	n := NewPrices{Layer: catalogue.Operator, Note: c.Note}
	if c.Account {
		n.Layer = catalogue.Account
	}
	var err error
	if c.File != "" {
		n.Rows, err = c.read(env)
	} else {
		n.Rows, err = c.rows(env)
	}
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (PriceChange, error) { return cl.AddPrices(ctx, n) }, printPriceChange)
}

// read reads the file.
func (c *PriceAdd) read(env *Env) (catalogue.Rows, error) {
	if c.Provider != "" || c.Model != "" || len(c.prices()) > 0 {
		return catalogue.Rows{}, &UsageError{errors.New("--file and prices exclude each other: put them into the file")}
	}
	in := env.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return catalogue.Rows{}, &UsageError{err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxRowsBody))
	if err != nil {
		return catalogue.Rows{}, fmt.Errorf("read %s: %w", c.File, err)
	}
	rows, err := catalogue.DecodeYAML(text)
	if err != nil {
		return rows, &UsageError{fmt.Errorf("%s: %w", c.File, err)}
	}
	return rows, nil
}

// prices are those that flags name, by meter.
func (c *PriceAdd) prices() map[string]string {
	out := make(map[string]string, len(c.Price))
	maps.Copy(out, c.Price)
	for meter, price := range map[string]string{"input": c.Input, "output": c.Output, "cache_read": c.CacheRead, "cache_write_5m": c.CacheWrite} {
		if price != "" {
			out[meter] = price
		}
	}
	return out
}

// rows makes rows of the flags.
func (c *PriceAdd) rows(env *Env) (rows catalogue.Rows, err error) {
	prices := c.prices()
	if c.Provider == "" || c.Model == "" || len(prices) == 0 && len(c.Alias) == 0 {
		return rows, &UsageError{errors.New("give --provider, --model and a price such as --input 2.5, or a file with -f")}
	}
	w := catalogue.When{Tier: c.Tier, Region: c.Region, Endpoint: c.Deployment, Speed: c.Speed, Above: c.Above, Calendar: c.Calendar, Plan: c.Plan, Any: c.Any}
	for _, a := range c.Attribute {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return rows, &UsageError{fmt.Errorf("--attribute %q is not NAME=VALUE", a)}
		}
		w.Attributes = append(w.Attributes, catalogue.Attribute{Name: name, Values: strings.Split(value, ",")})
	}
	slices.SortFunc(w.Attributes, func(a, b catalogue.Attribute) int { return strings.Compare(a.Name, b.Name) })
	from, err := env.at("from", c.From, "")
	if err != nil {
		return rows, err
	}
	to, err := env.at("to", c.To, "")
	if err != nil {
		return rows, err
	}
	for _, meter := range slices.Sorted(maps.Keys(prices)) {
		price := prices[meter]
		rows.Rates = append(rows.Rates, catalogue.Rate{
			Provider: c.Provider, SKU: c.Model, Meter: meter, Price: &price, Per: c.Per, When: w,
			From: catalogue.Instant(from), To: catalogue.Instant(to), Status: catalogue.Status(c.Status), Sources: c.Source, Note: c.Note,
		})
	}
	for _, alias := range c.Alias {
		rows.Matches = append(rows.Matches, catalogue.Match{Provider: c.Provider, Type: catalogue.MatchExact, Pattern: alias, SKU: c.Model, Sources: c.Source})
	}
	return rows, nil
}

func printPriceChange(p *printer, d PriceChange) {
	p.row("layer", d.Layer)
	p.row("content", d.N)
	p.row("version", d.Version)
	p.row("book", d.Book)
	for _, id := range d.Added {
		p.row("added", id)
	}
	for _, id := range d.Superseded {
		p.row("superseded", id)
	}
	if d.Described > 0 {
		p.row("other rows changed", d.Described)
	}
	if len(d.Added) == 0 && d.Described == 0 {
		p.line("All of it was there already.")
	}
}

// PriceRemove takes a price out.
type PriceRemove struct {
	Common  `embed:""`
	Rate    string `arg:"" help:"Id of the rate; weir pricebook show prints it."`
	From    string `placeholder:"WHEN" help:"Since when nobody knows it. Default: it never held."`
	Restore bool   `help:"Only take back what was added: what lower layers say holds again."`
	Account bool   `help:"In the account's layer, above the operator's."`
	Note    string `help:"What the change is about."`
}

// Run runs the command.
func (c *PriceRemove) Run(ctx context.Context, env *Env) error {
	r := PriceRemoval{Rate: c.Rate, Layer: catalogue.Operator, Restore: c.Restore, Note: c.Note}
	if c.Account {
		r.Layer = catalogue.Account
	}
	at, err := env.at("from", c.From, "")
	if err != nil {
		return err
	}
	if at != 0 {
		r.From = &at
	}
	return ask(ctx, c.Common, env, func(cl *Client) (PriceChange, error) { return cl.RemovePrice(ctx, r) }, printPriceChange)
}
