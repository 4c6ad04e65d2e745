package console

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// metric is a figure of usage that can be drawn.
type metric struct {
	Name, Label string
	unit        string
	value       func(*metering.UsageTotals) string // exact decimal
	weight      func(*metering.UsageTotals) int64  // to rank by
}

// metrics are the figures of the usage explorer, the first is what it starts
// with.
func metrics() []metric {
	count := func(name, label, unit string, of func(*metering.UsageTotals) int64) metric {
		return metric{name, label, unit, func(t *metering.UsageTotals) string { return fmt.Sprint(of(t)) }, of}
	}
	return []metric{
		{"cost", "Upstream cost", page.UnitUSD, func(t *metering.UsageTotals) string { return t.Cost.String() }, costWeight},
		count("requests", "Requests", page.UnitCount, func(t *metering.UsageTotals) int64 { return t.Requests }),
		count("tokens", "Tokens, all", page.UnitTokens, func(t *metering.UsageTotals) int64 { return t.Total }),
		count("input_tokens", "Tokens in, cached included", page.UnitTokens, func(t *metering.UsageTotals) int64 { return t.InputTokens }),
		count("output_tokens", "Tokens out, reasoning included", page.UnitTokens, func(t *metering.UsageTotals) int64 { return t.OutputTokens }),
		count("cache_read", "Tokens read from the cache", page.UnitTokens, func(t *metering.UsageTotals) int64 { return t.CacheRead }),
		count("cache_write", "Tokens written to the cache", page.UnitTokens, func(t *metering.UsageTotals) int64 { return t.CacheWrite }),
		count("reasoning", "Reasoning tokens", page.UnitTokens, func(t *metering.UsageTotals) int64 { return t.Reasoning }),
		count("estimated", "Requests with estimated usage", page.UnitCount, func(t *metering.UsageTotals) int64 { return t.Estimated }),
		count("unpriced", "Requests without a price", page.UnitCount, func(t *metering.UsageTotals) int64 { return t.Unpriced }),
	}
}

// costWeight ranks by cost in nano-dollars, as finely as what is compared needs.
func costWeight(t *metering.UsageTotals) int64 {
	c := t.Cost.Normal()
	if c.Micros > 1<<52 {
		return 1 << 62
	}
	return c.Micros*1000 + c.Picos/1000
}

func metricNamed(name string) (metric, bool) {
	all := metrics()
	if name == "" {
		return all[0], true
	}
	i := slices.IndexFunc(all, func(m metric) bool { return m.Name == name })
	if i < 0 {
		return metric{}, false
	}
	return all[i], true
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
		Cost: a.Cost.Add(b.Cost), Estimated: a.Estimated + b.Estimated, Unpriced: a.Unpriced + b.Unpriced, Unmetered: a.Unmetered + b.Unmetered,
	}
}

// group is the usage of one value of a grouping.
type group struct {
	Value, Label string
	Link         string // the rows that make it
	metering.UsageTotals
}

// grouped adds the rows up by one of their groups, the largest by the metric
// first.
func grouped(rows []metering.UsageRow, by string, m metric) []group {
	at := make(map[string]int)
	var out []group
	for _, r := range rows {
		value := r.Group[by]
		i, ok := at[value]
		if !ok {
			i = len(out)
			at[value] = i
			out = append(out, group{Value: value})
		}
		out[i].UsageTotals = plus(out[i].UsageTotals, r.UsageTotals)
	}
	slices.SortStableFunc(out, func(a, b group) int {
		return cmp.Or(cmp.Compare(m.weight(&b.UsageTotals), m.weight(&a.UsageTotals)), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Value, b.Value))
	})
	return out
}

// total adds groups up.
func total(groups []group) metering.UsageTotals {
	var t metering.UsageTotals
	for i := range groups {
		t = plus(t, groups[i].UsageTotals)
	}
	return t
}

// folded is the value of the group of all others: no name has it.
const folded = "\x00"

// ranked keeps the largest groups and folds the rest into Other.
func ranked(groups []group, limit int) []group {
	if len(groups) <= limit {
		return groups
	}
	out := slices.Clone(groups[:limit])
	return append(out, group{
		Value: folded, Label: fmt.Sprintf("%s (%d more)", page.Other, len(groups)-limit), UsageTotals: total(groups[limit:]),
	})
}

// stacked draws a metric by bucket and group. top are the groups that have a
// series, in their order; rows of others are added to the folded one. A bucket
// without usage is zero: nothing was used.
func stacked(rows []metering.UsageRow, by, bucket string, top []group, p page.Period, m metric) *page.Chart {
	starts := bucketsOf(rows, bucket, p)
	chart := &page.Chart{Kind: page.Bars, Unit: m.unit, Axis: axisOf(bucket), Partial: p.Running()}
	column := make(map[string]int, len(starts))
	for i, t := range starts {
		chart.Labels = append(chart.Labels, page.BucketLabel(t, bucket))
		column[bucketKey(t, bucket)] = i
	}
	names := make([]string, len(top))
	series := make(map[string]int, len(top))
	cells := make([][]metering.UsageTotals, len(top))
	for i, g := range top {
		names[i], series[g.Value] = g.Value, i
		if g.Value == folded {
			names[i] = page.Other
		}
		cells[i] = make([]metering.UsageTotals, len(starts))
	}
	for _, r := range rows {
		i, ok := series[r.Group[by]]
		if !ok {
			i, ok = series[folded]
		}
		if j, known := column[r.Group[bucket]]; ok && known {
			cells[i][j] = plus(cells[i][j], r.UsageTotals)
		}
	}
	slots := page.Slots(names)
	for i, g := range top {
		s := page.Series{Name: g.Label, Slot: slots[i]}
		for j := range cells[i] {
			s.Values = append(s.Values, m.value(&cells[i][j]))
		}
		chart.Series = append(chart.Series, s)
		sum := g.UsageTotals
		chart.Totals = append(chart.Totals, m.value(&sum))
	}
	return chart
}

// bucketsOf are the buckets of the period up to now, and any later one that
// usage was reported for: the chart adds up to the total.
func bucketsOf(rows []metering.UsageRow, bucket string, p page.Period) []time.Time {
	starts := p.Buckets(bucket)
	known := make(map[string]bool, len(starts))
	for _, t := range starts {
		known[bucketKey(t, bucket)] = true
	}
	for _, r := range rows {
		key := r.Group[bucket]
		if known[key] {
			continue
		}
		known[key] = true
		layout := time.DateOnly
		if bucket == page.Hourly {
			layout = time.RFC3339
		}
		if t, err := time.Parse(layout, key); err == nil {
			starts = append(starts, t)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

func axisOf(bucket string) string {
	if bucket == page.Hourly {
		return "Hour (UTC)"
	}
	return "Day (UTC)"
}

// bucketKey is the start of a bucket as the store names it.
func bucketKey(t time.Time, bucket string) string {
	if bucket == page.Hourly {
		return t.Format(time.RFC3339)
	}
	return t.Format(time.DateOnly)
}
