package api

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/weirhq/weir/metering"
)

// PriceStated compares what providers state with what the price book says.
type PriceStated struct {
	Common    `embed:""`
	Interval  string `enum:"hour,day,total" default:"total" help:"A row for each hour, day (of UTC) or for all of the time."`
	Provider  string `help:"Only of this provider."`
	Upstream  string `help:"Only of this upstream."`
	Model     string `help:"Only of this model, as calls asked for it."`
	From      string `placeholder:"WHEN" help:"From when: an instant, a date, or a span like -7d. Taken down to the hour."`
	To        string `placeholder:"WHEN" help:"Until when, exclusive. Taken up to the hour."`
	Sync      bool   `help:"First wait until every call answered before is in the figures."`
	Tolerance string `placeholder:"PERCENT" help:"Exit with 1 if the figures of a row are further apart than so many percent of what is stated, such as 0.1."`
}

// Run runs the command.
func (c *PriceStated) Run(ctx context.Context, env *Env) error {
	var allowed metering.Number
	if c.Tolerance != "" {
		var err error
		if allowed, err = metering.ParseNumber(strings.TrimSuffix(c.Tolerance, "%")); err != nil || allowed.Compare(metering.Number{}) < 0 {
			return &UsageError{errors.New("--tolerance: want a number of percent that is not below zero, such as 0.1")}
		}
	}
	from, to, err := env.span(c.From, c.To, "")
	if err != nil {
		return err
	}
	off := 0
	err = ask(ctx, c.Common, env, func(cl *Client) (StatedAnswer, error) {
		a, err := cl.StatedCosts(ctx, StatedOptions{
			Interval: c.Interval, Provider: c.Provider, Upstream: c.Upstream, Model: c.Model, From: from, To: to, Sync: c.Sync,
		})
		for i := range a.Rows {
			if c.Tolerance != "" && a.Rows[i].Off(allowed) {
				off++
			}
		}
		return a, err
	}, func(p *printer, a StatedAnswer) {
		printStated(p, a)
		if off > 0 {
			p.line("%d of %d rows are further apart than %s percent.", off, len(a.Rows), strings.TrimSuffix(c.Tolerance, "%"))
		}
	})
	if err == nil && off > 0 {
		return ErrFailed
	}
	return err
}

func printStated(p *printer, a StatedAnswer) {
	if len(a.Rows) == 0 {
		p.line("No provider stated what a call costs.")
		return
	}
	head := []any{"PROVIDER/MODEL", "UPSTREAM", "CALLS", "STATED USD", "COMPARED", "THEIRS USD", "OURS USD", "DIFFERENCE", "%", "DIFFERING", "ROUNDED", "UNPRICED", "INVALID"}
	if a.Interval != "total" {
		head = append([]any{"FROM"}, head...)
	}
	p.row(head...)
	for _, r := range a.Rows {
		cells := append([]any{r.Provider + "/" + r.Model, cmp.Or(r.Upstream, "-")}, statedFigures(r.StatedTotals)...)
		if a.Interval != "total" {
			cells = append([]any{r.From}, cells...)
		}
		p.row(cells...)
	}
	cells := append([]any{"total", " "}, statedFigures(a.Totals)...)
	if a.Interval != "total" {
		cells = append([]any{" "}, cells...)
	}
	p.row(cells...)
	if a.Totals.OwnKey > 0 {
		p.line("%d calls were made with a key of your own at a vendor: what is stated of them is the gateway's fee, and the vendors bill $%s more.", a.Totals.OwnKey, a.Totals.Vendor)
	}
	if a.Totals.Unpriced > 0 {
		p.line("%d calls have no cost by the price book, and are not compared.", a.Totals.Unpriced)
	}
	if a.Totals.Invalid > 0 {
		p.line("%d more calls state what is no cost, and are in no figure.", a.Totals.Invalid)
	}
}

func statedFigures(t StatedTotals) []any {
	// Of no call that has both there are no figures to compare, which is not zero.
	theirs, ours, difference, percent := "-", "-", "-", "-"
	if t.Compared > 0 {
		theirs, ours, difference = t.StatedCompared.String(), t.Computed.String(), t.Difference.String()
	}
	if t.Percent != nil {
		percent = *t.Percent
	}
	return []any{t.Calls, t.Stated, t.Compared, theirs, ours, difference, percent, t.Differing, t.Rounded, t.Unpriced, t.Invalid}
}
