package api

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/rerate"
)

// RerateRequest says which events to price again. Without a time, those whose
// cost is unknown or not certain; with one, all of it, those with an exact cost
// too.
type RerateRequest struct {
	From     *Instant `json:"from,omitempty"`
	To       *Instant `json:"to,omitempty"`
	Provider string   `json:"provider,omitempty"`
	Model    string   `json:"model,omitempty"`    // as calls asked for it
	Customer string   `json:"customer,omitempty"` // id or external id
	DryRun   bool     `json:"dry_run,omitempty"`
	Cursor   string   `json:"cursor,omitempty"`
	Limit    int64    `json:"limit,omitempty"` // events to look at; 0: 1000
}

// RerateAnswer is what became of the events that were looked at.
type RerateAnswer struct {
	Looked     int            `json:"looked"`
	Repriced   int            `json:"repriced"`
	Added      metering.Cost  `json:"added_usd"` // by all of them together; below zero: they cost less
	Unpriced   int            `json:"unpriced"`  // still without a cost
	Unsure     int            `json:"provisional"`
	Changes    []RerateChange `json:"changes"`
	Reasons    []RerateReason `json:"reasons"`
	NextCursor string         `json:"next_cursor"` // empty: everything has been looked at
}

// RerateChange is events that were priced again alike.
type RerateChange struct {
	Provider string             `json:"provider"`
	Model    string             `json:"model"`
	Before   metering.CostState `json:"before"`
	After    metering.CostState `json:"after"`
	Reason   string             `json:"reason,omitempty"`
	Events   int                `json:"events"`
	Added    metering.Cost      `json:"added_usd"`
}

// RerateReason is why events have no cost, or an uncertain one.
type RerateReason struct {
	Reason string `json:"reason"`
	Events int    `json:"events"`
}

// mostRerated is how many events one request looks at.
const mostRerated = 5000

func (s *Server) rerate(c *call) (answer, error) {
	if s.opts.Prices.Rerate == nil {
		return answer{}, problem(CodeAbsent, "this server cannot price events again")
	}
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	q := rerate.Request{
		Org: c.org, From: o.instant("from"), To: o.instant("to"), Provider: o.label("provider", 0, 128), Model: o.label("model", 0, 256),
		DryRun: o.boolean("dry_run"), Cursor: o.label("cursor", 0, 256), Limit: int(o.integer("limit", 1000, 1, mostRerated)),
	}
	customer := o.label("customer", 0, maxExternal)
	if (q.From == 0) != (q.To == 0) || q.From > q.To {
		o.fault("to", "from and to are a time: both, or neither")
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if q.Customer, err = s.customerID(c, customer); err != nil {
		return answer{}, err
	}
	got, err := s.opts.Prices.Rerate(c.Context(), q)
	if err != nil {
		return answer{}, fmt.Errorf("price events again: %w", err)
	}
	return ok(showRerate(got))
}

func showRerate(r rerate.Report) RerateAnswer {
	out := RerateAnswer{
		Looked: r.Looked, Repriced: r.Repriced, Added: r.Added, Unpriced: r.Unpriced, Unsure: r.Unsure, NextCursor: r.Cursor,
		Changes: make([]RerateChange, 0, len(r.Changes)), Reasons: make([]RerateReason, 0, len(r.Reasons)),
	}
	for _, x := range r.Changes {
		out.Changes = append(out.Changes, RerateChange(x))
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		out.Reasons = append(out.Reasons, RerateReason{reason, r.Reasons[reason]})
	}
	return out
}

// CheckRerate says how the last pass over unsettled costs went.
func CheckRerate(s rerate.Summary) Check {
	switch {
	case s.At.IsZero():
		return Check{Status: StatusOK, Measured: "no pass has come to an end yet"}
	case s.Failure != nil:
		return Check{
			Status: StatusWarn, Measured: fmt.Sprintf("the last pass broke off after %d events", s.Looked),
			Remedy: "the log of the server says why; the next pass is within an hour, `weir pricebook rerate` is one at once",
		}
	}
	return Check{Status: StatusOK, Measured: fmt.Sprintf(
		"of %d unsettled costs the last pass priced %d again, $%s in all; %d stay without a cost, %d are not certain", s.Looked, s.Repriced, s.Added, s.Unpriced, s.Unsure)}
}
