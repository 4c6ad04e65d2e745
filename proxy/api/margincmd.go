package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirhq/weir/billing/invoicing"
)

// MarginCmd compares what was earned with what it cost.
type MarginCmd struct {
	Common   `embed:""`
	Spending `embed:""`
}

// Run runs the command.
func (c *MarginCmd) Run(ctx context.Context, env *Env) error {
	o, err := c.options(env, c.JSON)
	if err != nil {
		return err
	}
	if c.CSV {
		return printText(ctx, c.Common, env, func(cl *Client) (string, error) { return cl.MarginCSV(ctx, o) })
	}
	return ask(ctx, c.Common, env, func(cl *Client) (MarginAnswer, error) { return cl.Margin(ctx, o) }, printMargin)
}

// CostCmd tells what calls cost upstream.
type CostCmd struct {
	Common   `embed:""`
	Spending `embed:""`
}

// Run runs the command.
func (c *CostCmd) Run(ctx context.Context, env *Env) error {
	o, err := c.options(env, c.JSON)
	if err != nil {
		return err
	}
	if c.CSV {
		return printText(ctx, c.Common, env, func(cl *Client) (string, error) { return cl.CostCSV(ctx, o) })
	}
	return ask(ctx, c.Common, env, func(cl *Client) (CostAnswer, error) { return cl.Cost(ctx, o) }, printCosts)
}

// Spending are the flags of questions about margins and costs.
type Spending struct {
	By       []string `default:"customer" placeholder:"DIMENSION,..." help:"Dimensions, at most four: customer, key, model, provider, upstream, product, period, run, day, hour, or tag:NAME."`
	From     string   `placeholder:"WHEN" help:"From when: an instant, a date, or a span like -30d."`
	To       string   `placeholder:"WHEN" help:"Until when, exclusive."`
	Zone     string   `placeholder:"ZONE" help:"Time zone of days and dates, e.g. Europe/Berlin. Default: UTC."`
	Customer string   `placeholder:"EXT" help:"Only this customer, by id or external id."`
	Key      string   `placeholder:"ID" help:"Only this key."`
	Model    string   `help:"Only this model."`
	Provider string   `help:"Only this provider."`
	Upstream string   `help:"Only this upstream."`
	Product  string   `help:"Only while customers have this product, by id or name."`
	Period   string   `placeholder:"START/END" help:"Only this billing period, as --by period shows it."`
	RunID    string   `name:"run" help:"Only this run."`
	Tag      []string `sep:"none" placeholder:"NAME=VALUE" help:"Only calls with this label. May be repeated."`
	Without  []string `placeholder:"DIMENSION,..." help:"Only what has none: run, tag:NAME, product, ..."`
	Unknown  []string `placeholder:"DIMENSION,..." help:"Only calls so old that it was not recorded: run, upstream."`
	Top      int      `placeholder:"N" help:"Tell only so many groups apart; the rest is one row."`
	CSV      bool     `name:"csv" help:"Print a table for a spreadsheet."`
	Sync     bool     `help:"First wait until every call answered before is in the figures."`
}

// options checks what a person gave.
func (f *Spending) options(env *Env, asJSON bool) (MarginOptions, error) {
	if err := invoicing.CheckDimensions(f.By); err != nil {
		return MarginOptions{}, &UsageError{fmt.Errorf("--by: %s", reason(err))}
	}
	if f.CSV && asJSON {
		return MarginOptions{}, &UsageError{errors.New("want one of --csv and --json")}
	}
	if f.Top < 0 {
		return MarginOptions{}, &UsageError{errors.New("--top: want a number of groups")}
	}
	for _, tag := range f.Tag {
		if name, value, ok := strings.Cut(tag, "="); !ok || name == "" || value == "" {
			return MarginOptions{}, &UsageError{fmt.Errorf("--tag: %.60q is not NAME=VALUE", tag)}
		}
	}
	from, to, err := env.span(f.From, f.To, f.Zone)
	return MarginOptions{
		By: strings.Join(f.By, ","), From: from, To: to, Zone: f.Zone, Top: f.Top, Sync: f.Sync,
		Customer: f.Customer, Key: f.Key, Model: f.Model, Provider: f.Provider, Upstream: f.Upstream, Product: f.Product, Period: f.Period, Run: f.RunID,
		Tags: f.Tag, Without: strings.Join(f.Without, ","), Unknown: strings.Join(f.Unknown, ","),
	}, err
}

// printText prints what a server has written for machines.
func printText(ctx context.Context, c Common, env *Env, question func(*Client) (string, error)) error {
	client, _, err := c.connect(env)
	if err != nil {
		return err
	}
	text, err := question(client)
	if err != nil {
		return hint(err)
	}
	if _, err := io.WriteString(env.Stdout, text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func printMargin(p *printer, a MarginAnswer) {
	p.row(append(dimensionHead(a.By), "REVENUE", "COST USD", "MARGIN USD", "MARGIN %", " ")...)
	for _, r := range append(a.Rows, a.Totals) {
		p.row(append(rowName(a.By, r.CostRow), marginFigures(r)...)...)
	}
	if a.Outside != "0" {
		p.line("%s %s more were earned of which nobody can tell whether they are of these calls: docs/margin.md says why.", a.Outside, a.Totals.Currency)
	}
	noteUnpriced(p, a.Totals.CostRow)
}

func printCosts(p *printer, a CostAnswer) {
	p.row(append(dimensionHead(a.By), "REQUESTS", "COST USD", "UNPRICED")...)
	for _, r := range append(a.Rows, a.Totals) {
		p.row(append(rowName(a.By, r), r.Requests, r.Cost, r.Unpriced)...)
	}
	noteUnpriced(p, a.Totals)
}

func noteUnpriced(p *printer, totals CostRow) {
	if totals.Unpriced > 0 {
		p.line("%d requests have no known cost, and are not in COST USD: weir doctor says of which models.", totals.Unpriced)
	}
}

func dimensionHead(by []string) []any {
	head := make([]any, 0, len(by)+5)
	for _, d := range by {
		head = append(head, strings.ToUpper(d))
	}
	return head
}

// rowName is what a row is called, a cell for each dimension.
func rowName(by []string, r CostRow) []any {
	cells := make([]any, 0, len(by)+5)
	for _, g := range r.Groups {
		switch {
		case g.Value != nil:
			cells = append(cells, cmp.Or(g.Name, *g.Value, "none"))
		case r.Kind == invoicing.RowUnattributed:
			cells = append(cells, "unattributed")
		default:
			cells = append(cells, "not recorded")
		}
	}
	if len(cells) == 0 {
		name := string(r.Kind)
		if r.Kind == invoicing.RowOthers {
			name = fmt.Sprintf("%d others", r.Count)
		}
		cells = append(cells, name)
	}
	for len(cells) < len(by) {
		cells = append(cells, " ")
	}
	return cells
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
	return []any{amount(&r.Revenue, r.Currency), r.Cost, text(r.Margin), text(r.Percent), mark}
}
