package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// Bounds of lists of calls.
const (
	pageOfCalls = 50
	maxLooked   = 1000   // that are looked at for interrupted ones
	maxExport   = 10_000 // rows of a file
)

// callFilter chooses calls, as the URL has it.
type callFilter struct {
	Key, Model, Outcome string
	Keys                []keyRow // of the customer, for the form
	Bounded             bool     // the URL names a span
	Span                span
}

// Outcomes that a reader can ask for beside those of a call.
const outcomeInterrupted = "interrupted"

// Outcomes are for the form of the filter.
func (callFilter) Outcomes() []string {
	return []string{
		string(metering.OutcomeComplete), outcomeInterrupted, string(metering.OutcomeUpstreamError), string(metering.OutcomeTimeout), string(metering.OutcomeRefused),
	}
}

// Words is an outcome as pages say it.
func (callFilter) Words(outcome string) string {
	if outcome == string(metering.OutcomeUpstreamError) {
		return "provider error"
	}
	return outcome
}

// Active reports whether anything is filtered.
func (f callFilter) Active() bool { return f.Key+f.Model+f.Outcome != "" || f.Bounded }

// readCallFilter reads the filter. A key of another customer is not there, S26.
func (s *Server) readCallFilter(r *http.Request, contracts []contract) (callFilter, error) {
	q := r.URL.Query()
	take := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	f := callFilter{Key: take("key"), Model: take("model"), Outcome: take("outcome"), Bounded: q.Get("from")+q.Get("to")+q.Get("period") != ""}
	if f.Outcome != "" && !slices.Contains(f.Outcomes(), f.Outcome) {
		return f, invalid("there is no outcome %.40q", f.Outcome)
	}
	if f.Key != "" {
		if _, err := s.key(r, f.Key); err != nil {
			return f, err
		}
	}
	keys, err := s.keys(r.Context(), visitorOf(r))
	if err != nil {
		return f, err
	}
	f.Keys = s.newestFirst(keys)
	f.Span, err = s.spanOf(r, contracts)
	return f, err
}

// calls reads up to limit calls from a cursor. Interrupted ones are picked out
// of as many as maxLooked, where the list then goes on.
func (s *Server) calls(ctx context.Context, v visitor, f callFilter, limit int, cursor string) ([]*metering.Event, string, error) {
	q := metering.EventQuery{Org: v.org, Customer: v.customer.ID, Key: f.Key, Model: f.Model, Limit: pageOfCalls, Cursor: cursor}
	if f.Outcome != outcomeInterrupted {
		q.Outcome = metering.Outcome(f.Outcome)
	}
	if f.Bounded {
		q.From, q.To = f.Span.From, f.Span.To
	}
	var out []*metering.Event
	for looked := 0; ; {
		q.Limit = min(1000, limit-len(out))
		found, next, err := s.opts.Store.Events(ctx, q)
		if err != nil {
			return nil, "", fmt.Errorf("calls: %w", err)
		}
		looked += len(found)
		for _, e := range found {
			if f.Outcome != outcomeInterrupted || interrupted(e) {
				out = append(out, e)
			}
		}
		q.Cursor = next
		if next == "" || len(out) >= limit || f.Outcome == outcomeInterrupted && looked >= max(limit, maxLooked) {
			return out, next, nil
		}
	}
}

// callRow is a call as lists show it.
type callRow struct {
	*metering.Event
	Key   keyRow // of the customer's own; empty for what a backend called with its
	Share share
}

// Input is inclusive, as providers count.
func (c callRow) Input() int64 { return c.Usage.Tokens.Input() }

// Output includes reasoning.
func (c callRow) Output() int64 { return c.Usage.Tokens.Output() }

// Cached is how much of the input came from the cache.
func (c callRow) Cached() int64 { return c.Usage.Tokens.Classes().CacheRead }

// Interrupted reports whether it broke off after it had begun.
func (c callRow) Interrupted() bool { return interrupted(c.Event) }

func interrupted(e *metering.Event) bool {
	return slices.Contains([]metering.Outcome{metering.OutcomeTruncated, metering.OutcomeClientGone, metering.OutcomeCrashed}, e.Outcome)
}

// Kind is the badge of the outcome.
func (c callRow) Kind() string {
	switch {
	case c.Outcome == "":
		return "plain"
	case c.Interrupted():
		return "warn"
	case c.Outcome != metering.OutcomeComplete || c.Status >= 400:
		return "bad"
	default:
		return "ok"
	}
}

// State is the outcome in words.
func (c callRow) State() string {
	switch c.Outcome {
	case "":
		return "reported"
	case metering.OutcomeTruncated, metering.OutcomeClientGone, metering.OutcomeCrashed:
		return outcomeInterrupted
	case metering.OutcomeUpstreamError:
		return "provider error"
	case metering.OutcomeComplete:
		if c.Status >= 400 {
			return "answered " + strconv.Itoa(c.Status)
		}
		return "complete"
	default:
		return string(c.Outcome)
	}
}

// callsPage lists calls.
type callsPage struct {
	Fresh  fresh
	Filter callFilter
	Rows   []callRow
	Pager  page.Pager
	Twins  page.Twins
	Bills  bool
	Zone   string
}

func (s *Server) showCalls(w http.ResponseWriter, r *http.Request) error {
	out := callsPage{Bills: s.bills()}
	var err error
	if out.Fresh, err = s.freshness(r.Context()); err != nil {
		return err
	}
	var next string
	if out.Filter, out.Rows, next, err = s.listCalls(r, pageOfCalls); err != nil {
		return err
	}
	if out.Pager, err = pager(r, next); err != nil {
		return err
	}
	if out.Twins, err = page.TwinsOf(r, Base+"/calls"); err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "calls", out)
	return nil
}

// listCalls reads the calls that a request asks for, each with what it costs.
func (s *Server) listCalls(r *http.Request, limit int) (callFilter, []callRow, string, error) {
	ctx, v := r.Context(), visitorOf(r)
	contracts, err := s.contracts(ctx, v)
	if err != nil {
		return callFilter{}, nil, "", err
	}
	f, err := s.readCallFilter(r, contracts)
	if err != nil {
		return f, nil, "", err
	}
	events, next, err := s.calls(ctx, v, f, limit, r.URL.Query().Get("cursor"))
	if err != nil {
		return f, nil, "", err
	}
	t, err := s.tariff(ctx, v, contracts)
	if err != nil {
		return f, nil, "", err
	}
	keys := make(map[string]keyRow)
	for _, k := range f.Keys {
		keys[k.ID] = k
	}
	rows := make([]callRow, 0, len(events))
	for _, e := range events {
		k, own := keys[e.Key]
		if !own {
			e.Key = "" // a backend's, which made the call for the customer
		}
		rows = append(rows, callRow{e, k, t.of(e)})
	}
	return f, rows, next, nil
}

// exportCalls answers with the calls that the page lists, all of them up to
// maxExport.
func (s *Server) exportCalls(w http.ResponseWriter, r *http.Request) error {
	_, rows, next, err := s.listCalls(r, maxExport)
	if err != nil {
		return err
	}
	out := page.File{
		Name: "calls", More: next != "",
		Columns: []string{
			"id", "time", "model", "key", "key_name", "outcome", "status", "usage", "input_tokens", "cache_read", "output_tokens", "reasoning", "total",
			"charge", "currency", "note", "duration_ms", "test", "run", "client_id",
		},
		Counts: map[string]bool{"status": true, "input_tokens": true, "cache_read": true, "output_tokens": true, "reasoning": true, "total": true, "duration_ms": true},
	}
	for _, c := range rows {
		status, duration := "", ""
		if c.Status != 0 {
			status = strconv.Itoa(c.Status)
		}
		if c.End != 0 {
			duration = strconv.FormatInt(int64(c.End.Time().Sub(c.At.Time())/time.Millisecond), 10)
		}
		out.Rows = append(out.Rows, []string{
			c.ID.String(), machine(c.At), c.Model, c.Event.Key, keyLabel(c), string(c.Outcome), status, string(c.Usage.State),
			strconv.FormatInt(c.Input(), 10), strconv.FormatInt(c.Cached(), 10), strconv.FormatInt(c.Output(), 10),
			strconv.FormatInt(c.Usage.Tokens.Classes().Reasoning, 10), strconv.FormatInt(c.Input()+c.Output(), 10),
			decimalOf(c.Share.Amount), string(c.Share.Currency), c.Share.Note, duration, strconv.FormatBool(c.Test), c.Run, c.ClientID,
		})
	}
	return s.export(w, r, out)
}

// keyLabel names the key of a call, if it is the customer's own.
func keyLabel(c callRow) string {
	if c.Event.Key == "" {
		return ""
	}
	return c.Key.Label()
}

// call is the call that the path names by its own id. One of another customer is
// not there, S26.
func (s *Server) call(r *http.Request) (*metering.Event, error) {
	v, ref := visitorOf(r), r.PathValue("call")
	missing := fmt.Errorf("call %.100q: %w", ref, metering.ErrNotFound)
	// Other ids, such as the client's, are not unique to a customer.
	id, err := metering.ParseID(ref)
	if err != nil {
		return nil, missing
	}
	e, err := s.opts.Store.Event(r.Context(), v.org, id.String())
	switch {
	case errors.Is(err, metering.ErrNotFound):
		return nil, missing
	case err != nil:
		return nil, fmt.Errorf("call: %w", err)
	case e.ID != id || e.Customer != v.customer.ID:
		return nil, missing
	}
	return e, nil
}
