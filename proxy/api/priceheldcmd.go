package api

import (
	"cmp"
	"context"
	"fmt"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// PriceFeeds lists feeds.
type PriceFeeds struct {
	Common `embed:""`
}

// Run runs the command.
func (c *PriceFeeds) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[PriceFeed], error) { return cl.PriceFeeds(ctx) }, func(p *printer, page Page[PriceFeed]) {
		p.row("FEED", "SHAPE", "MODELS", "READ", "CONFIRMED", "ASKED", "FAILURES", "FAILURE")
		for _, f := range page.Items {
			p.row(f.URL, f.Shape, f.Models, f.Read, f.Confirmed, f.Asked, f.Failures, f.Failure)
		}
	})
}

// PriceSyncCmd looks at the feeds.
type PriceSyncCmd struct {
	Common `embed:""`
	DryRun bool `help:"Only say what would change."`
}

// Run runs the command.
func (c *PriceSyncCmd) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (PriceSync, error) { return cl.SyncPrices(ctx, c.DryRun) }, printSync)
}

func printSync(p *printer, s PriceSync) {
	p.row("FEED", "CHANGED", "MODELS", "HELD", "FAILURE")
	for _, f := range s.Feeds {
		changed := "no"
		if f.Changed {
			changed = "yes"
		}
		p.row(f.URL, changed, f.Models, f.Held, f.Failure)
	}
	if len(s.Changes) > 0 {
		p.row("PROVIDER/MODEL", "METER", "CONDITIONS", "OLD", "NEW", "PER", " ")
	}
	for _, d := range s.Changes {
		p.row(priceName(d.Provider, d.SKU), d.Meter, conditions(&d.When), orNone(d.Old), orNone(d.New), grouped(fmt.Sprint(d.Per)), diffText(s.DryRun, d.Held))
	}
	if s.More > 0 {
		p.line("and %d more", s.More)
	}
	if len(s.Changes) == 0 {
		p.line("No price has changed.")
	}
	if s.DryRun {
		p.line("Nothing was changed: this was a dry run.")
	}
}

func diffText(dry bool, held string) string {
	switch {
	case held != "":
		return "held: " + held
	case dry:
		return "would be taken"
	default:
		return "taken"
	}
}

func orNone(price *string) string {
	if price == nil {
		return "none"
	}
	return *price
}

// PriceHeldCmd lists held changes.
type PriceHeldCmd struct {
	Common    `embed:""`
	PageFlags `embed:""`
	State     string `default:"open" help:"open, approved, rejected, applied, withdrawn, some of them with commas between, or all."`
}

// Run runs the command.
func (c *PriceHeldCmd) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[HeldPrice], error) { return cl.HeldPrices(ctx, c.State, c.options()) }, func(p *printer, page Page[HeldPrice]) {
		p.row("ID", "PROVIDER/MODEL", "METER", "CONDITIONS", "OLD", "NEW", "PER", "STATE", "SINCE", "REASON", "FEED")
		for _, h := range page.Items {
			p.row(h.ID, priceName(h.Provider, h.SKU), h.Meter, conditions(&h.When), orNone(h.Old), orNone(h.New), grouped(fmt.Sprint(h.Per)), h.State, h.FirstSeen, h.Reason, h.Feed)
		}
		p.more(page.NextCursor)
	})
}

// priceName is what a change of a price is about.
func priceName(provider, sku string) string {
	if provider == "" {
		return "the whole document"
	}
	return provider + "/" + cmp.Or(sku, catalogue.Any)
}

// PriceApprove approves a held change.
type PriceApprove struct {
	Common `embed:""`
	Held   string `arg:"" help:"Id of the change; weir pricebook held prints it."`
}

// Run runs the command.
func (c *PriceApprove) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (HeldPrice, error) { return cl.ApprovePrice(ctx, c.Held) }, func(p *printer, h HeldPrice) {
		printDecision(p, h)
		p.line("It is taken at the next look at which the feed still says so: weir pricebook sync looks now.")
	})
}

// PriceReject rejects a held change.
type PriceReject struct {
	Common `embed:""`
	Held   string `arg:"" help:"Id of the change; weir pricebook held prints it."`
}

// Run runs the command.
func (c *PriceReject) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (HeldPrice, error) { return cl.RejectPrice(ctx, c.Held) }, printDecision)
}

func printDecision(p *printer, h HeldPrice) {
	p.row("change", h.ID)
	p.row("of", priceName(h.Provider, h.SKU))
	p.optional("meter", h.Meter)
	p.optional("conditions", conditions(&h.When))
	p.row("from", orNone(h.Old))
	p.row("to", orNone(h.New))
	p.row("state", h.State)
	p.row("decided", h.Decided)
	p.row("by", h.By)
}
