package invoicing

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// attribution tells which calls a meter has counted, by reading what they used.
// It remembers what it read: the meters of a customer mostly count the same calls.
type attribution struct {
	usage  Usage
	org    string
	zone   *time.Location
	meters map[string]metering.Meter
	read   map[string][]metering.UsageRow
	left   int // events that may still be read
}

func (b *Biller) attribution(org string, zone *time.Location) *attribution {
	return &attribution{usage: b.usage, org: org, zone: zone, meters: make(map[string]metering.Meter), read: make(map[string][]metering.UsageRow), left: maxAllEvents}
}

// portion is how much of a quantity a group has.
type portion struct {
	group    map[string]string
	quantity metering.Number
}

// sharing is what has to be divided: the quantity of the part of an accrual that was
// asked for, among the events that only keeps, by groups.
type sharing struct {
	accrual
	asked metering.Number // the quantity of that part
	by    []string
	only  []metering.UsageFilter
}

// division is a quantity in portions, of which filters may have left some out.
type division struct {
	portions []portion
	of       metering.Number // the whole: asked, or more where usage goes on
}

// earned is what a quantity of a division has earned of the part that was asked for.
func (x sharing) earned(n, of metering.Number) *big.Rat {
	if of.Compare(x.asked) == 0 {
		return x.accrual.earned(n)
	}
	share := x.accrual.earned(x.asked)
	return share.Mul(share, new(big.Rat).Quo(n.Rat(), of.Rat()))
}

// counted reports whether a sum is what the meter has counted: when the quantity
// was read, or by now, as customers go on calling between two readings.
func (t *attribution) counted(ctx context.Context, x sharing, sum metering.Number) (bool, error) {
	if sum.Compare(x.asked) == 0 {
		return true, nil
	}
	if sum.IsZero() {
		return false, nil
	}
	var now Quantity
	err := t.usage.Steady(ctx, func(r metering.SteadyReader) (err error) {
		now, err = measured(ctx, r, t.org, x.customer)(x.meter, x.part)
		return err
	})
	between := sum.Compare(x.asked)*sum.Compare(now.Amount) <= 0
	return err == nil && between, err
}

// portions divides a quantity: by sums of calls where they show
// what the meter has counted, else by reading the events. ok is false where that is
// not known: of meters that do not add up, or where there are too many events.
func (t *attribution) portions(ctx context.Context, x sharing) (out division, ok bool, err error) {
	m, known := t.meters[x.meter]
	if !known {
		if m, err = t.usage.Meter(ctx, t.org, x.meter); err != nil {
			return out, false, err
		}
		t.meters[x.meter] = m
	}
	if read, counts, ok := derivable(m); ok {
		for _, counted := range ways(counts, x.by, x.only) {
			if out, ok, err := t.derived(ctx, x, counted, read); ok || err != nil {
				return out, ok, err
			}
		}
	}
	if m.Aggregate.Func != metering.AggregateSum && m.Aggregate.Func != metering.AggregateCount {
		return out, false, nil
	}
	if len(x.only) == 0 && len(x.by) == 1 {
		if out, ok, err := t.overTime(ctx, m, x, x.by[0]); ok || err != nil {
			return out, ok, err
		}
	}
	return t.measured(ctx, m, x)
}

// Bounds of the events that are read: for one price of a customer in one period,
// which takes about a second, and for one question.
const (
	maxEvents    = 20_000
	maxAllEvents = 200_000
)

// measured divides the quantity of a meter by reading what it has counted.
func (t *attribution) measured(ctx context.Context, m metering.Meter, x sharing) (out division, ok bool, err error) {
	q := metering.UsageQuery{Org: t.org, Customer: x.customer, From: x.part.Start, To: x.part.End, By: slices.Clone(x.by), Zone: t.zone}
	for _, f := range x.only {
		if !slices.Contains(q.By, f.By) {
			q.By = append(q.By, f.By)
		}
	}
	most := min(maxEvents, t.left)
	rows, events, err := t.usage.Measured(ctx, q, m, most)
	t.left = max(0, t.left-events)
	if err != nil || events > most {
		return out, false, err
	}
	for _, r := range rows {
		out.of = out.of.Add(r.Quantity)
		if !slices.ContainsFunc(x.only, func(f metering.UsageFilter) bool { return r.Group[f.By] != f.Value }) {
			out.portions = append(out.portions, portion{r.Group, r.Quantity})
		}
	}
	ok, err = t.counted(ctx, x, out.of)
	return out, ok, err
}

// ways are the filters of a meter to try in turn. Sums by hour do not have the
// name of events: where nothing else needs events, they are read first.
func ways(counts []metering.UsageFilter, by []string, only []metering.UsageFilter) [][]metering.UsageFilter {
	named := func(f metering.UsageFilter) bool { return f.By == "name" }
	inEvents := func(by string) bool { return by == "run" || by == "upstream" || strings.HasPrefix(by, "tag:") }
	filtered := func(f metering.UsageFilter) bool { return inEvents(f.By) }
	if !slices.ContainsFunc(counts, named) || slices.ContainsFunc(by, inEvents) || slices.ContainsFunc(only, filtered) || slices.ContainsFunc(counts, filtered) {
		return [][]metering.UsageFilter{counts}
	}
	return [][]metering.UsageFilter{slices.DeleteFunc(slices.Clone(counts), named), counts}
}

// derived reads portions off sums of calls, if they are all that the meter has
// counted.
func (t *attribution) derived(ctx context.Context, x sharing, counted []metering.UsageFilter, read reading) (out division, ok bool, err error) {
	rows, err := t.rows(ctx, x.accrual, x.by, slices.Concat(x.only, counted))
	if err != nil {
		return out, false, err
	}
	all := rows
	if len(x.only) > 0 {
		if all, err = t.rows(ctx, x.accrual, nil, counted); err != nil {
			return out, false, err
		}
	}
	for _, r := range all {
		out.of = out.of.Add(read(r.UsageTotals))
	}
	if ok, err = t.counted(ctx, x, out.of); !ok || err != nil {
		return out, false, err // something counts that is no such call
	}
	for _, r := range rows {
		out.portions = append(out.portions, portion{r.Group, read(r.UsageTotals)})
	}
	return out, true, nil
}

// rows is what the calls of an accrual's customer used in its time, without those
// of test keys.
func (t *attribution) rows(ctx context.Context, a accrual, by []string, only []metering.UsageFilter) ([]metering.UsageRow, error) {
	q := metering.UsageQuery{
		Org: t.org, Customer: a.customer, From: a.part.Start, To: a.part.End, By: by, Zone: t.zone,
		Only: append(slices.Clone(only), metering.UsageFilter{By: "test", Value: "false"}),
	}
	name := fmt.Sprintf("%q %d %d %q %q", q.Customer, q.From, q.To, q.By, q.Only)
	if rows, ok := t.read[name]; ok {
		return rows, nil
	}
	rows, _, err := t.usage.Usage(ctx, q)
	if err == nil {
		t.read[name] = rows
	}
	return rows, err
}

// maxIntervals bounds how finely the quantity of a meter is read over time: a
// month has fewer hours.
const maxIntervals = 1000

// overTime divides the quantity of a meter that adds up by day or hour, by which
// meters are kept themselves.
func (t *attribution) overTime(ctx context.Context, m metering.Meter, x sharing, by string) (out division, ok bool, err error) {
	length := map[string]time.Duration{"day": 24 * time.Hour, "hour": time.Hour}[by]
	if length == 0 || time.Duration(x.part.End-x.part.Start)*time.Microsecond > maxIntervals*length {
		return out, false, nil
	}
	q := metering.QuantityQuery{Org: t.org, Meter: m.ID, Customer: x.customer, From: x.part.Start, To: x.part.End, Interval: by, Zone: t.zone, Live: true}
	if q.Zone == nil || by == "hour" {
		q.Zone = time.UTC
	}
	var rows []metering.QuantityRow
	err = t.usage.Steady(ctx, func(r metering.SteadyReader) (err error) {
		rows, err = r.Quantities(ctx, q)
		return err
	})
	if err != nil {
		return out, false, err
	}
	for _, r := range rows {
		quantity, err := metering.ParseNumber(r.Quantity)
		if err != nil {
			return out, false, fmt.Errorf("quantity %q: %w", r.Quantity, err)
		}
		if quantity.IsZero() {
			continue
		}
		out.of = out.of.Add(quantity)
		name := r.From.Time().In(q.Zone).Format(time.DateOnly)
		if by == "hour" {
			name = r.From.Hour().Time().Format(time.RFC3339)
		}
		out.portions = append(out.portions, portion{map[string]string{by: name}, quantity})
	}
	ok, err = t.counted(ctx, x, out.of)
	return out, ok, err
}

// reading is what sums of usage say of the quantity of a meter.
type reading func(metering.UsageTotals) metering.Number

// derivable tells how to read the quantity of a meter off sums of usage, and of
// which usage. ok is false for meters that add up, or filter by, what sums of
// usage do not have.
func derivable(m metering.Meter) (read reading, only []metering.UsageFilter, ok bool) {
	if len(m.Filter.Clauses) > 1 && m.Filter.Conjunction != metering.And {
		return nil, nil, false
	}
	for _, c := range m.Filter.Clauses {
		f, ok := filterOf(c)
		if !ok {
			return nil, nil, false
		}
		only = append(only, f)
	}
	if m.Aggregate.Func == metering.AggregateCount {
		return func(t metering.UsageTotals) metering.Number { return metering.NumberOf(t.Requests) }, only, true
	}
	if m.Aggregate.Func != metering.AggregateSum {
		return nil, nil, false
	}
	read, ok = sumOf(strings.TrimPrefix(m.Aggregate.Property, "metadata."))
	return read, only, ok
}

// sumOf reads the sum of a property.
func sumOf(property string) (reading, bool) {
	whole := func(of func(metering.UsageTotals) int64) (reading, bool) {
		return func(t metering.UsageTotals) metering.Number { return metering.NumberOf(of(t)) }, true
	}
	switch property {
	case "totalTokens", "_llm.total_tokens":
		return whole(func(t metering.UsageTotals) int64 { return t.InputTokens + t.OutputTokens })
	case "inputTokens", "_llm.input_tokens":
		return whole(func(t metering.UsageTotals) int64 { return t.InputTokens })
	case "outputTokens", "_llm.output_tokens":
		return whole(func(t metering.UsageTotals) int64 { return t.OutputTokens })
	case "cachedInputTokens", "_llm.cached_input_tokens":
		return whole(func(t metering.UsageTotals) int64 { return t.CacheRead })
	case "_llm.cache_write_tokens":
		return whole(func(t metering.UsageTotals) int64 { return t.CacheWrite })
	case "_llm.reasoning_tokens":
		return whole(func(t metering.UsageTotals) int64 { return t.Reasoning })
	case "_cost.amount":
		return func(t metering.UsageTotals) metering.Number { return t.Cost.Cents() }, true
	default:
		return nil, false
	}
}

// filterOf is a condition of a meter as a filter of usage. What is no name of a
// group is taken for a label: if it is none, what is found is not what the meter
// has counted, and nothing is made of it.
func filterOf(c metering.Clause) (metering.UsageFilter, bool) {
	if c.Filter != nil || c.Operator != metering.OpEq || c.Value.Kind != metering.KindString {
		return metering.UsageFilter{}, false
	}
	by, prefixed := strings.CutPrefix(c.Property, "metadata.")
	switch by {
	case "model", "provider", "upstream":
	case "_llm.vendor":
		by = "provider"
	case "name":
		if prefixed {
			by = "tag:name"
		}
	default:
		by = "tag:" + by
	}
	return metering.UsageFilter{By: by, Value: c.Value.Text}, true
}
