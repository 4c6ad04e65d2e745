package pricebook

import (
	"cmp"
	"strings"

	"github.com/weirhq/weir/metering"
)

// maxTotal is the highest cost of one event in micro-dollars, a trillion
// dollars, so that no sum of a few leaves 63 bits.
const maxTotal = 1_000_000_000_000 * metering.MicrosPerDollar

// Line is one step of the arithmetic that made a cost: Quantity × Price / Per.
type Line struct {
	Item     string // token cell or other quantity
	Quantity int64
	Price    string // US dollars for Per units, exact decimal
	Per      int64  // 1,000,000 for tokens
	Rate     string // id of the price
	Amount   metering.Cost
}

// Price sets what the event cost upstream: Cost, CostState, CostReason, Rates
// and Book, from the prices in force at its authorisation instant. The same
// event and book always give the same result, whatever was set before. A cost
// that another source stated stays as it is.
func (b *Book) Price(e *metering.Event) {
	if e.CostState == metering.CostStated {
		return
	}
	e.Cost, e.CostReason, e.Rates, e.Book = metering.Cost{}, "", nil, b.version
	c := charge{book: b, event: e}
	e.CostState, e.CostReason = c.run(func(l step) {
		e.Cost = e.Cost.Add(l.amount)
		e.Rates = append(e.Rates, l.rate.ID)
	})
	if e.CostState == metering.CostUnpriced {
		e.Cost, e.Rates = metering.Cost{}, nil
	}
}

// Explain breaks the cost of an event down to the lines that add up to it. It
// returns nothing for an event whose cost these prices did not make: one that
// is unpriced, that another source priced, or that an older book priced
// otherwise.
func (b *Book) Explain(e *metering.Event) []Line {
	if e.CostState != metering.CostExact && e.CostState != metering.CostFree {
		return nil
	}
	var lines []Line
	var sum metering.Cost
	c := charge{book: b, event: e}
	state, _ := c.run(func(s step) {
		sum = sum.Add(s.amount)
		lines = append(lines, Line{
			Item: s.item, Quantity: s.quantity, Price: s.rate.Price, Per: s.rate.Per, Rate: s.rate.ID, Amount: s.amount,
		})
	})
	if state != e.CostState || sum != e.Cost.Normal() {
		return nil
	}
	return lines
}

// step is a line on its way.
type step struct {
	item     string
	quantity int64
	rate     *Rate
	amount   metering.Cost
}

// charge is the pricing of one event.
type charge struct {
	book  *Book
	event *metering.Event
	total metering.Cost
	each  func(step)
	steps int
	paid  bool // something had a price that is not zero
}

// run calls each for every step and returns what the cost is worth and, if it
// is unknown, why. Steps before a missing price are then void.
func (c *charge) run(each func(step)) (metering.CostState, string) {
	c.each = each
	e := c.event
	switch {
	case !e.Metered && e.Endpoint == "raw":
		return metering.CostUnpriced, "usage: not read on this path"
	case !e.Metered, e.Usage.State == metering.UsageNone, e.Usage.Flagged(metering.FlagEarlierRequest):
		return metering.CostFree, ""
	}
	if reason := unlisted(&e.Usage); reason != "" {
		return metering.CostUnpriced, reason
	}
	if reason := c.models(); reason != "" {
		return metering.CostUnpriced, reason
	}
	if c.steps > 0 && !c.paid {
		return metering.CostFree, ""
	}
	return metering.CostExact, ""
}

// models charges the tokens of each model that was used and then what is not
// tokens, at the fees of the first.
func (c *charge) models() string {
	e := c.event
	if len(e.Usage.ByModel) == 0 {
		sku, reason := c.tokens(e.Usage.Model, &e.Usage.Tokens)
		if reason != "" {
			return reason
		}
		return c.quantities(sku)
	}
	var first *SKU
	for i := range e.Usage.ByModel {
		share := &e.Usage.ByModel[i]
		sku, reason := c.tokens(share.Model, &share.Tokens)
		if reason != "" {
			return reason
		}
		if first == nil {
			first = sku
		}
	}
	return c.quantities(first)
}

func (c *charge) tokens(reported string, t *metering.Tokens) (*SKU, string) {
	e := c.event
	sku, reason := c.book.resolve(e.Provider, reported, cmp.Or(e.SentModel, e.Model), cmp.Or(e.PricedAt, e.At))
	if sku == nil {
		return nil, reason
	}
	prompt := t.Input()
	if sku.tiered(prompt) && several(&e.Usage) {
		return nil, "condition: length of each of several prompts"
	}
	set, reason := sku.set(tier(e.Usage.ServiceTier), prompt)
	if set == nil {
		return nil, reason
	}
	for i, n := range t {
		if n == 0 {
			continue
		}
		cell := metering.Cell(i)
		rate := set.rate(cell)
		if rate == nil {
			return nil, "meter: " + cell.String()
		}
		if !c.add(cell.String(), n, rate) {
			return nil, "usage: " + cell.String() + " is out of range"
		}
	}
	return sku, ""
}

// quantities charges what is not tokens. What has no fee, not even one of zero,
// has no price.
func (c *charge) quantities(sku *SKU) string {
	u := &c.event.Usage
	for i := range u.Quantities {
		q := &u.Quantities[i]
		if q.Amount == (metering.Number{}) || restated(c.event, q) {
			continue
		}
		rate := sku.fee(q.Name)
		if rate == nil {
			return "meter: " + short(q.Name)
		}
		if q.Amount.Picos != 0 || !c.add(q.Name, q.Amount.Units, rate) {
			return "usage: " + short(q.Name) + " is out of range"
		}
	}
	return ""
}

// restated reports whether a quantity says again what is charged elsewhere, or
// counts what costs nothing by its kind.
func restated(e *metering.Event, q *metering.Quantity) bool {
	u := &e.Usage
	switch q.Name {
	case "counted_tokens", "declined_attempts", "upstream_inference_cost", "messages":
		return true
	case "tokens_processed.input_tokens", "tokens_processed.output_tokens", "cached_tokens": // Cohere bills other tokens
		return true
	case "guardrail_sensitive_information_policy_free_units": // of Bedrock, as it says itself
		return true
	case "seconds": // how long a socket was open: its turns are charged
		return amountOf(u, "messages") != (metering.Number{})
	case "images": // charged as tokens where the answer counts them as such
		return u.Tokens[metering.OutputCell(false, metering.Image)] > 0 || e.Endpoint == "openai.images" && u.Tokens.Output() > 0
	case "tool_usage.web_search.num_requests": // OpenAI's own count of what its items show
		return q.Amount == amountOf(u, "web_search_call.search")
	}
	// A count of calls whose kinds are counted one by one.
	var parts metering.Number
	for i := range u.Quantities {
		if rest, ok := strings.CutPrefix(u.Quantities[i].Name, q.Name); ok && strings.HasPrefix(rest, ".") {
			parts = parts.Add(u.Quantities[i].Amount)
		}
	}
	return parts == q.Amount
}

func amountOf(u *metering.Usage, name string) metering.Number {
	for i := range u.Quantities {
		if u.Quantities[i].Name == name {
			return u.Quantities[i].Amount
		}
	}
	return metering.Number{}
}

// add charges one quantity; false if the numbers are absurd.
func (c *charge) add(item string, n int64, rate *Rate) bool {
	amount, ok := metering.CostOf(n, rate.Pico)
	if !ok || amount.Micros > maxTotal {
		return false
	}
	if c.total = c.total.Add(amount); c.total.Micros > maxTotal {
		return false
	}
	c.steps++
	c.paid = c.paid || rate.Pico > 0
	c.each(step{item, n, rate, amount})
	return true
}
