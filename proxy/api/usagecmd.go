package api

import (
	"context"
	"strings"

	"github.com/weirhq/weir/billing"
)

// UsageCmd tells what was used, what it cost and what it is charged.
type UsageCmd struct {
	Common   `embed:""`
	Customer string `placeholder:"EXT" help:"Id or external id of a customer. Default: all."`
	By       string `placeholder:"GROUP,..." help:"Groups: model, key, day, customer, provider, tag:NAME."`
	From     string `placeholder:"WHEN" help:"From when: an instant, a date, or a span like -24h."`
	To       string `placeholder:"WHEN" help:"Until when, exclusive."`
	Zone     string `placeholder:"ZONE" help:"Time zone of days and dates, e.g. Europe/Berlin. Default: UTC."`
	Sync     bool   `help:"First wait until every call answered before is in the figures."`
}

// Run runs the command.
func (c *UsageCmd) Run(ctx context.Context, env *Env) error {
	from, to, err := env.span(c.From, c.To, c.Zone)
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (UsageAnswer, error) {
		return cl.Usage(ctx, UsageOptions{Customer: c.Customer, By: c.By, From: from, To: to, Zone: c.Zone, Sync: c.Sync})
	}, func(p *printer, a UsageAnswer) { printUsage(p, c.By, a) })
}

func printUsage(p *printer, by string, a UsageAnswer) {
	var groups []string
	if by != "" {
		groups = strings.Split(by, ",")
	}
	head := make([]any, 0, len(groups)+10)
	for _, g := range groups {
		head = append(head, strings.ToUpper(g))
	}
	if len(groups) == 0 {
		head = append(head, "")
	}
	p.row(append(head, "REQUESTS", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "REASONING", "OTHER", "TOTAL", "COST USD", "CHARGE")...)
	for _, r := range a.Rows {
		if len(groups) == 0 {
			break // the one row is the totals
		}
		cells := make([]any, 0, len(head))
		for _, g := range r.Group {
			cells = append(cells, g.Value)
		}
		p.row(append(cells, figures(r.UsageTotals)...)...)
	}
	cells := []any{"total"}
	for range max(0, len(groups)-1) {
		cells = append(cells, " ")
	}
	p.row(append(cells, figures(a.Totals)...)...)
	if a.Totals.Estimated > 0 {
		p.line("%d requests have numbers that are not all the provider's.", a.Totals.Estimated)
	}
	if a.Totals.Unpriced > 0 {
		p.line("%d requests have no known cost, and are not in COST USD: weir doctor says of which models.", a.Totals.Unpriced)
	}
}

// amount is money in a table; unknown is never zero.
func amount(s *string, currency billing.Currency) string {
	if s == nil {
		return "-"
	}
	return *s + " " + string(currency)
}

func figures(t UsageTotals) []any {
	other := t.AudioInput + t.AudioOutput + t.ImageInput + t.ImageOutput
	return []any{t.Requests, t.Input, t.CacheRead, t.CacheWrite, t.Output, t.Reasoning, other, t.Total, t.Cost, amount(t.Charge, t.Currency)}
}
