package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

const (
	topSeries = 7   // of a chart; the rest is Other
	topRows   = 10  // of a list of the largest
	recent    = 100 // calls that a share of errors and a latency are of
)

// overviewPage is the first page.
type overviewPage struct {
	Period page.Period
	Fresh  fresh
	Tiles  []page.Tile
	Chart  *page.Chart
	Metric string
	Tops   []topList
	Steps  *firstSteps // nil: all are done
	Any    bool        // there is usage in the period
}

// topList are the largest customers, models or keys.
type topList struct {
	Title, Link string // the link opens all of them
	Head        string
	Metric      metric
	Groups      []group
	Whole       int64 // weight of all groups
}

// Weight is the share of one group.
func (t topList) Weight(g group) int64 { return t.Metric.weight(&g.UsageTotals) }

func (s *Server) showOverview(w http.ResponseWriter, r *http.Request) error {
	p, err := page.ParsePeriod(r.URL.Query(), s.opts.Now(), "month")
	if err != nil {
		return err
	}
	m, ok := metricNamed(r.URL.Query().Get("metric"))
	if !ok {
		return invalid("there is no metric %.40q", r.URL.Query().Get("metric"))
	}
	out := overviewPage{Period: p, Metric: m.Name}
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	if out.Steps, err = s.firstSteps(r.Context()); err != nil {
		return err
	}
	if err := s.overviewUsage(r.Context(), &out, m); err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "overview", out)
	return nil
}

// overviewUsage fills in what was used: by model and bucket in one question, by
// customer and key in another.
func (s *Server) overviewUsage(ctx context.Context, out *overviewPage, m metric) error {
	p, bucket := out.Period, out.Period.DefaultBucket()
	q := metering.UsageQuery{Org: s.opts.Org, From: p.From, To: p.To, By: []string{"model", bucket}}
	rows, totals, err := s.opts.Store.Usage(ctx, q)
	if err != nil {
		return fmt.Errorf("usage by model: %w", err)
	}
	q.By = []string{"customer", "key"}
	owners, _, err := s.opts.Store.Usage(ctx, q)
	if err != nil {
		return fmt.Errorf("usage by customer: %w", err)
	}
	if out.Tiles, err = s.overviewTiles(ctx, p, totals); err != nil {
		return err
	}
	if out.Any = totals.Requests > 0; !out.Any {
		return nil
	}
	for _, list := range []struct {
		title, by string
		rows      []metering.UsageRow
	}{{"Top customers", "customer", owners}, {"Top models", "model", rows}, {"Top keys", "key", owners}} {
		top, err := s.topList(ctx, list.title, list.by, list.rows, p)
		if err != nil {
			return err
		}
		out.Tops = append(out.Tops, top)
	}
	models := ranked(grouped(rows, "model", m), topSeries)
	if err := s.label(ctx, "model", models); err != nil {
		return err
	}
	out.Chart = stacked(rows, "model", bucket, models, p, m)
	out.Chart.Title = m.Label + " per " + bucket + ", by model"
	out.Chart.Summary = chartSummary(models, totals, m)
	out.Chart.Links, err = s.bucketLinks(out.Chart.Labels, bucket, p, nil)
	return err
}

// chartSummary says in one sentence what there is to see.
func chartSummary(groups []group, totals metering.UsageTotals, m metric) string {
	if len(groups) == 0 {
		return ""
	}
	first := groups[0]
	return fmt.Sprintf("%s in all; %s has %s.", page.Figure{Value: m.value(&totals), Unit: m.unit}, first.Label,
		page.Percent(m.weight(&first.UsageTotals), m.weight(&totals)))
}

// label names groups.
func (s *Server) label(ctx context.Context, by string, groups []group) error {
	for i := range groups {
		if groups[i].Value == folded {
			continue
		}
		var err error
		if groups[i].Label, err = s.groupLabel(ctx, by, groups[i].Value); err != nil {
			return err
		}
	}
	return nil
}

// bucketLinks lead from each bucket to its calls. pairs are further filters.
func (s *Server) bucketLinks(labels []string, bucket string, p page.Period, pairs []any) ([]string, error) {
	links := make([]string, len(labels))
	for i, label := range labels {
		layout, step := time.DateOnly, 24*time.Hour
		if bucket == page.Hourly {
			layout, step = "2006-01-02 15:04", time.Hour
		}
		start, err := time.Parse(layout, label)
		if err != nil {
			return nil, fmt.Errorf("label of a bucket: %w", err)
		}
		from, to := max(p.From, metering.MicrosOf(start)), min(p.To, metering.MicrosOf(start.Add(step)))
		b := page.Period{From: from, To: to}
		if links[i], err = page.Href(Base+"/events", append([]any{"from", b.FromText(), "to", b.ToText()}, pairs...)...); err != nil {
			return nil, err
		}
	}
	return links, nil
}

// topList are the largest groups by cost, or by tokens while nothing has one.
func (s *Server) topList(ctx context.Context, title, by string, rows []metering.UsageRow, p page.Period) (topList, error) {
	list := topList{Title: title, Head: headOf(by), Metric: metrics()[0]}
	groups := grouped(rows, by, list.Metric)
	if all := total(groups); list.Metric.weight(&all) == 0 {
		list.Metric = metrics()[2]
		groups = grouped(rows, by, list.Metric)
	}
	all := total(groups)
	list.Whole = list.Metric.weight(&all)
	list.Groups = ranked(groups, topRows)
	if err := s.label(ctx, by, list.Groups); err != nil {
		return list, err
	}
	for i, g := range list.Groups {
		link, err := s.groupLink(by, g, p)
		if err != nil {
			return list, err
		}
		list.Groups[i].Link = link
	}
	var err error
	list.Link, err = page.Href(Base+"/usage", append([]any{"group", by}, periodPairs(p)...)...)
	return list, err
}

// groupLink leads from a group to the calls that make it; empty where they have
// no filter.
func (s *Server) groupLink(by string, g group, p page.Period) (string, error) {
	if g.Value == folded || g.Value == "" || !slices.Contains([]string{"customer", "model", "key"}, by) {
		return "", nil
	}
	return page.Href(Base+"/events", append([]any{by, g.Value}, periodPairs(p)...)...)
}

// periodPairs are the parameters of a period: its name, or its ends.
func periodPairs(p page.Period) []any {
	if p.Name != "custom" {
		return []any{"period", p.Name}
	}
	return []any{"from", p.FromText(), "to", p.ToText()}
}

func headOf(by string) string {
	switch by {
	case "customer":
		return "Customer"
	case "model":
		return "Model"
	case "key":
		return "Key"
	case "provider":
		return "Provider"
	default:
		return by
	}
}

// overviewTiles are the figures of the period.
func (s *Server) overviewTiles(ctx context.Context, p page.Period, t metering.UsageTotals) ([]page.Tile, error) {
	events, err := page.Href(Base+"/events", periodPairs(p)...)
	if err != nil {
		return nil, err
	}
	explore := func(metric string) (string, error) {
		return page.Href(Base+"/usage", append([]any{"metric", metric}, periodPairs(p)...)...)
	}
	var links [3]string
	for i, name := range []string{"input_tokens", "output_tokens", "cost"} {
		if links[i], err = explore(name); err != nil {
			return nil, err
		}
	}
	tiles := []page.Tile{
		{Label: "Requests", Value: page.NumberHTML(t.Requests), Link: events, Note: requestsNote(t)},
		{Label: "Tokens in", Value: page.TokensHTML(t.InputTokens), Link: links[0], Note: cacheNote(t)},
		{Label: "Tokens out", Value: page.TokensHTML(t.OutputTokens), Link: links[1], Note: page.Tokens(t.Reasoning) + " of them reasoning"},
		{Label: "Upstream cost", Value: page.CostHTML(t.Cost), Link: links[2], Note: "of the priced calls"},
	}
	if t.Unpriced > 0 {
		tiles[3].State, tiles[3].Note = "warn", unpricedNote(t)
	}
	if s.billing != nil {
		money, err := s.billing.tiles(ctx, s.opts.Org, p)
		if err != nil {
			return nil, err
		}
		tiles = append(tiles, money...)
	}
	health, err := s.healthTiles(ctx, p)
	return append(tiles, health...), err
}

// cacheNote is how much of the input the provider had in its cache.
func cacheNote(t metering.UsageTotals) string {
	if t.CacheRead == 0 {
		return "none of them from the cache"
	}
	return page.Tokens(t.CacheRead) + " of them from the cache, " + page.Percent(t.CacheRead, t.InputTokens)
}

// unpricedNote says what is missing of a cost.
func unpricedNote(t metering.UsageTotals) string {
	if t.Unpriced == 1 {
		return "one call has no price: its cost is missing here"
	}
	return page.Number(t.Unpriced) + " calls have no price: their cost is missing here"
}

func requestsNote(t metering.UsageTotals) string {
	switch {
	case t.Requests == 0:
		return "none yet"
	case t.Estimated == 0:
		return "all with the provider's own usage"
	default:
		return page.Number(t.Estimated) + " with estimated usage"
	}
}

// healthTiles are the share of errors and the time to the first byte of the
// latest calls of the period: those are in no rollup.
func (s *Server) healthTiles(ctx context.Context, p page.Period) ([]page.Tile, error) {
	calls, _, err := s.opts.Store.Events(ctx, metering.EventQuery{Org: s.opts.Org, From: p.From, To: p.To, Limit: recent})
	if err != nil {
		return nil, fmt.Errorf("latest calls: %w", err)
	}
	var failed, proxied int64
	var waits []time.Duration
	for _, e := range calls {
		if e.Outcome == "" {
			continue // reported by another source
		}
		proxied++
		if failedCall(e) {
			failed++
		}
		if e.FirstByte != 0 {
			waits = append(waits, e.FirstByte.Time().Sub(e.At.Time()))
		}
	}
	tiles := make([]page.Tile, 0, 2)
	link, err := page.Href(Base+"/live", "outcome", "failed")
	if err != nil {
		return nil, err
	}
	share := page.Tile{Label: "Failed", Value: page.TextHTML(page.Percent(failed, proxied)), Link: link, Note: fmt.Sprintf("of the latest %d calls", proxied)}
	if failed*20 > proxied { // a twentieth: a provider's bad minute is less
		share.State = "warn"
	}
	if proxied == 0 {
		return tiles, nil
	}
	tiles = append(tiles, share)
	if len(waits) > 0 {
		slices.Sort(waits)
		tiles = append(tiles, page.Tile{
			Label: "First byte, median", Value: page.TextHTML(page.Duration(waits[(len(waits)-1)/2])),
			Note: "p95 " + page.Duration(waits[(len(waits)-1)*95/100]) + fmt.Sprintf(", latest %d", len(waits)),
		})
	}
	return tiles, nil
}

// failedCall reports whether the client did not get what it asked for. That it
// hung up is not a failure.
func failedCall(e *metering.Event) bool {
	switch e.Outcome {
	case metering.OutcomeComplete, metering.OutcomeClientGone, "":
		return e.Status >= 400
	default:
		return true
	}
}

// firstSteps are what a newcomer does, each ticked when it is done.
type firstSteps struct {
	Upstreams []Upstream
	Key       bool // there is a key
	Call      bool
	Proxy     string
	Base      string
}

// Upstream reports whether the data plane forwards anywhere.
func (f *firstSteps) Upstream() bool { return len(f.Upstreams) > 0 }

// firstSteps is nil once a call was recorded.
func (s *Server) firstSteps(ctx context.Context) (*firstSteps, error) {
	calls, _, err := s.opts.Store.Events(ctx, metering.EventQuery{Org: s.opts.Org, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("the first call: %w", err)
	}
	if len(calls) > 0 {
		return nil, nil //nolint:nilnil // nothing is left to do
	}
	f := &firstSteps{Proxy: s.opts.Proxy, Base: Base}
	if s.opts.Upstreams != nil {
		f.Upstreams = s.opts.Upstreams()
	}
	keys, _, err := s.opts.Store.Keys(ctx, s.opts.Org, "", 1, "")
	if err != nil && !errors.Is(err, metering.ErrNotFound) {
		return nil, fmt.Errorf("the first key: %w", err)
	}
	f.Key = len(keys) > 0
	return f, nil
}
