package api

import (
	"context"
)

// ClockCmd groups the commands about the time of a sandbox.
type ClockCmd struct {
	Show    ClockShow    `cmd:"" help:"Show what time the sandbox takes it to be."`
	Advance ClockAdvance `cmd:"" help:"Move the time forward; everything that is due by then is billed and charged."`
}

// ClockShow shows the time of a sandbox.
type ClockShow struct {
	Common `embed:""`
}

// Run runs the command.
func (c *ClockShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (ClockTime, error) { return cl.Clock(ctx) }, printClock)
}

func printClock(p *printer, t ClockTime) {
	p.row("now", t.Now)
	p.row("ahead", t.AheadDuration)
}

// ClockAdvance moves the time of a sandbox.
type ClockAdvance struct {
	Common `embed:""`
	By     string `arg:"" help:"How far: 1mo, 14d, 36h."`
}

// Run runs the command.
func (c *ClockAdvance) Run(ctx context.Context, env *Env) error {
	if _, err := parseAdvance(c.By); err != nil {
		return &UsageError{err}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Advanced, error) { return cl.AdvanceClock(ctx, c.By) }, func(p *printer, a Advanced) {
		printClock(p, a.ClockTime)
		if len(a.Invoices) == 0 {
			p.line("No invoice was issued.")
		} else {
			printInvoices(p, a.Invoices)
		}
		for _, why := range a.Waiting {
			p.row("waiting", why)
		}
	})
}
