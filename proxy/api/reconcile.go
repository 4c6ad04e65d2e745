package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// Reconciliation is what comparisons with providers work with.
type Reconciliation struct {
	Store ReconciliationStore
	// Fetch asks a provider for its reports, with a key of this process's; nil:
	// exports have to be given.
	Fetch func(ctx context.Context, provider string, from, to reconcile.Day, take func(costs bool, page []byte) error) error
	// Defaults are the tolerance and the keys of each provider where a request names
	// none. May be nil.
	Defaults map[string]reconcile.Options
}

// ReconciliationStore sums what was recorded, and keeps reports.
type ReconciliationStore interface {
	reconcile.Source
	KeepReport(ctx context.Context, org string, r *reconcile.Report, at metering.Micros) error
	LatestReports(ctx context.Context, org string) ([]reconcile.Report, []metering.Micros, error)
}

// ReconcileRequest asks for a comparison with what a provider says of itself.
type ReconcileRequest struct {
	Provider   string            `json:"provider"`
	From       string            `json:"from,omitempty"` // a day of UTC; empty: what the exports cover, or 30 days
	To         string            `json:"to,omitempty"`   // exclusive; empty: today
	Usage      []string          `json:"usage,omitempty"`
	Costs      []string          `json:"costs,omitempty"`     // exports, each a text; none of either: the server asks
	Tolerance  string            `json:"tolerance,omitempty"` // empty: what is configured, else 0.1%
	FloorUSD   string            `json:"floor_usd,omitempty"`
	FloorToken int64             `json:"floor_tokens"`
	Boundary   int64             `json:"boundary_seconds"`
	Keys       map[string]string `json:"keys,omitempty"` // credential by the provider's id of a key; none: what is configured
}

// Bounds of comparisons.
const (
	maxExports   = reconcile.MaxBytes + 8<<20 // as texts in JSON
	maxFiles     = 1000
	maxReportRow = 20_000
	maxKeptRow   = 1_000
	maxSpanDays  = 100
	lookBackDays = 30
)

func reconcileRoutes() []Route {
	return []Route{{http.MethodPost, "/api/v1/reconcile", "pricebook:write", "reconcile", maxExports, (*Server).reconcile}}
}

// reconcileAsk is a request that was read.
type reconcileAsk struct {
	provider     string
	usage, costs []json.RawMessage
	boundary     metering.Micros
	options      reconcile.Options
}

// reconcile compares what was recorded with what a provider says.
func (s *Server) reconcile(c *call) (answer, error) {
	if s.opts.Reconciliation == nil {
		return answer{}, problem(CodeAbsent, "this server cannot compare with providers")
	}
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	q := readReconcile(o)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	q.options = s.opts.Reconciliation.fill(q.provider, q.options)
	today := reconcile.DayOf(metering.MicrosOf(c.now))
	q.options.Today = today
	export, err := s.export(c.Context(), &q, today)
	if err != nil {
		return answer{}, refusedExport(err)
	}
	r, err := s.compare(c.Context(), c.org, export, &q)
	if err != nil {
		return answer{}, refusedExport(err)
	}
	if n := r.Prune(maxReportRow); n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d rows that agree, or differ least, are left out", n))
	}
	a, err := ok(r)
	if err != nil {
		return a, err
	}
	body, err := a.encode()
	if err != nil {
		return a, err
	}
	r.Prune(maxKeptRow)
	if err := s.opts.Reconciliation.Store.KeepReport(c.Context(), c.org, r, c.at()); err != nil {
		return answer{}, fmt.Errorf("keep the comparison: %w", err)
	}
	return ok(json.RawMessage(body))
}

// fill puts the defaults of a provider where nothing was asked for.
func (r *Reconciliation) fill(provider string, o reconcile.Options) reconcile.Options {
	d := r.Defaults[provider]
	if o.Tolerance == nil {
		o.Tolerance = d.Tolerance
	}
	if o.Keys == nil {
		o.Keys = d.Keys
	}
	return o
}

// readReconcile reads what is asked.
func readReconcile(o *object) reconcileAsk {
	q := reconcileAsk{provider: choice(o, "provider", append([]string{""}, reconcile.Providers()...)...)}
	if q.provider == "" {
		o.fault("provider", "is required: %s", strings.Join(reconcile.Providers(), " or "))
	}
	day := func(name string) reconcile.Day {
		text := o.label(name, 0, 10)
		if text == "" {
			return 0
		}
		d, err := reconcile.ParseDay(text)
		if err != nil {
			o.fault(name, "must be a day of UTC, like 2026-01-31")
		}
		return d
	}
	q.options.From, q.options.To = day("from"), day("to")
	if q.options.To != 0 && (q.options.To <= q.options.From || q.options.From != 0 && q.options.To-q.options.From > maxSpanDays) {
		o.fault("to", "must be 1 to %d days after from", maxSpanDays)
	}
	q.usage, q.costs = o.list("usage", maxFiles), o.list("costs", maxFiles)
	if text := o.label("tolerance", 0, 40); text != "" {
		r, err := reconcile.ParseTolerance(text)
		if err != nil {
			o.fault("tolerance", "must be like 0.1%% or 0.001, from 0 to 100%%")
		}
		q.options.Tolerance = r
	}
	if text := o.label("floor_usd", 0, 40); text != "" {
		cost, err := metering.ParseCost(text)
		if err != nil || cost.Micros < 0 {
			o.fault("floor_usd", "must be an amount of US dollars, like 0.01")
		}
		if q.options.FloorCost = cost; cost.IsZero() {
			q.options.FloorCost.Micros = -1
		}
	}
	if o.has("floor_tokens") {
		if q.options.FloorTokens = o.integer("floor_tokens", 0, 0, maxStated); q.options.FloorTokens == 0 {
			q.options.FloorTokens = -1
		}
	}
	q.boundary = metering.Micros(o.integer("boundary_seconds", 60, 0, 3600)) * metering.Micros(time.Second/time.Microsecond)
	q.options.Keys = o.labels("keys")
	return q
}

// export reads what was given, or asks the provider.
func (s *Server) export(ctx context.Context, q *reconcileAsk, today reconcile.Day) (*reconcile.Export, error) {
	r, err := reconcile.NewReader(q.provider)
	if err != nil {
		return nil, err
	}
	take := func(costs bool, name, text string) error {
		if costs {
			return r.ReadCosts(name, strings.NewReader(text))
		}
		return r.Read(name, strings.NewReader(text))
	}
	for i, list := range [][]json.RawMessage{q.usage, q.costs} {
		for n, raw := range list {
			name := fmt.Sprintf("%s[%d]", []string{"usage", "costs"}[i], n)
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, fmt.Errorf("%s is no text: %w", name, metering.ErrInvalid)
			}
			if err := take(i == 1, name, text); err != nil {
				return nil, err
			}
		}
	}
	if len(q.usage)+len(q.costs) > 0 {
		return r.Export()
	}
	if s.opts.Reconciliation.Fetch == nil {
		return nil, fmt.Errorf("no export is given, and this server does not ask providers: %w", metering.ErrInvalid)
	}
	if q.options.To == 0 {
		q.options.To = today
	}
	if q.options.From == 0 {
		q.options.From = q.options.To - lookBackDays
	}
	if err := s.opts.Reconciliation.Fetch(ctx, q.provider, q.options.From, q.options.To, func(costs bool, page []byte) error { return take(costs, "a page", string(page)) }); err != nil {
		return nil, err
	}
	return r.Export()
}

// compare sums what was recorded of the export's days, and compares.
func (s *Server) compare(ctx context.Context, org string, e *reconcile.Export, q *reconcileAsk) (*reconcile.Report, error) {
	days := slices.Concat(e.Days, e.Partly)
	if len(days) == 0 {
		return nil, fmt.Errorf("the export covers no day: %w", metering.ErrInvalid)
	}
	from, to := max(slices.Min(days), q.options.From), slices.Max(days)+1
	if q.options.To != 0 {
		to = min(to, q.options.To)
	}
	if to-from > maxSpanDays {
		return nil, fmt.Errorf("the export covers %d days, not at most %d; say from and to: %w", to-from, maxSpanDays, metering.ErrInvalid)
	}
	recorded, err := s.opts.Reconciliation.Store.Recorded(ctx, reconcile.Query{Org: org, Provider: q.provider, From: from, To: max(to, from), Boundary: q.boundary})
	if err != nil {
		return nil, err
	}
	return reconcile.Compare(e, recorded, q.options)
}

// refusedExport is the problem of an export that cannot be compared.
func refusedExport(err error) error {
	if errors.Is(err, metering.ErrInvalid) {
		return invalid(FieldError{"", strings.TrimSuffix(err.Error(), ": "+metering.ErrInvalid.Error())})
	}
	return fmt.Errorf("compare with the provider: %w", err)
}

// checkReconciled tells of the latest comparison with each provider.
func (s *Server) checkReconciled(ctx context.Context, org string) []Check {
	if s.opts.Reconciliation == nil {
		return nil
	}
	reports, at, err := s.opts.Reconciliation.Store.LatestReports(ctx, org)
	if err != nil {
		return []Check{s.unmeasured(ctx, "reconcile", err)}
	}
	var out []Check
	for i, r := range reports {
		check := Check{Name: "reconcile " + r.Provider, Status: StatusOK, Measured: fmt.Sprintf("%s: %s to %s, compared %s; %d of %d rows differ", r.Verdict, r.From, r.To-1, Instant(at[i]), r.Differing, r.Compared)}
		if r.Verdict == reconcile.VerdictDiffers {
			check.Status, check.Remedy = StatusWarn, "the provider's report says something else: weir reconcile --provider "+r.Provider+" shows what, and why"
		}
		out = append(out, check)
	}
	return out
}
