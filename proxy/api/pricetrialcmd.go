package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
)

// PriceTest asks what a call would cost.
type PriceTest struct {
	Common     `embed:""`
	Provider   string   `required:"" help:"Whose prices apply, as upstreams name it."`
	Model      string   `required:"" help:"The model as it is asked for."`
	Answered   string   `help:"The model that the answer names, where it is another."`
	At         string   `placeholder:"WHEN" help:"When the call is made: an instant, a date or a span from now. Default: now."`
	Tokens     []string `placeholder:"CELL=N" help:"What was used: input=1000,cache_read=200,output=20."`
	Quantity   []string `sep:"none" placeholder:"NAME=N" help:"What was used beside tokens, such as web_search_requests=2; may be repeated."`
	Usage      string   `placeholder:"JSON" help:"A usage object, or a whole answer, as the provider writes it; - is the standard input."`
	Dialect    string   `help:"Dialect that reads it: openai, anthropic, gemini, cohere or bedrock. Default: the provider's."`
	Tier       string   `help:"Service tier as the answer reports it."`
	Region     string   `help:"Inference region as the answer reports it."`
	Speed      string   `help:"Speed mode as the answer reports it."`
	Deployment string   `help:"Kind of deployment."`
	Attribute  []string `sep:"none" placeholder:"NAME=VALUE" help:"Another fact of the call, such as quality=hd; may be repeated."`
}

// Run runs the command.
func (c *PriceTest) Run(ctx context.Context, env *Env) error {
	q := PriceQuestion{
		Provider: c.Provider, Model: c.Model, Answered: c.Answered, At: c.At, Tier: c.Tier, Region: c.Region, Speed: c.Speed, Deployed: c.Deployment, Dialect: c.Dialect,
	}
	var err1, err2, err3, err4 error
	q.Usage, err1 = c.usage(env)
	q.Quantities, err2 = pairs("quantity", c.Quantity)
	q.Attributes, err3 = pairs("attribute", c.Attribute)
	q.Tokens, err4 = cells(c.Tokens)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return &UsageError{err}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (PriceTrial, error) { return cl.TestPrices(ctx, q) }, printTrial)
}

func (c *PriceTest) usage(env *Env) (json.RawMessage, error) {
	text := []byte(c.Usage)
	if c.Usage == "-" {
		var err error
		if text, err = io.ReadAll(io.LimitReader(env.Stdin, maxBody)); err != nil {
			return nil, fmt.Errorf("read the usage: %w", err)
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	if !json.Valid(text) {
		return nil, errors.New("--usage is not JSON")
	}
	return text, nil
}

// pairs reads NAME=VALUE.
func pairs(flag string, list []string) (map[string]string, error) {
	var out map[string]string
	for _, item := range list {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--%s %q is not NAME=VALUE", flag, item)
		}
		if out == nil {
			out = make(map[string]string)
		}
		out[name] = value
	}
	return out, nil
}

// cells reads CELL=N.
func cells(list []string) (map[string]int64, error) {
	texts, err := pairs("tokens", list)
	if err != nil || texts == nil {
		return nil, err
	}
	out := make(map[string]int64, len(texts))
	for name, text := range texts {
		if _, err := metering.ParseCell(name); err != nil {
			return nil, fmt.Errorf("--tokens: %w", err)
		}
		if out[name], err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, fmt.Errorf("--tokens %s=%s is no whole number", name, text)
		}
	}
	return out, nil
}

func printTrial(p *printer, t PriceTrial) {
	p.row("state", t.State)
	p.optional("reason", t.Reason)
	if t.Cost != nil {
		p.row("cost", t.Cost.String()+" USD")
	} else {
		p.row("cost", "unknown")
	}
	p.row("at", t.At)
	p.row("book", t.Book)
	for _, m := range t.Models {
		p.row("model", m.SKU.Provider+"/"+m.SKU.SKU, matchText(&m.Match), "layer "+m.Layer.String())
	}
	for _, l := range t.Lines {
		text := fmt.Sprintf("%s × %s per %s", grouped(l.Quantity), l.Price, grouped(fmt.Sprint(l.Per)))
		for _, m := range l.Modifiers {
			text += " × " + m.Multiply
		}
		p.row(l.Item, text, "= "+l.Amount.String(), "layer "+l.Layer.String(), l.Rate)
		for _, why := range l.Because {
			p.row(" ", "because: "+why)
		}
		for _, m := range l.Modifiers {
			p.row(" ", "× "+m.Multiply+" because: "+cmp.Or(conditions(&m.When), "always"), m.ID)
		}
	}
	for _, r := range t.Rejected {
		p.row("not", r.Row.ID, priceText(&r.Row), r.Reason)
	}
}
