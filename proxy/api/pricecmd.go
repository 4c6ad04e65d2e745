package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// PricebookCmd groups the commands about what providers charge.
type PricebookCmd struct {
	List     PriceList     `cmd:"" help:"List the prices in force."`
	Show     PriceShow     `cmd:"" help:"Show all prices of a model, past and to come, and where each is from."`
	Test     PriceTest     `cmd:"" help:"What a call would cost, and why."`
	Add      PriceAdd      `cmd:"" aliases:"create" help:"Add prices. What was there is superseded, never edited; nothing changes if the book would be broken."`
	Remove   PriceRemove   `cmd:"" help:"Take a price out: there is one, and nobody knows it."`
	Drift    PriceDrift    `cmd:"" help:"Prices that hold over others of lower layers."`
	Layers   PriceLayers   `cmd:"" help:"The layers that the book is made of, low to high."`
	Versions PriceVersions `cmd:"" help:"What contents a layer had, latest first."`
	Export   PriceExport   `cmd:"" help:"The rows of a layer, as JSON that add -f reads."`
	Rerate   PriceRerate   `cmd:"" help:"Price recorded events again that had no price, or an uncertain one. The difference is an adjustment; closed invoices stay."`
	Stated   PriceStated   `cmd:"" help:"What providers state that calls cost, beside what the book says."`
	Books    PriceBooks    `cmd:"" help:"The books that priced events, and the layers of each."`
	Feeds    PriceFeeds    `cmd:"" help:"The catalogues that prices are read from, and how the last look at each went."`
	Sync     PriceSyncCmd  `cmd:"" help:"Look at the catalogues now, and take what they say."`
	Held     PriceHeldCmd  `cmd:"" help:"Changes that a catalogue asks for and that wait for a person."`
	Approve  PriceApprove  `cmd:"" help:"Let a held change be taken."`
	Reject   PriceReject   `cmd:"" help:"Keep a held change from being taken, and from being asked again."`
}

// RateFlags choose prices.
type RateFlags struct {
	Provider string `help:"Only of this provider."`
	Model    string `help:"Only of this model: an id that calls use."`
	Layer    string `enum:",embedded,sync,overlay,file,operator,account" default:"" help:"Only of this layer: embedded, sync, overlay, file, operator or account."`
	At       string `placeholder:"WHEN" help:"In force at an instant, a date or a span from now. Default: now."`
}

func (f RateFlags) options(env *Env, page ListOptions) (PriceOptions, error) {
	at, err := env.when("at", f.At, "")
	return PriceOptions{ListOptions: page, Provider: f.Provider, Model: f.Model, Layer: f.Layer, At: at}, err
}

// PriceList lists prices.
type PriceList struct {
	Common    `embed:""`
	PageFlags `embed:""`
	RateFlags `embed:""`
}

// Run runs the command.
func (c *PriceList) Run(ctx context.Context, env *Env) error {
	o, err := c.RateFlags.options(env, c.PageFlags.options())
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Page[PriceEntry], error) { return cl.Prices(ctx, o) }, func(p *printer, page Page[PriceEntry]) {
		p.row("PROVIDER/MODEL", "METER", "PRICE USD", "CONDITIONS", "LAYER", "STATUS", "SINCE", "SOURCE")
		for _, e := range page.Items {
			r := &e.Rate
			p.row(r.Provider+"/"+r.SKU, r.Meter, priceText(r), conditions(&r.When), e.Layer, statusText(r), r.From, strings.Join(r.Sources, " "))
		}
		p.more(page.NextCursor)
	})
}

// priceText is a price and its unit: "2.5 per 1,000,000".
func priceText(r *catalogue.Rate) string {
	text := "unknown"
	switch {
	case r.Price == nil && r.Reason == "":
		return "removed"
	case r.Price == nil:
		return cmp.Or(r.Reason, text)
	case r.Per > 1:
		return *r.Price + " per " + grouped(fmt.Sprint(r.Per))
	}
	return *r.Price + " each"
}

func conditions(w *catalogue.When) string { return strings.Join(because(w), ", ") }

func statusText(r *catalogue.Rate) string {
	s := string(cmp.Or(r.Status, catalogue.StatusConfirmed))
	if r.Guaranteed != 0 {
		s += " until " + r.Guaranteed.String()
	}
	if r.Observed {
		s += ", observed"
	}
	return s
}

// PriceShow shows the prices of a model.
type PriceShow struct {
	Common `embed:""`
	Model  string `arg:"" placeholder:"PROVIDER/MODEL" help:"Provider, a slash and an id that calls use."`
	At     string `placeholder:"WHEN" help:"In force at an instant, a date or a span from now. Default: now."`
}

// Run runs the command.
func (c *PriceShow) Run(ctx context.Context, env *Env) error {
	provider, model, ok := strings.Cut(c.Model, "/")
	if !ok || provider == "" || model == "" {
		return &UsageError{errors.New("name the model as PROVIDER/MODEL, such as openai/gpt-4o")}
	}
	at, err := env.when("at", c.At, "")
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (ModelPrices, error) { return cl.ModelPrices(ctx, provider, model, at) }, printModelPrices)
}

func printModelPrices(p *printer, m ModelPrices) {
	p.row("model", m.SKU.Provider+"/"+m.SKU.SKU)
	p.optional("kind", m.SKU.Kind)
	p.optional("variant of", m.SKU.Base)
	if m.SKU.Context > 0 {
		p.row("context", m.SKU.Context)
	}
	p.row("found by", matchText(&m.FoundBy))
	p.optional("deprecated", m.SKU.Deprecated.String())
	p.optional("retired", m.SKU.Retired.String())
	p.optional("note", m.SKU.Note)
	p.row("book", m.Book)
	for _, x := range m.Matches {
		p.row("id", matchText(&x.Match), "layer "+x.Layer.String())
	}
	p.row("METER", "PRICE USD", "CONDITIONS", "LAYER", "STATUS", "FROM", "TO", "NOW", "OVER", "RATE")
	for _, e := range m.Rates {
		r := &e.Rate
		now := "-"
		if e.InForce {
			now = "holds"
		}
		p.row(r.Meter, priceText(r), conditions(&r.When), e.Layer, statusText(r), r.From, r.To, now, e.Over, r.ID)
	}
	for _, x := range m.Modifiers {
		p.row("× "+x.Multiply, strings.Join(x.Meters, " "), conditions(&x.When), x.ID)
	}
}

func matchText(m *catalogue.Match) string {
	text := string(m.Type) + " " + m.Pattern
	if m.Region != "" {
		text += ", region " + m.Region
	}
	if m.Endpoint != "" {
		text += ", deployment " + m.Endpoint
	}
	return text
}

// PriceDrift lists drift.
type PriceDrift struct {
	Common    `embed:""`
	PageFlags `embed:""`
	RateFlags `embed:""`
}

// Run runs the command.
func (c *PriceDrift) Run(ctx context.Context, env *Env) error {
	o, err := c.RateFlags.options(env, c.PageFlags.options())
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Drift], error) { return cl.Drift(ctx, o) }, func(p *printer, page Page[Drift]) {
		p.row("PROVIDER/MODEL", "METER", "CONDITIONS", "LAYER", "PRICE USD", "OVER", "PRICE USD", "RATE")
		for _, d := range page.Items {
			r := &d.Rate
			p.row(r.Provider+"/"+r.SKU, r.Meter, conditions(&r.When), d.Layer, priceText(r), d.OverLayer, priceText(&d.Over), r.ID)
		}
		p.more(page.NextCursor)
	})
}

// PriceLayers lists layers.
type PriceLayers struct {
	Common `embed:""`
}

// Run runs the command.
func (c *PriceLayers) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[LayerVersion], error) { return cl.PriceLayers(ctx) }, printLayerVersions)
}

func printLayerVersions(p *printer, page Page[LayerVersion]) {
	p.row("LAYER", "N", "VERSION", "MODELS", "RATES", "MODIFIERS", "BYTES", "SINCE", "IN USE", "NOTE")
	for _, v := range page.Items {
		use := "-"
		if v.InUse {
			use = "yes"
		}
		p.row(v.Layer, v.N, v.Version, v.Rows.SKUs, v.Rows.Rates, v.Rows.Modifiers, v.Size, v.At, use, v.Note)
	}
	p.more(page.NextCursor)
}

// PriceVersions lists the contents of a layer.
type PriceVersions struct {
	Common    `embed:""`
	PageFlags `embed:""`
	Layer     string `arg:"" help:"embedded, sync, overlay, file, operator or account."`
}

// Run runs the command.
func (c *PriceVersions) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[LayerVersion], error) { return cl.LayerVersions(ctx, c.Layer, c.options()) }, printLayerVersions)
}

// PriceExport prints the rows of a layer.
type PriceExport struct {
	Common  `embed:""`
	Layer   string `arg:"" help:"embedded, sync, overlay, file, operator or account."`
	Version string `default:"latest" help:"A version of it; latest is the one in use."`
}

// Run runs the command. It prints JSON in any case.
func (c *PriceExport) Run(ctx context.Context, env *Env) error {
	client, _, err := c.connect(env)
	if err != nil {
		return err
	}
	l, err := client.LayerContent(ctx, c.Layer, c.Version)
	if err != nil {
		return hint(err)
	}
	c.JSON = true
	return c.print(env, l.Rows, nil)
}

// PriceBooks lists books.
type PriceBooks struct {
	Common    `embed:""`
	PageFlags `embed:""`
}

// Run runs the command.
func (c *PriceBooks) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[PriceBook], error) { return cl.PriceBooks(ctx, c.options()) }, func(p *printer, page Page[PriceBook]) {
		p.row("BOOK", "FIRST USED", "IN USE", "LAYERS")
		for _, b := range page.Items {
			use := "-"
			if b.InUse {
				use = "yes"
			}
			layers := make([]string, len(b.Layers))
			for i, l := range b.Layers {
				layers[i] = l.String()
			}
			p.row(b.Version, b.FirstUsed, use, strings.Join(layers, " "))
		}
		p.more(page.NextCursor)
	})
}
