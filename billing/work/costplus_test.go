package work_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// TestMarkup covers T45 over random contracts: what the provider's list says, a
// discount that was negotiated with it, and what each customer pays on top, a
// percentage of its own or everybody's, or by the token. Cost, revenue and margin
// are computed here once more, from the calls, in fractions.
func TestMarkup(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	billingtest.OnBoth(t, func(w *billingtest.World) {
		m := newMarkup(w, seed)
		for i := range 14 {
			m.contract(i)
		}
		m.bare()
		m.compare()
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		m.compare() // closed periods have earned the same
		for _, d := range m.deals {
			m.invoiced(d)
		}
	})
}

// markup is the whole of a test, with what is expected of it.
type markup struct {
	*billingtest.World
	random *rand.Rand
	book   *pricebook.Book
	list   map[string]*big.Rat // dollars for a token, by model and direction
	rebate map[string]*big.Rat // by model: what the discounts leave
	cents  string              // id of the meter of costs
	shared billing.Product     // the cost and a quarter
	deals  []*deal
}

// deal is a customer with what it did, and has to pay for it.
type deal struct {
	party   billing.Party
	from    []metering.Micros // when a factor or price begins
	factor  []*big.Rat        // on the cost; nil where tokens are charged
	token   *big.Rat          // dollars for a token; nil where the cost is
	events  []*metering.Event
	cost    big.Rat
	revenue big.Rat
	bills   bool
}

func newMarkup(w *billingtest.World, seed uint64) *markup {
	m := &markup{World: w, random: rand.New(rand.NewPCG(seed, 45)), list: make(map[string]*big.Rat), rebate: make(map[string]*big.Rat)}
	var rates []catalogue.Rate
	for _, model := range []string{"small", "large", "odd"} {
		for _, meter := range []string{"input", "output"} {
			price := m.decimal(1, 30_000, 3) // to a thousandth of a dollar for a million
			rates = append(rates, catalogue.Rate{Provider: "openai", SKU: model, Meter: meter, Price: &price})
			m.list[model+" "+meter] = new(big.Rat).Quo(fraction(w, price), big.NewRat(1_000_000, 1))
		}
	}
	everywhere, one := m.decimal(5000, 9999, 4), m.decimal(100, 999, 3)
	m.rebate["small"], m.rebate["large"] = fraction(w, everywhere), fraction(w, everywhere)
	m.rebate["odd"] = fraction(w, everywhere)
	m.rebate["odd"] = new(big.Rat).Mul(m.rebate["odd"], fraction(w, one))
	var layers []*catalogue.Layer
	for level, rows := range map[catalogue.Level]catalogue.Rows{
		catalogue.Embedded: {Rates: rates},
		catalogue.Account: {Modifiers: []catalogue.Modifier{
			{Provider: "openai", Multiply: everywhere}, {Provider: "openai", SKUs: []string{"odd"}, Multiply: one},
		}},
	} {
		l, err := catalogue.NewLayer(level, rows)
		w.Must(err)
		layers = append(layers, l)
	}
	var err error
	m.book, err = pricebook.Compile(layers...)
	w.Must(err)
	meter, err := w.Usage.CreateMeter(w.Context(), metering.Meter{
		Org: metering.DefaultOrg, Name: "cost", Aggregate: metering.Aggregate{Func: metering.AggregateSum, Property: "_cost.amount"},
		Filter: metering.Filter{Conjunction: metering.And},
	})
	w.Must(err)
	m.cents = meter.ID
	m.shared = w.Product("cost and a quarter", []billing.Price{m.plus("1.25")})
	return m
}

// plus is a price of cents of cost: so many times what they are.
func (m *markup) plus(factor string) billing.Price {
	n := new(big.Rat).Quo(fraction(m.World, factor), big.NewRat(100, 1))
	return billing.Price{Meter: m.cents, Model: billing.PerUnit, Currency: billing.USD, Amount: billingtest.Number(n.FloatString(12)), Per: 1}
}

// decimal is a random number from low to high units of the last of its decimals.
func (m *markup) decimal(low, high int64, places int) string {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	return new(big.Rat).SetFrac(big.NewInt(low+m.random.Int64N(high-low+1)), scale).FloatString(places)
}

func fraction(w *billingtest.World, s string) *big.Rat {
	w.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		w.Fatalf("%q is no number", s)
	}
	return r
}

// contract adds a customer on one of four kinds of contract, with calls.
func (m *markup) contract(i int) {
	w := m.World
	d := &deal{party: w.AddCustomer(fmt.Sprintf("customer-%d", i)), bills: true}
	w.Customer = d.party
	const start, middle = "2026-02-01T00:00:00Z", "2026-02-14T09:00:00Z"
	at := []metering.Micros{billingtest.Instant(start), billingtest.Instant(middle)}
	own, later := m.decimal(10_000, 40_000, 4), m.decimal(10_000, 40_000, 4)
	switch i % 4 {
	case 0: // as everybody
		w.Contract(m.shared, start)
		d.from, d.factor = at[:1], []*big.Rat{fraction(w, "1.25")}
	case 1: // a percentage of its own
		w.Contract(w.Product("cost for "+d.party.Name, []billing.Price{m.plus(own)}), start)
		d.from, d.factor = at[:1], []*big.Rat{fraction(w, own)}
	case 2: // one that is renegotiated, and in force from the middle of the month
		second := w.Product("cost for "+d.party.Name+", renegotiated", []billing.Price{m.plus(later)})
		w.Contract(w.Product("cost for "+d.party.Name, []billing.Price{m.plus(own)}), start, func(s *billing.Subscription) {
			s.Phases = append(s.Phases, billing.Phase{From: at[1], Product: second.ID})
		})
		d.from, d.factor = at, []*big.Rat{fraction(w, own), fraction(w, later)}
	case 3: // by the token, whatever it costs
		price := m.decimal(1, 900, 4)
		w.Contract(w.Product("tokens for "+d.party.Name, []billing.Price{w.Price(price, 1000)}), start)
		d.token = new(big.Rat).Quo(fraction(w, price), big.NewRat(1000, 1))
	}
	m.calls(d, 1+m.random.IntN(12))
}

// bare adds a customer without a contract: it costs, and earns nothing.
func (m *markup) bare() {
	d := &deal{party: m.AddCustomer("without")}
	m.calls(d, 3)
}

// calls makes calls of the customer, prices them by the book, and says what they
// cost and earn.
func (m *markup) calls(d *deal, n int) {
	w := m.World
	for range n {
		id, err := metering.NewID()
		w.Must(err)
		model := []string{"small", "large", "odd"}[m.random.IntN(3)]
		in, out := m.random.Int64N(30_000), m.random.Int64N(9_000)
		at := billingtest.Instant("2026-02-01T00:00:00Z") + metering.Micros(m.random.Int64N(28*86_400_000_000))
		e := &metering.Event{
			Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: d.party.ID, At: at, Model: model, Provider: "openai", Metered: true},
			Name: metering.EventLLM, Outcome: metering.OutcomeComplete,
		}
		e.Usage.State = metering.UsageExact
		e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = in
		e.Usage.Tokens[metering.OutputCell(false, metering.Text)] = out
		m.book.Price(e)
		cost := new(big.Rat)
		for direction, tokens := range map[string]int64{"input": in, "output": out} {
			part := new(big.Rat).Mul(m.list[model+" "+direction], new(big.Rat).SetInt64(tokens))
			cost.Add(cost, picos(part.Mul(part, m.rebate[model])))
		}
		lines := new(big.Rat)
		for _, l := range m.book.Explain(e) {
			lines.Add(lines, fraction(w, l.Amount.String()))
		}
		if got := fraction(w, e.Cost.String()); e.CostState != metering.CostExact || got.Cmp(cost) != 0 || got.Cmp(lines) != 0 {
			w.Errorf("%d and %d tokens of %s cost %s (%s), lines of %s; want %s", in, out, model, e.Cost, e.CostState, lines.FloatString(12), cost.FloatString(12))
		}
		d.events = append(d.events, e)
		d.cost.Add(&d.cost, cost)
		d.revenue.Add(&d.revenue, d.earns(at, cost, in+out))
	}
	_, err := w.Usage.Ingest(w.Context(), metering.DefaultOrg, d.events)
	w.Must(err)
	m.deals = append(m.deals, d)
}

// picos rounds dollars to a pico-dollar, half away from zero, as a line of a cost
// is.
func picos(dollars *big.Rat) *big.Rat {
	const scale = 1_000_000_000_000
	n := new(big.Rat).Mul(dollars, big.NewRat(scale, 1))
	n.Add(n, big.NewRat(1, 2)) // no cost is below zero
	return new(big.Rat).SetFrac(new(big.Int).Quo(n.Num(), n.Denom()), big.NewInt(scale))
}

// earns is what a call brings in.
func (d *deal) earns(at metering.Micros, cost *big.Rat, tokens int64) *big.Rat {
	if d.token != nil {
		return new(big.Rat).Mul(d.token, new(big.Rat).SetInt64(tokens))
	}
	factor := new(big.Rat)
	for i, from := range d.from {
		if from <= at {
			factor = d.factor[i]
		}
	}
	return new(big.Rat).Mul(factor, cost)
}

// compare holds the report of margins to the calls: revenue less cost is the
// margin, of every row and of all, however they are grouped.
func (m *markup) compare() {
	w := m.World
	w.Helper()
	var cost, revenue big.Rat
	byCustomer := make(map[string]*deal)
	for _, d := range m.deals {
		cost.Add(&cost, &d.cost)
		revenue.Add(&revenue, &d.revenue)
		byCustomer[d.party.ID] = d
	}
	for _, by := range invoicing.Dimensions() {
		report, err := w.Biller.Margins(w.Context(), invoicing.MarginQuery{Org: metering.DefaultOrg, By: []string{by}})
		w.Must(err)
		rows, totals := report.Rows, report.Totals
		sumCost, sumRevenue := new(big.Rat), new(big.Rat)
		for _, r := range append(slices.Clone(rows), totals) {
			left := new(big.Rat).Sub(fraction(w, r.Revenue), fraction(w, r.Cost.String()))
			if left.Cmp(fraction(w, r.Margin)) != 0 {
				w.Errorf("by %s, %q: %s less %s is %s, not %s", by, r.Values, r.Revenue, r.Cost, left.FloatString(20), r.Margin)
			}
		}
		for _, r := range rows {
			sumCost.Add(sumCost, fraction(w, r.Cost.String()))
			sumRevenue.Add(sumRevenue, fraction(w, r.Revenue))
			if r.Kind != invoicing.RowGroup {
				w.Errorf("by %s, %s is earned by nobody knows what", by, r.Revenue)
			}
			d := byCustomer[r.Values[0]]
			if by == "customer" && (d == nil || fraction(w, r.Revenue).Cmp(&d.revenue) != 0 || fraction(w, r.Cost.String()).Cmp(&d.cost) != 0) {
				w.Errorf("customer %s: revenue %s and cost %s, want %+v", r.Values, r.Revenue, r.Cost, d)
			}
		}
		if sumRevenue.Cmp(&revenue) != 0 || sumCost.Cmp(&cost) != 0 || fraction(w, totals.Revenue).Cmp(&revenue) != 0 || fraction(w, totals.Cost.String()).Cmp(&cost) != 0 {
			w.Errorf("by %s: rows add up to %s and %s, in all %s and %s; want %s and %s", by, sumRevenue.FloatString(20), sumCost.FloatString(12),
				totals.Revenue, totals.Cost, revenue.FloatString(20), cost.FloatString(12))
		}
	}
}

// invoiced holds the invoice of a customer to its calls: rounding happens on its
// lines and nowhere else, and each line opens into the calls that made it.
func (m *markup) invoiced(d *deal) {
	w := m.World
	w.Helper()
	w.Customer = d.party
	list := w.Invoices()
	if !d.bills || d.revenue.Sign() == 0 {
		if len(list) > 0 && list[0].Invoice.Total.Minor != 0 {
			w.Errorf("%s was sent %+v", d.party.Name, list)
		}
		return
	}
	if len(list) != 1 {
		w.Fatalf("%s has %d invoices", d.party.Name, len(list))
	}
	bill := list[0].Invoice
	exact, minor := new(big.Rat), int64(0)
	for _, l := range bill.Lines {
		line := fraction(w, l.Exact)
		exact.Add(exact, line)
		minor += l.Amount.Minor
		off := new(big.Rat).Sub(big.NewRat(l.Amount.Minor, 100), line)
		if off.Abs(off).Cmp(big.NewRat(1, 200)) > 0 {
			w.Errorf("%s: a line of %s is %d cents", bill.Number, l.Exact, l.Amount.Minor)
		}
	}
	if minor != bill.Total.Minor || exact.Cmp(&d.revenue) != 0 {
		w.Errorf("%s: lines of %s make %d cents, the total is %d; the calls earn %s", bill.Number, exact.FloatString(20), minor, bill.Total.Minor, d.revenue.FloatString(20))
	}
	shares := make([]big.Rat, len(bill.Lines))
	for _, e := range d.events {
		list, err := w.Biller.Explain(w.Context(), metering.DefaultOrg, e)
		w.Must(err)
		i := slices.IndexFunc(list, func(x invoicing.Explanation) bool { return x.Number == bill.Number })
		if i < 0 {
			w.Fatalf("event %s is on no line of %s: %+v", e.ID, bill.Number, list)
		}
		x := list[i]
		shares[x.Line-1].Add(&shares[x.Line-1], fraction(w, x.Share))
	}
	for i := range shares {
		if got := fraction(w, bill.Lines[i].Exact); got.Cmp(&shares[i]) != 0 {
			w.Errorf("%s: line %d is %s, its calls make %s", bill.Number, i+1, bill.Lines[i].Exact, shares[i].FloatString(20))
		}
	}
}
