// Package billingtest holds what tests of billing share: a database with usage,
// contracts and a bank in it, at a time that the test sets.
package billingtest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/period"
	billsql "github.com/weirhq/weir/billing/sqlstore"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/sqlstore"
)

// World is a database with what bills in it, at a time that tests set.
type World struct {
	*testing.T
	Usage  *sqlstore.Store
	Store  *billsql.Store
	Biller *invoicing.Biller
	Bank   *Bank
	Worker *work.Worker

	mu  sync.Mutex
	now time.Time

	Customer billing.Party
	Meter    string
	events   int
}

// OnBoth runs a test on either engine.
func OnBoth(t *testing.T, do func(*World)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		do(NewWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "weir.db")))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		do(NewWorld(t, meteringtest.Postgres(t)))
	})
}

func NewWorld(t *testing.T, address string) *World {
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
	w := &World{T: t, Usage: usage, Store: billsql.New(usage.DB()), Bank: NewBank(), now: Instant("2026-01-31T12:00:00Z").Time()}
	w.Biller = invoicing.New(w.Store, usage)
	w.Worker = w.Another("first")
	w.Customer = w.AddCustomer("acme")
	m, err := usage.Meter(t.Context(), metering.DefaultOrg, metering.MeterLLM)
	w.Must(err)
	w.Meter = m.ID
	return w
}

// Another is a worker of another process on the same database.
func (w *World) Another(holder string) *work.Worker {
	return work.New(work.Options{
		Store: w.Store, Drafter: w.Biller, Journals: w.Usage, Provider: w.Bank, Holder: holder, Now: w.Time, Wall: w.Time,
	})
}

// Waiting is a worker for which the wall clock shows an instant, by which it
// measures how long journals have been silent.
func (w *World) Waiting(wall time.Time) *work.Worker {
	return work.New(work.Options{
		Store: w.Store, Drafter: w.Biller, Journals: w.Usage, Provider: w.Bank, Holder: "first", Now: w.Time, Wall: func() time.Time { return wall },
	})
}

// Time is the time in the world.
func (w *World) Time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *World) At() metering.Micros { return metering.MicrosOf(w.Time()) }

// Move sets the time.
func (w *World) Move(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = Instant(to).Time()
}

// Later moves the time by a duration.
func (w *World) Later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Must ends the test on an error.
func (w *World) Must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// Instant reads RFC 3339; an instant of a test that cannot be read is a defect
// of the test.
func Instant(s string) metering.Micros {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return metering.MicrosOf(at)
}

func Number(s string) metering.Number {
	n, err := metering.ParseNumber(s)
	if err != nil {
		panic(err)
	}
	return n
}

func (w *World) AddCustomer(external string) billing.Party {
	w.Helper()
	c, err := w.Usage.CreateCustomer(w.Context(), metering.Customer{Org: metering.DefaultOrg, ExternalID: external, Name: external})
	w.Must(err)
	return billing.Party{ID: c.ID, ExternalID: external, Name: external}
}

// Price is a version of a price for the meter of tokens.
func (w *World) Price(amount string, per int64) billing.Price {
	return billing.Price{Meter: w.Meter, Model: billing.PerUnit, Currency: billing.USD, Amount: Number(amount), Per: per}
}

// Product makes a monthly product. edit may change it before.
func (w *World) Product(name string, prices []billing.Price, edit ...func(*billing.Product)) billing.Product {
	w.Helper()
	p := billing.Product{Org: metering.DefaultOrg, Name: name, Months: 1, TrialUsage: billing.TrialFree, Created: w.At(), Prices: prices}
	for _, e := range edit {
		e(&p)
	}
	p, err := w.Store.CreateProduct(w.Context(), p)
	w.Must(err)
	return p
}

// Contract makes a subscription that starts at an instant.
func (w *World) Contract(p billing.Product, start string, edit ...func(*billing.Subscription)) billing.Subscription {
	w.Helper()
	at := Instant(start)
	s := billing.Subscription{
		Org: metering.DefaultOrg, Customer: w.Customer.ID, Anchor: period.AnchorAt(at, time.UTC, p.Months), Start: at, Trial: p.TrialUsage,
		Phases: []billing.Phase{{From: at, Product: p.ID}}, Created: w.At(),
	}
	if p.TrialDays > 0 {
		s.TrialEnd = metering.MicrosOf(at.Time().AddDate(0, 0, p.TrialDays))
	}
	for _, e := range edit {
		e(&s)
	}
	s, err := w.Store.CreateSubscription(w.Context(), s)
	w.Must(err)
	return s
}

// Subscribe is a contract at the guide's price.
func (w *World) Subscribe(start string) billing.Subscription {
	w.Helper()
	return w.Contract(w.Product("LLM usage", []billing.Price{w.Price("0.01", 1000)}), start)
}

// Use reports usage of the customer.
func (w *World) Use(at string, tokens string, more ...string) {
	w.Helper()
	w.UseAs(w.Customer.ID, at, tokens, more...)
}

func (w *World) UseAs(customer, at, tokens string, more ...string) {
	w.Helper()
	id, err := metering.NewID()
	w.Must(err)
	w.events++
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: customer, At: Instant(at)},
		Name: metering.EventLLM, CostState: metering.CostStated, Cost: metering.Cost{Micros: 1000}, ExternalID: fmt.Sprintf("%s-%d", w.Name(), w.events),
		Properties: json.RawMessage(`{"totalTokens":` + tokens + properties(more) + `}`),
	}
	_, err = w.Usage.Ingest(w.Context(), metering.DefaultOrg, []*metering.Event{e})
	w.Must(err)
}

// Call is a call that the customer made with a model: ten input tokens, the rest
// output, at an upstream cost of a micro-dollar for each.
func (w *World) Call(at, model string, tokens int64, edit ...func(*metering.Event)) *metering.Event {
	w.Helper()
	id, err := metering.NewID()
	w.Must(err)
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: w.Customer.ID, At: Instant(at), Model: model, Provider: "openai", Metered: true},
		Name: metering.EventLLM, Outcome: metering.OutcomeComplete, CostState: metering.CostExact, Cost: metering.Cost{Micros: tokens},
	}
	e.Usage.State = metering.UsageExact
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 10
	e.Usage.Tokens[metering.OutputCell(false, metering.Text)] = tokens - 10
	for _, change := range edit {
		change(e)
	}
	_, err = w.Usage.Ingest(w.Context(), metering.DefaultOrg, []*metering.Event{e})
	w.Must(err)
	return e
}

func properties(more []string) string {
	text := ""
	for _, m := range more {
		text += "," + m
	}
	return text
}

// Settle does what is due and holds that nothing is left waiting.
func (w *World) Settle() work.Report {
	w.Helper()
	r, err := w.Worker.Settle(w.Context())
	w.Must(err)
	if len(r.Waiting) > 0 {
		w.Errorf("waiting: %q", r.Waiting)
	}
	w.Balanced()
	return r
}

// Balanced holds that the ledger sums to zero, B12, and that every grant adds
// up, P13.
func (w *World) Balanced() {
	w.Helper()
	left, err := w.Store.Unbalanced(w.Context(), metering.DefaultOrg)
	w.Must(err)
	if len(left) > 0 {
		w.Errorf("the ledger does not sum to zero: %v", left)
	}
	grants, err := w.Store.Grants(w.Context(), metering.DefaultOrg, w.Customer.ID)
	w.Must(err)
	for _, g := range grants {
		sum := g.Used.Add(g.Expired).Add(g.Voided).Add(g.Remaining())
		if sum.Compare(g.Issued) != 0 || g.Remaining().Compare(metering.Number{}) < 0 || g.Used.Compare(metering.Number{}) < 0 {
			w.Errorf("grant %+v does not add up", g)
		}
	}
}

// Invoices lists the invoices of the customer, the oldest first, each audited.
func (w *World) Invoices() []billing.Account {
	w.Helper()
	list, _, err := w.Store.Invoices(w.Context(), metering.DefaultOrg, w.Customer.ID, 1000, "")
	w.Must(err)
	out := make([]billing.Account, len(list))
	for i, a := range list {
		out[len(list)-1-i] = a
		w.Audit(a.Invoice.ID)
	}
	return out
}

func (w *World) Audit(ref string) invoicing.AuditReport {
	w.Helper()
	r, err := w.Biller.Audit(w.Context(), metering.DefaultOrg, ref)
	w.Must(err)
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

// Totals are the totals of invoices in minor units.
func Totals(list []billing.Account) []int64 {
	out := []int64{}
	for _, a := range list {
		out = append(out, a.Invoice.Total.Minor)
	}
	return out
}

// Card puts a card on file whose charges end as the bank is told.
func (w *World) Card(token string) {
	w.Helper()
	_, err := w.Store.SaveMethod(w.Context(), billing.PaymentMethod{
		Org: metering.DefaultOrg, Customer: w.Customer.ID, Provider: w.Bank.Name(), Token: token, Label: "card " + token, Created: w.At(),
	})
	w.Must(err)
}

// Grant gives the customer credit.
func (w *World) Grant(g billing.Grant) billing.Grant {
	w.Helper()
	g.Org, g.Customer, g.Created = metering.DefaultOrg, w.Customer.ID, w.At()
	g, err := w.Store.CreateGrant(w.Context(), g)
	w.Must(err)
	return g
}

// Left is what remains of each grant, in the order of their use.
func (w *World) Left() []string {
	w.Helper()
	grants, err := w.Store.Grants(w.Context(), metering.DefaultOrg, w.Customer.ID)
	w.Must(err)
	var out []string
	for _, g := range grants {
		out = append(out, g.Note+" "+g.Remaining().String())
	}
	return out
}

// WantLeft holds what remains of each grant.
func (w *World) WantLeft(want ...string) {
	w.Helper()
	if diff := cmp.Diff(want, w.Left()); diff != "" {
		w.Errorf("credit left (-want +got):\n%s", diff)
	}
}
