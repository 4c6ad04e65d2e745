package meteringtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

// replays delivers the facts of three journals, each in any order, whole or in
// part and more than once, and then what is still missing.
func replays(c *counterTest) {
	windows := []metering.Window{c.month(metering.UnitCost), c.month(metering.UnitTokens)}
	n := 0
	rapid.Check(c, func(t *rapid.T) {
		n++
		slot := metering.Slot{Org: "replays", Customer: fmt.Sprint(n)}
		var chains [3][]metering.Settlement
		want := make([]int64, len(windows))
		for j := range chains {
			var prev uint64
			for range rapid.IntRange(0, 8).Draw(t, "facts") {
				f := metering.Settlement{Slot: slot, Journal: fmt.Sprint("journal ", j), Prev: prev, ID: c.fresh(t)}
				f.Seq = prev + rapid.Uint64Range(1, 3).Draw(t, "step")
				for i, w := range windows {
					amount := rapid.Int64Range(0, 1<<55).Draw(t, "amount")
					want[i] += amount
					f.Add = append(f.Add, metering.Addition{Window: w, Amount: amount})
				}
				chains[j] = append(chains[j], f)
				prev = f.Seq
			}
		}
		if ok, err := c.counter.Restore(c.Context(), metering.Snapshot{Slot: slot}); !ok || err != nil {
			t.Fatalf("restore: %v, %v", ok, err)
		}
		all := slices.Concat(chains[0], chains[1], chains[2])
		deliver := func(facts []metering.Settlement, complete bool) {
			results, err := c.counter.Settle(c.Context(), facts)
			if err != nil {
				t.Fatalf("settle: %v", err)
			}
			for i, err := range results {
				if err != nil && (complete || !errors.Is(err, metering.ErrSlotLost)) {
					t.Fatalf("fact %d of %s: %v", facts[i].Seq, facts[i].Journal, err)
				}
			}
		}
		for range rapid.IntRange(1, 4).Draw(t, "deliveries") {
			facts := rapid.Permutation(all).Draw(t, "order")
			deliver(facts[:rapid.IntRange(0, len(facts)).Draw(t, "part")], false)
		}
		deliver(all, true)
		deliver(all, true)
		used, held, err := c.counter.Totals(c.Context(), slot, windows)
		if err != nil {
			t.Fatalf("totals: %v", err)
		}
		if diff := cmp.Diff([][]int64{want, {0, 0}}, [][]int64{used, held}); diff != "" {
			t.Fatalf("used and held (-want +got):\n%s", diff)
		}
	})
}

func (c *counterTest) fresh(t rapid.TB) metering.ID {
	t.Helper()
	id, err := metering.NewID()
	if err != nil {
		t.Fatalf("id: %v", err)
	}
	return id
}

// modelRun compares a counter with the pure slot, operation by operation.
type modelRun struct {
	*counterTest
	t       *rapid.T
	model   *admission.Slot // nil: lost
	slot    metering.Slot
	windows []metering.Window
	ids     []metering.ID
	short   bool // holds may run out
}

func modelled(c *counterTest) {
	now := c.control.Now()
	windows := []metering.Window{c.month(metering.UnitCost), c.month(metering.UnitTokens), c.month(metering.UnitCost)}
	windows[2].Key = "a key: 7"
	ended := metering.Window{Unit: metering.UnitCost, Start: now - 9*86400*second, End: now - 3*86400*second}
	n := 0
	rapid.Check(c, func(t *rapid.T) {
		n++
		// The clock of an instant counter moves on, past what began as windows that
		// are open; these stay open for the whole of the test.
		run := &modelRun{counterTest: c, t: t, windows: append(slices.Clone(windows), ended), short: c.control.Instant,
			slot: metering.Slot{Org: "model", Customer: fmt.Sprint(n)}}
		for range 12 {
			run.ids = append(run.ids, c.fresh(t))
		}
		t.Repeat(map[string]func(*rapid.T){
			"admit":   run.admitOne,
			"settle":  run.settleSome,
			"restore": run.restoreOne,
			"pass":    run.pass,
			"":        run.compare,
		})
	})
}

func (r *modelRun) amount(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 1<<56), rapid.Int64Range(math.MaxInt64-3, math.MaxInt64)).Draw(t, "amount")
}

func (r *modelRun) window(t *rapid.T) metering.Window {
	return r.windows[rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 2, 3}).Draw(t, "window")]
}

func (r *modelRun) admitOne(t *rapid.T) {
	h := metering.Hold{Slot: r.slot, ID: rapid.SampledFrom(r.ids).Draw(t, "id"), TTL: 3600 * second, Now: r.control.Now()}
	if r.short {
		h.TTL = metering.Micros(rapid.Int64Range(1, 20).Draw(t, "ttl")) * second
	}
	for range rapid.IntRange(1, 3).Draw(t, "claims") {
		h.Claims = append(h.Claims, metering.Claim{Window: r.window(t), Amount: r.amount(t), Limit: r.amount(t)})
	}
	var want metering.Decision
	wantErr := metering.ErrSlotLost
	if r.model != nil {
		want, wantErr = r.model.Admit(&h, r.control.Now())
	}
	got, err := r.counter.Admit(context.Background(), h)
	if got != want || !errors.Is(err, wantErr) {
		t.Fatalf("admit %+v = %+v, %v; the model says %+v, %v", h.Claims, got, err, want, wantErr)
	}
}

func (r *modelRun) settleSome(t *rapid.T) {
	batch := make([]metering.Settlement, rapid.IntRange(1, 3).Draw(t, "facts"))
	want := make([]error, len(batch))
	for i := range batch {
		f := &batch[i]
		f.Slot, f.ID = r.slot, rapid.SampledFrom(r.ids).Draw(t, "id")
		f.Journal = rapid.SampledFrom([]string{"j", "k"}).Draw(t, "journal")
		f.Prev = rapid.Uint64Range(0, 6).Draw(t, "prev")
		f.Seq = f.Prev + rapid.Uint64Range(1, 2).Draw(t, "step")
		for range rapid.IntRange(0, 2).Draw(t, "additions") {
			f.Add = append(f.Add, metering.Addition{Window: r.window(t), Amount: r.amount(t)})
		}
		switch {
		case r.model != nil:
			want[i] = r.model.Settle(f, r.control.Now())
		case len(f.Add) > 0:
			want[i] = metering.ErrSlotLost
		}
	}
	got, err := r.counter.Settle(context.Background(), batch)
	if err != nil {
		t.Fatalf("settle: %v", err)
	}
	for i := range batch {
		if !errors.Is(got[i], want[i]) || (got[i] == nil) != (want[i] == nil) {
			t.Fatalf("settle %+v: %v, the model says %v", batch[i], got[i], want[i])
		}
	}
}

func (r *modelRun) restoreOne(t *rapid.T) {
	snap := metering.Snapshot{Slot: r.slot, Positions: maps.Clone(rapid.MapOfN(
		rapid.SampledFrom([]string{"j", "k"}), rapid.Uint64Range(0, 8), 0, 2).Draw(t, "positions"))}
	for _, w := range rapid.SliceOfNDistinct(rapid.SampledFrom(r.windows), 0, 4, rapid.ID[metering.Window]).Draw(t, "windows") {
		snap.Totals = append(snap.Totals, metering.Addition{Window: w, Amount: r.amount(t)})
	}
	if r.model == nil {
		r.model = admission.NewSlot(0)
	}
	want, wantErr := r.model.Restore(&snap, r.control.Now())
	got, err := r.counter.Restore(context.Background(), snap)
	if got != want || !errors.Is(err, wantErr) {
		t.Fatalf("restore %+v = %v, %v; the model says %v, %v", snap, got, err, want, wantErr)
	}
}

func (r *modelRun) pass(t *rapid.T) {
	if r.short {
		r.control.Pass(r.T, time.Duration(rapid.Int64Range(1, 10).Draw(t, "seconds"))*time.Second)
	}
}

func (r *modelRun) compare(t *rapid.T) {
	got := make([][]int64, 2)
	var err error
	got[0], got[1], err = r.counter.Totals(context.Background(), r.slot, r.windows[:3])
	if r.model == nil {
		if !errors.Is(err, metering.ErrSlotLost) {
			t.Fatalf("totals of a lost slot: %v", err)
		}
		return
	}
	want := make([][]int64, 2)
	var wantErr error
	want[0], want[1], wantErr = r.model.Totals(r.windows[:3], r.control.Now())
	if diff := cmp.Diff(want, got); diff != "" || err != nil || wantErr != nil {
		t.Fatalf("totals: %v, the model: %v (-model +counter):\n%s", err, wantErr, diff)
	}
}
