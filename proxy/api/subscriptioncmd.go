package api

import (
	"context"
	"fmt"
)

// SubscriptionCmd groups the commands about subscriptions.
type SubscriptionCmd struct {
	Add    SubscriptionAdd    `cmd:"" aliases:"create" help:"Subscribe a customer to a product."`
	List   SubscriptionList   `cmd:"" help:"List subscriptions."`
	Show   SubscriptionShow   `cmd:"" help:"Show a subscription with its periods."`
	Update SubscriptionUpdate `cmd:"" help:"Switch to another product, now or later. What was used before keeps its price."`
	End    SubscriptionEnd    `cmd:"" aliases:"cancel" help:"End a subscription, now or later. Its last period ends with it and is billed."`
}

// SubscriptionAdd subscribes a customer to a product.
type SubscriptionAdd struct {
	Common    `embed:""`
	Customer  string `required:"" placeholder:"EXT" help:"Id or external id of the customer."`
	Product   string `required:"" help:"Id or name of the product."`
	AnchorDay int    `name:"anchor-day" placeholder:"1-31" help:"Day of the month on which periods are cut; the last day of months that lack it. Default: the day of the start."`
	Zone      string `placeholder:"ZONE" help:"Time zone in which periods are cut, e.g. Europe/Berlin. Default: UTC."`
	Start     string `placeholder:"WHEN" help:"From when usage is billed: an instant, a date, or a span like -24h. Default: now."`
}

// Run runs the command.
func (c *SubscriptionAdd) Run(ctx context.Context, env *Env) error {
	if c.AnchorDay < 0 || c.AnchorDay > 31 {
		return &UsageError{fmt.Errorf("--anchor-day: %d is no day of a month", c.AnchorDay)}
	}
	start, err := env.at("start", c.Start, c.Zone)
	if err != nil {
		return err
	}
	n := NewSubscription{Customer: c.Customer, Product: c.Product, AnchorDay: c.AnchorDay, Zone: c.Zone, Start: start}
	return ask(ctx, c.Common, env, func(cl *Client) (Subscription, error) { return cl.CreateSubscription(ctx, n) }, printSubscription)
}

func printSubscription(p *printer, s Subscription) {
	p.row("subscription", s.ID)
	p.row("customer", s.Customer)
	p.row("product", s.Product)
	p.row("currency", s.Currency)
	p.row("periods", fmt.Sprintf("%s from %s, %s", s.Interval, s.Anchor, s.Zone))
	p.row("start", s.Start)
	if s.TrialEnd != 0 {
		p.row("trial", fmt.Sprintf("until %s, usage %s", s.TrialEnd, s.TrialUsage))
	}
	if s.End != 0 {
		p.row("end", s.End)
	}
	if len(s.Phases) > 1 {
		for _, ph := range s.Phases {
			p.row("phase", ph.Product, "from "+ph.From.String())
		}
	}
	for _, period := range s.Periods {
		p.row(fmt.Sprintf("period %d", period.Index), fmt.Sprintf("%s to %s", period.Start, period.End), string(period.State), period.InvoiceID)
	}
}

// SubscriptionList lists subscriptions.
type SubscriptionList struct {
	Common    `embed:""`
	PageFlags `embed:""`
	Customer  string `placeholder:"EXT" help:"Only those of this customer: id or external id."`
}

// Run runs the command.
func (c *SubscriptionList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Subscription], error) { return cl.Subscriptions(ctx, c.Customer, c.options()) },
		func(p *printer, page Page[Subscription]) {
			p.row("CUSTOMER", "PRODUCT", "PERIODS", "START", "END", "ID")
			for _, s := range page.Items {
				p.row(s.Customer, s.Product, s.Interval, s.Start, s.End, s.ID)
			}
			p.more(page.NextCursor)
		})
}

// SubscriptionShow shows a subscription.
type SubscriptionShow struct {
	Common       `embed:""`
	Subscription string `arg:"" help:"Id."`
}

// Run runs the command.
func (c *SubscriptionShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Subscription, error) { return cl.Subscription(ctx, c.Subscription) }, printSubscription)
}

// SubscriptionUpdate switches to another product.
type SubscriptionUpdate struct {
	Common       `embed:""`
	Subscription string `arg:"" help:"Id."`
	Product      string `required:"" help:"Id or name of the product that holds from then on."`
	From         string `placeholder:"WHEN" help:"From when: an instant, a date, or a span like +7d. Default: now."`
	Zone         string `placeholder:"ZONE" help:"Time zone of dates, e.g. Europe/Berlin. Default: UTC."`
}

// Run runs the command.
func (c *SubscriptionUpdate) Run(ctx context.Context, env *Env) error {
	from, err := env.at("from", c.From, c.Zone)
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Subscription, error) {
		return cl.SwitchProduct(ctx, c.Subscription, c.Product, from)
	}, printSubscription)
}

// SubscriptionEnd ends a subscription.
type SubscriptionEnd struct {
	Common       `embed:""`
	Subscription string `arg:"" help:"Id."`
	At           string `placeholder:"WHEN" help:"When: an instant, a date, or a span like +7d. Default: now."`
	Zone         string `placeholder:"ZONE" help:"Time zone of dates, e.g. Europe/Berlin. Default: UTC."`
}

// Run runs the command.
func (c *SubscriptionEnd) Run(ctx context.Context, env *Env) error {
	at, err := env.at("at", c.At, c.Zone)
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Subscription, error) {
		return cl.EndSubscription(ctx, c.Subscription, at)
	}, printSubscription)
}
