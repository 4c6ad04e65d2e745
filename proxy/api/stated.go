package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/weirhq/weir/metering"
)

// StatedAnswer compares what providers state that calls cost with what the price
// book says.
type StatedAnswer struct {
	Interval string       `json:"interval"`
	Rows     []StatedRow  `json:"rows"`
	Totals   StatedTotals `json:"totals"`
}

// StatedRow is the comparison of one model at one upstream in one interval.
type StatedRow struct {
	From     Instant `json:"from"` // null: it is all that was asked for
	Provider string  `json:"provider"`
	Upstream string  `json:"upstream"`
	Model    string  `json:"model"`
	StatedTotals
}

// StatedTotals are sums with what follows from them.
type StatedTotals struct {
	metering.StatedSums
	Difference metering.Cost `json:"difference_usd"`     // stated less computed, of the compared
	Percent    *string       `json:"difference_percent"` // of what is stated; null: nothing is
}

// statedRoutes are the routes about what providers state.
func statedRoutes() []Route {
	return []Route{{http.MethodGet, "/api/v1/costs/stated", "pricebook:read", "showStatedCosts", 0, (*Server).showStatedCosts}}
}

// statedIntervals are those that costs are compared by.
func statedIntervals() []string { return []string{"hour", "day", "total"} }

func (s *Server) showStatedCosts(c *call) (answer, error) {
	q := metering.StatedQuery{
		Org: c.org, Interval: cmp.Or(c.query.text("interval", 20), "total"),
		Provider: c.query.text("provider", 128), Upstream: c.query.text("upstream", 128), Model: c.query.text("model", 256),
	}
	q.From, q.To = c.query.span()
	sync := c.query.boolean("sync")
	if !slices.Contains(statedIntervals(), q.Interval) {
		c.query.fault("interval", "must be one of %v", statedIntervals())
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if sync {
		if err := s.sync(c.Context()); err != nil {
			return answer{}, err
		}
	}
	rows, err := s.opts.Store.StatedCosts(c.Context(), q)
	if err != nil {
		return answer{}, err
	}
	out := StatedAnswer{Interval: q.Interval, Rows: make([]StatedRow, 0, len(rows))}
	var sum metering.StatedSums
	for _, r := range rows {
		sum.Add(&r.StatedSums)
		out.Rows = append(out.Rows, StatedRow{Instant(r.From), r.Provider, r.Upstream, r.Model, showStated(r.StatedSums)})
	}
	out.Totals = showStated(sum)
	return ok(out)
}

func showStated(s metering.StatedSums) StatedTotals {
	return StatedTotals{StatedSums: s, Difference: s.Difference(), Percent: known(s.Percent())}
}

// statedOff is the percent by which doctor lets two figures be apart.
func statedOff() metering.Number { return metering.Number{Picos: metering.PicosPerUnit / 10} }

// checkStated is doctor's finding about what providers stated within a week.
func (s *Server) checkStated(ctx context.Context, org string) Check {
	const name = "stated costs"
	rows, err := s.opts.Store.StatedCosts(ctx, metering.StatedQuery{Org: org, From: metering.MicrosOf(s.opts.Now().Add(-lookBack))})
	if err != nil {
		return s.unmeasured(ctx, name, err)
	}
	var sum metering.StatedSums
	var worst *metering.StatedRow
	for i, r := range rows {
		sum.Add(&r.StatedSums)
		if r.Differing > 0 && r.Off(statedOff()) && (worst == nil || r.Differing > worst.Differing) {
			worst = &rows[i]
		}
	}
	check := Check{Name: name, Status: StatusOK, Measured: "no provider stated what a call costs within a week"}
	if sum.Calls+sum.Invalid > 0 {
		check.Measured = fmt.Sprintf("of %d calls within a week that have one, %d have a price here too, and %d differ by more than 0.1 %%", sum.Calls, sum.Compared, sum.Differing)
	}
	if worst != nil {
		check.Status = StatusWarn
		check.Measured += fmt.Sprintf("; most of them %s/%s, $%s stated and $%s by the price book", worst.Provider, worst.Model, worst.StatedCompared, worst.Computed)
		check.Remedy = "`weir pricebook stated --from -7d` has all of them: look at the vendor's page, and `weir pricebook add` the price that holds"
	}
	if sum.Invalid > 0 {
		check.Status = StatusWarn
		check.Measured += fmt.Sprintf("; %d more state what is no cost", sum.Invalid)
		check.Remedy = cmp.Or(check.Remedy, "`weir event show` has what was stated; the price book's figure counts meanwhile")
	}
	return check
}

// StatedOptions ask for the comparison. Empty fields do not narrow.
type StatedOptions struct {
	Interval                  string // hour, day or total
	Provider, Upstream, Model string
	From, To                  string
	Sync                      bool // wait until everything answered before is in
}

// StatedCosts compares what providers state with what the price book says.
func (c *Client) StatedCosts(ctx context.Context, o StatedOptions) (StatedAnswer, error) {
	q := params("interval", o.Interval, "provider", o.Provider, "upstream", o.Upstream, "model", o.Model, "from", o.From, "to", o.To)
	if o.Sync {
		q.Set("sync", "true")
	}
	return do[StatedAnswer](ctx, c, http.MethodGet, at("costs", "stated"), q, nil)
}
