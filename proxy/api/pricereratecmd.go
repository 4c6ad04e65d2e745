package api

import (
	"context"
	"fmt"
	"slices"
)

// PriceRerate prices recorded events again.
type PriceRerate struct {
	Common   `embed:""`
	From     string `placeholder:"WHEN" help:"All events from then on, those with an exact cost too; with --to."`
	To       string `placeholder:"WHEN" help:"Up to then, exclusive."`
	Provider string `help:"Only of this provider."`
	Model    string `help:"Only of this model, as calls asked for it."`
	Customer string `help:"Only of this customer."`
	DryRun   bool   `help:"Only say what would change."`
}

// Run asks page by page until everything has been looked at. What a page did
// stays done, so that it can be stopped and run again.
func (c *PriceRerate) Run(ctx context.Context, env *Env) error {
	q := RerateRequest{Provider: c.Provider, Model: c.Model, Customer: c.Customer, DryRun: c.DryRun}
	for _, x := range []struct {
		flag, text string
		into       **Instant
	}{{"from", c.From, &q.From}, {"to", c.To, &q.To}} {
		at, err := env.at(x.flag, x.text, "")
		if err != nil {
			return err
		}
		if at != 0 {
			*x.into = &at
		}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (RerateAnswer, error) {
		sum := RerateAnswer{Changes: []RerateChange{}, Reasons: []RerateReason{}}
		for {
			page, err := cl.Rerate(ctx, q)
			if err != nil {
				return sum, err
			}
			sum.add(page)
			if page.NextCursor == "" {
				return sum, nil
			}
			q.Cursor = page.NextCursor
			if !c.JSON {
				fmt.Fprintf(env.Stderr, "%d events looked at, %d priced again, %s usd\n", sum.Looked, sum.Repriced, sum.Added)
			}
		}
	}, func(p *printer, a RerateAnswer) { printRerate(p, a, c.DryRun) })
}

func (a *RerateAnswer) add(page RerateAnswer) {
	a.Looked, a.Repriced, a.Added = a.Looked+page.Looked, a.Repriced+page.Repriced, a.Added.Add(page.Added)
	a.Unpriced, a.Unsure = a.Unpriced+page.Unpriced, a.Unsure+page.Unsure
	for _, x := range page.Changes {
		i := slices.IndexFunc(a.Changes, func(y RerateChange) bool {
			return x.Provider == y.Provider && x.Model == y.Model && x.Before == y.Before && x.After == y.After && x.Reason == y.Reason
		})
		if i < 0 {
			a.Changes = append(a.Changes, x)
			continue
		}
		a.Changes[i].Events, a.Changes[i].Added = a.Changes[i].Events+x.Events, a.Changes[i].Added.Add(x.Added)
	}
	for _, x := range page.Reasons {
		i := slices.IndexFunc(a.Reasons, func(y RerateReason) bool { return x.Reason == y.Reason })
		if i < 0 {
			a.Reasons = append(a.Reasons, x)
			continue
		}
		a.Reasons[i].Events += x.Events
	}
}

func printRerate(p *printer, a RerateAnswer, dry bool) {
	done := "priced again"
	if dry {
		done = "would be priced again"
	}
	p.row("looked at", a.Looked)
	p.row(done, a.Repriced, "= $"+a.Added.String())
	for _, x := range a.Changes {
		p.row("  "+x.Provider+"/"+x.Model, fmt.Sprintf("%s to %s", x.Before, x.After), x.Events, "= $"+x.Added.String(), x.Reason)
	}
	p.row("without a cost", a.Unpriced)
	p.row("not certain", a.Unsure)
	for _, x := range a.Reasons {
		p.row("  "+x.Reason, x.Events)
	}
}
