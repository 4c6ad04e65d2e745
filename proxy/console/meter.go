package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// meterPage is one meter and its quantity per day.
type meterPage struct {
	meterRow
	Period   page.Period
	Fresh    fresh
	Chart    *page.Chart
	Sum      metering.QuantityRow // of the whole period, which is not always the sum of the days
	Rows     []metering.QuantityRow
	Customer string
	Samples  []sample
	Twins    page.Twins
	Fault    string
}

// sample is a recent event and what the meter makes of it.
type sample struct {
	callRow
	Counts   bool
	Quantity string
}

// sampled is how many events a meter is tried on.
const sampled = 20

func (s *Server) showMeter(w http.ResponseWriter, r *http.Request) error {
	return s.meterPage(w, r, http.StatusOK, "")
}

func (s *Server) meterPage(w http.ResponseWriter, r *http.Request, status int, fault string) error {
	out, err := s.measured(r)
	if err != nil {
		return err
	}
	out.Fault = fault
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	if out.Samples, err = s.samples(r.Context(), &out.Meter); err != nil {
		return err
	}
	if out.Twins.CSV, err = page.Query(&url.URL{Path: Base + "/meters/" + out.ID + "/quantities.csv", RawQuery: r.URL.RawQuery}); err != nil {
		return err
	}
	if out.Twins.JSON, err = page.Query(&url.URL{Path: Base + "/meters/" + out.ID + "/quantities.json", RawQuery: r.URL.RawQuery}); err != nil {
		return err
	}
	s.site.Render(w, r, status, "meter", out)
	return nil
}

// measured reads the meter of the path and its quantities.
func (s *Server) measured(r *http.Request) (meterPage, error) {
	m, err := s.opts.Store.Meter(r.Context(), s.opts.Org, r.PathValue("meter"))
	if err != nil {
		return meterPage{}, fmt.Errorf("meter: %w", err)
	}
	out := meterPage{meterRow: meterRow{m}, Customer: strings.TrimSpace(r.URL.Query().Get("customer"))}
	if out.Period, err = page.ParsePeriod(r.URL.Query(), s.opts.Now(), "30d"); err != nil {
		return out, err
	}
	q := metering.QuantityQuery{Org: s.opts.Org, Meter: m.ID, From: out.Period.From, To: out.Period.To}
	if q.Customer, err = s.customerID(r.Context(), out.Customer); err != nil {
		return out, err
	}
	whole, err := s.opts.Store.Quantities(r.Context(), q)
	if err != nil {
		return out, fmt.Errorf("quantity of the period: %w", err)
	}
	if len(whole) > 0 {
		out.Sum = whole[0]
	}
	q.Interval = out.Period.DefaultBucket()
	if out.Rows, err = s.opts.Store.Quantities(r.Context(), q); err != nil {
		return out, fmt.Errorf("quantities: %w", err)
	}
	out.Chart = quantityChart(out.Rows, out.Period, q.Interval)
	out.Chart.Title = m.Name + " per " + q.Interval
	return out, nil
}

// quantityChart draws the intervals that have begun. One without events is a
// gap: an average of nothing is not zero.
func quantityChart(rows []metering.QuantityRow, p page.Period, bucket string) *page.Chart {
	chart := &page.Chart{Kind: page.Bars, Axis: axisOf(bucket), Partial: p.Running(), Open: true}
	series := page.Series{Name: "Quantity", Slot: 0}
	for _, row := range rows {
		if row.From > p.Now && row.Events == 0 {
			continue
		}
		chart.Labels = append(chart.Labels, page.BucketLabel(row.From.Time(), bucket))
		value := row.Quantity
		if row.Events == 0 {
			value = ""
		}
		series.Values = append(series.Values, value)
	}
	chart.Series = []page.Series{series}
	return chart
}

// samples tries the meter on the latest events.
func (s *Server) samples(ctx context.Context, m *metering.Meter) ([]sample, error) {
	events, _, err := s.opts.Store.Events(ctx, metering.EventQuery{Org: s.opts.Org, Limit: sampled})
	if err != nil {
		return nil, fmt.Errorf("latest events: %w", err)
	}
	rows, err := s.rows(ctx, events)
	if err != nil {
		return nil, err
	}
	out := make([]sample, 0, len(rows))
	for _, row := range rows {
		x := sample{callRow: row}
		var v metering.Value
		if v, x.Counts = m.Measure(row.Event); x.Counts {
			x.Quantity = measureText(v)
		}
		out = append(out, x)
	}
	return out, nil
}

// measureText is what an event contributes.
func measureText(v metering.Value) string {
	switch v.Kind {
	case metering.KindNone:
		return "1"
	case metering.KindNumber:
		return v.Num.String()
	case metering.KindBool:
		return strconv.FormatBool(v.Bool)
	default:
		return v.Text
	}
}

func (s *Server) exportMeter(w http.ResponseWriter, r *http.Request) error {
	m, err := s.measured(r)
	if err != nil {
		return err
	}
	out := page.File{Name: "weir-quantities", Columns: []string{"from", "quantity", "exact", "events"}, Counts: map[string]bool{"events": true}}
	for _, row := range m.Rows {
		out.Rows = append(out.Rows, []string{row.From.Time().Format(time.RFC3339), row.Quantity, strconv.FormatBool(row.Exact), strconv.FormatInt(row.Events, 10)})
	}
	return s.export(w, r, out)
}

// archiveMeter ends a meter. What it has measured stays.
func (s *Server) archiveMeter(w http.ResponseWriter, r *http.Request) error {
	m, err := s.opts.Store.Meter(r.Context(), s.opts.Org, r.PathValue("meter"))
	if err != nil {
		return fmt.Errorf("meter: %w", err)
	}
	if r.PostFormValue("confirm") != m.Name {
		return s.meterPage(w, r, http.StatusUnprocessableEntity, "Type the name of the meter to archive it.")
	}
	if m.Archived == 0 {
		if err := s.opts.Store.ArchiveMeter(r.Context(), s.opts.Org, m.ID, s.at()); err != nil {
			return fmt.Errorf("archive the meter: %w", err)
		}
		s.opts.Logger.InfoContext(r.Context(), "meter archived", "meter", m.ID, "by", viewer(r))
	}
	http.Redirect(w, r, Base+"/meters/"+url.PathEscape(m.ID), http.StatusSeeOther)
	return nil
}
