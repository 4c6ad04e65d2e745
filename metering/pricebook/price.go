package pricebook

import (
	"cmp"
	"strings"

	"github.com/weirhq/weir/metering"
)

// maxTotal is the highest cost of one event in micro-dollars, a trillion
// dollars, so that no sum of a few leaves 63 bits.
const maxTotal = 1_000_000_000_000 * metering.MicrosPerDollar

// Line is one step of the arithmetic that made a cost: Quantity × Price / Per,
// times each of Multiply.
type Line struct {
	Item     string          // token cell or other quantity
	Quantity metering.Number // as charged: minimum and steps applied
	Price    string          // US dollars for Per units, exact decimal
	Per      int64           // 1,000,000 for tokens
	Rate     string          // id of the rate, and behind it those of its modifiers, separated by spaces
	Multiply []string        // exact decimals
	Amount   metering.Cost   // rounded to pico-dollars once, half away from zero
}

// Positions says how many units of a pool were used before an event, in the
// window that began at an instant. known is false while that can still change.
type Positions func(pool string, window metering.Micros) (before metering.Number, known bool)

// Price sets what the event cost upstream: Cost, CostState, CostReason, Rates
// and Book, from the prices in force at its authorisation instant. The same
// event and book always give the same result, whatever was set before. A cost
// that another source stated stays as it is.
func (b *Book) Price(e *metering.Event) { b.PriceIn(e, nil) }

// PriceIn is Price with what is known of bands of volume. Without positions, and
// where they are not known, the dearest band is charged, provisionally.
func (b *Book) PriceIn(e *metering.Event, used Positions) {
	if e.CostState == metering.CostStated && !ofProvider(e) {
		return
	}
	e.Computed = nil
	e.Cost, e.CostReason, e.Rates, e.Book = metering.Cost{}, "", nil, b.version
	c := charge{book: b, event: e, used: used}
	e.CostState, e.CostReason = c.run(func(s *step) {
		e.Cost = e.Cost.Add(s.amount)
		e.Rates = append(e.Rates, s.pinned())
	})
	if e.CostState == metering.CostUnpriced {
		e.Cost, e.Rates = metering.Cost{}, nil
	}
	takeStated(e)
}

// ofProvider reports whether the call's policy can take what its provider states.
func ofProvider(e *metering.Event) bool {
	return e.CostPolicy == metering.CostOfProvider || e.CostPolicy == metering.CostOfProviderIfUnpriced
}

// takeStated makes what the provider states the cost, where the policy of the call
// says so; what was computed stays beside it.
func takeStated(e *metering.Event) {
	stated, ok := e.Stated()
	if !ok || !ofProvider(e) || e.CostPolicy == metering.CostOfProviderIfUnpriced && e.CostState != metering.CostUnpriced {
		return
	}
	e.Computed = &metering.Figure{Cost: e.Cost, State: e.CostState, Reason: e.CostReason, Rates: e.Rates}
	e.Cost, e.CostState, e.CostReason, e.Rates = stated, metering.CostStated, "", nil
}

// Explain breaks the cost of an event down to the lines that add up to it. It
// returns nothing for an event whose cost these prices did not make: one that
// is unpriced, that another source priced, or that another book priced
// otherwise.
func (b *Book) Explain(e *metering.Event) []Line { return b.ExplainIn(e, nil) }

// ExplainIn is Explain of an event that was priced with positions.
func (b *Book) ExplainIn(e *metering.Event, used Positions) []Line {
	switch e.CostState {
	case metering.CostExact, metering.CostFree, metering.CostProvisional:
	default:
		return nil
	}
	var lines []Line
	var sum metering.Cost
	c := charge{book: b, event: e, used: used}
	state, _ := c.run(func(s *step) {
		sum = sum.Add(s.amount)
		lines = append(lines, s.line())
	})
	// What became known later does not say whether it is exact or free.
	if state == metering.CostFree && e.CostState == metering.CostExact {
		state = metering.CostExact
	}
	if state != e.CostState || sum != e.Cost.Normal() {
		return nil
	}
	return lines
}

// step is a line on its way.
type step struct {
	item     string
	quantity metering.Number
	rate     *rate
	mods     []*modifier
	amount   metering.Cost
}

// pinned is how an event names the prices of a step.
func (s *step) pinned() string {
	if len(s.mods) == 0 {
		return s.rate.row.ID
	}
	ids := []string{s.rate.row.ID}
	for _, m := range s.mods {
		ids = append(ids, m.row.ID)
	}
	return strings.Join(ids, " ")
}

func (s *step) line() Line {
	l := Line{
		Item: s.item, Quantity: s.quantity, Price: s.rate.price.String(), Per: s.rate.per,
		Rate: s.pinned(), Amount: s.amount,
	}
	for _, m := range s.mods {
		l.Multiply = append(l.Multiply, m.multiply.String())
	}
	return l
}

// charge is the pricing of one event.
type charge struct {
	book  *Book
	event *metering.Event
	used  Positions
	plan  string
	trail *trail // nil: nobody asks
	pools func(Use)
	each  func(*step)
	total metering.Cost
	steps int
	paid  bool   // something had a price that is not zero
	doubt string // the first reason why the cost is not certain
}

// run calls each for every step and returns what the cost is worth and, if it
// is unknown or not certain, why. Steps before a missing price are then void.
func (c *charge) run(each func(*step)) (metering.CostState, string) {
	c.each = each
	e := c.event
	switch {
	case !e.Metered && e.Endpoint == "raw":
		return metering.CostUnpriced, "usage: not read on this path"
	case !e.Metered, e.Usage.State == metering.UsageNone, e.Usage.Flagged(metering.FlagEarlierRequest):
		return metering.CostFree, ""
	}
	if reason := c.models(); reason != "" {
		return metering.CostUnpriced, reason
	}
	switch {
	case c.doubt != "":
		return metering.CostProvisional, c.doubt
	case c.steps > 0 && !c.paid:
		return metering.CostFree, ""
	}
	return metering.CostExact, ""
}

// models charges the tokens of each model that was used and then what is not
// tokens, at the fees of the first.
func (c *charge) models() string {
	e := c.event
	if len(e.Usage.ByModel) == 0 {
		s, f, reason := c.tokens(e.Usage.Model, &e.Usage.Tokens)
		if reason != "" {
			return reason
		}
		return c.quantities(s, f)
	}
	var first *sku
	var facts facts
	for i := range e.Usage.ByModel {
		share := &e.Usage.ByModel[i]
		s, f, reason := c.tokens(share.Model, &share.Tokens)
		if reason != "" {
			return reason
		}
		if first == nil {
			first, facts = s, f
		}
	}
	return c.quantities(first, facts)
}

func (c *charge) tokens(reported string, t *metering.Tokens) (*sku, facts, string) {
	e := c.event
	s, found, reason := c.book.resolve(e.Provider, reported, cmp.Or(e.SentModel, e.Model), cmp.Or(e.PricedAt, e.At))
	if s == nil {
		return nil, facts{}, reason
	}
	c.plan = c.book.plans[e.Provider]
	c.trail.matched(s, found)
	f := factsOf(e, found)
	f.tokens = t
	above := s.threshold(&f)
	if above > 0 && several(&e.Usage) {
		return nil, f, "condition: length of each of several prompts"
	}
	for i, n := range t {
		if n == 0 {
			continue
		}
		cell := metering.Cell(i)
		m := s.cells[cell]
		if m == nil && cell.Reasoning() { // reasoning is output where it has no price of its own
			m = s.cells[metering.OutputCell(false, cell.Modality())]
		}
		if reason := c.item(s, m, c.book.cellNames[i], metering.NumberOf(n), &f, above); reason != "" {
			return nil, f, reason
		}
	}
	if *t == (metering.Tokens{}) {
		return s, f, s.blocked(nil, &f, above, c.plan) // nothing was used of what has no price
	}
	return s, f, ""
}

// item charges one quantity of one meter.
func (c *charge) item(s *sku, m *meter, name string, n metering.Number, f *facts, above int64) string {
	if m == nil {
		m = &meter{name: name}
	}
	c.trail.item(name)
	best, reason := s.choose(m, f, above, c.plan, c.trail)
	if reason != "" {
		return reason
	}
	c.doubt = cmp.Or(c.doubt, best.doubt)
	return c.bands(name, n, &best, f)
}

// quantities charges what is not tokens. What has no fee, not even one of zero,
// has no price.
func (c *charge) quantities(s *sku, f facts) string {
	u := &c.event.Usage
	for i := range u.Quantities {
		q := &u.Quantities[i]
		if q.Amount.IsZero() || restated(c.event, q) {
			continue
		}
		m := s.meterOf(q.Name)
		if reason := c.item(s, m, short(q.Name), q.Amount, &f, m.threshold(&f)); reason != "" {
			return reason
		}
	}
	// A fee for the call as such, as Perplexity has it.
	if m := s.meterOf(perCall); m != nil && u.State != metering.UsageNone {
		return c.item(s, m, perCall, metering.NumberOf(1), &f, 0)
	}
	return ""
}

// perCall is the meter of a fee for each call. No dialect counts it.
const perCall = "request"

// add charges one quantity; false if the numbers are absurd.
func (c *charge) add(item string, n metering.Number, r *rate, mods []*modifier) bool {
	amount, ok := r.amount(n, mods)
	if !ok || amount.Micros > maxTotal {
		return false
	}
	if c.total = c.total.Add(amount); c.total.Micros > maxTotal {
		return false
	}
	c.steps++
	c.paid = c.paid || !r.free()
	s := step{item, n, r, mods, amount}
	c.each(&s)
	c.trail.priced(&s)
	return true
}
