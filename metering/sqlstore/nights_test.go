package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	billsql "github.com/weirhq/weir/billing/sqlstore"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/alert"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
	"github.com/weirhq/weir/metering/sqlstore"
)

// nights are an installation that compares, and what its provider says.
type nights struct {
	*testing.T
	store *sqlstore.Store
	now   metering.Micros
	log   bytes.Buffer

	mu    sync.Mutex
	calls map[reconcile.Day]int // that the provider says there were
	fail  error                 // instead of saying anything
	asked []reconcile.Day
	// asking is called as the provider is asked.
	asking func()
}

const firstDay = reconcile.Day(20758) // 2026-11-01

// hour is one of a day.
func hour(d reconcile.Day, h int64) metering.Micros {
	return d.Start() + metering.Micros(h)*metering.Micros(time.Hour/time.Microsecond)
}

func eachNight(t *testing.T, test func(*nights)) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&nights{T: t, store: open(t, url(t)), now: hour(firstDay+2, 7), calls: make(map[reconcile.Day]int)})
		})
	}
}

// record records so many calls of a day, of a cent each, beside those that it has.
func (n *nights) record(d reconcile.Day, from, to int) {
	n.Helper()
	var batch []*metering.Event
	for i := from; i < to; i++ {
		e := &metering.Event{Call: metering.Call{
			Org: metering.DefaultOrg, At: hour(d, 12) + metering.Micros(i), Provider: "openai", Model: "m", Endpoint: "openai.chat", Metered: true,
		}, Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, CostState: metering.CostExact, Cost: metering.Cost{Micros: 10_000}, ExternalID: fmt.Sprint(d, i)}
		id, err := metering.NewID()
		if err != nil {
			n.Fatal(err)
		}
		e.ID = id
		e.Usage = metering.Usage{State: metering.UsageExact, Input: 1000, Output: 100}
		e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)], e.Usage.Tokens[metering.OutputCell(false, metering.Text)] = 1000, 100
		batch = append(batch, e)
	}
	if _, err := n.store.Ingest(n.Context(), metering.DefaultOrg, batch); err != nil {
		n.Fatal(err)
	}
}

// fetch is what the provider answers.
func (n *nights) fetch(ctx context.Context, from, to reconcile.Day, take func(costs bool, page []byte) error) error {
	n.mu.Lock()
	n.asked = append(n.asked, from)
	calls, fail, asking := n.calls[from], n.fail, n.asking
	n.mu.Unlock()
	if asking != nil {
		asking()
	}
	if err := errors.Join(fail, ctx.Err()); err != nil {
		return err
	}
	if to != from+1 {
		return fmt.Errorf("asked for %s to %s", from, to)
	}
	page := func(result string) []byte {
		start := int64(from.Start()) / 1_000_000
		return fmt.Appendf(nil, `{"data":[{"start_time":%d,"end_time":%d,"results":[%s]}],"has_more":false}`, start, start+86400, result)
	}
	usage := fmt.Sprintf(`{"object":"organization.usage.completions.result","model":"m","input_tokens":%d,"input_cached_tokens":0,"output_tokens":%d,"num_model_requests":%d}`, calls*1000, calls*100, calls)
	return errors.Join(take(false, page(usage)), take(true, page(fmt.Sprintf(`{"object":"organization.costs.result","amount":{"value":%d.%02d,"currency":"usd"},"line_item":"m"}`, calls/100, calls%100))))
}

// worker is one of the processes; all changes its options.
func (n *nights) worker(edit ...func(*nightly.Options)) *nightly.Worker {
	o := nightly.Options{
		Org: metering.DefaultOrg, Store: n.store, After: 6 * time.Hour,
		Providers: []nightly.Provider{{Name: "openai", Fetch: n.fetch, Compare: reconcile.Options{FloorTokens: -1, FloorCost: metering.Cost{Micros: -1}}}},
		Lead:      func(context.Context) (bool, error) { return true, nil },
		Complete:  func(context.Context) (metering.Micros, error) { return n.now, nil },
		Now:       func() time.Time { return n.now.Time() },
		Logger:    slog.New(slog.NewTextHandler(&n.log, nil)),
	}
	for _, f := range edit {
		f(&o)
	}
	return nightly.New(o)
}

// work lets a worker do what is due, and holds which days the provider was asked
// for.
func (n *nights) work(w *nightly.Worker, days ...reconcile.Day) {
	n.Helper()
	n.asked = nil
	if err := w.Work(n.Context()); err != nil {
		n.Fatal(err)
	}
	if d := cmp.Diff(days, n.asked); d != "" {
		n.Errorf("days that the provider was asked for (-want +got):\n%s", d)
	}
}

// state is how it went.
func (n *nights) state() nightly.State {
	n.Helper()
	list, err := n.store.NightlyStates(n.Context(), metering.DefaultOrg)
	if err != nil || len(list) != 1 {
		n.Fatalf("%+v, %v", list, err)
	}
	return list[0]
}

// alerts are those that stand after a look at what should be known.
func (n *nights) alerts() []string {
	n.Helper()
	board := alert.NewBoard(n.store, func() time.Time { return n.now.Time() }, slog.New(slog.DiscardHandler))
	w := alert.NewWatch(alert.Options{
		Org: metering.DefaultOrg, Store: n.store, Alerts: board, Unsure: n.store, Sources: n.store, Now: func() time.Time { return n.now.Time() }, Logger: slog.New(slog.DiscardHandler),
		Lead: func(context.Context) (bool, error) { return true, nil },
	})
	if err := w.Look(n.Context()); err != nil {
		n.Fatal(err)
	}
	list, err := n.store.Alerts(n.Context(), metering.AlertQuery{Org: metering.DefaultOrg})
	if err != nil {
		n.Fatal(err)
	}
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprintf("%s %s: %s", a.Kind, a.Subject, a.Detail))
	}
	return out
}

// TestNightly covers T84 for a server by itself: a day is compared once its reports
// have settled and again a day later, once each; what differs raises the alert,
// and what agrees at the second look ends it.
func TestNightly(t *testing.T) {
	eachNight(t, func(n *nights) {
		w := n.worker()
		n.record(firstDay+1, 0, 100)
		n.calls[firstDay+1] = 100
		n.work(w, firstDay+1)
		want := nightly.State{Provider: "openai", Since: firstDay + 1, Tried: n.now, Succeeded: n.now, Day: firstDay + 1, Verdict: reconcile.VerdictEqual, Gap: "0"}
		if d := cmp.Diff(want, n.state()); d != "" {
			n.Error(d)
		}
		n.work(w)
		n.now = hour(firstDay+3, 6) - 1
		n.work(w)
		n.now++
		n.record(firstDay+2, 0, 99)
		n.calls[firstDay+2] = 100
		n.work(w, firstDay+1, firstDay+2)
		if s := n.state(); s.Day != firstDay+2 || s.Verdict != reconcile.VerdictDiffers || s.Gap != "-0.01" {
			n.Errorf("after a call was lost: %+v", s)
		}
		if got := n.alerts(); len(got) != 1 || !strings.HasPrefix(got[0], "reconcile openai: its report of 2026-11-03 says something else") {
			n.Errorf("alerts %q", got)
		}
		n.record(firstDay+2, 99, 100) // by a journal that came late
		n.calls[firstDay+3] = 0
		n.now = hour(firstDay+4, 9)
		n.work(w, firstDay+2, firstDay+3)
		if got := n.alerts(); len(got) != 0 {
			n.Errorf("alerts after the second look %q", got)
		}
		n.work(w)
		done, err := n.store.Nights(n.Context(), metering.DefaultOrg, "openai", 0)
		looks := []nightly.Night{{Day: firstDay + 1, Look: nightly.First}, {Day: firstDay + 1, Look: nightly.Second}, {Day: firstDay + 2, Look: nightly.First}, {Day: firstDay + 2, Look: nightly.Second}, {Day: firstDay + 3, Look: nightly.First}}
		if d := cmp.Diff(looks, done); d != "" || err != nil {
			n.Errorf("looks (-want +got):\n%s%v", d, err)
		}
	})
}

// TestNightly_failure: a provider that does not answer is asked again ever later,
// holds up no other, and what it was is kept until it goes well; days that were
// missed are made up for, a week of them at most.
func TestNightly_failure(t *testing.T) {
	eachNight(t, func(n *nights) {
		other := 0
		w := n.worker(func(o *nightly.Options) {
			o.Providers = append(o.Providers, nightly.Provider{Name: "anthropic", Fetch: func(context.Context, reconcile.Day, reconcile.Day, func(bool, []byte) error) error {
				other++
				return errors.New("no")
			}})
		})
		n.fail = fmt.Errorf("the provider answers 401: the key must be an administrator's: %w", metering.ErrInvalid)
		n.work(w, firstDay+1)
		if other != 1 {
			n.Error("the other provider was not asked")
		}
		state := func() nightly.State {
			list, err := n.store.NightlyStates(n.Context(), metering.DefaultOrg)
			if err != nil || len(list) != 2 || list[0].Provider != "anthropic" {
				n.Fatalf("%+v, %v", list, err)
			}
			return list[1]
		}
		quarter := hour(0, 1) / 4
		for failures, wait := range []metering.Micros{quarter, 2 * quarter, 4 * quarter, 8 * quarter, 16 * quarter, 16 * quarter} {
			s := state()
			if s.Failures != failures+1 || s.Failure != "2026-11-02: the provider answers 401: the key must be an administrator's" || s.NotBefore != n.now+wait || s.Succeeded != 0 || s.Tried != n.now {
				n.Errorf("after %d failures: %+v", failures+1, s)
			}
			n.now = s.NotBefore - 1
			n.work(w)
			n.now++
			n.work(w, firstDay+1)
		}
		n.now = hour(firstDay+20, 7)
		n.fail = nil
		n.work(w, firstDay+13, firstDay+14, firstDay+15, firstDay+16, firstDay+17, firstDay+18, firstDay+19)
		if s := state(); s.Failures != 0 || s.Failure != "" || s.NotBefore != 0 || s.Day != firstDay+19 || s.Since != firstDay+1 {
			n.Errorf("after it went well: %+v", s)
		}
		done, err := n.store.Nights(n.Context(), metering.DefaultOrg, "openai", 0)
		if err != nil || len(done) != 7 || done[5].Look != nightly.Second || done[6] != (nightly.Night{Day: firstDay + 19, Look: nightly.First}) {
			n.Errorf("looks %v, %v", done, err)
		}
	})
}

// TestNightly_incomplete: a day that a journal has not shipped yet is not compared,
// because calls would be missing that are only late; nor is one of which the
// provider has no bucket yet.
func TestNightly_incomplete(t *testing.T) {
	eachNight(t, func(n *nights) {
		complete := (firstDay + 2).Start() + 59_999_999
		w := n.worker(func(o *nightly.Options) {
			o.Complete = func(context.Context) (metering.Micros, error) { return complete, nil }
		})
		n.work(w)
		if s := n.state(); s.Failures != 0 || s.Tried != 0 {
			n.Errorf("while it waits: %+v", s)
		}
		n.now = hour(firstDay+2, 14)
		n.work(w)
		if s := n.state(); s.Failures != 1 || !strings.Contains(s.Failure, "only what was called until 2026-11-03T00:00:59Z is on record") {
			n.Errorf("after it has waited for long: %+v", s)
		}
		complete++
		n.now = n.state().NotBefore
		n.work(w, firstDay+1)
		if s := n.state(); s.Failures != 0 || s.Day != firstDay+1 {
			n.Errorf("%+v", s)
		}
		n.now = hour(firstDay+3, 7)
		complete = n.now
		w = n.worker(func(o *nightly.Options) {
			o.Providers[0].Fetch = func(_ context.Context, _, _ reconcile.Day, take func(bool, []byte) error) error {
				return take(false, []byte(`{"data":[],"has_more":false}`))
			}
		})
		n.work(w)
		if s := n.state(); s.Failures == 0 || !strings.Contains(s.Failure, "has no buckets") {
			n.Errorf("%+v", s)
		}
	})
}

// TestNightly_crash: a process that dies while it asks leaves nothing behind, and
// is no failure of the provider's; whoever leads next does the work.
func TestNightly_crash(t *testing.T) {
	eachNight(t, func(n *nights) {
		n.calls[firstDay+1] = 5
		n.record(firstDay+1, 0, 5)
		leases := billsql.New(n.store.DB())
		as := func(name string) func(*nightly.Options) {
			return func(o *nightly.Options) {
				o.Lead = func(ctx context.Context) (bool, error) {
					_, leads, err := leases.Acquire(ctx, "reconcile", name, nightly.Lease, n.now.Time())
					return leads, err
				}
			}
		}
		ctx, die := context.WithCancel(n.Context())
		n.asking = die
		if err := n.worker(as("a")).Work(ctx); err != nil {
			n.Fatal(err)
		}
		if s := n.state(); s.Tried != 0 || s.Failures != 0 {
			n.Errorf("after it died: %+v", s)
		}
		n.asking = nil
		b := n.worker(as("b"))
		n.work(b)
		n.now += metering.Micros(nightly.Lease/time.Microsecond) - 1
		n.work(b)
		n.now++
		n.work(b, firstDay+1)
		if s := n.state(); s.Verdict != reconcile.VerdictEqual {
			n.Errorf("%+v", s)
		}
		n.work(n.worker(as("a")))
	})
}

// TestNightly_two: two processes that both believe to lead come to one report of
// each look; a third one, that asks for a comparison meanwhile, takes no number.
func TestNightly_two(t *testing.T) {
	eachNight(t, func(n *nights) {
		n.now = hour(firstDay+2, 7)
		n.work(n.worker(), firstDay+1)
		n.now = hour(firstDay+5, 7)
		var together sync.WaitGroup
		together.Add(2)
		var once sync.Map
		ready := func(who int) func(*nightly.Options) {
			return func(o *nightly.Options) {
				o.Logger = slog.New(slog.DiscardHandler)
				inner := o.Providers[0].Fetch
				o.Providers[0].Fetch = func(ctx context.Context, from, to reconcile.Day, take func(bool, []byte) error) error {
					if _, there := once.LoadOrStore(who, true); !there {
						together.Done()
						together.Wait() // both are in the middle of the same look
					}
					return inner(ctx, from, to, take)
				}
			}
		}
		var wg sync.WaitGroup
		for who := range 2 {
			wg.Go(func() {
				if err := n.worker(ready(who)).Work(n.Context()); err != nil {
					n.Error(err)
				}
			})
		}
		wg.Go(func() {
			for range 5 {
				if err := n.store.KeepReport(n.Context(), metering.DefaultOrg, &reconcile.Report{Provider: "openai", From: 1, To: 2, Verdict: reconcile.VerdictEqual}, n.now); err != nil {
					n.Error(err)
				}
			}
		})
		wg.Wait()
		done, err := n.store.Nights(n.Context(), metering.DefaultOrg, "openai", 0)
		if err != nil || len(done) != 5 {
			n.Errorf("looks %v, %v, want each once", done, err)
		}
		if s := n.state(); s.Failures != 0 || s.Day != firstDay+4 {
			n.Errorf("%+v", s)
		}
	})
}

// TestNightly_lostReply: the reply to a COMMIT is lost, and what was noted is noted
// again from the start; it is there once. Row 10 of the failure matrix.
func TestNightly_lostReply(t *testing.T) {
	t.Parallel()
	again, address := meteringtest.Sever(t, meteringtest.Postgres(t))
	s := open(t, address)
	ctx, org := t.Context(), metering.DefaultOrg
	again("begin", func() error {
		got, err := s.BeginNights(ctx, org, "openai", 5)
		if got.Since != 5 {
			t.Errorf("began %+v", got)
		}
		return err
	})
	again("fail", func() error { return s.FailNight(ctx, org, "openai", "gone", 9, 8) })
	list, err := s.NightlyStates(ctx, org)
	if d := cmp.Diff([]nightly.State{{Provider: "openai", Since: 5, Tried: 8, Failures: 1, Failure: "gone", NotBefore: 9}}, list); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
	report := &reconcile.Report{Provider: "openai", From: 6, To: 7, Verdict: reconcile.VerdictDiffers}
	for range 2 {
		again("keep", func() error { return s.KeepNight(ctx, org, nightly.Night{Day: 6, Look: nightly.First}, report, 10) })
	}
	if done, err := s.Nights(ctx, org, "openai", 0); err != nil || len(done) != 1 {
		t.Errorf("looks %v, %v", done, err)
	}
	if list, err = s.NightlyStates(ctx, org); err != nil || list[0].Failures != 0 || list[0].Succeeded != 10 || list[0].Day != 6 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestStore_StandingDifferences: a day differs until its latest comparison says
// otherwise, whoever made it; one that could compare nothing says nothing.
func TestStore_StandingDifferences(t *testing.T) {
	eachNight(t, func(n *nights) {
		at := metering.Micros(0)
		keep := func(from, to reconcile.Day, v reconcile.Verdict) {
			n.Helper()
			at++
			if err := n.store.KeepReport(n.Context(), metering.DefaultOrg, &reconcile.Report{Provider: "openai", From: from, To: to, Verdict: v}, at); err != nil {
				n.Fatal(err)
			}
		}
		stands := func(want ...reconcile.Standing) {
			n.Helper()
			got, err := n.store.StandingDifferences(n.Context(), metering.DefaultOrg)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				n.Errorf("(-want +got):\n%s%v", d, err)
			}
		}
		keep(1, 5, reconcile.VerdictEqual)
		stands()
		keep(2, 4, reconcile.VerdictDiffers)
		keep(3, 6, reconcile.VerdictDiffers)
		stands(reconcile.Standing{Provider: "openai", Days: []reconcile.Day{2, 3, 4, 5}, Since: 2})
		keep(2, 4, reconcile.VerdictExplained)
		keep(4, 5, reconcile.VerdictUnknown)
		stands(reconcile.Standing{Provider: "openai", Days: []reconcile.Day{4, 5}, Since: 3})
		keep(4, 6, reconcile.VerdictWithin)
		stands()
	})
}

// TestStore_StandingDifferences_gap: a comparison of days that are not next to each
// other says nothing of those between them.
func TestStore_StandingDifferences_gap(t *testing.T) {
	eachNight(t, func(n *nights) {
		compare := func(days ...reconcile.Day) {
			n.Helper()
			reader, err := reconcile.NewReader("openai")
			if err != nil {
				n.Fatal(err)
			}
			for _, d := range days {
				if err := n.fetch(n.Context(), d, d+1, func(costs bool, page []byte) error {
					if costs {
						return reader.ReadCosts("a page", bytes.NewReader(page))
					}
					return reader.Read("a page", bytes.NewReader(page))
				}); err != nil {
					n.Fatal(err)
				}
			}
			export, err := reader.Export()
			if err != nil {
				n.Fatal(err)
			}
			recorded, err := n.store.Recorded(n.Context(), reconcile.Query{Org: metering.DefaultOrg, Provider: "openai", From: firstDay, To: firstDay + 9})
			if err != nil {
				n.Fatal(err)
			}
			r, err := reconcile.Compare(export, recorded, reconcile.Options{FloorTokens: -1, FloorCost: metering.Cost{Micros: -1}})
			if err != nil {
				n.Fatal(err)
			}
			if err := n.store.KeepReport(n.Context(), metering.DefaultOrg, r, n.now); err != nil {
				n.Fatal(err)
			}
		}
		stand := func(want int) {
			n.Helper()
			list, err := n.store.StandingDifferences(n.Context(), metering.DefaultOrg)
			if err != nil || len(list) != want {
				n.Errorf("%+v, %v; want %d", list, err, want)
			}
		}
		for d := firstDay; d < firstDay+3; d++ {
			n.record(d, 0, 2)
			n.calls[d] = 2
		}
		n.calls[firstDay+1] = 3
		compare(firstDay + 1)
		stand(1)
		compare(firstDay, firstDay+2)
		stand(1)
		n.calls[firstDay+1] = 2
		compare(firstDay, firstDay+1, firstDay+2)
		stand(0)
	})
}

// TestNights_timeout: a request that timed out is not said to be the whole
// comparison that took too long.
func TestNights_timeout(t *testing.T) {
	eachNight(t, func(n *nights) {
		n.fail = fmt.Errorf("after 6 tries: %w", context.DeadlineExceeded)
		n.work(n.worker(), firstDay+1)
		if got, want := n.state().Failure, (firstDay+1).String()+": after 6 tries: context deadline exceeded"; got != want {
			n.Errorf("%q, want %q", got, want)
		}
	})
}

// TestNights_longFailure: why a look failed may be the provider's text, of any
// length and characters; it is noted all the same, so that the provider is let
// alone for a while.
func TestNights_longFailure(t *testing.T) {
	eachNight(t, func(n *nights) {
		n.fail = errors.New("a" + strings.Repeat("😀", 2000))
		w := n.worker()
		n.work(w, firstDay+1)
		if s := n.state(); s.Failures != 1 || s.NotBefore <= n.now || !strings.HasPrefix(s.Failure, (firstDay+1).String()+": a😀") {
			n.Errorf("%+v", s)
		}
		n.work(w)
	})
}
