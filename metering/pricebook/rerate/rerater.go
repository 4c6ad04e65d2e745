package rerate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
)

// Store has the events.
type Store interface {
	// Unsettled returns events whose cost is unknown or not certain, the oldest
	// first, behind one of them.
	Unsettled(ctx context.Context, org string, at metering.Micros, after metering.ID, limit int) ([]*metering.Event, error)
	// Events returns a page of events, the latest first, and the cursor of the next.
	Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error)
	// Corrections returns those of an event in their order, and the content of the
	// latest.
	Corrections(ctx context.Context, org string, of metering.ID) ([]*metering.Event, []byte, error)
	// CorrectUsing records a correction once, and what it takes from pools.
	// metering.ErrConflict: somebody else was first.
	CorrectUsing(ctx context.Context, c *metering.Event, before int, content []byte, uses []metering.PoolUse) error
	// PoolUsed is what the settled events of a window took from a pool.
	PoolUsed(ctx context.Context, org, pool string, since metering.Micros) (metering.Number, error)
}

// Options configure a rerater.
type Options struct {
	Store Store
	Book  func() *pricebook.Book // the one in force
	// Complete is the instant up to which every event is on record: no earlier one
	// can come but as late usage.
	Complete func(context.Context) (metering.Micros, error)
}

// Rerater prices events again. Its methods are safe for concurrent use, also by
// several processes: who is first corrects an event, and the others find that it
// has been.
type Rerater struct{ o Options }

// New returns a rerater.
func New(o Options) *Rerater { return &Rerater{o} }

// Request says which events to look at.
type Request struct {
	Org string
	// From and To name a time: all events of it are looked at, those with an exact
	// cost too. Both zero: only those whose cost is unknown or not certain.
	From, To metering.Micros
	// Provider, Model (as asked for) and Customer narrow; empty: any.
	Provider, Model, Customer string
	// DryRun records nothing.
	DryRun bool
	// Cursor is where an earlier request left off; empty: at the beginning.
	Cursor string
	// Limit is how many events are looked at; zero: 1000.
	Limit int
}

// Report is what became of the events that were looked at.
type Report struct {
	Looked   int
	Repriced int           // got another cost, or their cost became certain
	Added    metering.Cost // by all of them together; below zero if they cost less
	Unpriced int           // still have no cost
	Unsure   int           // still have one that is not certain
	// Changes are what was done, by provider, model and what was before and is now.
	Changes []Change
	// Reasons say why the rest has no cost, or an uncertain one, and how often.
	Reasons map[string]int
	// Cursor is where to go on; empty: everything has been looked at.
	Cursor string
}

// Change is events that were priced again for one reason.
type Change struct {
	Provider, Model string
	Before, After   metering.CostState
	Reason          string // of the state after
	Events          int
	Added           metering.Cost
}

// Run looks at events and prices again what has another cost by now. What it did
// stays done if it fails in the middle; to run it again does the rest.
func (r *Rerater) Run(ctx context.Context, q Request) (Report, error) {
	if q.Limit <= 0 {
		q.Limit = 1000
	}
	events, cursor, err := r.page(ctx, q)
	if err != nil {
		return Report{}, fmt.Errorf("price again: %w", err)
	}
	complete, err := r.o.Complete(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("price again: up to when events are complete: %w", err)
	}
	run := &run{r: r, q: q, book: r.o.Book(), complete: complete, pools: make(map[pool]metering.Number)}
	run.report.Cursor, run.report.Reasons = cursor, make(map[string]int)
	for _, e := range events {
		if err := run.event(ctx, e); err != nil {
			return run.report, fmt.Errorf("price event %s again: %w", e.ID, err)
		}
	}
	return run.report, nil
}

// page returns the events to look at and where the next page begins.
func (r *Rerater) page(ctx context.Context, q Request) (events []*metering.Event, cursor string, err error) {
	if q.From == 0 && q.To == 0 {
		at, id, err := parseCursor(q.Cursor)
		if err != nil {
			return nil, "", err
		}
		if events, err = r.o.Store.Unsettled(ctx, q.Org, at, id, q.Limit); err != nil {
			return nil, "", err
		}
		if len(events) == q.Limit {
			last := events[len(events)-1]
			cursor = fmt.Sprintf("%d.%s", last.At, last.ID)
		}
	} else {
		events, cursor, err = r.o.Store.Events(ctx, metering.EventQuery{
			Org: q.Org, Customer: q.Customer, Model: q.Model, From: q.From, To: q.To, Limit: q.Limit, Cursor: q.Cursor,
		})
		if err != nil {
			return nil, "", err
		}
	}
	events = slices.DeleteFunc(events, func(e *metering.Event) bool {
		return e.Usage.State.Corrects() || !e.Metered || e.CostState == metering.CostStated ||
			q.Provider != "" && e.Provider != q.Provider || q.Model != "" && e.Model != q.Model || q.Customer != "" && e.Customer != q.Customer
	})
	return events, cursor, nil
}

func parseCursor(text string) (at metering.Micros, id metering.ID, err error) {
	if text == "" {
		return 0, id, nil
	}
	var name string
	if _, err := fmt.Sscanf(text, "%d.%s", &at, &name); err != nil {
		return 0, id, fmt.Errorf("cursor %.60q: %w", text, metering.ErrInvalid)
	}
	if id, err = metering.ParseID(name); err != nil {
		return 0, id, fmt.Errorf("cursor %.60q: %w", text, metering.ErrInvalid)
	}
	return at, id, nil
}

type pool struct {
	name  string
	since metering.Micros
}

// run is one pass over a page.
type run struct {
	r        *Rerater
	q        Request
	book     *pricebook.Book
	complete metering.Micros
	pools    map[pool]metering.Number // what a dry run has taken
	report   Report
}

// event prices one event again. Others may do so at the same time: then what
// they made of it is looked at.
func (x *run) event(ctx context.Context, e *metering.Event) error {
	x.report.Looked++
	const attempts = 5
	for range attempts {
		before, _, err := x.r.o.Store.Corrections(ctx, e.Org, e.ID)
		if err != nil {
			return err
		}
		stands := metering.CostStands(e, before)
		if settled := stands != metering.CostUnpriced && stands != metering.CostProvisional; settled && len(x.book.Uses(e)) > 0 {
			return nil // it has its place in the pool, which nobody else may have
		}
		target, uses, err := x.price(ctx, e, before)
		if err != nil {
			return err
		}
		if !changed(e, before, target) {
			x.same(target)
			return nil
		}
		content, err := contentOf(target)
		if err != nil {
			return err
		}
		id, err := metering.NewID()
		if err != nil {
			return err
		}
		made, err := metering.Correction(id, e, before, target, false)
		if err != nil {
			return err
		}
		made.Pools = uses
		if !x.q.DryRun {
			err = x.r.o.Store.CorrectUsing(ctx, made, len(before), content, uses)
		}
		if errors.Is(err, metering.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		for _, u := range uses {
			x.pools[pool{u.Pool, u.Since}] = u.Before.Add(u.Units)
		}
		x.changed(stands, target, made.Cost)
		return nil
	}
	return fmt.Errorf("others correct it all the time: %w", metering.ErrConflict)
}

// price is the event as its corrections left its usage, with what that costs now,
// and what a settled cost takes from pools.
func (x *run) price(ctx context.Context, e *metering.Event, corrections []*metering.Event) (*metering.Event, []metering.PoolUse, error) {
	target := *e
	u := &target.Usage
	for _, c := range corrections {
		if c.Usage.Tokens != (metering.Tokens{}) {
			u.Tokens.Add(&c.Usage.Tokens)
			u.ByModel = nil // the shares are not known any more
		}
	}
	var uses []metering.PoolUse
	known := make(map[string]bool)
	for _, use := range x.book.Uses(&target) {
		if use.Until > x.complete {
			continue // others of the window may come yet
		}
		known[use.Pool] = true
		taken := metering.PoolUse{Pool: use.Pool, Since: use.Window, Units: use.Units}
		var err error
		if taken.Before, err = x.used(ctx, e.Org, use); err != nil {
			return nil, nil, err
		}
		uses = append(uses, taken)
	}
	target.Cost, target.CostState, target.CostReason, target.Rates = metering.Cost{}, metering.CostUnrated, "", nil
	x.book.PriceIn(&target, func(name string, window metering.Micros) (metering.Number, bool) {
		for _, u := range uses {
			if u.Pool == name && u.Since == window {
				return u.Before, known[name]
			}
		}
		return metering.Number{}, false
	})
	if target.CostState != metering.CostExact && target.CostState != metering.CostFree {
		return &target, nil, nil // it takes its part when it is certain
	}
	return &target, uses, nil
}

func (x *run) used(ctx context.Context, org string, use pricebook.Use) (metering.Number, error) {
	if n, ok := x.pools[pool{use.Pool, use.Window}]; ok && x.q.DryRun {
		return n, nil
	}
	return x.r.o.Store.PoolUsed(ctx, org, use.Pool, use.Window)
}

// changed reports whether what the event has cost so far differs from the target.
func changed(e *metering.Event, corrections []*metering.Event, target *metering.Event) bool {
	reason := e.CostReason
	var cost metering.Cost
	for _, c := range append([]*metering.Event{e}, corrections...) {
		if c.CostState != metering.CostUnpriced && c.CostState != metering.CostUnrated {
			cost = cost.Add(c.Cost)
		}
		if c != e {
			reason = c.CostReason
		}
	}
	stands := metering.CostStands(e, corrections)
	// A cost that became known by a correction stands as exact, whether it is free or
	// not: the two differ in no sum.
	if stands != target.CostState && !(stands == metering.CostExact && target.CostState == metering.CostFree) {
		return true
	}
	// A figure that is not known cannot be another one. The reason why may have
	// changed, which nobody's sums depend on.
	if stands == metering.CostUnpriced {
		return false
	}
	return cost != target.Cost.Normal() || stands == metering.CostProvisional && reason != target.CostReason
}

// contentOf is the hash of what a cost has come to, whatever the version of the
// book that says so.
func contentOf(target *metering.Event) ([]byte, error) {
	text, err := json.Marshal([]any{"rerate", target.CostState, target.CostReason, target.Cost, target.Rates, target.Usage.Tokens})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// same notes an event that stays as it is.
func (x *run) same(target *metering.Event) {
	switch target.CostState {
	case metering.CostUnpriced:
		x.report.Unpriced++
	case metering.CostProvisional:
		x.report.Unsure++
	default:
		return
	}
	x.reason(target.CostReason)
}

// maxReasons bounds how many different ones a report has.
const maxReasons = 200

func (x *run) reason(text string) {
	if _, ok := x.report.Reasons[text]; !ok && len(x.report.Reasons) >= maxReasons {
		text = "others"
	}
	x.report.Reasons[text]++
}

// changed notes an event that was priced again.
func (x *run) changed(before metering.CostState, target *metering.Event, added metering.Cost) {
	x.report.Repriced++
	x.report.Added = x.report.Added.Add(added)
	x.same(target)
	i := slices.IndexFunc(x.report.Changes, func(c Change) bool {
		return c.Provider == target.Provider && c.Model == target.Model && c.Before == before && c.After == target.CostState && c.Reason == target.CostReason
	})
	if i < 0 {
		i = len(x.report.Changes)
		x.report.Changes = append(x.report.Changes, Change{
			Provider: target.Provider, Model: target.Model, Before: before, After: target.CostState, Reason: target.CostReason,
		})
	}
	x.report.Changes[i].Events++
	x.report.Changes[i].Added = x.report.Changes[i].Added.Add(added)
}
