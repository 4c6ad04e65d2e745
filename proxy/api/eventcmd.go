package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// EventCmd groups the commands about events.
type EventCmd struct {
	List   EventList   `cmd:"" help:"List events, newest first."`
	Show   EventShow   `cmd:"" help:"Show one event: tokens, the arithmetic of its cost, how it ended."`
	Ingest EventIngest `cmd:"" help:"Record usage of another source: {\"events\": […]}, all or none."`
	Settle EventSettle `cmd:"" aliases:"correct" help:"Say what the usage of an event was, where it was estimated, held or wrong. The difference becomes a correction; what has been invoiced stays, and the next invoice adjusts it."`
}

// EventSettle says what the usage of an event was.
type EventSettle struct {
	Common `embed:""`
	Event  string `arg:"" help:"Weir's, the provider's, the client's or your id."`
	Usage  string `xor:"what" required:"" placeholder:"JSON" help:"What the provider counted: tokens by cell, such as {\"input\":12,\"cache_read\":0,\"output\":34}."`
	Accept bool   `xor:"what" required:"" help:"The estimate is billed."`
	Zero   bool   `xor:"what" required:"" help:"Nothing is billed."`
}

// Run runs the command.
func (c *EventSettle) Run(ctx context.Context, env *Env) error {
	st := UsageStatement{Accept: c.Accept, Zero: c.Zero}
	if c.Usage != "" {
		st.Tokens = new(metering.Tokens)
		if err := json.Unmarshal([]byte(c.Usage), st.Tokens); err != nil {
			return &UsageError{fmt.Errorf("--usage: %w", err)}
		}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Event, error) { return cl.CorrectEvent(ctx, c.Event, st) }, printEvent)
}

// EventList lists events.
type EventList struct {
	Common    `embed:""`
	PageFlags `embed:""`
	Customer  string `placeholder:"EXT" help:"Only of this customer: id or external id."`
	Key       string `placeholder:"ID" help:"Only of this key."`
	Model     string `help:"Only of this model, as it was requested."`
	Name      string `help:"Only of this name; llm-tokens for proxied calls."`
	Outcome   string `enum:",complete,truncated,client_gone,upstream_error,timeout,refused,crashed" default:"" help:"Only those that ended like this: complete, truncated, client_gone, upstream_error, timeout, refused, crashed."`
	From      string `placeholder:"WHEN" help:"From when: an instant, a date, or a span like -24h."`
	To        string `placeholder:"WHEN" help:"Until when, exclusive."`
}

// Run runs the command.
func (c *EventList) Run(ctx context.Context, env *Env) error {
	from, to, err := env.span(c.From, c.To, "")
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Event], error) {
		return cl.Events(ctx, EventOptions{
			ListOptions: c.options(), Customer: c.Customer, Key: c.Key, Model: c.Model, Name: c.Name,
			Outcome: c.Outcome, From: from, To: to,
		})
	}, func(p *printer, page Page[Event]) {
		p.row("TIME", "NAME", "MODEL", "OUTCOME", "INPUT", "OUTPUT", "COST USD", "ID")
		for _, e := range page.Items {
			p.row(e.Timestamp, e.Name, e.Model, e.Outcome, e.Usage.Input, e.Usage.Output, cost(&e), e.ID)
		}
		p.more(page.NextCursor)
	})
}

// cost is the cost in a table; unknown is never zero.
func cost(e *Event) string {
	if e.Cost == nil {
		return "unpriced"
	}
	return e.Cost.String()
}

// EventShow shows an event.
type EventShow struct {
	Common `embed:""`
	Event  string `arg:"" help:"Weir's, the provider's, the client's or your id."`
}

// Run runs the command.
func (c *EventShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Event, error) { return cl.Event(ctx, c.Event) }, printEvent)
}

func printEvent(p *printer, e Event) {
	p.row("event", e.ID)
	p.row("name", e.Name)
	p.row("time", e.Timestamp)
	p.optional("ended", e.EndedAt.String())
	p.optional("outcome", string(e.Outcome))
	if e.Status != 0 {
		p.row("status", e.Status)
	}
	p.optional("error", e.ErrorCode)
	p.row("customer", e.CustomerID)
	p.optional("external customer", e.ExternalCustomerID)
	p.optional("key", e.KeyID)
	p.optional("upstream", e.Upstream)
	p.optional("provider", e.Provider)
	p.optional("endpoint", e.Endpoint)
	p.optional("model", e.Model)
	p.optional("sent as", e.SentModel)
	p.optional("answered by", e.Usage.Model)
	p.optional("provider id", e.ProviderID)
	p.optional("object id", e.Usage.ObjectID)
	p.optional("client id", e.ClientID)
	p.optional("external id", e.ExternalID)
	p.optional("run", e.Run)
	p.optional("turn of", e.Session)
	p.optional("corrects", e.Corrects)
	for _, id := range e.Corrections {
		p.row("corrected by", id)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Tags)) {
		p.row("tag "+name, e.Tags[name])
	}
	if string(e.Metadata) != "null" && string(e.Metadata) != "" && string(e.Metadata) != "{}" {
		p.row("metadata", string(e.Metadata))
	}
	p.line("")
	printTokens(p, e.Usage)
	p.line("")
	printCost(p, &e)
	printAttempts(p, e.Attempts)
	for _, b := range e.Billing {
		p.line("")
		printBilled(p, b)
	}
	printTurns(p, e.Turns)
}

// printTurns writes what passed through a WebSocket.
func printTurns(p *printer, turns []Event) {
	if len(turns) == 0 {
		return
	}
	p.line("")
	p.row("TURN", "MODEL", "OUTCOME", "INPUT", "OUTPUT", "COST USD", "ID")
	for _, t := range turns {
		p.row(t.Timestamp, t.Model, t.Outcome, t.Usage.Input, t.Usage.Output, cost(&t), t.ID)
	}
}

// printBilled writes the way from the event to the payment.
func printBilled(p *printer, b Billed) {
	p.row("meter", b.Meter, b.Quantity)
	p.optional("  product", b.Product)
	if b.Arithmetic != "" {
		p.row("  charge", b.Arithmetic)
	}
	if b.Price != nil && b.Price.Model == billing.PerPackage {
		p.row("  model", "per package: the event shares the package that it is in")
	}
	if b.Number != "" {
		p.row("  invoice", fmt.Sprintf("%s, line %d", b.Number, b.Line))
	}
	p.row("  state", b.State)
	for _, pay := range b.Payments {
		p.row("  payment", pay.ID, string(pay.State), pay.Amount+" "+string(pay.Currency), pay.Card)
	}
}

func (p *printer) optional(name, value string) {
	if value != "" && value != "-" {
		p.row(name, value)
	}
}

func printTokens(p *printer, u Usage) {
	p.row("tokens", "", string(u.State))
	for cell, n := range u.Tokens {
		if n != 0 {
			p.row("  "+metering.Cell(cell).String(), n)
		}
	}
	p.row("  input", u.Input, "all of it, as the provider counts")
	p.row("  output", u.Output, "all of it, as the provider counts")
	if u.Estimate != nil {
		p.row("  estimate", fmt.Sprintf("%d to %d", u.Estimate.Low, u.Estimate.High), u.Estimate.Method)
	}
	if u.Estimate != nil && u.Estimate.Withheld != "" {
		p.row("  not billed", fmt.Sprintf("%d input, %d output", u.Estimate.Input, u.Estimate.Output), "estimated, policy "+string(u.Estimate.Withheld))
	}
	for _, q := range u.Quantities {
		p.row("  "+q.Name, q.Amount)
	}
	for _, f := range u.Flags {
		p.row("  flag", string(f))
	}
}

func printCost(p *printer, e *Event) {
	printFigures(p, e)
	switch {
	case e.Now == nil:
	case e.Now.Cost == nil:
		p.row("cost now", string(e.Now.State), "after corrections")
	default:
		printLines(p, e.Now.Lines)
		for _, u := range e.Now.Pools {
			p.row("  of "+u.Pool, fmt.Sprintf("%s after %s", u.Units, u.Before), "since "+u.Since.String())
		}
		p.row("cost now", "$"+e.Now.Cost.String(), string(e.Now.State), "after corrections")
	}
}

// printLines writes the arithmetic of a cost.
func printLines(p *printer, lines []Line) {
	for _, l := range lines {
		p.row("  "+l.Item, strings.Join(append([]string{fmt.Sprintf("%s × $%s / %d", l.Quantity, l.Price, l.Per)}, l.Multiply...), " × "), "= $"+l.Amount.String(), l.Rate)
	}
}

// printFigures prints what the event was recorded with.
func printFigures(p *printer, e *Event) {
	printLines(p, e.CostLines)
	if e.Cost == nil {
		p.row("cost", "unpriced", e.CostReason)
		printStatedCost(p, e)
		return
	}
	p.row("cost", "$"+e.Cost.String(), string(e.CostState), e.Book)
	if e.Computed != nil {
		p.row("  by the price book", "$"+e.Computed.Cost.String(), string(e.Computed.State), e.Computed.Reason)
	}
	printStatedCost(p, e)
}

// printStatedCost prints what the provider says that the call has cost.
func printStatedCost(p *printer, e *Event) {
	if e.Stated == nil {
		return
	}
	cells := []any{"  stated by the provider", "$" + e.Stated.String()}
	if e.Difference != nil {
		cells = append(cells, "difference $"+e.Difference.String())
	}
	p.row(cells...)
	if e.Usage.StatedCost.Vendor != "" {
		p.row("  the vendor bills besides", e.Usage.StatedCost.Vendor, e.Usage.StatedCost.Unit)
	}
}

// EventIngest records usage of another source.
type EventIngest struct {
	Common `embed:""`
	File   string `arg:"" optional:"" default:"-" help:"File with {\"events\": […]}; - is standard input."`
}

// Run runs the command.
func (c *EventIngest) Run(ctx context.Context, env *Env) error {
	in := env.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return &UsageError{err}
		}
		defer f.Close()
		in = f
	}
	batch, err := io.ReadAll(io.LimitReader(in, maxIngest+1)) // the server refuses what is larger
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Ingested, error) { return cl.Ingest(ctx, batch) },
		func(p *printer, r Ingested) {
			p.line("%d inserted, %d duplicates, %d conflicts", r.Inserted, r.Duplicates, len(r.Conflicts))
			for _, id := range r.Conflicts {
				p.line("conflict: %s stands with other content", id)
			}
		})
}
