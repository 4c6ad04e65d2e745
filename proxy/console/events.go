package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// eventsPage is the list of calls, and of what other sources reported.
type eventsPage struct {
	Period   page.Period
	Filter   callFilter
	Fresh    fresh
	Rows     []callRow
	Totals   *metering.UsageTotals // nil: rollups cannot answer for the filter
	Pager    page.Pager
	Twins    page.Twins
	Customer string // the name, where the filter has one
	KeyName  string
}

func (s *Server) showEvents(w http.ResponseWriter, r *http.Request) error {
	f, err := s.readCallFilter(r)
	if err != nil {
		return err
	}
	f.bounded = true
	cursor := r.URL.Query().Get("cursor")
	events, next, err := s.calls(r.Context(), f, pageOfCalls, cursor)
	if err != nil {
		return err
	}
	out := eventsPage{Period: f.Period, Filter: f}
	if out.Rows, err = s.rows(r.Context(), events); err != nil {
		return err
	}
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	if out.Totals, err = s.filteredTotals(r, f); err != nil {
		return err
	}
	if out.Customer, err = s.customerLabel(r.Context(), f.customer); err != nil {
		return err
	}
	if out.KeyName, err = s.keyLabel(r.Context(), f.Key); err != nil {
		return err
	}
	if out.Twins, err = page.TwinsOf(r, r.URL.Path); err != nil {
		return err
	}
	if out.Pager, err = pagerOf(r, cursor, next); err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "events", out)
	return nil
}

// pagerOf leads on in a list.
func pagerOf(r *http.Request, cursor, next string) (p page.Pager, err error) {
	if cursor != "" {
		if p.First, err = page.Query(r.URL); err != nil {
			return p, err
		}
	}
	if next != "" {
		p.Next, err = page.Query(r.URL, "cursor", next)
	}
	return p, err
}

// filteredTotals are the sums over all calls of the filter, from the rollups.
// Those know nothing of outcomes.
func (s *Server) filteredTotals(r *http.Request, f callFilter) (*metering.UsageTotals, error) {
	if f.Outcome != "" {
		return nil, nil //nolint:nilnil // there are none
	}
	q := metering.UsageQuery{Org: s.opts.Org, Customer: f.customer, From: f.Period.From, To: f.Period.To}
	if f.Model != "" {
		q.By = append(q.By, "model")
	}
	if f.Key != "" {
		q.By = append(q.By, "key")
	}
	rows, _, err := s.opts.Store.Usage(r.Context(), q)
	if err != nil {
		return nil, fmt.Errorf("usage of the filter: %w", err)
	}
	var sum metering.UsageTotals
	for _, row := range rows {
		if (f.Model == "" || row.Group["model"] == f.Model) && (f.Key == "" || row.Group["key"] == f.Key) {
			sum = plus(sum, row.UsageTotals)
		}
	}
	return &sum, nil
}

// exportEvents has the newest maxExport calls of the filter.
func (s *Server) exportEvents(w http.ResponseWriter, r *http.Request) error {
	f, err := s.readCallFilter(r)
	if err != nil {
		return err
	}
	f.bounded = true
	events, next, err := s.calls(r.Context(), f, maxExport, "")
	if err != nil {
		return err
	}
	rows, err := s.rows(r.Context(), events)
	if err != nil {
		return err
	}
	out := page.File{Name: "weir-calls", More: next != "", Counts: map[string]bool{"status": true, "input_tokens": true, "output_tokens": true, "cache_read": true, "reasoning": true}}
	out.Columns = []string{
		"id", "timestamp", "customer_id", "customer", "key_id", "model", "model_served", "provider", "endpoint", "outcome", "status",
		"first_byte_at", "ended_at", "input_tokens", "output_tokens", "cache_read", "reasoning", "usage_state", "cost_usd", "cost_state", "test",
	}
	for _, c := range rows {
		classes := c.Usage.Tokens.Classes()
		cost := ""
		if c.Known() {
			cost = c.Cost.String()
		}
		out.Rows = append(out.Rows, []string{
			c.ID.String(), machine(c.At), c.Customer, c.CustomerName, c.Key, c.Model, c.Usage.Model, c.Provider, c.Endpoint, string(c.Outcome), fmt.Sprint(c.Status),
			machine(c.FirstByte), machine(c.End), fmt.Sprint(c.Input()), fmt.Sprint(c.Output()), fmt.Sprint(classes.CacheRead), fmt.Sprint(classes.Reasoning),
			string(c.Usage.State), cost, string(c.CostState), fmt.Sprint(c.Test),
		})
	}
	return s.export(w, r, out)
}

// machine is an instant for programs, empty for none.
func machine(m metering.Micros) string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(time.RFC3339Nano)
}
