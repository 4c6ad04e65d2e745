package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/rerate"
	"github.com/weirhq/weir/metering/sqlstore"
)

// rerating is events in a store and the books that price them.
type rerating struct {
	*testing.T
	store    *sqlstore.Store
	book     *pricebook.Book
	complete metering.Micros
}

func (r *rerating) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// prices puts up a book of prices for a million input tokens of models of p.
func (r *rerating) prices(rates ...catalogue.Rate) {
	r.Helper()
	l, err := catalogue.NewLayer(catalogue.Operator, catalogue.Rows{Rates: rates})
	r.must(err)
	r.book, err = pricebook.Compile(l)
	r.must(err)
}

func input(model, price string) catalogue.Rate {
	return catalogue.Rate{Provider: "p", SKU: model, Meter: "input", Price: &price}
}

// call records a call of a model, priced by the book of now.
func (r *rerating) call(model string, at metering.Micros, change func(*metering.Event)) *metering.Event {
	r.Helper()
	id, err := metering.NewID()
	r.must(err)
	e := &metering.Event{Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Usage: metering.Usage{State: metering.UsageExact}}
	e.ID, e.Org, e.Customer, e.Provider, e.Model, e.Metered, e.At = id, metering.DefaultOrg, "c", "p", model, true, at
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 1_000_000
	e.Usage.Input, e.ExternalID = 1_000_000, id.String()
	if change != nil {
		change(e)
	}
	r.book.Price(e)
	_, err = r.store.Ingest(r.Context(), metering.DefaultOrg, []*metering.Event{e})
	r.must(err)
	return e
}

func (r *rerating) rerater() *rerate.Rerater {
	return rerate.New(rerate.Options{
		Store: r.store, Book: func() *pricebook.Book { return r.book },
		Complete: func(context.Context) (metering.Micros, error) { return r.complete, nil },
	})
}

func (r *rerating) run(q rerate.Request) rerate.Report {
	r.Helper()
	q.Org = metering.DefaultOrg
	got, err := r.rerater().Run(r.Context(), q)
	r.must(err)
	return got
}

// usage is what the sums say: requests, tokens, cost, unpriced; and it holds that
// rollups and events agree.
func (r *rerating) usage() string {
	r.Helper()
	_, totals, err := r.store.Usage(r.Context(), metering.UsageQuery{Org: metering.DefaultOrg})
	r.must(err)
	wrong, err := r.store.VerifyRollups(r.Context(), metering.DefaultOrg)
	r.must(err)
	if len(wrong) > 0 {
		r.Errorf("rollups and events differ: %v", wrong)
	}
	return fmt.Sprintf("%d requests, %d tokens, %s usd, %d unpriced", totals.Requests, totals.Total, totals.Cost, totals.Unpriced)
}

func eachEngine(t *testing.T, test func(*rerating)) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rerating{T: t, store: open(t, url(t))}
			r.prices(input("known", "1"))
			test(r)
		})
	}
}

const day = metering.Micros(86_400_000_000)

// TestRerate covers T40, T43 and B11: what had no price is priced when one has
// come, at the instant it was made; both figures stay on record; what had a price
// keeps it; and once more changes nothing.
func TestRerate(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		at := 1000 * day
		r.call("known", at, nil)
		unknown := r.call("new", at+1, nil)
		r.call("other", at+2, nil)
		if got, want := r.usage(), "3 requests, 3000000 tokens, 1 usd, 2 unpriced"; got != want {
			t.Fatalf("before: %s, want %s", got, want)
		}
		later := input("new", "9")
		later.From = catalogue.Instant(at + day)
		r.prices(input("known", "5"), input("new", "2"), later)
		if got := r.run(rerate.Request{DryRun: true}); got.Repriced != 1 || got.Added.String() != "2" || got.Looked != 2 {
			t.Errorf("a dry run: %+v", got)
		}
		if got, want := r.usage(), "3 requests, 3000000 tokens, 1 usd, 2 unpriced"; got != want {
			t.Errorf("after a dry run: %s, want %s", got, want)
		}
		got := r.run(rerate.Request{})
		want := rerate.Report{
			Looked: 2, Repriced: 1, Added: metering.Cost{Micros: 2_000_000}, Unpriced: 1, Reasons: map[string]int{"model: other": 1},
			Changes: []rerate.Change{{Provider: "p", Model: "new", Before: metering.CostUnpriced, After: metering.CostExact, Events: 1, Added: metering.Cost{Micros: 2_000_000}}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		after := "3 requests, 3000000 tokens, 3 usd, 1 unpriced"
		if got := r.usage(); got != after {
			t.Errorf("after: %s, want %s", got, after)
		}
		if got := r.run(rerate.Request{}); got.Repriced != 0 || got.Looked != 1 {
			t.Errorf("once more: %+v", got)
		}
		if got := r.usage(); got != after {
			t.Errorf("once more: %s, want %s", got, after)
		}
		stored, err := r.store.Event(t.Context(), metering.DefaultOrg, unknown.ID.String())
		r.must(err)
		corrections, _, err := r.store.Corrections(t.Context(), metering.DefaultOrg, unknown.ID)
		r.must(err)
		if stored.CostState != metering.CostUnpriced || len(corrections) != 1 {
			t.Fatalf("on record are %s and %d corrections", stored.CostState, len(corrections))
		}
		if c := corrections[0]; c.CostState != metering.CostPriced || c.Cost.String() != "2" || c.At != unknown.At || c.Usage.State != metering.UsageAdjustment ||
			len(c.Rates) != 1 || c.Rates[0] != "operator:p/new/input" || c.Book != r.book.Version() || c.Corrects != unknown.ID {
			t.Errorf("the adjustment is %+v", c)
		}

		// On request what had an exact cost is priced again too, by what holds for then.
		all := rerate.Request{From: at, To: at + day}
		if got := r.run(all); got.Repriced != 1 || got.Added.String() != "4" || got.Looked != 3 {
			t.Errorf("on request: %+v", got)
		}
		if got := r.run(all); got.Repriced != 0 {
			t.Errorf("on request, once more: %+v", got)
		}
		// A price that is taken back leaves no cost, and one that returns leaves one.
		r.prices(input("new", "2"))
		if got := r.run(all); got.Repriced != 1 || got.Added.String() != "-5" {
			t.Errorf("taken back: %+v", got)
		}
		if got, want := r.usage(), "3 requests, 3000000 tokens, 2 usd, 2 unpriced"; got != want {
			t.Errorf("taken back: %s, want %s", got, want)
		}
		r.prices(input("new", "2"), input("known", "7"))
		r.run(all)
		if got, want := r.usage(), "3 requests, 3000000 tokens, 9 usd, 1 unpriced"; got != want {
			t.Errorf("returned: %s, want %s", got, want)
		}
	})
}

// TestRerate_provisional: a cost becomes certain when its price is confirmed, with
// or without another figure, and is not looked at again.
func TestRerate_provisional(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		announced := input("soon", "4")
		announced.Status = catalogue.StatusProvisional
		r.prices(announced)
		r.call("soon", day, nil)
		if got := r.run(rerate.Request{}); got.Repriced != 0 || got.Unsure != 1 || len(got.Reasons) != 1 {
			t.Errorf("as it was: %+v", got)
		}
		r.prices(input("soon", "4"))
		if got := r.run(rerate.Request{}); got.Repriced != 1 || !got.Added.IsZero() || got.Unsure != 0 {
			t.Errorf("confirmed: %+v", got)
		}
		if got := r.run(rerate.Request{}); got.Looked != 0 {
			t.Errorf("it is looked at again: %+v", got)
		}
		if got, want := r.usage(), "1 requests, 1000000 tokens, 4 usd, 0 unpriced"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestRerate_again: a cost that is certain no more is on the list again, and is
// settled by itself when it has its price back.
func TestRerate_again(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		r.call("known", day, nil)
		all := rerate.Request{From: day, To: 2 * day}
		r.prices()
		if got := r.run(all); got.Repriced != 1 || got.Added.String() != "-1" {
			t.Errorf("taken back: %+v", got)
		}
		doubtful := input("known", "1")
		doubtful.Status = catalogue.StatusProvisional
		r.prices(doubtful)
		if got := r.run(rerate.Request{}); got.Looked != 1 || got.Repriced != 1 || got.Unsure != 1 {
			t.Errorf("not vouched for: %+v", got)
		}
		r.prices(input("known", "1"))
		r.run(all)
		r.prices(doubtful)
		r.run(all) // exact to provisional
		r.prices(input("known", "3"))
		if got := r.run(rerate.Request{}); got.Looked != 1 || got.Added.String() != "2" {
			t.Errorf("at last: %+v", got)
		}
		if got, want := r.usage(), "1 requests, 1000000 tokens, 3 usd, 0 unpriced"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestUsage_correctionsAlone: a correction counts where its event is in another
// group, of which no request is.
func TestUsage_correctionsAlone(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		e := r.call("known", day, nil)
		target := *e
		target.Cost = metering.Cost{Micros: 5_000_000}
		id, err := metering.NewID()
		r.must(err)
		c, err := metering.Correction(id, e, nil, &target, false)
		r.must(err)
		c.Model = "another"
		r.must(r.store.Correct(t.Context(), c, 0, []byte("x")))
		rows, totals, err := r.store.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg, By: []string{"model"}})
		r.must(err)
		if len(rows) != 2 || totals.Cost.String() != "5" || totals.Requests != 1 {
			t.Errorf("%d rows, totals %+v", len(rows), totals)
		}
	})
}

// TestRerate_bands: as soon as nothing of a day can come any more, its calls get
// their parts of the free allowance in the order in which they were made, once.
func TestRerate_bands(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		free, price := "0", "1"
		band := func(price *string, from int64) catalogue.Rate {
			return catalogue.Rate{Provider: "p", SKU: "m", Meter: "search", Price: price, When: catalogue.When{Volume: &catalogue.Volume{Pool: "searches", Window: "day", From: from}}}
		}
		r.prices(input("m", "0"), band(&free, 0), band(&price, 5))
		searches := func(n int64) func(*metering.Event) {
			return func(e *metering.Event) {
				e.Usage.Quantities = []metering.Quantity{{Name: "search", Amount: metering.NumberOf(n)}}
			}
		}
		third := r.call("m", 10*day+3, searches(4))
		first := r.call("m", 10*day+1, searches(3))
		r.call("m", 10*day+2, searches(1))
		r.call("m", 11*day, searches(2))
		if got, want := r.usage(), "4 requests, 4000000 tokens, 10 usd, 0 unpriced"; got != want {
			t.Fatalf("provisionally: %s, want %s", got, want)
		}
		r.complete = 11*day - 1
		if got := r.run(rerate.Request{}); got.Repriced != 0 || got.Unsure != 4 {
			t.Errorf("before the day is over: %+v", got)
		}
		r.complete = 11 * day
		if got := r.run(rerate.Request{DryRun: true}); got.Repriced != 3 || got.Added.String() != "-5" {
			t.Errorf("a dry run: %+v", got)
		}
		if got := r.run(rerate.Request{}); got.Repriced != 3 || got.Added.String() != "-5" || got.Unsure != 1 {
			t.Errorf("the day is over: %+v", got) // 3 and 1 free, of 4 one
		}
		// Late usage of that day comes behind the others.
		r.call("m", 10*day, searches(2))
		r.complete = 12 * day
		if got := r.run(rerate.Request{}); got.Repriced != 2 || got.Added.String() != "-2" {
			t.Errorf("the next day is over: %+v", got)
		}
		if got, want := r.usage(), "5 requests, 5000000 tokens, 5 usd, 0 unpriced"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := r.run(rerate.Request{From: 9 * day, To: 13 * day}); got.Repriced != 0 {
			t.Errorf("on request they change places: %+v", got)
		}
		// Each cost opens into lines, whatever the other calls were and come to cost
		// later: where the pool stood is on record with the correction.
		old := r.book
		r.prices(input("m", "7"))
		r.explained(old, first, "1000000 input × 0 = 0, 3 search × 0 = 0", "searches 3 after 0")
		r.explained(old, third, "1000000 input × 0 = 0, 1 search × 0 = 0, 3 search × 1 = 3", "searches 4 after 4")
	})
}

// TestRerate_free: what turns out to cost nothing opens into its lines as well, and
// is not priced again for ever.
func TestRerate_free(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		e := r.call("gift", day, nil)
		all := rerate.Request{From: day, To: 2 * day}
		r.prices(input("gift", "0"))
		if got := r.run(all); got.Repriced != 1 {
			t.Fatalf("its price has come: %+v", got)
		}
		r.explained(r.book, e, "1000000 input × 0 = 0", "")
		if got := r.run(all); got.Repriced != 0 {
			t.Errorf("again: %+v", got)
		}
		if got, want := r.usage(), "1 requests, 1000000 tokens, 0 usd, 0 unpriced"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// explained holds what an event costs now to the lines that it opens into.
func (r *rerating) explained(by *pricebook.Book, e *metering.Event, lines, pools string) {
	r.Helper()
	kept, err := r.store.Event(r.Context(), metering.DefaultOrg, e.ID.String())
	r.must(err)
	corrections, _, err := r.store.Corrections(r.Context(), metering.DefaultOrg, e.ID)
	r.must(err)
	list, err := pricebook.NewShelf(r.book, onlyBook{by}).ExplainNow(r.Context(), kept, corrections)
	r.must(err)
	var got, taken []string
	var sum metering.Cost
	for _, l := range list {
		got = append(got, fmt.Sprintf("%s %s × %s = %s", l.Quantity, l.Item, l.Price, l.Amount))
		sum = sum.Add(l.Amount)
	}
	now := metering.Corrected(kept, corrections)
	for _, u := range now.Pools {
		taken = append(taken, fmt.Sprintf("%s %s after %s", u.Pool, u.Units, u.Before))
	}
	if strings.Join(got, ", ") != lines || strings.Join(taken, ", ") != pools || sum != now.Cost {
		r.Errorf("event %s costs %s (%s): %q, %q; want %q, %q", e.ID, now.Cost, now.CostState, got, taken, lines, pools)
	}
}

// onlyBook is a past of one book.
type onlyBook struct{ book *pricebook.Book }

func (k onlyBook) Layers(context.Context, string) ([]*catalogue.Layer, error) {
	return k.book.Layers(), nil
}

// TestCorrectUsing_pool: what a cost takes from a pool is taken from where the pool
// stands, or neither is done.
func TestCorrectUsing_pool(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		use := func(before, units int64, want error) {
			t.Helper()
			e := r.call("new", day, nil)
			target := *e
			target.CostState, target.CostReason, target.Cost = metering.CostExact, "", metering.Cost{Micros: 1}
			id, err := metering.NewID()
			r.must(err)
			c, err := metering.Correction(id, e, nil, &target, false)
			r.must(err)
			taken := metering.PoolUse{Pool: "p", Since: day, Before: metering.NumberOf(before), Units: metering.NumberOf(units)}
			if err := r.store.CorrectUsing(t.Context(), c, 0, []byte("x"), []metering.PoolUse{taken}); !errors.Is(err, want) {
				r.Errorf("%d from %d: %v, want %v", units, before, err, want)
			}
			if made, _, err := r.store.Corrections(t.Context(), metering.DefaultOrg, e.ID); err != nil || (len(made) == 1) != (want == nil) {
				r.Errorf("%d from %d left %d corrections, %v", units, before, len(made), err)
			}
		}
		use(1, 1, metering.ErrConflict)
		use(0, 3, nil)
		use(0, 1, metering.ErrConflict)
		use(2, 1, metering.ErrConflict)
		use(4, 1, metering.ErrConflict)
		use(3, 4, nil)
		got, err := r.store.PoolUsed(t.Context(), metering.DefaultOrg, "p", day)
		r.must(err)
		if got != metering.NumberOf(7) {
			r.Errorf("%s were used", got)
		}
	})
}

// TestRerate_twice: several that run at once do it once; a correction of the usage
// in between counts.
func TestRerate_twice(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		for i := range 25 {
			r.call("new", day+metering.Micros(i), nil)
		}
		first := r.call("new", 2*day, func(e *metering.Event) { e.Usage.State = metering.UsageEstimated })
		target := *first
		target.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 500_000
		id, err := metering.NewID()
		r.must(err)
		c, err := metering.Correction(id, first, nil, &target, true)
		r.must(err)
		r.must(r.store.Correct(t.Context(), c, 0, []byte("settled")))
		if got, want := r.usage(), "26 requests, 25500000 tokens, 0 usd, 26 unpriced"; got != want {
			t.Fatalf("before: %s, want %s", got, want)
		}
		r.prices(input("new", "2"))
		var together sync.WaitGroup
		for range 4 {
			together.Go(func() {
				for cursor := "start"; cursor != ""; {
					q := rerate.Request{Org: metering.DefaultOrg, Limit: 7, Cursor: strings.TrimPrefix(cursor, "start")}
					got, err := r.rerater().Run(t.Context(), q)
					if err != nil {
						t.Error(err)
						return
					}
					cursor = got.Cursor
				}
			})
		}
		together.Wait()
		if got, want := r.usage(), "26 requests, 25500000 tokens, 51 usd, 0 unpriced"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestRerate_lostReply: the reply to the commit is lost, and the difference is
// there once.
func TestRerate_lostReply(t *testing.T) {
	t.Parallel()
	again, address := meteringtest.Sever(t, meteringtest.Postgres(t))
	r := &rerating{T: t, store: open(t, address)}
	r.prices(input("known", "1"))
	r.call("new", day, nil)
	r.prices(input("new", "2"))
	again("price again", func() error {
		if got := r.run(rerate.Request{}); got.Repriced != 1 {
			t.Errorf("%+v", got)
		}
		return nil
	})
	if got, want := r.usage(), "1 requests, 1000000 tokens, 2 usd, 0 unpriced"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
