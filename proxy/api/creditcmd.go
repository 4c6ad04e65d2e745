package api

import (
	"context"
	"errors"

	"github.com/weirhq/weir/billing"
)

// CreditCmd groups the commands about credit.
type CreditCmd struct {
	Add  CreditAdd  `cmd:"" aliases:"create" help:"Give a customer credit: units of a meter, or money."`
	List CreditList `cmd:"" help:"List the credit of a customer in the order in which it is used."`
	Void CreditVoid `cmd:"" help:"Take back what is left of credit. What was used stays used."`
}

// CreditAdd gives a customer credit.
type CreditAdd struct {
	Common   `embed:""`
	Customer string `required:"" placeholder:"EXT" help:"Id or external id of the customer."`
	Meter    string `help:"Meter of --units: id or name."`
	Units    string `placeholder:"N" help:"Units of the meter, an exact decimal."`
	Amount   string `placeholder:"N" help:"Money instead of units, an exact decimal of --currency."`
	Currency string `help:"Of --amount, ISO 4217. Default: USD."`
	Expires  string `placeholder:"WHEN" help:"When it expires: an instant, a date, or a span like 90d. Default: never."`
	Priority int    `help:"What has a lower one is used first. Default: 0."`
	Note     string `help:"What it is for, on the invoice too."`
}

// Run runs the command.
func (c *CreditAdd) Run(ctx context.Context, env *Env) error {
	units, money := c.Units != "" || c.Meter != "", c.Amount != "" || c.Currency != ""
	switch {
	case units == money, units && (c.Units == "" || c.Meter == ""), money && c.Amount == "":
		return &UsageError{errors.New("credit is either --meter and --units, or --amount and --currency")}
	case money && c.Currency == "":
		c.Currency = string(billing.USD)
	}
	expires, err := env.expiry(c.Expires)
	if err != nil {
		return err
	}
	n := NewCredit{
		Customer: c.Customer, Meter: c.Meter, Units: c.Units, Amount: c.Amount, Currency: billing.Currency(c.Currency),
		Priority: c.Priority, Note: c.Note, ExpiresAt: expires,
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Credit, error) { return cl.CreateCredit(ctx, n) }, printCredit)
}

func printCredit(p *printer, c Credit) {
	p.row("credit", c.ID)
	p.row("of", unit(c))
	p.row("issued", grouped(c.Issued.String()))
	p.row("used", grouped(c.Used.String()))
	p.row("expired", grouped(c.Expired.String()))
	p.row("voided", grouped(c.Voided.String()))
	p.row("remaining", grouped(c.Remaining.String()))
	p.row("priority", c.Priority)
	p.row("expires", c.ExpiresAt)
	p.optional("note", c.Note)
}

// unit is what credit is in: units of a meter, or a currency.
func unit(c Credit) string {
	if c.Currency != "" {
		return string(c.Currency)
	}
	return c.Meter
}

// CreditList lists the credit of a customer.
type CreditList struct {
	Common   `embed:""`
	Customer string `required:"" placeholder:"EXT" help:"Id or external id of the customer."`
}

// Run runs the command.
func (c *CreditList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Credits, error) { return cl.Credits(ctx, c.Customer) },
		func(p *printer, list Credits) {
			p.row("OF", "REMAINING", "ISSUED", "USED", "EXPIRED", "VOIDED", "PRIORITY", "EXPIRES", "NOTE", "ID")
			for _, it := range list.Items {
				p.row(unit(it), it.Remaining, it.Issued, it.Used, it.Expired, it.Voided, it.Priority, it.ExpiresAt, it.Note, it.ID)
			}
		})
}

// CreditVoid takes credit back.
type CreditVoid struct {
	Common `embed:""`
	Credit string `arg:"" help:"Id."`
}

// Run runs the command.
func (c *CreditVoid) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Credit, error) { return cl.VoidCredit(ctx, c.Credit) }, printCredit)
}
