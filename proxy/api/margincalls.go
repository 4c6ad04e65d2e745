package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// MarginOptions ask for margins or costs. Empty fields do not narrow.
type MarginOptions struct {
	By       string // dimensions joined with commas; empty: customer
	From, To string
	Zone     string // of days and dates
	Top      int    // groups told apart; 0: all
	Sync     bool   // wait until every call answered before is in the figures

	Customer, Key, Model, Provider, Upstream, Product, Period, Run string

	Tags    []string // NAME=VALUE
	Without string   // dimensions of which there is none, joined with commas
	Unknown string   // dimensions that are not known
}

func (o MarginOptions) params(more ...string) url.Values {
	q := params(append(more, "by", o.By, "from", o.From, "to", o.To, "zone", o.Zone,
		"customer", o.Customer, "key", o.Key, "model", o.Model, "provider", o.Provider, "upstream", o.Upstream, "product", o.Product, "period", o.Period,
		"run", o.Run, "without", o.Without, "unknown", o.Unknown)...)
	if o.Top > 0 {
		q.Set("top", strconv.Itoa(o.Top))
	}
	if o.Sync {
		q.Set("sync", "true")
	}
	if len(o.Tags) > 0 {
		q["tag"] = o.Tags
	}
	return q
}

// Margin compares what was earned with what it cost upstream.
func (c *Client) Margin(ctx context.Context, o MarginOptions) (MarginAnswer, error) {
	return do[MarginAnswer](ctx, c, http.MethodGet, at("margin"), o.params(), nil)
}

// MarginCSV is Margin as a table.
func (c *Client) MarginCSV(ctx context.Context, o MarginOptions) (string, error) {
	return c.text(ctx, at("margin"), o.params("format", "csv"))
}

// Cost tells what calls cost upstream.
func (c *Client) Cost(ctx context.Context, o MarginOptions) (CostAnswer, error) {
	return do[CostAnswer](ctx, c, http.MethodGet, at("cost"), o.params(), nil)
}

// CostCSV is Cost as a table.
func (c *Client) CostCSV(ctx context.Context, o MarginOptions) (string, error) {
	return c.text(ctx, at("cost"), o.params("format", "csv"))
}
