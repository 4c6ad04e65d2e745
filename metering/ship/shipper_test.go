package ship_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
	"github.com/weirhq/weir/metering/memory"
	"github.com/weirhq/weir/metering/ship"
)

// rig is a real journal, shipped into a database and counters that can fail.
type rig struct {
	t       testing.TB
	journal *journal.Journal
	db      *database
	counts  *flaky
	shipper *ship.Shipper
	stop    context.CancelFunc
	ended   chan error
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// open opens a journal in dir and claims it, without running the shipper.
func open(t testing.TB, dir string, db *database) *rig {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, journal: j, db: db, counts: &flaky{Counter: memory.New(memory.Options{})}, ended: make(chan error, 1)}
	r.shipper = ship.New(j, db, r.counts, pricer{}, ship.Options{Logger: quiet()})
	return r
}

// run claims and starts the shipper.
func (r *rig) run() {
	r.t.Helper()
	if err := r.shipper.Claim(context.Background()); err != nil {
		r.t.Fatalf("claim: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- r.shipper.Run(ctx) }()
}

// end stops the shipper and closes the journal.
func (r *rig) end() error {
	r.t.Helper()
	r.stop()
	err := <-r.ended
	if err := r.journal.Close(); err != nil {
		r.t.Fatalf("close: %v", err)
	}
	return err
}

// call makes one call of a customer.
func (r *rig) call(customer string, tokens int64) *metering.Event {
	r.t.Helper()
	id, err := metering.NewID()
	if err != nil {
		r.t.Fatal(err)
	}
	e := &metering.Event{Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: customer, Key: "k"}, Name: metering.EventLLM, Outcome: metering.OutcomeComplete}
	if err := r.journal.Begin(&e.Call); err != nil {
		r.t.Fatalf("begin: %v", err)
	}
	e.Usage.State = metering.UsageExact
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = tokens
	if err := r.journal.Finish(e); err != nil {
		r.t.Fatalf("finish: %v", err)
	}
	return e
}

func (r *rig) sync() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.shipper.Sync(ctx); err != nil {
		r.t.Fatalf("sync: %v", err)
	}
}

// agree holds that the counters say what the events of the database sum to, B03.
func (r *rig) agree(customers ...string) {
	r.t.Helper()
	windows := ship.Windows(metering.MicrosOf(time.Now()))
	for _, customer := range customers {
		slot := metering.Slot{Org: metering.DefaultOrg, Customer: customer}
		used, _, err := r.counts.Totals(context.Background(), slot, windows)
		if err != nil {
			r.t.Fatalf("totals of %s: %v", customer, err)
		}
		r.db.mu.Lock()
		want := r.db.snapshot(slot, windows)
		r.db.mu.Unlock()
		for i, w := range want.Totals {
			if used[i] != w.Amount {
				r.t.Errorf("%s: %s since %s: counted %d, events say %d", customer, w.Window.Unit, w.Window.Start.Time(), used[i], w.Amount)
			}
		}
	}
}

// TestShip: every fact reaches the database once, priced, and the counters.
func TestShip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newDatabase())
		r.run()
		for n := range 50 {
			r.call([]string{"a", "b", "c"}[n%3], int64(n))
		}
		r.sync()
		if n := r.db.count(); n != 50 {
			t.Errorf("%d events in the database, want 50", n)
		}
		for _, e := range r.db.events {
			if e.CostState != metering.CostExact {
				t.Errorf("event %s was not priced", e.ID)
			}
		}
		synctest.Wait()
		r.agree("a", "b", "c")
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
		if !r.db.released {
			t.Error("the journal was not given back although everything was shipped")
		}
	})
}

// TestShip_gathers: facts of a moment share a transaction, and Sync does not wait
// for that moment.
func TestShip_gathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase()
		ships := 0
		db.fail = func(op string) error {
			if op == "before ship" {
				ships++
			}
			return nil
		}
		r := open(t, t.TempDir(), db)
		r.run()
		for range 100 {
			r.call("a", 1)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if ships != 1 || db.count() != 100 {
			t.Errorf("%d events in %d transactions, want 100 in one", db.count(), ships)
		}
		r.call("a", 1)
		before := time.Now()
		r.sync()
		if took := time.Since(before); took > 50*time.Millisecond {
			t.Errorf("sync took %s", took)
		}
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// TestShip_lostReply: a transaction whose reply is lost is sent again and counts
// once, F10.
func TestShip_lostReply(t *testing.T) {
	for _, op := range []string{"before ship", "after ship"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db, left := newDatabase(), 3
				db.fail = func(at string) error {
					if at == op && left > 0 {
						left--
						return errLost
					}
					return nil
				}
				r := open(t, t.TempDir(), db)
				r.run()
				r.call("a", 5)
				r.sync()
				r.call("a", 6)
				r.sync()
				synctest.Wait()
				if db.count() != 2 {
					t.Errorf("%d events, want 2", db.count())
				}
				r.agree("a")
				if err := r.end(); err != nil {
					t.Errorf("run: %v", err)
				}
			})
		})
	}
}

// TestShip_fenced: a shipper whose journal was taken over ends at once and no
// call is authorised any more.
func TestShip_fenced(t *testing.T) {
	for name, trigger := range map[string]func(*rig){
		"on shipping": func(r *rig) { r.call("a", 1) },
		"on a beat":   func(*rig) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, t.TempDir(), newDatabase())
				r.run()
				r.call("a", 1)
				r.sync()
				r.db.fence()
				trigger(r)
				err := <-r.ended
				if !errors.Is(err, metering.ErrFenced) {
					t.Errorf("run ended with %v", err)
				}
				if err := r.journal.Begin(&metering.Call{}); !errors.Is(err, metering.ErrFenced) {
					t.Errorf("begin: %v, want fenced", err)
				}
				if err := r.shipper.Sync(t.Context()); name == "on shipping" && !errors.Is(err, metering.ErrFenced) {
					t.Errorf("sync: %v, want fenced", err)
				}
				if r.db.released {
					t.Error("a journal that belongs to another process was given back")
				}
				if err := r.journal.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestClaim_refused: a copy is not shipped, nor is a journal to a database that
// lacks what it has deleted.
func TestClaim_refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newDatabase())
		r.db.fence()
		err := r.shipper.Claim(t.Context())
		if !errors.Is(err, metering.ErrFenced) || !strings.Contains(err.Error(), "copy") {
			t.Errorf("claim: %v", err)
		}
		if err := r.journal.Close(); err != nil {
			t.Fatal(err)
		}

		dir := t.TempDir()
		j, err := journal.Open(dir, journal.Options{Logger: quiet(), SegmentBytes: 4096})
		if err != nil {
			t.Fatal(err)
		}
		r = &rig{t: t, journal: j, db: newDatabase(), counts: &flaky{Counter: memory.New(memory.Options{})}, ended: make(chan error, 1)}
		r.shipper = ship.New(j, r.db, r.counts, pricer{}, ship.Options{Logger: quiet()})
		r.run()
		for range 200 {
			r.call("a", 1)
		}
		r.sync()
		synctest.Wait()
		if j.Floor() == 0 {
			t.Fatal("no segment was deleted: the test shows nothing")
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		r = open(t, dir, newDatabase())
		err = r.shipper.Claim(t.Context())
		if err == nil || !strings.Contains(err.Error(), "another database") {
			t.Errorf("claim on an empty database: %v", err)
		}
		if err := r.journal.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSync_bounded: Sync ends with its context while the database is away, and
// the facts stay.
func TestSync_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newDatabase())
		r.db.set(func(string) error { return errLost })
		r.run()
		r.call("a", 1)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := r.shipper.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sync: %v", err)
		}
		if s := r.shipper.Status(); s.Failure == nil || s.Lag == 0 {
			t.Errorf("status %+v: want a failure and a lag", s)
		}
		r.db.set(nil)
		r.sync()
		if s := r.shipper.Status(); s.Failure != nil || s.Lag != 0 {
			t.Errorf("status %+v after the database came back", s)
		}
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// TestBeat_sync: a sync request through the registry is answered only when what
// was written before it is recorded, T29 of two replicas.
func TestBeat_sync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newDatabase())
		r.run()
		down := true
		r.db.set(func(op string) error {
			if down && op == "before ship" {
				return errLost
			}
			return nil
		})
		time.Sleep(10 * time.Millisecond)
		e := r.call("a", 1)
		r.db.mu.Lock()
		r.db.asked = 7
		r.db.mu.Unlock()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if done := r.lastBeat().SyncDone; done != 0 {
			t.Errorf("answered %d although nothing was recorded", done)
		}
		if b := r.lastBeat(); b.Lag == 0 || b.Watermark != e.At || b.Clean > e.At {
			t.Errorf("beat %+v: the unshipped call must hold watermark and clean time back", b)
		}
		r.db.mu.Lock()
		down = false
		r.db.mu.Unlock()
		r.sync()
		time.Sleep(10 * time.Millisecond) // far less than a beat
		synctest.Wait()
		if done := r.lastBeat().SyncDone; done != 7 {
			t.Errorf("answered %d, want 7, without waiting for the next beat", done)
		}
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func (r *rig) lastBeat() metering.Beat {
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	return r.db.beats[len(r.db.beats)-1]
}

// TestBeat_watermark: an open call holds the watermark back, an idle journal
// moves it on.
func TestBeat_watermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newDatabase())
		r.run()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		idle := r.lastBeat()
		if behind := metering.MicrosOf(time.Now()) - idle.Watermark; behind > metering.Micros(time.Second.Microseconds()) {
			t.Errorf("the watermark of an idle journal is %d µs behind", behind)
		}
		call := metering.Call{Org: metering.DefaultOrg, Customer: "a"}
		var err error
		if call.ID, err = metering.NewID(); err != nil {
			t.Fatal(err)
		}
		if err := r.journal.Begin(&call); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		b := r.lastBeat()
		if b.Watermark != call.At || len(b.Open) != 1 || b.Open[0].Customer != "a" {
			t.Errorf("beat %+v: want the watermark at %d and the call listed", b, call.At)
		}
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
		if r.db.released {
			t.Error("a journal with an open call was given back as clean")
		}
	})
}

// TestCounters_away: counters that do not answer hold nothing up and are right
// when they are back, T48.
func TestCounters_away(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newDatabase())
		r.run()
		r.call("a", 1)
		r.sync()
		r.counts.set(func(string) error { return errLost })
		for range 20 {
			r.call("a", 3)
			r.call("b", 4)
			time.Sleep(time.Second / 3)
		}
		r.sync()
		if n := r.db.count(); n != 41 {
			t.Errorf("%d events recorded while the counters were away, want 41", n)
		}
		synctest.Wait()
		if s := r.shipper.Status(); s.Dirty != 2 {
			t.Errorf("%d customers wait to be set anew, want 2", s.Dirty)
		}
		r.counts.set(nil)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.agree("a", "b")
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// TestCounters_lastFact: a settlement that failed is made good with the next
// beats, also when no fact follows that would show the gap.
func TestCounters_lastFact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newDatabase())
		r.run()
		r.call("a", 1)
		r.sync()
		synctest.Wait()
		failed := false
		r.counts.set(func(op string) error {
			if op == "before settle" && !failed {
				failed = true
				return errLost
			}
			return nil
		})
		r.call("a", 7)
		r.sync()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if !failed {
			t.Fatal("no settlement failed: the test shows nothing")
		}
		r.agree("a")
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// TestEnd_databaseAway: what cannot be shipped at the end is named and stays for
// the next start.
func TestEnd_databaseAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, db := t.TempDir(), newDatabase()
		r := open(t, dir, db)
		r.run()
		db.set(func(string) error { return errLost })
		r.call("a", 1)
		if err := r.end(); err == nil || !strings.Contains(err.Error(), "next start") {
			t.Errorf("run ended with %v", err)
		}
		if db.released {
			t.Error("given back with facts unshipped")
		}
		db.set(nil)
		r = open(t, dir, db)
		r.run()
		r.sync()
		if db.count() != 1 {
			t.Errorf("%d events after the next start, want 1", db.count())
		}
		synctest.Wait()
		r.agree("a")
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// TestShip_anyFault: whatever fails on either side and whenever, and however
// often the process starts anew, each call is recorded once and the counters
// agree in the end: B03, B04, I3, F6, F14.
func TestShip_anyFault(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anyFault(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func anyFault(t *testing.T, random *rand.Rand) {
	dir, db := t.TempDir(), newDatabase()
	var mu sync.Mutex // random is asked by the shipper and by the test
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	sometimes := func(string) error {
		if draw(10) == 0 {
			return errLost
		}
		return nil
	}
	r := open(t, dir, db)
	made := 0
	start := func() {
		db.set(sometimes)
		r.counts.set(sometimes)
		r.run()
	}
	start()
	for range 60 {
		switch step := draw(12); step {
		case 0: // a new process, with counters of its own
			_ = r.end() // it may have been unable to ship everything
			r = open(t, dir, db)
			start()
		case 1: // the counters are flushed
			r.counts.mu.Lock()
			r.counts.Counter = memory.New(memory.Options{})
			r.counts.mu.Unlock()
		case 2:
			time.Sleep(2 * time.Second)
		default:
			r.call([]string{"a", "b", "c"}[step%3], int64(step))
			made++
		}
	}
	db.set(nil)
	r.counts.set(nil)
	for _, customer := range []string{"a", "b", "c"} {
		r.call(customer, 1)
		made++
	}
	r.sync()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	if db.count() != made {
		t.Errorf("%d events for %d calls", db.count(), made)
	}
	r.agree("a", "b", "c")
	if err := r.end(); err != nil {
		t.Errorf("run: %v", err)
	}
}
