package api

import (
	"context"
	"errors"
)

// CustomerCard shows the card on file of a customer, or has one entered.
type CustomerCard struct {
	Common    `embed:""`
	Customer  string `arg:"" help:"Id or external id."`
	New       bool   `help:"Print the provider's page where a card is entered, alone on the last line, instead of the card on file."`
	ReturnURL string `name:"return-url" placeholder:"URL" help:"Where that page leads back to, with ?setup=ID. Default: the console."`
	Setup     string `placeholder:"ID" help:"Put on file what was entered on that page, and charge what is unpaid."`
}

// Run runs the command. No card on file is an error, which says how one gets
// there.
func (c *CustomerCard) Run(ctx context.Context, env *Env) error {
	switch {
	case c.New && c.Setup != "":
		return &UsageError{errors.New("--new and --setup exclude each other: the page comes first")}
	case c.ReturnURL != "" && !c.New:
		return &UsageError{errors.New("--return-url goes with --new")}
	case c.New:
		return ask(ctx, c.Common, env, func(cl *Client) (CardSetup, error) {
			if c.ReturnURL == "" {
				c.ReturnURL = cl.url
			}
			return cl.SetupCard(ctx, c.Customer, c.ReturnURL)
		}, func(p *printer, s CardSetup) { p.line("%s", s.URL) })
	case c.Setup != "":
		return ask(ctx, c.Common, env, func(cl *Client) (Card, error) { return cl.SaveCard(ctx, c.Customer, c.Setup) }, printCard)
	default:
		return ask(ctx, c.Common, env, func(cl *Client) (Card, error) { return cl.Card(ctx, c.Customer) }, printCard)
	}
}

func printCard(p *printer, c Card) {
	p.row("card", c.Label)
	p.row("provider", c.Provider)
	p.row("since", c.CreatedAt)
}
