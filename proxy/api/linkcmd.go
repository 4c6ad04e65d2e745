package api

import (
	"context"
)

// PortalCmd groups the commands about the customers' own pages.
type PortalCmd struct {
	Link PortalLink `cmd:"" help:"Print a link to the portal of a customer, alone on the last line."`
}

// PortalLink makes a link to the portal of a customer.
type PortalLink struct {
	Common   `embed:""`
	Customer string `required:"" placeholder:"EXT" help:"Id or external id of the customer."`
}

// Run runs the command.
func (c *PortalLink) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Link, error) { return cl.PortalLink(ctx, c.Customer) }, printLink)
}

// ConsoleCmd groups the commands about the operators' pages.
type ConsoleCmd struct {
	Link ConsoleLink `cmd:"" help:"Print a one-use link that logs into the console, alone on the last line."`
}

// ConsoleLink makes a link into the console.
type ConsoleLink struct {
	Common `embed:""`
}

// Run runs the command.
func (c *ConsoleLink) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Link, error) { return cl.ConsoleLink(ctx) }, printLink)
}

func printLink(p *printer, l Link) {
	if l.ExpiresAt != 0 {
		p.line("It works until %s:", l.ExpiresAt)
	}
	p.line("%s", l.URL)
}
