package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// callFilter chooses calls, as the URL has it.
type callFilter struct {
	Customer string // as given: an id or an external id
	Key      string
	Model    string
	Outcome  string

	customer string // internal id
	Period   page.Period
	bounded  bool // the URL names a period
}

// failedOutcome stands for every outcome by which a client did not get what it
// asked for.
const failedOutcome = "failed"

// outcomes are the terminal states of a call.
func outcomes() []string {
	return []string{
		string(metering.OutcomeComplete), string(metering.OutcomeTruncated), string(metering.OutcomeClientGone),
		string(metering.OutcomeUpstreamError), string(metering.OutcomeTimeout), string(metering.OutcomeRefused), string(metering.OutcomeCrashed),
	}
}

// Outcomes are for the form of the filter.
func (callFilter) Outcomes() []string { return append([]string{failedOutcome}, outcomes()...) }

// Active reports whether anything is filtered.
func (f callFilter) Active() bool { return f.Customer+f.Key+f.Model+f.Outcome != "" }

// readCallFilter reads the filter. A customer of another organisation, or none,
// is metering.ErrNotFound.
func (s *Server) readCallFilter(r *http.Request) (callFilter, error) {
	v := r.URL.Query()
	take := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	f := callFilter{Customer: take("customer"), Key: take("key"), Model: take("model"), Outcome: take("outcome")}
	if f.Outcome != "" && !slices.Contains(f.Outcomes(), f.Outcome) {
		return f, invalid("there is no outcome %.40q", f.Outcome)
	}
	f.bounded = v.Get("period")+v.Get("from")+v.Get("to") != ""
	var err error
	if f.Period, err = page.ParsePeriod(v, s.opts.Now(), "30d"); err != nil {
		return f, err
	}
	if f.customer, err = s.customerID(r.Context(), f.Customer); err != nil {
		return f, err
	}
	if f.Key != "" {
		if _, err := s.opts.Store.Key(r.Context(), s.opts.Org, f.Key); err != nil {
			return f, fmt.Errorf("key of the filter: %w", err)
		}
	}
	return f, nil
}

// customerID is the id of a customer by an optional reference.
func (s *Server) customerID(ctx context.Context, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	c, err := s.opts.Store.Customer(ctx, s.opts.Org, ref)
	if err != nil {
		return "", fmt.Errorf("customer of the filter: %w", err)
	}
	return c.ID, nil
}

// query is the question for the store.
func (f callFilter) query(org string, limit int, cursor string) metering.EventQuery {
	q := metering.EventQuery{Org: org, Customer: f.customer, Key: f.Key, Model: f.Model, Limit: limit, Cursor: cursor}
	if f.Outcome != failedOutcome {
		q.Outcome = metering.Outcome(f.Outcome)
	}
	if f.bounded {
		q.From, q.To = f.Period.From, f.Period.To
	}
	return q
}

// Bounds of what one page looks through.
const (
	pageOfCalls = 100
	maxLooked   = 1000 // calls that are looked at for failed ones
)

// calls reads up to limit calls from a cursor. Failed ones are picked out of as
// many as maxLooked, where the list then goes on.
func (s *Server) calls(ctx context.Context, f callFilter, limit int, cursor string) ([]*metering.Event, string, error) {
	var out []*metering.Event
	for looked := 0; ; {
		found, next, err := s.opts.Store.Events(ctx, f.query(s.opts.Org, min(pageOfCalls, limit-len(out)), cursor))
		if err != nil {
			return nil, "", fmt.Errorf("list calls: %w", err)
		}
		looked += len(found)
		for _, e := range found {
			if f.Outcome != failedOutcome || failedCall(e) {
				out = append(out, e)
			}
		}
		cursor = next
		if cursor == "" || len(out) >= limit || f.Outcome == failedOutcome && looked >= maxLooked {
			return out, cursor, nil
		}
	}
}

// callRow is a call as lists show it.
type callRow struct {
	*metering.Event
	CustomerName, KeyName string
}

// Kind is the badge of the outcome.
func (c callRow) Kind() string { return outcomeKind(c.Event) }

// State is the outcome in words.
func (c callRow) State() string { return outcomeText(c.Event) }

// Known reports whether the cost is.
func (c callRow) Known() bool { return costKnown(c.Event) }

// Input and Output are inclusive, as providers count.
func (c callRow) Input() int64 { return c.Usage.Tokens.Input() }

// Output includes reasoning.
func (c callRow) Output() int64 { return c.Usage.Tokens.Output() }

func costKnown(e *metering.Event) bool {
	return e.CostState != metering.CostUnpriced && e.CostState != metering.CostUnrated
}

func outcomeKind(e *metering.Event) string {
	switch {
	case e.Outcome == "":
		return "plain"
	case e.Outcome == metering.OutcomeClientGone:
		return "info"
	case failedCall(e):
		return "bad"
	default:
		return "ok"
	}
}

func outcomeText(e *metering.Event) string {
	text := strings.ReplaceAll(string(e.Outcome), "_", " ")
	switch {
	case e.Outcome == "":
		return "reported"
	case e.Outcome == metering.OutcomeComplete && e.Status >= 400:
		return fmt.Sprintf("answered %d", e.Status)
	case e.Status != 0 && e.Outcome != metering.OutcomeComplete:
		return fmt.Sprintf("%s, %d", text, e.Status)
	default:
		return text
	}
}

// rows names what the calls belong to.
func (s *Server) rows(ctx context.Context, events []*metering.Event) ([]callRow, error) {
	out := make([]callRow, 0, len(events))
	for _, e := range events {
		row := callRow{Event: e}
		var err error
		if row.CustomerName, err = s.customerLabel(ctx, e.Customer); err != nil {
			return nil, err
		}
		if row.CustomerName == "" {
			row.CustomerName = e.ExternalCustomer
		}
		if row.KeyName, err = s.keyLabel(ctx, e.Key); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}
