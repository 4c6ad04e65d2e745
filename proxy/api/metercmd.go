package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// MeterCmd groups the commands about meters.
type MeterCmd struct {
	Add        MeterAdd        `cmd:"" aliases:"create" help:"Create a meter; it counts what is past too."`
	List       MeterList       `cmd:"" help:"List meters."`
	Show       MeterShow       `cmd:"" help:"Show a meter."`
	Update     MeterUpdate     `cmd:"" help:"Rename a meter."`
	Archive    MeterArchive    `cmd:"" help:"Archive a meter."`
	Quantities MeterQuantities `cmd:"" help:"What a meter measured."`
}

// MeterAdd creates a meter.
type MeterAdd struct {
	Common      `embed:""`
	Name        string `required:"" help:"Its name, unique."`
	Aggregation string `required:"" enum:"count,sum,avg,min,max,unique" help:"count, sum, avg, min, max or unique."`
	Property    string `help:"What is added up, e.g. totalTokens; not for count."`
	Event       string `help:"Only events of this name; short for a filter with one clause."`
	Filter      string `placeholder:"JSON" help:"A tree of conditions, {\"conjunction\":\"and\",\"clauses\":[{\"property\":\"model\",\"operator\":\"eq\",\"value\":\"gpt-4o\"}]}."`
}

// Run runs the command.
func (c *MeterAdd) Run(ctx context.Context, env *Env) error {
	n := NewMeter{Name: c.Name, Aggregation: metering.Aggregate{Func: metering.Aggregation(c.Aggregation), Property: c.Property}}
	switch {
	case c.Filter != "" && c.Event != "":
		return &UsageError{errors.New("--event and --filter exclude each other: put the name into the filter")}
	case c.Filter != "":
		if err := json.Unmarshal([]byte(c.Filter), &n.Filter); err != nil {
			return &UsageError{fmt.Errorf("--filter: %w", err)}
		}
	case c.Event != "":
		n.Filter = &Clause{Conjunction: metering.And, Clauses: []Clause{{Property: "name", Operator: metering.OpEq, Value: metering.StringValue(c.Event)}}}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Meter, error) { return cl.CreateMeter(ctx, n) }, printMeter)
}

func printMeter(p *printer, m Meter) {
	p.row("meter", m.Name)
	p.row("id", m.ID)
	p.row("measures", measures(m))
	p.row("of events", describe(m.Filter))
	p.row("created", m.CreatedAt)
	if m.ArchivedAt != 0 {
		p.row("archived", m.ArchivedAt)
	}
}

func measures(m Meter) string {
	if m.Aggregation.Property == "" {
		return string(m.Aggregation.Func)
	}
	return fmt.Sprintf("%s of %s", m.Aggregation.Func, m.Aggregation.Property)
}

// describe writes a filter the way one reads it.
func describe(c Clause) string {
	if c.Conjunction == "" {
		value, err := json.Marshal(c.Value)
		if err != nil {
			value = []byte("?")
		}
		return fmt.Sprintf("%s %s %s", c.Property, c.Operator, value)
	}
	if len(c.Clauses) == 0 {
		return "any"
	}
	text := ""
	for i, part := range c.Clauses {
		if i > 0 {
			text += fmt.Sprintf(" %s ", c.Conjunction)
		}
		if part.Conjunction != "" {
			text += "(" + describe(part) + ")"
			continue
		}
		text += describe(part)
	}
	return text
}

// MeterList lists meters.
type MeterList struct {
	Common    `embed:""`
	PageFlags `embed:""`
}

// Run runs the command.
func (c *MeterList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Meter], error) { return cl.Meters(ctx, c.options()) },
		func(p *printer, page Page[Meter]) {
			p.row("NAME", "MEASURES", "OF EVENTS", "ARCHIVED", "ID")
			for _, m := range page.Items {
				p.row(m.Name, measures(m), describe(m.Filter), m.ArchivedAt, m.ID)
			}
			p.more(page.NextCursor)
		})
}

// MeterShow shows a meter.
type MeterShow struct {
	Common `embed:""`
	Meter  string `arg:"" help:"Id or name."`
}

// Run runs the command.
func (c *MeterShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Meter, error) { return cl.Meter(ctx, c.Meter) }, printMeter)
}

// MeterUpdate renames a meter.
type MeterUpdate struct {
	Common `embed:""`
	Meter  string `arg:"" help:"Id or name."`
	Name   string `required:"" help:"New name. What a meter counts does not change: add another one."`
}

// Run runs the command.
func (c *MeterUpdate) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Meter, error) { return cl.RenameMeter(ctx, c.Meter, c.Name) }, printMeter)
}

// MeterArchive archives a meter.
type MeterArchive struct {
	Common `embed:""`
	Meter  string `arg:"" help:"Id or name."`
}

// Run runs the command.
func (c *MeterArchive) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Meter, error) { return cl.ArchiveMeter(ctx, c.Meter) }, printMeter)
}

// MeterQuantities tells what a meter measured.
type MeterQuantities struct {
	Common   `embed:""`
	Meter    string `arg:"" help:"Id or name."`
	Customer string `placeholder:"EXT" help:"Only of this customer: id or external id."`
	From     string `placeholder:"WHEN" help:"From when: an instant, a date, or a span like -24h."`
	To       string `placeholder:"WHEN" help:"Until when, exclusive."`
	Interval string `enum:",hour,day,month" default:"" help:"A row for each hour, day or month."`
	Zone     string `placeholder:"ZONE" help:"Time zone of days and dates, e.g. Europe/Berlin. Default: UTC."`
}

// Run runs the command.
func (c *MeterQuantities) Run(ctx context.Context, env *Env) error {
	from, to, err := env.span(c.From, c.To, c.Zone)
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Quantities, error) {
		return cl.Quantities(ctx, c.Meter, QuantityOptions{Customer: c.Customer, From: from, To: to, Interval: c.Interval, Zone: c.Zone})
	}, func(p *printer, q Quantities) {
		p.row("FROM", "QUANTITY", "EVENTS")
		for _, it := range q.Items {
			quantity := it.Quantity
			if !it.Exact {
				quantity = "≈" + quantity
			}
			p.row(it.From, quantity, it.Events)
		}
	})
}
