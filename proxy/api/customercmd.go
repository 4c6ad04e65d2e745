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

	IncludeUsage string `name:"include-usage" enum:",splice,leave,estimate,refuse" default:"" help:"What happens to streams that do not ask for their usage: splice, leave, estimate or refuse; default: what the upstream's configuration says."`
	MissingUsage string `name:"missing-usage" enum:",bill,zero,hold" default:"" help:"What happens to estimates of usage that was not reported: bill, zero or hold; default: what the upstream's configuration says."`
}

// Run runs the command.
func (c *CustomerAdd) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Customer, error) {
		return cl.CreateCustomer(ctx, NewCustomer{
			ExternalID: c.ExternalID, Name: c.Name, OnLoss: metering.LossPolicy(c.OnLoss),
			IncludeUsage: metering.AskPolicy(c.IncludeUsage), MissingUsage: metering.MissingPolicy(c.MissingUsage),
		})
	}, printCustomer)
}

func printCustomer(p *printer, c Customer) {
	p.row("customer", c.ExternalID)
	p.row("id", c.ID)
	p.row("name", c.Name)
	p.row("on loss", c.OnLoss)
	p.optional("include usage", string(c.IncludeUsage))
	p.optional("missing usage", string(c.MissingUsage))
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

	IncludeUsage *string `name:"include-usage" enum:"upstream,splice,leave,estimate,refuse" help:"What happens to streams that do not ask for their usage: splice, leave, estimate, refuse, or what the upstream's configuration says."`
	MissingUsage *string `name:"missing-usage" enum:"upstream,bill,zero,hold" help:"What happens to estimates of usage that was not reported: bill, zero, hold, or what the upstream's configuration says."`
}

// upstreamsOwn gives up a policy of the customer's own.
const upstreamsOwn = "upstream"

// ownPolicy is a flag as the API has it.
func ownPolicy[P ~string](flag *string) *P {
	if flag == nil {
		return nil
	}
	p := P(*flag)
	if *flag == upstreamsOwn {
		p = ""
	}
	return &p
}

// Run runs the command.
func (c *CustomerUpdate) Run(ctx context.Context, env *Env) error {
	if c.Name == nil && c.OnLoss == nil && c.IncludeUsage == nil && c.MissingUsage == nil {
		return &UsageError{errors.New("nothing to change: give --name, --on-loss, --include-usage or --missing-usage")}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Customer, error) {
		return cl.UpdateCustomer(ctx, c.Customer, CustomerChange{
			Name: c.Name, OnLoss: (*metering.LossPolicy)(c.OnLoss),
			IncludeUsage: ownPolicy[metering.AskPolicy](c.IncludeUsage), MissingUsage: ownPolicy[metering.MissingPolicy](c.MissingUsage),
		})
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
