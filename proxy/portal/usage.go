package portal

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// usagePage is what was used in a span.
type usagePage struct {
	Fresh      fresh
	Span       span
	Chart      *page.Chart // nil: nothing was used
	Tables     []usageTable
	Draft      *draft          // of the open period that the span is; nil: none
	Other      metering.Number // tokens of the draft that are in no call
	Test       metering.UsageTotals
	Bills      bool
	Subscribed bool
}

// usageTable is usage by one of its groups.
type usageTable struct {
	figures
	Title, Head string
	Groups      []figure
	Twins       page.Twins
}

func (s *Server) showUsage(w http.ResponseWriter, r *http.Request) error {
	ctx, v := r.Context(), visitorOf(r)
	contracts, err := s.contracts(ctx, v)
	if err != nil {
		return err
	}
	out := usagePage{Bills: s.bills(), Subscribed: len(contracts) > 0}
	if out.Fresh, err = s.freshness(ctx); err != nil {
		return err
	}
	if out.Span, err = s.spanOf(r, contracts); err != nil {
		return err
	}
	daily, err := s.figures(ctx, v, out.Span, byDay, byModel)
	if err != nil {
		return err
	}
	keyed, err := s.figures(ctx, v, out.Span, byKey)
	if err != nil {
		return err
	}
	out.Test = daily.Test
	if daily.Total.Requests > 0 {
		if out.Chart, err = daily.daily(out.Span); err != nil {
			return err
		}
		if out.Chart.Summary, err = daily.summary(); err != nil {
			return err
		}
		for _, t := range []struct {
			name, title, head string
			of                figures
		}{{byModel, "By model", "Model", daily}, {byKey, "By key", "Key", keyed}, {byDay, "By day", out.Span.Axis(), daily}} {
			table := usageTable{figures: t.of, Title: t.title, Head: t.head}
			if table.Groups, err = s.groups(ctx, v, out.Span, t.of, t.name); err != nil {
				return err
			}
			if table.Twins, err = page.TwinsOf(r, Base+"/usage", "by", t.name); err != nil {
				return err
			}
			out.Tables = append(out.Tables, table)
		}
	}
	if out.Draft, err = s.draftOf(ctx, v, out.Span, contracts); err != nil {
		return err
	}
	if out.Draft != nil {
		out.Other = elsewhere(*out.Draft, daily.Total.UsageTotals)
	}
	s.site.Render(w, r, http.StatusOK, "usage", out)
	return nil
}

// groups are the rows of a table, each named and leading to its calls.
func (s *Server) groups(ctx context.Context, v visitor, sp span, f figures, by string) ([]figure, error) {
	names, err := s.keyNames(ctx, v, by)
	if err != nil {
		return nil, err
	}
	if by == byKey {
		f = f.ofKeys(names)
	}
	out := f.by(by)
	for i, g := range out {
		pairs := append(sp.pairs(), by, g.Value)
		switch by {
		case byDay:
			out[i].Label = g.Value
			if pairs, err = sp.dayPairs(g.Value); err != nil {
				return nil, err
			}
		case byModel:
			out[i].Label = modelName(g.Value)
		case byKey:
			if out[i].Label = names[g.Value]; g.Value == "" {
				out[i].Label = noKey
			}
		}
		if g.Value == "" {
			continue // no filter of calls chooses what has none
		}
		if out[i].Link, err = page.Href(Base+"/calls", pairs...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// noKey stands for calls without a key of the customer: those that a backend
// made for the customer with its own, and what another source reported.
const noKey = "(made for you)"

// keyNames are the names of the customer's keys, where a table is by them.
func (s *Server) keyNames(ctx context.Context, v visitor, by string) (map[string]string, error) {
	if by != byKey {
		return nil, nil
	}
	keys, err := s.keys(ctx, v)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(keys))
	for _, k := range keys {
		names[k.ID] = keyName(k)
	}
	return names, nil
}

// ofKeys are the figures by the customer's own keys: of others not even the ids
// are shown.
func (f figures) ofKeys(names map[string]string) figures {
	rows := slices.Clone(f.Rows)
	for i, row := range rows {
		if _, own := names[row.group[byKey]]; !own {
			rows[i].group = map[string]string{byKey: ""}
		}
	}
	f.Rows = rows
	return f
}

// draftOf is the estimate of the open period that a span is; nil if it is none.
func (s *Server) draftOf(ctx context.Context, v visitor, sp span, contracts []contract) (*draft, error) {
	e, err := s.estimate(ctx, v)
	if err != nil {
		return nil, err
	}
	drafts, err := s.drafts(e, contracts)
	if err != nil {
		return nil, err
	}
	for _, d := range drafts {
		if d.Invoice.Period.Start == sp.From && d.Invoice.Period.End == sp.To {
			return &d, nil
		}
	}
	return nil, nil //nolint:nilnil // the span is no open period
}

// usageColumns are those of a file of usage, after the group.
func usageColumns() []string {
	return []string{
		"requests", "input", "cache_read", "cache_write", "output", "reasoning", "audio_input", "audio_output", "image_input", "image_output",
		"total", "input_tokens", "output_tokens", "estimated", "charge", "currency",
	}
}

// usageRow is the row of a file, after the group.
func usageRow(f figures, g figure) []string {
	t := g.UsageTotals
	var out []string
	for _, n := range []int64{
		t.Requests, t.Input, t.CacheRead, t.CacheWrite, t.Output, t.Reasoning, t.AudioInput, t.AudioOutput, t.ImageInput, t.ImageOutput,
		t.Total, t.InputTokens, t.OutputTokens, t.Estimated,
	} {
		out = append(out, strconv.FormatInt(n, 10))
	}
	charge, currency := "", string(f.Currency)
	if currency != "" {
		charge = decimalOf(g.Charge)
	}
	return append(out, charge, currency)
}

// exportUsage answers with the rows of one table of the page: by=model, key or
// day.
func (s *Server) exportUsage(w http.ResponseWriter, r *http.Request) error {
	ctx, v := r.Context(), visitorOf(r)
	contracts, err := s.contracts(ctx, v)
	if err != nil {
		return err
	}
	sp, err := s.spanOf(r, contracts)
	if err != nil {
		return err
	}
	by := r.URL.Query().Get("by")
	switch by {
	case "":
		by = byModel
	case byModel, byKey, byDay:
	default:
		return invalid("usage by %.20q, want model, key or day", by)
	}
	f, err := s.figures(ctx, v, sp, by)
	if err != nil {
		return err
	}
	groups, err := s.groups(ctx, v, sp, f, by)
	if err != nil {
		return err
	}
	out := page.File{Name: "usage-by-" + by, Columns: append([]string{by}, usageColumns()...), Counts: make(map[string]bool)}
	if by == byKey {
		out.Columns = append([]string{by, "key_name"}, usageColumns()...)
	}
	for _, name := range usageColumns() {
		out.Counts[name] = name != "charge" && name != "currency"
	}
	row := func(value, label string, g figure) []string {
		cells := []string{value}
		if by == byKey {
			cells = append(cells, label)
		}
		return append(cells, usageRow(f, g)...)
	}
	for _, g := range groups {
		out.Rows = append(out.Rows, row(g.Value, g.Label, g))
	}
	out.Totals = row("", "", f.Total)
	return s.export(w, r, out)
}

// elsewhere is how many tokens of the open period are in no call, because
// another source reported them.
func elsewhere(d draft, calls metering.UsageTotals) metering.Number {
	var sum metering.Number
	for _, l := range d.Invoice.Lines {
		if l.MeterName == metering.MeterLLM && (l.Kind == billing.LineUsage || l.Kind == billing.LineTrial) {
			sum = sum.Add(l.Quantity)
		}
	}
	if sum.IsZero() {
		return sum // there is no price for tokens
	}
	return sum.Sub(metering.NumberOf(calls.InputTokens + calls.OutputTokens))
}
