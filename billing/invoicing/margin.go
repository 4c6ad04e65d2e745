package invoicing

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// RowKind says what a row is made of.
type RowKind string

// Kinds of rows.
const (
	RowGroup        RowKind = "group"        // one group
	RowUnattributed RowKind = "unattributed" // revenue that no group can be told to have made
	RowOthers       RowKind = "others"       // groups that are not told apart
	RowTotal        RowKind = "total"
)

// MarginRow is what a group earned and cost.
type MarginRow struct {
	Kind RowKind
	// Values are those of the dimensions, in their order: empty is none (a call
	// without the label, a customer without a subscription), metering.GroupUnknown
	// not known.
	Values   []string
	Currency billing.Currency
	Revenue  string        // accrued, whole if it ends, else to 1e-12; empty: only costs were asked for
	Cost     metering.Cost // upstream, of the priced calls
	Margin   string        // revenue - cost; empty unless revenue is known and in USD
	Percent  string        // of revenue, one decimal; empty where there is none
	Requests int64
	Unpriced int64 // calls whose cost is unknown
	Open     bool  // with periods that are not closed
	Groups   int   // how many groups it is the sum of
}

// MarginReport is rows, the worst margin first, and their sum. Of costs alone the
// highest is first.
type MarginReport struct {
	// Rows are groups, then what the rest of them come to, then what belongs to none.
	Rows   []MarginRow
	Totals MarginRow
	// Outside is revenue, in currency units, that filters cannot tell to be theirs
	// or not. It is in no row and not in the total; empty: only costs were asked for.
	Outside string
}

// margin is a row being added up.
type margin struct {
	kind     RowKind
	values   []string
	revenue  big.Rat
	cost     metering.Cost
	requests int64
	unpriced int64
	open     bool
	billed   bool // a contract covers it, whatever it has earned
	groups   int
}

// Margins compares accrued revenue with upstream cost. Test keys are in neither.
// metering.ErrInvalid: dimensions or filters are none, or customers pay in several
// currencies.
func (b *Biller) Margins(ctx context.Context, q MarginQuery) (MarginReport, error) {
	p, err := q.compile()
	if err != nil {
		return MarginReport{}, fmt.Errorf("margins: %w", err)
	}
	var list []accrual
	if !p.noneOf {
		if list, err = b.accruals(ctx, q.Org, p.customer, q.From, q.To); err != nil {
			return MarginReport{}, fmt.Errorf("margins: %w", err)
		}
	}
	m, err := b.earned(ctx, p, list)
	if err != nil {
		return MarginReport{}, fmt.Errorf("margins: %w", err)
	}
	total, err := b.opened(ctx, m)
	if err != nil {
		return MarginReport{}, fmt.Errorf("margins: %w", err)
	}
	m.round(total)
	if err := m.spend(ctx); err != nil {
		return MarginReport{}, fmt.Errorf("margins: %w", err)
	}
	return m.report(), nil
}

// Costs is the same without revenue.
func (b *Biller) Costs(ctx context.Context, q MarginQuery) (MarginReport, error) {
	return costs(ctx, b.usage, b.begun, q)
}

// Spent is what upstream costs are read of.
type Spent interface {
	Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error)
}

// Costs is what calls cost upstream where nobody is billed: there are no products
// and no periods to ask for.
func Costs(ctx context.Context, usage Spent, q MarginQuery) (MarginReport, error) {
	return costs(ctx, usage, nil, q)
}

func costs(ctx context.Context, usage Spent, contracts contractsOf, q MarginQuery) (MarginReport, error) {
	p, err := q.compile()
	if err == nil && p.agreed && contracts == nil {
		err = fmt.Errorf("product and period are of subscriptions, and nobody is billed here: %w", metering.ErrInvalid)
	}
	if err != nil {
		return MarginReport{}, fmt.Errorf("costs: %w", err)
	}
	m := newMargins(p, usage, contracts)
	m.costsOnly = true
	if err := m.spend(ctx); err != nil {
		return MarginReport{}, fmt.Errorf("costs: %w", err)
	}
	return m.report(), nil
}

// earned puts what accruals have earned into groups.
func (b *Biller) earned(ctx context.Context, p plan, list []accrual) (*margins, error) {
	m := newMargins(p, b.usage, b.begun)
	var billed []earning
	for _, a := range list {
		of := map[string]string{"customer": a.customer, "product": a.product.Name, "period": periodText(a.period)}
		if !p.admits(of) {
			continue
		}
		if m.currency != "" && m.currency != a.currency {
			return nil, fmt.Errorf("customers in %s and %s cannot be added up; choose a customer or a product: %w", m.currency, a.currency, metering.ErrInvalid)
		}
		m.currency = a.currency
		n, err := b.partQuantity(ctx, p.Org, a)
		if err != nil {
			return nil, err
		}
		billed = append(billed, earning{a, n, of})
	}
	// Calls are read behind every quantity: what is read once for several meters has
	// then no fewer of them than any has counted.
	calls := b.attribution(p.Org, p.Zone)
	for _, e := range billed {
		if err := m.earn(ctx, calls, e); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// earning is the quantity of the part of an accrual that was asked for.
type earning struct {
	accrual
	used metering.Number
	of   map[string]string // what its contract tells of it
}

// opened is the total that rows sum to. Where filters choose a group, that is what
// the group has as one among all: the rows of a total that is opened sum to it,
// where it was rounded otherwise than by itself too.
func (b *Biller) opened(ctx context.Context, m *margins) (*big.Rat, error) {
	sum := m.sum()
	alone := rounded(sum)
	if _, rest := divided(sum); len(m.Only) == 0 || rest.Sign() == 0 {
		return alone, nil
	}
	among := MarginQuery{Org: m.Org, From: m.From, To: m.To, Zone: m.Zone}
	var values []string
	for _, f := range m.Only {
		among.By, values = append(among.By, f.By), append(values, f.Value)
	}
	p, err := among.compile()
	if err != nil {
		return alone, nil // more filters than dimensions can be asked for at once
	}
	list, err := b.accruals(ctx, m.Org, "", m.From, m.To)
	if err != nil {
		return nil, err
	}
	all, err := b.earned(ctx, p, list)
	if errors.Is(err, metering.ErrInvalid) {
		return alone, nil // in several currencies: there is no total that this was a row of
	}
	if err != nil {
		return nil, err
	}
	all.round(rounded(all.sum()))
	n := &all.group(RowGroup, values).revenue
	if off := new(big.Rat).Sub(n, sum); off.Abs(off).Cmp(amountOf(big.NewInt(1))) >= 0 {
		return alone, nil // something was used meanwhile
	}
	return n, nil
}

// contractsOf reads the contracts of a customer, or all where it is empty.
type contractsOf func(ctx context.Context, org, customer string) ([]billing.Contract, error)

// margins is an answer being made.
type margins struct {
	plan
	spent     Spent
	contracts contractsOf
	currency  billing.Currency
	costsOnly bool
	groups    map[string]*margin
	outside   big.Rat
}

func newMargins(p plan, usage Spent, contracts contractsOf) *margins {
	return &margins{plan: p, spent: usage, contracts: contracts, groups: make(map[string]*margin)}
}

// group is that of some values, made on demand.
func (m *margins) group(kind RowKind, values []string) *margin {
	name := strings.Join(append(slices.Clone(values), string(kind)), "\x00")
	g := m.groups[name]
	if g == nil {
		g = &margin{kind: kind, values: values, groups: 1}
		m.groups[name] = g
	}
	return g
}

// earn puts what an accrual has earned into its groups. Where calls have to be told
// apart and cannot be, it belongs to none; and where only some of them are asked
// for, nobody knows whether it is theirs.
func (m *margins) earn(ctx context.Context, calls *attribution, e earning) error {
	a, n, of := e.accrual, e.used, e.of
	put := func(kind RowKind, values []string, earned *big.Rat) {
		g := m.group(kind, values)
		g.revenue.Add(&g.revenue, earned)
		g.open = g.open || a.open
	}
	if !m.divides() {
		put(RowGroup, m.values(of), a.earned(n))
		m.group(RowGroup, m.values(of)).billed = true
		return nil
	}
	x := sharing{a, n, m.calls, m.only}
	shared, ok, err := calls.portions(ctx, x)
	switch {
	case err != nil:
		return err
	case ok:
		for _, p := range shared.portions {
			put(RowGroup, m.values(p.group, of), x.earned(p.quantity, shared.of))
		}
	case a.earned(n).Sign() == 0:
	case len(m.only) > 0:
		m.outside.Add(&m.outside, a.earned(n))
	default:
		unknown := make(map[string]string)
		for _, by := range m.calls {
			unknown[by] = metering.GroupUnknown
		}
		put(RowUnattributed, m.values(unknown, of), a.earned(n))
	}
	return nil
}

// spend puts upstream cost into its groups. That of a product or a period is what
// its subscribers cost while they had it, of the older subscription where they
// have two.
func (m *margins) spend(ctx context.Context) error {
	var none map[string]string // what is known of calls that no contract has
	if m.agreed {
		none = map[string]string{"product": "", "period": ""}
	}
	if err := m.cost(ctx, m.usage(), func(r metering.UsageRow) { m.costOf(r, none).add(r, 1) }); err != nil || !m.agreed || m.noneOf {
		return err
	}
	contracts, err := m.contracts(ctx, m.Org, m.customer)
	if err != nil {
		return err
	}
	for _, h := range holdings(contracts, within(m.From, m.To)) {
		q := m.usage()
		q.Customer, q.From, q.To = h.customer, h.span.Start, h.span.End
		if q.To == forever {
			q.To = 0
		}
		of := map[string]string{"product": h.product, "period": periodText(h.period)}
		err := m.cost(ctx, q, func(r metering.UsageRow) {
			m.costOf(r, none).add(r, -1)
			m.costOf(r, of).add(r, 1)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cost reads costs.
func (m *margins) cost(ctx context.Context, q metering.UsageQuery, each func(metering.UsageRow)) error {
	rows, _, err := m.spent.Usage(ctx, q)
	for _, r := range rows {
		each(r)
	}
	return err
}

// costOf is the group of a row of usage, of which contracts tell the rest; one
// that nobody reads where the filters leave it out.
func (m *margins) costOf(r metering.UsageRow, of map[string]string) *margin {
	if !m.admits(of) {
		return new(margin)
	}
	return m.group(RowGroup, m.values(r.Group, of))
}

// add adds a row of usage to the cost, or takes it off.
func (g *margin) add(r metering.UsageRow, sign int64) {
	cost := r.Cost
	if sign < 0 {
		cost = cost.Neg()
	}
	g.cost, g.requests, g.unpriced = g.cost.Add(cost), g.requests+sign*r.Requests, g.unpriced+sign*r.Unpriced
}

// plus adds another row.
func (g *margin) plus(o *margin) {
	g.revenue.Add(&g.revenue, &o.revenue)
	g.cost, g.requests, g.unpriced = g.cost.Add(o.cost), g.requests+o.requests, g.unpriced+o.unpriced
	g.open, g.groups = g.open || o.open, g.groups+o.groups
}

// empty reports whether nothing is in the row.
func (g *margin) empty() bool {
	return g.revenue.Sign() == 0 && g.cost.IsZero() && g.requests == 0 && g.unpriced == 0
}

// left is revenue less cost, both in US dollars.
func (g *margin) left() *big.Rat {
	cost := new(big.Rat).SetFrac64(g.cost.Picos, metering.PicosPerMicro)
	cost.Add(cost, new(big.Rat).SetInt64(g.cost.Micros))
	cost.Quo(cost, new(big.Rat).SetInt64(metering.MicrosPerDollar))
	return cost.Sub(&g.revenue, cost)
}

// comparable reports whether there are margins at all: upstream costs are in USD,
// so revenue in another currency has none.
func (m *margins) comparable() bool {
	return !m.costsOnly && (m.currency == "" || m.currency == billing.USD)
}
