package api

import (
	"context"
	"errors"

	"github.com/weirhq/weir/metering"
)

// CustomerCmd groups the commands about customers.
type CustomerCmd struct {
	Add     CustomerAdd     `cmd:"" aliases:"create" help:"Create a customer."`
	List    CustomerList    `cmd:"" help:"List customers."`
	Show    CustomerShow    `cmd:"" help:"Show a customer."`
	Update  CustomerUpdate  `cmd:"" help:"Change a customer."`
	Archive CustomerArchive `cmd:"" help:"Archive a customer: its keys are refused from then on."`
	Card    CustomerCard    `cmd:"" help:"The card on file of a customer, or the page where one is entered."`
}

// CustomerAdd creates a customer.
type CustomerAdd struct {
	Common     `embed:""`
	ExternalID string `name:"external-id" required:"" placeholder:"EXT" help:"Your id of the customer, unique."`
	Name       string `help:"Its name, for people."`
	OnLoss     string `name:"on-loss" enum:"refuse,pass" default:"refuse" help:"What happens to calls while they cannot be recorded: refuse or pass."`
}

// Run runs the command.
func (c *CustomerAdd) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Customer, error) {
		return cl.CreateCustomer(ctx, NewCustomer{c.ExternalID, c.Name, metering.LossPolicy(c.OnLoss)})
	}, printCustomer)
}

func printCustomer(p *printer, c Customer) {
	p.row("customer", c.ExternalID)
	p.row("id", c.ID)
	p.row("name", c.Name)
	p.row("on loss", c.OnLoss)
	p.row("created", c.CreatedAt)
	if c.ArchivedAt != 0 {
		p.row("archived", c.ArchivedAt)
	}
}

// CustomerList lists customers.
type CustomerList struct {
	Common    `embed:""`
	PageFlags `embed:""`
}

// Run runs the command.
func (c *CustomerList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Customer], error) { return cl.Customers(ctx, c.options()) },
		func(p *printer, page Page[Customer]) {
			p.row("EXTERNAL ID", "NAME", "CREATED", "ARCHIVED", "ID")
			for _, it := range page.Items {
				p.row(it.ExternalID, it.Name, it.CreatedAt, it.ArchivedAt, it.ID)
			}
			p.more(page.NextCursor)
		})
}

// CustomerShow shows a customer.
type CustomerShow struct {
	Common   `embed:""`
	Customer string `arg:"" help:"Id or external id."`
}

// Run runs the command.
func (c *CustomerShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Customer, error) { return cl.Customer(ctx, c.Customer) }, printCustomer)
}

// CustomerUpdate changes a customer.
type CustomerUpdate struct {
	Common   `embed:""`
	Customer string  `arg:"" help:"Id or external id."`
	Name     *string `help:"New name."`
	OnLoss   *string `name:"on-loss" enum:"refuse,pass" help:"What happens to calls while they cannot be recorded: refuse or pass."`
}

// Run runs the command.
func (c *CustomerUpdate) Run(ctx context.Context, env *Env) error {
	if c.Name == nil && c.OnLoss == nil {
		return &UsageError{errors.New("nothing to change: give --name or --on-loss")}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Customer, error) {
		return cl.UpdateCustomer(ctx, c.Customer, CustomerChange{Name: c.Name, OnLoss: (*metering.LossPolicy)(c.OnLoss)})
	}, printCustomer)
}

// CustomerArchive archives a customer.
type CustomerArchive struct {
	Common   `embed:""`
	Customer string `arg:"" help:"Id or external id."`
}

// Run runs the command.
func (c *CustomerArchive) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Customer, error) { return cl.ArchiveCustomer(ctx, c.Customer) }, printCustomer)
}
