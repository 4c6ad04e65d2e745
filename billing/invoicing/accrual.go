package invoicing

import (
	"context"
	"math/big"
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// accrual is what one segment of a contract has earned, exactly: before
// rounding, after included units and grants of units.
type accrual struct {
	customer string
	product  billing.Product
	meter    string
	period   period.Span // the billing period
	segment  period.Span // of it, at one price
	part     period.Span // of the segment that was asked for
	quantity metering.Number
	exact    *big.Rat // of the whole segment
	currency billing.Currency
	open     bool // the period is not closed: it may still grow
}

// accruals computes what every segment that overlaps a span has earned. Zero
// bounds are none.
func (b *Biller) accruals(ctx context.Context, org, customer string, from, to metering.Micros) ([]accrual, error) {
	contracts, err := b.begun(ctx, org, customer)
	if err != nil {
		return nil, err
	}
	var out []accrual
	for _, c := range contracts {
		list, err := b.accrue(ctx, c, within(from, to))
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// begun is contracts with the period that follows an open one: it has begun when
// that has ended, and is opened only when that is closed, which waits for the last
// of its calls.
func (b *Biller) begun(ctx context.Context, org, customer string) ([]billing.Contract, error) {
	list, err := b.contracts(ctx, org, customer)
	if err != nil {
		return nil, err
	}
	for i, c := range list {
		if len(c.Periods) == 0 {
			continue
		}
		next := c.Periods[len(c.Periods)-1]
		if next.State != billing.PeriodOpen {
			continue
		}
		next.Index++
		if span, ok := c.Subscription.Period(next.Index); ok && span.Start == next.End {
			next.Start, next.End = span.Start, span.End
			list[i].Periods = append(slices.Clone(c.Periods), next)
		}
	}
	return list, nil
}

func within(from, to metering.Micros) period.Span {
	if to == 0 {
		to = forever
	}
	return period.Span{Start: from, End: to}
}

// accrue drafts every period of a contract that overlaps the span, as if nothing
// of it had been billed, and takes its lines apart. What grants of units cover of a
// period that is not billed with them is not there for later ones: while any is
// left, earlier periods than the span has are drafted too.
func (b *Biller) accrue(ctx context.Context, c billing.Contract, span period.Span) ([]accrual, error) {
	var out []accrual
	c.Grants = slices.Clone(c.Grants)
	units := slices.ContainsFunc(c.Grants, func(g billing.Grant) bool { return g.Meter != "" && !g.Remaining().IsZero() })
	for _, p := range c.Periods {
		if p.End <= span.Start && !units || p.Start >= span.End {
			continue
		}
		fresh := c
		fresh.Billed, fresh.Carried, fresh.Periods = billedGrants(c, p), nil, []billing.Period{p}
		fresh.Periods[0].State = billing.PeriodOpen
		v, err := b.Draft(ctx, fresh, fresh.Periods[0])
		if err != nil {
			return nil, err
		}
		for _, l := range v.Lines {
			use(c.Grants, l.Uses)
			part := period.Span{Start: max(l.Span.Start, span.Start), End: min(l.Span.End, span.End)}
			if part.Start >= part.End {
				continue
			}
			exact, err := exactly(l.Exact)
			if err != nil {
				return nil, err
			}
			out = append(out, accrual{
				customer: c.Subscription.Customer, product: productOf(c, l), meter: l.Price.Meter, period: p.Span(), segment: l.Span, part: part,
				quantity: l.Quantity, exact: exact, currency: v.Currency, open: p.State == billing.PeriodOpen,
			})
		}
	}
	return out, nil
}

// use takes off grants what a line uses of them.
func use(grants []billing.Grant, uses []billing.CreditUse) {
	for _, u := range uses {
		for i := range grants {
			if g := &grants[i]; g.ID == u.Grant {
				g.Used = g.Used.Add(u.Amount)
			}
		}
	}
}

// billedGrants keeps of what was billed only which units grants had covered, so
// that they are covered still and everything else is computed again.
func billedGrants(c billing.Contract, p billing.Period) []billing.BilledLine {
	var out []billing.BilledLine
	for _, l := range c.Billed {
		if l.Index == p.Index {
			l.Amount.Minor = 0
			out = append(out, l)
		}
	}
	return out
}

func productOf(c billing.Contract, l billing.Line) billing.Product {
	return c.Products[c.Subscription.ProductAt(l.Span.Start)]
}

// earned is what the part of the segment that was asked for has earned: a share
// by quantity, because units have no order.
func (a accrual) earned(quantity metering.Number) *big.Rat {
	if a.quantity.IsZero() {
		return new(big.Rat)
	}
	share := new(big.Rat).Quo(quantity.Rat(), a.quantity.Rat())
	return share.Mul(share, a.exact)
}

// partial reports whether only a part of the segment was asked for.
func (a accrual) partial() bool { return a.part != a.segment }

// partQuantity is the quantity of the part that was asked for.
func (b *Biller) partQuantity(ctx context.Context, org string, a accrual) (metering.Number, error) {
	if !a.partial() {
		return a.quantity, nil
	}
	var q Quantity
	err := b.usage.Steady(ctx, func(r metering.SteadyReader) (err error) {
		q, err = measured(ctx, r, org, a.customer)(a.meter, a.part)
		return err
	})
	return q.Amount, err
}

// groupKey is the same for rows of one group.
func groupKey(group map[string]string, by []string) string {
	key := ""
	for _, name := range by {
		key += group[name] + "\x00"
	}
	return key
}
