package work_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/period"
	billsql "github.com/weirhq/weir/billing/sqlstore"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/sqlstore"
)

// world is a database with what bills in it, at a time that tests set.
type world struct {
	*testing.T
	usage  *sqlstore.Store
	store  *billsql.Store
	biller *invoicing.Biller
	bank   *bank
	worker *work.Worker

	mu  sync.Mutex
	now time.Time

	customer billing.Party
	meter    string
	events   int
}

// onBoth runs a test on either engine.
func onBoth(t *testing.T, do func(*world)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		do(newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "weir.db")))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		do(newWorld(t, meteringtest.Postgres(t)))
	})
}

func newWorld(t *testing.T, address string) *world {
	t.Helper()
	usage, err := sqlstore.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := usage.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, usage: usage, store: billsql.New(usage.DB()), bank: newBank(), now: instant("2026-01-31T12:00:00Z").Time()}
	w.biller = invoicing.New(w.store, usage)
	w.worker = w.another("first")
	w.customer = w.addCustomer("acme")
	m, err := usage.Meter(t.Context(), metering.DefaultOrg, metering.MeterLLM)
	w.must(err)
	w.meter = m.ID
	return w
}

// another is a worker of another process on the same database.
func (w *world) another(holder string) *work.Worker {
	return work.New(work.Options{
		Store: w.store, Drafter: w.biller, Journals: w.usage, Provider: w.bank, Holder: holder, Now: w.time, Wall: w.time,
	})
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) at() metering.Micros { return metering.MicrosOf(w.time()) }

// move sets the time.
func (w *world) move(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = instant(to).Time()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// instant reads RFC 3339; an instant of a test that cannot be read is a defect
// of the test.
func instant(s string) metering.Micros {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return metering.MicrosOf(at)
}

func number(s string) metering.Number {
	n, err := metering.ParseNumber(s)
	if err != nil {
		panic(err)
	}
	return n
}

func (w *world) addCustomer(external string) billing.Party {
	w.Helper()
	c, err := w.usage.CreateCustomer(w.Context(), metering.Customer{Org: metering.DefaultOrg, ExternalID: external, Name: external})
	w.must(err)
	return billing.Party{ID: c.ID, ExternalID: external, Name: external}
}

// price is a version of a price for the meter of tokens.
func (w *world) price(amount string, per int64) billing.Price {
	return billing.Price{Meter: w.meter, Model: billing.PerUnit, Currency: billing.USD, Amount: number(amount), Per: per}
}

// product makes a monthly product. edit may change it before.
func (w *world) product(name string, prices []billing.Price, edit ...func(*billing.Product)) billing.Product {
	w.Helper()
	p := billing.Product{Org: metering.DefaultOrg, Name: name, Months: 1, TrialUsage: billing.TrialFree, Created: w.at(), Prices: prices}
	for _, e := range edit {
		e(&p)
	}
	p, err := w.store.CreateProduct(w.Context(), p)
	w.must(err)
	return p
}

// contract makes a subscription that starts at an instant.
func (w *world) contract(p billing.Product, start string, edit ...func(*billing.Subscription)) billing.Subscription {
	w.Helper()
	at := instant(start)
	s := billing.Subscription{
		Org: metering.DefaultOrg, Customer: w.customer.ID, Anchor: period.AnchorAt(at, time.UTC, p.Months), Start: at, Trial: p.TrialUsage,
		Phases: []billing.Phase{{From: at, Product: p.ID}}, Created: w.at(),
	}
	if p.TrialDays > 0 {
		s.TrialEnd = metering.MicrosOf(at.Time().AddDate(0, 0, p.TrialDays))
	}
	for _, e := range edit {
		e(&s)
	}
	s, err := w.store.CreateSubscription(w.Context(), s)
	w.must(err)
	return s
}

// subscribe is a contract at the guide's price.
func (w *world) subscribe(start string) billing.Subscription {
	w.Helper()
	return w.contract(w.product("LLM usage", []billing.Price{w.price("0.01", 1000)}), start)
}

// use reports usage of the customer.
func (w *world) use(at string, tokens string, more ...string) {
	w.Helper()
	w.useAs(w.customer.ID, at, tokens, more...)
}

func (w *world) useAs(customer, at, tokens string, more ...string) {
	w.Helper()
	id, err := metering.NewID()
	w.must(err)
	w.events++
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: customer, At: instant(at)},
		Name: metering.EventLLM, CostState: metering.CostStated, Cost: metering.Cost{Micros: 1000}, ExternalID: fmt.Sprintf("%s-%d", w.Name(), w.events),
		Properties: json.RawMessage(`{"totalTokens":` + tokens + properties(more) + `}`),
	}
	_, err = w.usage.Ingest(w.Context(), metering.DefaultOrg, []*metering.Event{e})
	w.must(err)
}

func properties(more []string) string {
	text := ""
	for _, m := range more {
		text += "," + m
	}
	return text
}

// settle does what is due and holds that nothing is left waiting.
func (w *world) settle() work.Report {
	w.Helper()
	r, err := w.worker.Settle(w.Context())
	w.must(err)
	if len(r.Waiting) > 0 {
		w.Errorf("waiting: %q", r.Waiting)
	}
	w.balanced()
	return r
}

// balanced holds that the ledger sums to zero, B12, and that every grant adds
// up, P13.
func (w *world) balanced() {
	w.Helper()
	left, err := w.store.Unbalanced(w.Context(), metering.DefaultOrg)
	w.must(err)
	if len(left) > 0 {
		w.Errorf("the ledger does not sum to zero: %v", left)
	}
	grants, err := w.store.Grants(w.Context(), metering.DefaultOrg, w.customer.ID)
	w.must(err)
	for _, g := range grants {
		sum := g.Used.Add(g.Expired).Add(g.Voided).Add(g.Remaining())
		if sum.Compare(g.Issued) != 0 || g.Remaining().Compare(metering.Number{}) < 0 || g.Used.Compare(metering.Number{}) < 0 {
			w.Errorf("grant %+v does not add up", g)
		}
	}
}

// invoices lists the invoices of the customer, the oldest first, each audited.
func (w *world) invoices() []billing.Account {
	w.Helper()
	list, _, err := w.store.Invoices(w.Context(), metering.DefaultOrg, w.customer.ID, 1000, "")
	w.must(err)
	out := make([]billing.Account, len(list))
	for i, a := range list {
		out[len(list)-1-i] = a
		w.audit(a.Invoice.ID)
	}
	return out
}

func (w *world) audit(ref string) invoicing.AuditReport {
	w.Helper()
	r, err := w.biller.Audit(w.Context(), metering.DefaultOrg, ref)
	w.must(err)
	for _, c := range r.Checks {
		if !c.OK {
			w.Errorf("audit of %s: %s: computed %s, on the invoice %s", r.Number, c.Name, c.Want, c.Got)
		}
	}
	if !r.OK || len(r.Checks) < 5 {
		w.Errorf("audit of %s: ok=%v with %d checks", r.Number, r.OK, len(r.Checks))
	}
	return r
}

// totals are the totals of invoices in minor units.
func totals(list []billing.Account) []int64 {
	out := []int64{}
	for _, a := range list {
		out = append(out, a.Invoice.Total.Minor)
	}
	return out
}

// card puts a card on file whose charges end as the bank is told.
func (w *world) card(token string) {
	w.Helper()
	_, err := w.store.SaveMethod(w.Context(), billing.PaymentMethod{
		Org: metering.DefaultOrg, Customer: w.customer.ID, Provider: w.bank.Name(), Token: token, Label: "card " + token, Created: w.at(),
	})
	w.must(err)
}

// bank is a payment provider whose replies can be lost.
type bank struct {
	mu       sync.Mutex
	charges  map[string]billing.Charge
	results  map[string]billing.ChargeResult
	asked    int
	loseNext int  // replies to charges that get lost after the charge
	dropNext int  // charges that get lost before
	silent   bool // Find does not answer either
	hush     bool // a lost reply is followed by silence
}

func newBank() *bank {
	return &bank{charges: make(map[string]billing.Charge), results: make(map[string]billing.ChargeResult)}
}

func (b *bank) Name() string                   { return "bank" }
func (b *bank) Minimum(billing.Currency) int64 { return 50 }

func (b *bank) SetupURL(context.Context, string, string) (string, error) {
	return "", metering.ErrInvalid
}

func (b *bank) Method(context.Context, string, string) (billing.PaymentMethod, error) {
	return billing.PaymentMethod{}, metering.ErrNotFound
}

func (b *bank) Charge(_ context.Context, c billing.Charge) (billing.ChargeResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.dropNext > 0 {
		b.dropNext--
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	if have, ok := b.charges[c.Key]; ok && have != c {
		return billing.ChargeResult{}, fmt.Errorf("another charge under key %s: %w", c.Key, metering.ErrInvalid)
	}
	if _, ok := b.charges[c.Key]; !ok {
		b.charges[c.Key] = c
		r := billing.ChargeResult{State: billing.PaymentSucceeded, Reference: "ch_" + c.Key}
		if c.Method == "declines" {
			r = billing.ChargeResult{State: billing.PaymentDeclined, Reason: "card declined"}
		}
		b.results[c.Key] = r
	}
	if b.loseNext > 0 {
		b.loseNext--
		b.silent = b.hush
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	return b.results[c.Key], nil
}

func (b *bank) Find(_ context.Context, key string) (billing.ChargeResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent {
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	r, ok := b.results[key]
	if !ok {
		return r, metering.ErrNotFound
	}
	return r, nil
}

// taken is how much was captured, and by how many charges.
func (b *bank) taken() (minor int64, charges int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, r := range b.results {
		if r.State == billing.PaymentSucceeded {
			minor += b.charges[key].Amount.Minor
			charges++
		}
	}
	return minor, charges
}
