package sqlstore_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/rerate"
	"github.com/weirhq/weir/metering/sqlstore"
)

// monthOfCalls are calls of thirty days of November 2026, in an order and of
// sizes that a fixed rule decides.
func monthOfCalls(n int) []*metering.Event {
	start := metering.MicrosOf(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	var out []*metering.Event
	for i := range n {
		e := &metering.Event{Call: metering.Call{
			ID: idOf(i), Org: metering.DefaultOrg, At: start + metering.Micros(i)*30*reconcile.DayMicros/metering.Micros(n) + 1,
			Provider: "openai", Endpoint: "openai.chat", Metered: true, Model: []string{"gpt-4o", "gpt-4o-mini"}[i%2],
		}, Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, Credential: []string{"abcd", "wxyz"}[i%3%2], CostState: metering.CostExact, ExternalID: fmt.Sprint(i)}
		u := &e.Usage
		u.State, u.Model = metering.UsageExact, e.Model+"-2024-08-06"
		u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = int64(1000 + i%7*100)
		u.Tokens[metering.InputCell(metering.CacheRead, metering.Text)] = int64(i % 5 * 200)
		u.Tokens[metering.OutputCell(false, metering.Text)] = int64(300 + i%11*10)
		u.Tokens[metering.OutputCell(true, metering.Text)] = int64(i % 3 * 50)
		if i%10 == 0 {
			u.Flag(metering.FlagBatchPrice)
		}
		if i%20 == 0 { // its document says more than its columns
			u.Quantities = []metering.Quantity{{Name: "web_search_call", Amount: metering.NumberOf(1)}}
		}
		u.Input, u.Output = u.Tokens.Input(), u.Tokens.Output()
		e.Cost = metering.Cost{Micros: u.Input * 2, Picos: 500_000}
		out = append(out, e)
	}
	return out
}

// exportOf is what the provider would say of the calls: made from each call's own
// numbers, by sums of its own.
func exportOf(t *testing.T, calls []*metering.Event) *reconcile.Export {
	t.Helper()
	type bucket struct {
		day        int64
		model, key string
		batch      bool
	}
	type sum struct{ requests, input, cached, output, micros int64 }
	sums := make(map[bucket]*sum)
	for _, e := range calls {
		b := bucket{int64(e.At) / 86_400_000_000, e.Usage.Model, "key_" + e.Credential, e.Usage.Flagged(metering.FlagBatchPrice)}
		if sums[b] == nil {
			sums[b] = new(sum)
		}
		s := sums[b]
		s.requests++
		s.input += e.Usage.Input
		s.cached += e.Usage.Tokens[metering.InputCell(metering.CacheRead, metering.Text)]
		s.output += e.Usage.Output
		s.micros += e.Usage.Input*2*10 + 5 // tenths, for the half
	}
	var usage, costs strings.Builder
	for b, s := range sums {
		fmt.Fprintf(&usage, `{"start_time":%d,"end_time":%d,"results":[{"object":"organization.usage.completions.result","model":%q,"api_key_id":%q,"batch":%t,"num_model_requests":%d,"input_tokens":%d,"input_cached_tokens":%d,"output_tokens":%d}]}`+"\n",
			b.day*86400, b.day*86400+86400, b.model, b.key, b.batch, s.requests, s.input, s.cached, s.output)
		fmt.Fprintf(&costs, `{"start_time":%d,"end_time":%d,"results":[{"object":"organization.costs.result","amount":{"value":"%d.%07d","currency":"usd"},"line_item":"%s, %s %t"}]}`+"\n",
			b.day*86400, b.day*86400+86400, s.micros/10_000_000, s.micros%10_000_000, b.model, b.key, b.batch)
	}
	r, err := reconcile.NewReader("openai")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Read("usage", strings.NewReader(usage.String())); err != nil {
		t.Fatal(err)
	}
	if err := r.ReadCosts("costs", strings.NewReader(costs.String())); err != nil {
		t.Fatal(err)
	}
	e, err := r.Export()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestStore_Recorded: a month of calls is what the provider says, to the last
// digit; of a loss of one in a hundred every day shows, with its cause (T84, B27).
func TestStore_Recorded(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := monthOfCalls(3000)
			export := exportOf(t, calls)
			keys := map[string]string{"key_abcd": "abcd", "key_wxyz": "wxyz"}

			whole := reconciled(t, open(t, url(t)), calls, export, keys)
			if whole.Verdict != reconcile.VerdictEqual || whole.To-whole.From != 30 {
				t.Errorf("all calls: verdict %s from %s to %s, %+v", whole.Verdict, whole.From, whole.To, whole.Totals.Measures)
			}
			var kept []*metering.Event
			for i, e := range calls {
				if i%100 != 37 {
					kept = append(kept, e)
				}
			}
			lossy := reconciled(t, open(t, url(t)), kept, export, keys)
			days := 0
			lossy.Walk(func(r *reconcile.Row) bool {
				if r.Level == reconcile.LevelDay && r.Verdict == reconcile.VerdictDiffers {
					if days++; r.Causes[0].Kind != reconcile.CauseMissing {
						t.Errorf("%s %s: %v", r.Model, r.Day, r.Causes)
					}
				}
				return true
			})
			if lossy.Verdict != reconcile.VerdictDiffers || days != 30 || lossy.Totals.Causes[0].Kind != reconcile.CauseMissing {
				t.Errorf("one in a hundred lost: verdict %s, %d days of a model differ, %v", lossy.Verdict, days, lossy.Totals.Causes)
			}
		})
	}
}

// reconciled records calls and compares them; what is left of a report can be
// kept and read again.
func reconciled(t *testing.T, s *sqlstore.Store, calls []*metering.Event, export *reconcile.Export, keys map[string]string) *reconcile.Report {
	t.Helper()
	for batch := range chunks(calls, 500) {
		if _, err := s.Ingest(t.Context(), metering.DefaultOrg, batch); err != nil {
			t.Fatal(err)
		}
	}
	from, to := export.Days[0], export.Days[len(export.Days)-1]+1
	recorded, err := s.Recorded(t.Context(), reconcile.Query{Org: metering.DefaultOrg, Provider: "openai", From: from, To: to, Boundary: 60_000_000})
	if err != nil {
		t.Fatal(err)
	}
	r, err := reconcile.Compare(export, recorded, reconcile.Options{Keys: keys, FloorTokens: -1, FloorCost: metering.Cost{Micros: -1}})
	if err != nil {
		t.Fatal(err)
	}
	for at := metering.Micros(1); at <= 2; at++ {
		if err := s.KeepReport(t.Context(), metering.DefaultOrg, r, at); err != nil {
			t.Fatal(err)
		}
	}
	latest, at, err := s.LatestReports(t.Context(), metering.DefaultOrg)
	if err != nil || len(latest) != 1 || at[0] != 2 || latest[0].Verdict != r.Verdict || latest[0].From != r.From {
		t.Errorf("the latest report is %+v of %v: %v", latest, at, err)
	}
	return r
}

// idOf is an id of November 2026.
func idOf(i int) (id metering.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(1793491200000)<<16)
	binary.BigEndian.PutUint32(id[12:], uint32(i))
	return id
}

func chunks(list []*metering.Event, n int) func(func([]*metering.Event) bool) {
	return func(yield func([]*metering.Event) bool) {
		for len(list) > 0 {
			k := min(n, len(list))
			if !yield(list[:k]) {
				return
			}
			list = list[k:]
		}
	}
}

// TestStore_Recorded_repriced: a cost that became known later is with the call that
// it is of, which is not without one any more.
func TestStore_Recorded_repriced(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		at := 20_000 * day
		r.call("new", at, func(e *metering.Event) {
			e.Credential, e.Usage.ServiceTier, e.Usage.Model = "abcd", "flex", "new-2026-01-01"
			e.Usage.Flag(metering.FlagBatchPrice)
		})
		recorded := func(unpriced int64, cost string) {
			t.Helper()
			got, err := r.store.Recorded(t.Context(), reconcile.Query{Org: metering.DefaultOrg, Provider: "p", From: 20_000, To: 20_001})
			r.must(err)
			if len(got) != 1 || got[0].Credential != "abcd" || got[0].Tier != reconcile.TierBatch || got[0].Unpriced != unpriced || got[0].Cost.String() != cost {
				r.Errorf("recorded are %+v, want %d unpriced and %s", got, unpriced, cost)
			}
		}
		recorded(1, "0")
		flex, rows := "flex", input("new", "2")
		rows.When.Tier = flex
		alias := input("new-2026-01-01", "2")
		alias.When.Tier = flex
		r.prices(rows, alias)
		if got := r.run(rerate.Request{}); got.Repriced != 1 {
			r.Fatalf("%+v", got)
		}
		recorded(0, "2")
	})
}

// TestStore_Recorded_repricedInDetail: so it is where the correction has tokens of
// a class that no column has, as of a cache that lives for an hour.
func TestStore_Recorded_repricedInDetail(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		e := r.call("new", 20_000*day, func(e *metering.Event) { e.Credential = "abcd" })
		unpriced := func() int64 {
			t.Helper()
			got, err := r.store.Recorded(t.Context(), reconcile.Query{Org: metering.DefaultOrg, Provider: "p", From: 20_000, To: 20_001})
			r.must(err)
			var n int64
			for _, x := range got {
				n += x.Unpriced
			}
			return n
		}
		var before []*metering.Event
		for i, to := range []metering.CostState{metering.CostExact, metering.CostUnpriced} {
			target := *e
			target.Usage.Tokens[metering.InputCell(metering.CacheWrite1h, metering.Text)] = int64(5 * (1 - i))
			if target.CostState, target.CostReason = to, "model: new"; to == metering.CostExact {
				target.Cost, target.CostReason = metering.Cost{Micros: 7}, ""
			}
			id, err := metering.NewID()
			r.must(err)
			c, err := metering.Correction(id, e, before, &target, true)
			r.must(err)
			r.must(r.store.Correct(t.Context(), c, i, []byte{byte(i)}))
			before = append(before, c)
			if got := unpriced(); got != int64(i) {
				t.Errorf("once it is %s, %d calls are without a cost", to, got)
			}
		}
	})
}
