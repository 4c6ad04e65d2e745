package invoicing

import (
	"fmt"
	"math/big"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/metering"
)

// Quantity is what a meter measured in a span.
type Quantity struct {
	Amount  metering.Number
	Events  int64
	Rounded bool // an average without an end as a decimal
}

// Measure tells what a meter measured of the contract's customer in a span,
// without what test keys used.
type Measure func(meter string, span period.Span) (Quantity, error)

// Draft computes the invoice of a period from a contract and what was used. It
// has every figure of the final one but its id, number and instants. Closed
// periods of the contract are computed again, and what they cost more or less
// than was billed is a line of its own.
//
// Order: the product's included units come first, then grants of units, then
// the price, then grants of money. A grant covers usage from before it expired,
// of periods that end after it was made.
func Draft(c billing.Contract, p billing.Period, measure Measure) (billing.Invoice, error) {
	d := draft{c: c, measure: measure, left: make(map[string]metering.Number), covers: make(map[segmentKey][]cover)}
	for _, g := range c.Grants {
		d.left[g.ID] = g.Remaining()
	}
	sub := c.Subscription
	d.out = billing.Invoice{
		Org: sub.Org, Customer: c.Customer, Subscription: sub.ID, Reason: billing.InvoicePeriod, Index: p.Index, Period: p.Span(),
		Zone: sub.Zone(), Currency: sub.Currency,
		Subtotal: billing.Money{Currency: sub.Currency}, Credit: billing.Money{Currency: sub.Currency}, Total: billing.Money{Currency: sub.Currency},
	}
	for _, earlier := range c.Periods {
		if earlier.State == billing.PeriodClosed && earlier.Index < p.Index {
			if err := d.period(earlier, true); err != nil {
				return billing.Invoice{}, err
			}
		}
	}
	if err := d.period(p, false); err != nil {
		return billing.Invoice{}, err
	}
	d.carry()
	if err := d.total(); err != nil {
		return billing.Invoice{}, err
	}
	return d.out, d.notes(p)
}

// draft is an invoice being computed.
type draft struct {
	c       billing.Contract
	measure Measure
	left    map[string]metering.Number // of each grant
	covers  map[segmentKey][]cover
	out     billing.Invoice
}

// segmentKey names a segment in what was billed before.
type segmentKey struct {
	index int
	meter string
	start metering.Micros
}

// cover is what a grant covers of a segment.
type cover struct {
	expires metering.Micros
	amount  metering.Number
	before  bool // by an earlier invoice, which does not say when the grants expired: it counts by every instant
}

// billedBefore sums the earlier lines of a segment.
type billedBefore struct {
	any      bool
	amount   billing.Money
	covered  metering.Number
	quantity metering.Number
	number   string // of the invoice of the period itself
}

func (d *draft) billed(s Segment) billedBefore {
	b := billedBefore{amount: billing.Money{Currency: s.Price.Currency}}
	for _, l := range d.c.Billed {
		if l.Index != s.Index || l.Meter != s.Price.Meter || l.Start != s.Span.Start || l.Price != s.Price.ID {
			continue
		}
		if !b.any {
			b.number = l.Number
		}
		b.any = true
		b.amount.Minor += l.Amount.Minor
		b.covered, b.quantity = l.Covered, l.Quantity
	}
	return b
}

// period adds the lines of one period. Of a closed one it adds what has changed.
func (d *draft) period(p billing.Period, closed bool) error {
	earlier := make(map[string]metering.Number) // quantity by meter, of spans that count against included units
	for _, s := range Segments(d.c, p) {
		q, err := d.measure(s.Price.Meter, s.Span)
		if err != nil {
			return fmt.Errorf("measure %s: %w", d.c.Meters[s.Price.Meter], err)
		}
		before := d.billed(s)
		line, err := d.line(s, q, earlier[s.Price.Meter], before)
		if err != nil {
			return err
		}
		if !s.Trial {
			earlier[s.Price.Meter] = earlier[s.Price.Meter].Add(q.Amount)
		}
		keep := q.Events > 0 || line.Amount.Minor != 0
		if closed {
			// Late usage of one price can shift what is included under the next.
			keep = before.quantity.Compare(q.Amount) != 0 || line.Amount.Minor != 0 || len(line.Uses) > 0
			line.Kind, line.Corrects = billing.LineAdjustment, d.numberOf(p, before)
		}
		if keep {
			d.out.Lines = append(d.out.Lines, line)
		}
	}
	return nil
}

// numberOf is the invoice that an adjustment corrects: that of the segment, or
// of its period.
func (d *draft) numberOf(p billing.Period, before billedBefore) string {
	if before.number != "" {
		return before.number
	}
	for _, l := range d.c.Billed {
		if l.Invoice == p.Invoice {
			return l.Number
		}
	}
	return ""
}

// line prices the quantity of a segment.
func (d *draft) line(s Segment, q Quantity, earlier metering.Number, before billedBefore) (billing.Line, error) {
	price := s.Price
	line := billing.Line{
		Kind: billing.LineUsage, Subscription: d.c.Subscription.ID, Index: s.Index, Product: s.Product.Name, MeterName: d.c.Meters[price.Meter],
		Price: &price, Span: s.Span, Events: q.Events, Quantity: q.Amount, Rounded: q.Rounded, Billed: before.amount, Exact: "0", Rounding: "0",
		Amount: billing.Money{Currency: price.Currency},
	}
	if s.Trial {
		line.Kind, line.Free = billing.LineTrial, q.Amount
		return line, nil
	}
	usage := rating.Usage{Quantity: q.Amount, Earlier: earlier, Covered: before.covered, Billed: before.amount}
	line.Free = rating.Free(price, usage)
	var err error
	if line.Uses, err = d.cover(s, q, line.Free, before.covered); err != nil {
		return line, err
	}
	for _, u := range line.Uses {
		usage.Covered = usage.Covered.Add(u.Amount)
	}
	r, err := rating.Rate(price, usage)
	if err != nil {
		return line, err
	}
	line.Covered, line.Charged, line.Exact, line.Rounding, line.Amount = usage.Covered, r.Charged, r.Exact, r.Rounding, r.Amount
	return line, nil
}

// cover lets grants cover units of a segment, in order of use.
func (d *draft) cover(s Segment, q Quantity, free, before metering.Number) ([]billing.CreditUse, error) {
	key := segmentKey{s.Index, s.Price.Meter, s.Span.Start}
	open := q.Amount.Sub(free).Sub(before)
	d.covers[key] = []cover{{amount: before, before: true}}
	var uses []billing.CreditUse
	for _, g := range d.c.Grants {
		if g.Meter != s.Price.Meter || g.Created >= d.periodEnd(s) || g.Expires != 0 && g.Expires <= s.Span.Start {
			continue
		}
		amount, err := d.room(s, q, free, g, key)
		if err != nil {
			return nil, err
		}
		amount = smallest(open, d.left[g.ID], amount)
		if amount.Compare(metering.Number{}) <= 0 {
			continue
		}
		open, d.left[g.ID] = open.Sub(amount), d.left[g.ID].Sub(amount)
		d.covers[key] = append(d.covers[key], cover{expires: g.Expires, amount: amount})
		uses = append(uses, billing.CreditUse{Grant: g.ID, Note: g.Note, Amount: amount})
	}
	return uses, nil
}

// periodEnd is when the period of the segment ends: a grant that is made in it
// covers all of it.
func (d *draft) periodEnd(s Segment) metering.Micros {
	for _, p := range d.c.Periods {
		if p.Index == s.Index {
			return p.End
		}
	}
	return s.Span.End
}

// room is how much a grant can cover so that no usage is covered twice and none
// from after the expiry of what covers it: for each expiry, what expires by
// then covers no more than was used by then.
func (d *draft) room(s Segment, q Quantity, free metering.Number, g billing.Grant, key segmentKey) (metering.Number, error) {
	limits := []metering.Micros{g.Expires}
	for _, c := range d.covers[key] {
		limits = append(limits, c.expires)
	}
	room := metering.Number{Units: 1<<62 - 1}
	for _, limit := range limits {
		if limit != 0 && (g.Expires == 0 || g.Expires > limit) {
			continue // what this grant covers does not count by then
		}
		used := q.Amount
		if limit != 0 && limit < s.Span.End {
			part, err := d.measure(s.Price.Meter, period.Span{Start: s.Span.Start, End: limit})
			if err != nil {
				return room, fmt.Errorf("measure %s until a grant expired: %w", d.c.Meters[s.Price.Meter], err)
			}
			used = part.Amount
		}
		used = used.Sub(free)
		for _, c := range d.covers[key] {
			if limit == 0 || c.before || c.expires != 0 && c.expires <= limit {
				used = used.Sub(c.amount)
			}
		}
		room = smallest(room, used)
	}
	return room, nil
}

func smallest(n metering.Number, more ...metering.Number) metering.Number {
	for _, m := range more {
		if m.Compare(n) < 0 {
			n = m
		}
	}
	return n
}

// carry takes over invoices that were too small to be charged.
func (d *draft) carry() {
	for _, a := range d.c.Carried {
		d.out.Lines = append(d.out.Lines, billing.Line{
			Kind: billing.LineCarry, Subscription: a.Invoice.Subscription, Index: a.Invoice.Index, Span: a.Invoice.Period,
			Exact: a.Invoice.Total.Units().String(), Rounding: "0", Billed: billing.Money{Currency: d.out.Currency},
			Amount: a.Invoice.Total, Corrects: a.Invoice.Number,
		})
	}
}

// total adds up and lets grants of money pay, in order of use.
func (d *draft) total() error {
	v := &d.out
	decimals, err := v.Currency.Decimals()
	if err != nil {
		return err
	}
	for _, l := range v.Lines {
		v.Subtotal = v.Subtotal.Add(l.Amount)
	}
	due := v.Subtotal.Minor
	for _, g := range d.c.Grants {
		if due <= 0 || g.Meter != "" || g.Currency != v.Currency || g.Created >= v.Period.End || g.Expires != 0 && g.Expires <= v.Period.Start {
			continue
		}
		left, ok := billing.MinorOf(d.left[g.ID], decimals)
		if !ok {
			return fmt.Errorf("%s %s of grant %s are no whole minor units: %w", d.left[g.ID], g.Currency, g.ID, metering.ErrInvalid)
		}
		if left <= 0 {
			continue
		}
		paid := billing.Money{Minor: min(left, due), Currency: v.Currency}
		due -= paid.Minor
		d.left[g.ID] = d.left[g.ID].Sub(paid.Units())
		v.Credit = v.Credit.Add(paid)
		v.Uses = append(v.Uses, billing.CreditUse{Grant: g.ID, Note: g.Note, Amount: paid.Units()})
	}
	v.Total = v.Subtotal.Add(v.Credit.Neg())
	return nil
}

// notes says what a reader should know.
func (d *draft) notes(p billing.Period) error {
	s := d.c.Subscription
	if s.TrialEnd > p.Start {
		rule := "is free"
		if s.Trial == billing.TrialBilled {
			rule = "is charged with this period"
		}
		d.out.Notes = append(d.out.Notes, fmt.Sprintf("Trial until %s: usage during it %s.", s.TrialEnd.Time().Format("2006-01-02 15:04 MST"), rule))
	}
	if p.Start == p.End {
		d.out.Notes = append(d.out.Notes, "Usage that was reported after the subscription had ended.")
	}
	sum := new(big.Rat)
	for _, l := range d.out.Lines {
		r, err := exactly(l.Rounding)
		if err != nil {
			return err
		}
		sum.Add(sum, r)
	}
	if sum.Sign() != 0 {
		d.out.Notes = append(d.out.Notes, fmt.Sprintf("Each line is rounded once, to the minor unit; together that changed %s %s.", rating.Decimal(sum), d.out.Currency))
	}
	return nil
}

// exactly reads what [rating.Decimal] writes.
func exactly(s string) (*big.Rat, error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("%.40q is no exact amount: %w", s, metering.ErrInvalid)
	}
	return r, nil
}

// Empty reports that an invoice has nothing to bill: no usage, no adjustment,
// nothing carried.
func Empty(v billing.Invoice) bool { return len(v.Lines) == 0 }
