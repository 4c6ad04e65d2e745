package metering

import "fmt"

// Correction returns the event that brings the sums of e and of its corrections
// so far to the tokens and the cost of target, a copy of e with what its usage
// was and a price. The events on record stay as they are: the difference is an
// event of its own, authorised when e was, so that it belongs to the same period
// and, where that has closed, is late usage like any other.
//
// supersedes says that target is what the provider reported: the first time an
// estimated event then no longer counts as one.
func Correction(id ID, e *Event, before []*Event, target *Event, supersedes bool) (*Event, error) {
	if e.Usage.State.Corrects() {
		return nil, fmt.Errorf("event %s is a correction itself: %w", e.ID, ErrInvalid)
	}
	c := &Event{
		Call: e.Call, Name: e.Name, Outcome: e.Outcome, Status: e.Status, Corrects: e.ID, Credential: e.Credential,
		CostState: target.CostState, CostReason: target.CostReason, Rates: target.Rates, Book: target.Book,
		Computed: target.Computed, // whole, as the other figure is no sum
	}
	// What was measured of the call itself, and its names, are not corrected.
	c.ID, c.BodyBytes, c.ClientID, c.Seq, c.Metered = id, 0, "", 0, true
	// Like the credential: it belongs to the same line of the provider's bill.
	if e.Usage.Flagged(FlagBatchPrice) {
		c.Usage.Flag(FlagBatchPrice)
	}
	u, cost, stands := &c.Usage, target.Cost, true
	u.Tokens, u.Model, u.ServiceTier, u.Raw = target.Usage.Tokens, target.Usage.Model, target.Usage.ServiceTier, target.Usage.Raw
	u.Speed, u.Deployment = target.Usage.Speed, target.Usage.Deployment
	for _, have := range append([]*Event{e}, before...) {
		for cell, n := range have.Usage.Tokens {
			u.Tokens[cell] -= n
		}
		if have.costKnown() {
			cost = cost.Add(have.Cost.Neg())
		}
		stands = stands && have.Usage.State != UsageCorrection
	}
	switch had, has := CostStands(e, before) != CostUnpriced, target.costKnown(); {
	case has && had:
		c.Cost = cost
	case has:
		c.Cost, c.CostState = cost, CostPriced
		if target.CostState != CostProvisional {
			c.CostReason = ""
		}
	case had:
		c.Cost, c.CostState = cost, CostWithdrawn
	}
	u.Input, u.Output = u.Tokens.Input(), u.Tokens.Output()
	u.State = UsageAdjustment
	if supersedes && e.Estimated() && stands {
		u.State = UsageCorrection
	}
	return c, nil
}

// CostNow is what an event costs after its corrections, and what that is worth.
func CostNow(e *Event, corrections []*Event) (Cost, CostState) {
	var cost Cost
	for _, have := range append([]*Event{e}, corrections...) {
		if have.costKnown() {
			cost = cost.Add(have.Cost)
		}
	}
	return cost, CostStands(e, corrections)
}

// CostStands is what the cost of an event is worth after its corrections, of which
// the latest decides.
func CostStands(e *Event, corrections []*Event) CostState {
	state := e.CostState
	for _, c := range corrections {
		switch c.CostState {
		case CostPriced:
			state = CostExact
			if c.CostReason != "" {
				state = CostProvisional
			}
		case CostWithdrawn, CostUnpriced, CostUnrated:
			state = CostUnpriced
		default:
			state = c.CostState
		}
	}
	if state == CostUnrated {
		return CostUnpriced
	}
	return state
}

// Corrected is the event as its corrections leave it: with the usage, the cost and
// the state of now, and the book and rates of the correction that decided. What
// several models had a share of is nobody's once the tokens have changed.
func Corrected(e *Event, corrections []*Event) *Event {
	now := *e
	u := &now.Usage
	for _, c := range corrections {
		if c.Usage.Tokens != (Tokens{}) {
			u.Tokens.Add(&c.Usage.Tokens)
			u.ByModel = nil
		}
		if c.Book != "" {
			now.Book, now.Rates, now.Pools = c.Book, c.Rates, c.Pools
		}
		now.CostReason = c.CostReason
	}
	u.Input, u.Output = u.Tokens.Input(), u.Tokens.Output()
	now.Cost, now.CostState = CostNow(e, corrections)
	return &now
}

// PoolUse is what the settled cost of an event takes from a pool of volume, such
// as a free allowance, in the window that began at Since.
type PoolUse struct {
	Pool   string `json:"pool"`
	Since  Micros `json:"since"`
	Before Number `json:"before"` // what had been used
	Units  Number `json:"units"`  // what this event uses
}

// Corrects reports whether the numbers are a difference to those of another
// event.
func (s UsageState) Corrects() bool { return s == UsageCorrection || s == UsageAdjustment }
