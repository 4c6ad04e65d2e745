package api

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/weirhq/weir/billing/invoicing"
)

// MarginCmd compares what was earned with what it cost.
type MarginCmd struct {
	Common `embed:""`
	By     string `default:"customer" help:"Groups: customer, product, day, hour, model, provider, key, or tag:NAME."`
	From   string `placeholder:"WHEN" help:"From when: an instant, a date, or a span like -30d."`
	To     string `placeholder:"WHEN" help:"Until when, exclusive."`
	Zone   string `placeholder:"ZONE" help:"Time zone of dates, e.g. Europe/Berlin. Default: UTC."`
}

// Run runs the command.
func (c *MarginCmd) Run(ctx context.Context, env *Env) error {
	if !invoicing.GroupsMargins(c.By) {
		return &UsageError{fmt.Errorf("--by: want one of %v, or tag:NAME", invoicing.MarginGroups())}
	}
	from, to, err := env.span(c.From, c.To, c.Zone)
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (MarginAnswer, error) {
		return cl.Margin(ctx, MarginOptions{By: c.By, From: from, To: to, Zone: c.Zone})
	}, printMargin)
}

func printMargin(p *printer, a MarginAnswer) {
	p.row(strings.ToUpper(a.By), "REVENUE", "COST USD", "MARGIN USD", "MARGIN %", " ")
	for _, r := range a.Rows {
		p.row(append([]any{marginName(r)}, marginFigures(r)...)...)
	}
	p.row(append([]any{"total"}, marginFigures(a.Totals)...)...)
	if a.Totals.Unpriced > 0 {
		p.line("%d requests have no known cost, and are not in COST USD: weir doctor says of which models.", a.Totals.Unpriced)
	}
}

func marginName(r MarginRow) string {
	return cmp.Or(r.Name, r.Group, "none of them")
}

func marginFigures(r MarginRow) []any {
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	mark := " "
	if r.Estimated {
		mark = "estimated"
	}
	return []any{amount(r.Revenue, r.Currency), r.Cost, text(r.Margin), text(r.Percent), mark}
}
