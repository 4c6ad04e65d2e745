package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// exploration is a question of the usage explorer, as the URL has it.
type exploration struct {
	Period page.Period
	Metric metric
	Group  string // "model", "customer", "key", "provider" or "tag:NAME"
	Bucket string // page.Hourly or page.Daily
	Limit  int    // groups with a series of their own

	Customer, Model, Key, Provider string // filters
	customer                       string // internal id
}

// Bounds of an exploration.
const (
	defaultSeries = topSeries
	maxSeries     = 20
	maxHourly     = 31 * 24 // buckets of an hour
)

// groupings are those of the form; a tag can be typed.
func groupings() []string { return []string{"model", "customer", "key", "provider"} }

func (s *Server) readExploration(ctx context.Context, v url.Values) (exploration, error) {
	take := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	x := exploration{Group: "model", Limit: defaultSeries, Customer: take("customer"), Model: take("model"), Key: take("key"), Provider: take("provider")}
	var err error
	if x.Period, err = page.ParsePeriod(v, s.opts.Now(), "30d"); err != nil {
		return x, err
	}
	var ok bool
	if x.Metric, ok = metricNamed(take("metric")); !ok {
		return x, invalid("there is no metric %.40q", take("metric"))
	}
	if g := take("group"); g != "" {
		x.Group = g
	}
	if tag := take("tag"); tag != "" {
		x.Group = "tag:" + tag
	}
	name, isTag := strings.CutPrefix(x.Group, "tag:")
	if !slices.Contains(groupings(), x.Group) && (!isTag || name == "" || len(name) > 200) {
		return x, invalid("usage is not grouped by %.40q", x.Group)
	}
	switch x.Bucket = take("bucket"); x.Bucket {
	case "":
		x.Bucket = x.Period.DefaultBucket()
	case page.Hourly, page.Daily:
	default:
		return x, invalid("a bucket is an hour or a day, not %.40q", x.Bucket)
	}
	if n := len(x.Period.Buckets(x.Bucket)); x.Bucket == page.Hourly && n > maxHourly {
		return x, invalid("the period has %d hours; choose days, or at most %d hours", n, maxHourly)
	}
	if text := take("limit"); text != "" {
		if x.Limit, err = strconv.Atoi(text); err != nil || x.Limit < 1 || x.Limit > maxSeries {
			return x, invalid("the number of groups is from 1 to %d", maxSeries)
		}
	}
	x.customer, err = s.customerID(ctx, x.Customer)
	return x, err
}

// Metrics and what follows are for the form.
func (exploration) Metrics() []metric { return metrics() }

// Groupings without tags.
func (exploration) Groupings() []string { return groupings() }

// Tag is the name of the tag that usage is grouped by, if any.
func (x exploration) Tag() string {
	name, _ := strings.CutPrefix(x.Group, "tag:")
	if name == x.Group {
		return ""
	}
	return name
}

// Head is the head of the column of groups.
func (x exploration) Head() string { return headOf(x.Group) }

// Filtered reports whether there is a filter.
func (x exploration) Filtered() bool { return x.Customer+x.Model+x.Key+x.Provider != "" }

// explored is the answer: the rows of one question, from which everything on
// the page and in its files is made.
type explored struct {
	exploration
	rows   []metering.UsageRow
	Groups []group // all of them, the largest first
	Sum    metering.UsageTotals
}

// explore asks the store once.
func (s *Server) explore(ctx context.Context, x exploration) (explored, error) {
	q := metering.UsageQuery{Org: s.opts.Org, Customer: x.customer, From: x.Period.From, To: x.Period.To, By: []string{x.Group, x.Bucket}}
	filters := map[string]string{"model": x.Model, "key": x.Key, "provider": x.Provider}
	for _, name := range []string{"model", "key", "provider"} {
		if filters[name] != "" && x.Group != name {
			q.By = append(q.By, name)
		}
	}
	rows, _, err := s.opts.Store.Usage(ctx, q)
	if err != nil {
		return explored{}, fmt.Errorf("usage: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(r metering.UsageRow) bool {
		for name, want := range filters {
			if want != "" && r.Group[name] != want {
				return true
			}
		}
		return false
	})
	out := explored{exploration: x, rows: rows, Groups: grouped(rows, x.Group, x.Metric)}
	out.Sum = total(out.Groups)
	return out, s.label(ctx, x.Group, out.Groups)
}

// usagePage is the page of the explorer.
type usagePage struct {
	explored
	Top   []group // those with a row of their own, and the rest folded
	Whole int64
	Chart *page.Chart
	Fresh fresh
	Twins page.Twins
}

// Weight is the share of one group.
func (p usagePage) Weight(g group) int64 { return p.Metric.weight(&g.UsageTotals) }

func (s *Server) showUsage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.readExploration(r.Context(), r.URL.Query())
	if err != nil {
		return err
	}
	answer, err := s.explore(r.Context(), x)
	if err != nil {
		return err
	}
	out := usagePage{explored: answer, Top: ranked(answer.Groups, x.Limit), Whole: x.Metric.weight(&answer.Sum)}
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	if out.Twins, err = page.TwinsOf(r, r.URL.Path); err != nil {
		return err
	}
	for i, g := range out.Top {
		if out.Top[i].Link, err = s.exploredLink(x, g); err != nil {
			return err
		}
	}
	out.Chart = stacked(answer.rows, x.Group, x.Bucket, out.Top, x.Period, x.Metric)
	out.Chart.Title = x.Metric.Label + " per " + x.Bucket + ", by " + x.Group
	out.Chart.Summary, out.Chart.Open = chartSummary(out.Top, answer.Sum, x.Metric), true
	if out.Chart.Links, err = s.bucketLinks(out.Chart.Labels, x.Bucket, x.Period, []any{"customer", x.Customer, "model", x.Model, "key", x.Key}); err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "usage", out)
	return nil
}

// exploredLink leads from a group to its calls, with the filters of the page.
// Calls have no filter by provider or tag.
func (s *Server) exploredLink(x exploration, g group) (string, error) {
	if g.Value == folded || g.Value == "" || x.Provider != "" || !slices.Contains([]string{"customer", "model", "key"}, x.Group) {
		return "", nil
	}
	filter := map[string]string{"customer": x.Customer, "model": x.Model, "key": x.Key}
	filter[x.Group] = g.Value
	return page.Href(Base+"/events", append([]any{"customer", filter["customer"], "model", filter["model"], "key", filter["key"]}, periodPairs(x.Period)...)...)
}

// exportUsage has every group of every bucket, none folded.
func (s *Server) exportUsage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.readExploration(r.Context(), r.URL.Query())
	if err != nil {
		return err
	}
	answer, err := s.explore(r.Context(), x)
	if err != nil {
		return err
	}
	names := make(map[string]string, len(answer.Groups))
	for _, g := range answer.Groups {
		names[g.Value] = g.Label
	}
	out := page.File{Name: "weir-usage", Counts: make(map[string]bool)}
	out.Columns = append([]string{x.Bucket, x.Group, "name"}, usageColumns()...)
	for _, name := range usageColumns() {
		out.Counts[name] = name != "cost_usd"
	}
	for _, row := range merged(answer.rows, x.Group, x.Bucket) {
		out.Rows = append(out.Rows, append([]string{row.Group[x.Bucket], row.Group[x.Group], names[row.Group[x.Group]]}, usageCells(&row.UsageTotals)...))
	}
	return s.export(w, r, out)
}

// merged adds up the rows that differ in neither of the groups, in the order of
// buckets and then groups.
func merged(rows []metering.UsageRow, by, bucket string) []metering.UsageRow {
	at := make(map[[2]string]int)
	var out []metering.UsageRow
	for _, r := range rows {
		key := [2]string{r.Group[bucket], r.Group[by]}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, metering.UsageRow{Group: map[string]string{bucket: key[0], by: key[1]}})
		}
		out[i].UsageTotals = plus(out[i].UsageTotals, r.UsageTotals)
	}
	slices.SortStableFunc(out, func(a, b metering.UsageRow) int {
		return slices.Compare([]string{a.Group[bucket], a.Group[by]}, []string{b.Group[bucket], b.Group[by]})
	})
	return out
}

// usageColumns are the figures of a row of usage in files, as the API calls
// them.
func usageColumns() []string {
	return []string{
		"requests", "input", "cache_read", "cache_write", "output", "reasoning", "audio_input", "audio_output", "image_input", "image_output",
		"total", "input_tokens", "output_tokens", "cost_usd", "estimated", "unpriced",
	}
}

func usageCells(t *metering.UsageTotals) []string {
	var out []string
	for _, n := range []int64{
		t.Requests, t.Input, t.CacheRead, t.CacheWrite, t.Output, t.Reasoning, t.AudioInput, t.AudioOutput, t.ImageInput, t.ImageOutput,
		t.Total, t.InputTokens, t.OutputTokens,
	} {
		out = append(out, strconv.FormatInt(n, 10))
	}
	return append(out, t.Cost.String(), strconv.FormatInt(t.Estimated, 10), strconv.FormatInt(t.Unpriced, 10))
}

// Limits are the numbers of groups that the form offers.
func (x exploration) Limits() []int {
	limits := []int{5, topSeries, 10, maxSeries}
	if !slices.Contains(limits, x.Limit) {
		limits = append(limits, x.Limit)
		slices.Sort(limits)
	}
	return limits
}
