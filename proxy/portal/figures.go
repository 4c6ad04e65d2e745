package portal

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"math/big"
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// figures are what was used in a span, by groups, and what it is charged.
type figures struct {
	Rows     []figure
	Total    figure
	Test     metering.UsageTotals // by test keys: never billed, and in no row
	Currency billing.Currency     // empty: nothing is charged, or in several
}

// Priced reports whether it is known what the usage is charged.
func (f figures) Priced() bool { return f.Currency != "" && f.Total.Charge != nil }

// figure is the usage of one group.
type figure struct {
	group  map[string]string
	Value  string // of the group that a table is by
	Label  string
	Link   string   // the calls that make it
	Charge *big.Rat // before rounding; nil: not known
	metering.UsageTotals
}

// Money is the charge as it is read.
func (f figures) Money(of figure) (template.HTML, error) { return amountHTML(of.Charge, f.Currency) }

// figures reads what was used by groups, and what it is charged.
func (s *Server) figures(ctx context.Context, v visitor, sp span, by ...string) (figures, error) {
	q := metering.UsageQuery{Org: v.org, Customer: v.customer.ID, From: sp.From, To: sp.To, Zone: sp.Zone, By: append(slices.Clone(by), "test")}
	rows, _, err := s.opts.Store.Usage(ctx, q)
	if err != nil {
		return figures{}, fmt.Errorf("usage: %w", err)
	}
	var out figures
	live := make([]metering.UsageRow, 0, len(rows))
	for _, r := range rows {
		r.Cost, r.Unpriced = metering.Cost{}, 0 // upstream: the operator's alone
		if r.Group["test"] == "true" {
			out.Test = plus(out.Test, r.UsageTotals)
			continue
		}
		live = append(live, r)
		out.Rows = append(out.Rows, figure{group: r.Group, UsageTotals: r.UsageTotals})
		out.Total.UsageTotals = plus(out.Total.UsageTotals, r.UsageTotals)
	}
	if s.opts.Biller == nil {
		return out, nil
	}
	q.By = by
	charges, err := s.opts.Biller.Charges(ctx, v.org, q, live)
	if err != nil {
		return out, err
	}
	if len(charges.Rows) != len(live) {
		return out, fmt.Errorf("%d charges for %d rows of usage", len(charges.Rows), len(live))
	}
	out.Currency = charges.Currency
	if charges.Total != "" {
		if out.Total.Charge, err = exactOf(charges.Total); err != nil {
			return out, err
		}
	}
	for i, text := range charges.Rows {
		if text == "" {
			continue
		}
		if out.Rows[i].Charge, err = exactOf(text); err != nil {
			return out, err
		}
	}
	return out, nil
}

// plus adds usage up.
func plus(a, b metering.UsageTotals) metering.UsageTotals {
	return metering.UsageTotals{
		Requests: a.Requests + b.Requests,
		Classes: metering.Classes{
			Input: a.Input + b.Input, CacheRead: a.CacheRead + b.CacheRead, CacheWrite: a.CacheWrite + b.CacheWrite,
			Output: a.Output + b.Output, Reasoning: a.Reasoning + b.Reasoning,
			AudioInput: a.AudioInput + b.AudioInput, AudioOutput: a.AudioOutput + b.AudioOutput,
			ImageInput: a.ImageInput + b.ImageInput, ImageOutput: a.ImageOutput + b.ImageOutput,
		},
		Total: a.Total + b.Total, InputTokens: a.InputTokens + b.InputTokens, OutputTokens: a.OutputTokens + b.OutputTokens,
		Estimated: a.Estimated + b.Estimated, Unmetered: a.Unmetered + b.Unmetered,
	}
}

// add adds one group to another. A share that is not known leaves the sum
// unknown.
func (f *figure) add(g figure, first bool) {
	f.UsageTotals = plus(f.UsageTotals, g.UsageTotals)
	switch {
	case first:
		f.Charge = g.Charge
	case f.Charge == nil || g.Charge == nil:
		f.Charge = nil
	default:
		f.Charge = new(big.Rat).Add(f.Charge, g.Charge)
	}
}

// by adds the rows up by one of their groups: days in their order, of others the
// dearest first, or where nothing is charged the largest.
func (f figures) by(name string) []figure {
	at := make(map[string]int)
	var out []figure
	for _, row := range f.Rows {
		value := row.group[name]
		i, known := at[value]
		if !known {
			i = len(out)
			at[value] = i
			out = append(out, figure{Value: value})
		}
		out[i].add(row, !known)
	}
	slices.SortStableFunc(out, func(a, b figure) int {
		if name == byDay {
			return strings.Compare(a.Value, b.Value)
		}
		return cmp.Or(compareCharge(b.Charge, a.Charge), cmp.Compare(b.Total, a.Total), cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Value, b.Value))
	})
	return out
}

func compareCharge(a, b *big.Rat) int {
	if a == nil || b == nil {
		return 0
	}
	return a.Cmp(b)
}

// Groups of usage.
const (
	byModel = "model"
	byKey   = "key"
	byDay   = "day"
)

// topSeries is how many models a chart has a colour for; the rest is Other.
const topSeries = page.Palette

// daily draws what each model came to per day: what it is charged where that is
// known, else its tokens.
func (f figures) daily(sp span) (*page.Chart, error) {
	models := f.by(byModel)
	chart := &page.Chart{Kind: page.Bars, Axis: sp.Axis(), Labels: f.days(sp), Partial: sp.Running()}
	charged := f.Priced() && !slices.ContainsFunc(models, func(m figure) bool { return m.Charge == nil })
	switch {
	case charged && f.Currency == billing.USD:
		chart.Title, chart.Unit = "Spend per day, by model", page.UnitUSD
	case charged:
		chart.Title, chart.Unit = "Spend per day, by model, "+string(f.Currency), page.UnitPlain
	default:
		chart.Title, chart.Unit = "Tokens per day, by model", page.UnitTokens
	}
	series := make(map[string]int)
	var names []string
	for i, m := range models {
		at := min(i, topSeries)
		series[m.Value] = at
		if at == len(names) {
			names = append(names, modelName(m.Value))
		}
	}
	if len(models) > topSeries {
		names[topSeries] = page.Other
	}
	sums := f.cells(chart.Labels, series, len(names), charged)
	slots := page.Slots(names)
	for i, name := range names {
		line := page.Series{Name: name, Slot: slots[i]}
		for _, n := range sums[i] {
			line.Values = append(line.Values, f.cellText(n))
		}
		chart.Series = append(chart.Series, line)
	}
	for _, day := range chart.Labels {
		pairs, err := sp.dayPairs(day)
		if err != nil {
			return nil, err
		}
		link, err := page.Href(Base+"/calls", pairs...)
		if err != nil {
			return nil, err
		}
		chart.Links = append(chart.Links, link)
	}
	return chart, nil
}

// cells sums what a chart shows by series and day.
func (f figures) cells(days []string, series map[string]int, width int, charged bool) [][]*big.Rat {
	column := make(map[string]int, len(days))
	for i, day := range days {
		column[day] = i
	}
	sums := make([][]*big.Rat, width)
	for i := range sums {
		sums[i] = make([]*big.Rat, len(days))
		for j := range sums[i] {
			sums[i][j] = new(big.Rat)
		}
	}
	for _, row := range f.Rows {
		j, known := column[row.group[byDay]]
		if !known {
			continue
		}
		cell := sums[series[row.group[byModel]]][j]
		if charged {
			cell.Add(cell, row.Charge)
		} else {
			cell.Add(cell, new(big.Rat).SetInt64(row.UsageTotals.Total))
		}
	}
	return sums
}

// cellText is a figure of a chart. Of a currency whose charts have no unit of
// their own it is cut to what a reader wants to see; the tables have it whole.
func (f figures) cellText(r *big.Rat) string {
	if f.Currency == billing.USD || r.IsInt() {
		return decimalOf(r)
	}
	return trim(r.FloatString(small))
}

// days are the days of the span up to now, and any later one that usage was
// reported for: the chart adds up to the total.
func (f figures) days(sp span) []string {
	days := sp.days()
	for _, row := range f.Rows {
		days = append(days, row.group[byDay])
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// modelName is how a model is called; what was reported without one says so.
func modelName(model string) string {
	if model == "" {
		return "(no model)"
	}
	return model
}
