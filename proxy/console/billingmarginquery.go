package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// marginQuery is what the URL asks for.
type marginQuery struct {
	org    string
	By     []string // dimensions
	Only   []metering.UsageFilter
	Period page.Period
	url    *url.URL
}

// marginQuery reads by and then, which are dimensions, label, which is the name of
// a label to group by first, and only, which are filters.
func (b *billingPages) marginQuery(r *http.Request) (marginQuery, error) {
	v := r.URL.Query()
	q := marginQuery{org: b.org(r), url: r.URL}
	first := v.Get("by")
	if label := strings.TrimSpace(v.Get("label")); label != "" {
		first = "tag:" + label
	}
	if first == "" {
		first = "customer"
	}
	q.By = []string{first}
	for _, name := range []string{"then", "per"} {
		if by := v.Get(name); by != "" && !slices.Contains(q.By, by) {
			q.By = append(q.By, by)
		}
	}
	if err := invoicing.CheckDimensions(q.By); err != nil {
		return q, err
	}
	for _, text := range v["only"] {
		q.Only = append(q.Only, readOnly(text))
	}
	if by, value := v.Get("where"), strings.TrimSpace(v.Get("is")); by != "" && value != "" {
		f := metering.UsageFilter{By: by, Value: value}
		if name, of, ok := strings.Cut(value, "="); by == "label" && ok {
			f = metering.UsageFilter{By: "tag:" + name, Value: of}
		}
		q.Only = slices.DeleteFunc(q.Only, func(o metering.UsageFilter) bool { return o.By == f.By })
		q.Only = append(q.Only, f)
	}
	for i, f := range q.Only {
		if f.By != "customer" || f.Value == "" {
			continue
		}
		c, err := b.metering.Customer(r.Context(), q.org, f.Value)
		if err != nil {
			return q, err
		}
		q.Only[i].Value = c.ID
	}
	if err := invoicing.CheckFilters(q.Only); err != nil {
		return q, err
	}
	var err error
	q.Period, err = page.ParsePeriod(v, b.now(), "month")
	return q, err
}

// readOnly reads a filter: DIMENSION=VALUE, with an empty value for none, or the
// dimension alone for what is not known.
func readOnly(text string) metering.UsageFilter {
	by, value, ok := strings.Cut(text, "=")
	if !ok {
		value = metering.GroupUnknown
	}
	return metering.UsageFilter{By: by, Value: value}
}

// onlyText is what readOnly reads.
func onlyText(f metering.UsageFilter) string {
	if f.Value == metering.GroupUnknown {
		return f.By
	}
	return f.By + "=" + f.Value
}

// question is the query, of as many groups as the page has.
func (q marginQuery) question(top int) invoicing.MarginQuery {
	return invoicing.MarginQuery{Org: q.org, From: q.Period.From, To: q.Period.To, By: q.By, Only: q.Only, Top: top}
}

// First, Label, Then and Per are for the form.
func (q marginQuery) First() string {
	if q.Label() != "" {
		return ""
	}
	return q.By[0]
}

// Label is the name of the label that is grouped by first, if it is one.
func (q marginQuery) Label() string {
	name, ok := strings.CutPrefix(q.By[0], "tag:")
	if !ok {
		return ""
	}
	return name
}

// Then is the second dimension.
func (q marginQuery) Then() string { return q.url.Query().Get("then") }

// Per is the interval of time.
func (q marginQuery) Per() string { return q.url.Query().Get("per") }

// Dimensions are those of the form; a label can be typed.
func (marginQuery) Dimensions() []string { return invoicing.Dimensions() }

// Filters are the dimensions that a filter can be by.
func (marginQuery) Filters() []string {
	return append(slices.DeleteFunc(invoicing.Dimensions(), func(by string) bool { return by == "day" || by == "hour" }), "label")
}

// Kept are the filters as the form carries them on.
func (q marginQuery) Kept() []string {
	out := make([]string, 0, len(q.Only))
	for _, f := range q.Only {
		out = append(out, onlyText(f))
	}
	return out
}

// link is the URL of another question.
func (q marginQuery) link(only []metering.UsageFilter, by string, from, to metering.Micros) string {
	v := q.url.Query()
	for _, name := range []string{"only", "where", "is", "cursor"} {
		v.Del(name)
	}
	for _, f := range only {
		v.Add("only", onlyText(f))
	}
	if by != "" {
		for _, name := range []string{"label", "then", "per"} {
			v.Del(name)
		}
		v.Set("by", by)
	}
	if from != 0 {
		v.Del("period")
		v.Set("from", from.Time().Format(time.RFC3339Nano))
		v.Set("to", to.Time().Format(time.RFC3339Nano))
	}
	return q.url.Path + "?" + v.Encode()
}

// open is where a row leads: to what makes it, by the next dimension that does not
// tell its calls to be of one group; empty where there is none to choose them by.
func (q marginQuery) open(row invoicing.MarginRow) string {
	if row.Kind != invoicing.RowGroup {
		return ""
	}
	only, from, to := slices.Clone(q.Only), metering.Micros(0), metering.Micros(0)
	for i, by := range q.By {
		if by == "day" || by == "hour" {
			from, to = q.within(by, row.Values[i])
			continue
		}
		f := metering.UsageFilter{By: by, Value: row.Values[i]}
		only = append(slices.DeleteFunc(only, func(o metering.UsageFilter) bool { return o.By == by }), f)
	}
	next := "hour"
	for _, by := range []string{"customer", "model", "key", "run", "upstream", "provider"} {
		if !slices.ContainsFunc(only, func(f metering.UsageFilter) bool { return f.By == by }) {
			next = by
			break
		}
	}
	return q.link(only, next, from, to)
}

// within is the part of the period that a day or an hour is.
func (q marginQuery) within(by, value string) (from, to metering.Micros) {
	layout, length := time.DateOnly, 24*time.Hour
	if by == "hour" {
		layout, length = time.RFC3339, time.Hour
	}
	start, err := time.Parse(layout, value)
	if err != nil {
		return 0, 0
	}
	return max(q.Period.From, metering.MicrosOf(start)), min(q.Period.To, metering.MicrosOf(start.Add(length)))
}

// calls is where the calls of a row are listed, if nothing but their customer, key,
// model and time chooses them.
func (q marginQuery) calls(base string, row invoicing.MarginRow) (string, error) {
	if row.Kind != invoicing.RowGroup {
		return "", nil
	}
	from, to := q.Period.From, q.Period.To
	chosen := slices.Clone(q.Only)
	for i, by := range q.By {
		if by == "day" || by == "hour" {
			from, to = q.within(by, row.Values[i])
			continue
		}
		chosen = append(chosen, metering.UsageFilter{By: by, Value: row.Values[i]})
	}
	pairs := []any{"from", from.Time().Format(time.RFC3339Nano), "to", to.Time().Format(time.RFC3339Nano)}
	for _, f := range chosen {
		if f.Value == "" || !slices.Contains([]string{"customer", "key", "model"}, f.By) {
			return "", nil
		}
		pairs = append(pairs, f.By, f.Value)
	}
	return page.Href(base+"/events", pairs...)
}
