package api

import (
	"context"
	"fmt"
)

// AlertCmd is about what people should know of.
type AlertCmd struct {
	List AlertList `cmd:"" help:"List alerts, the open ones first."`
}

// AlertList lists alerts.
type AlertList struct {
	Common `embed:""`
	Kind   string `placeholder:"KIND" help:"Only of this kind: unpriced, provisional, negative_margin, price_feed, price_held or reconcile."`
	Ended  bool   `help:"Those that are over too."`
	Check  bool   `help:"Exit with 1 if any is open."`
}

// Run runs the command.
func (c *AlertList) Run(ctx context.Context, env *Env) error {
	var open int
	err := ask(ctx, c.Common, env, func(cl *Client) (Alerts, error) {
		a, err := cl.Alerts(ctx, c.Kind, c.Ended)
		open = a.Open()
		return a, err
	}, printAlerts)
	if err == nil && c.Check && open > 0 {
		return ErrFailed
	}
	return err
}

func printAlerts(p *printer, a Alerts) {
	if len(a.Items) == 0 {
		p.line("No alert is open.")
		return
	}
	p.row("KIND", "SUBJECT", "SEVERITY", "SINCE", "LAST SEEN", "COUNT", "ENDED", "DETAIL")
	for _, x := range a.Items {
		ended := ""
		if x.Ended != 0 {
			ended = fmt.Sprint(x.Ended)
		}
		p.row(x.Kind, x.Subject, x.Severity, x.Since, x.At, x.Count, ended, x.Detail)
	}
}
