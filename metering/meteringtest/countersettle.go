package meteringtest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

func settleOnce(c *counterTest) {
	c.make()
	w, other := c.month(metering.UnitCost), c.month(metering.UnitTokens)
	id := c.id()
	c.admit(c.hold(id, metering.Claim{Window: w, Limit: 100, Amount: 50}), allowed(50))
	f := c.fact(0, 7, id, metering.Addition{Window: w, Amount: 20}, metering.Addition{Window: other, Amount: 3},
		metering.Addition{Window: w, Amount: 1})
	for range 3 {
		c.applied(f)
		c.counts(w, 21, 0)
		c.counts(other, 3, 0)
	}

	// What is used may exceed what was held, and the limit.
	c.applied(c.fact(7, 8, c.id(), metering.Addition{Window: w, Amount: 200}))
	c.counts(w, 221, 0)

	// A position that the slot has releases the hold all the same.
	late := c.id()
	c.admit(c.hold(late, metering.Claim{Window: w, Limit: 300, Amount: 50}), allowed(29))
	c.applied(c.fact(7, 8, late, metering.Addition{Window: w, Amount: 200}))
	c.counts(w, 221, 0)
}

func settleGap(c *counterTest) {
	c.make()
	w := c.month(metering.UnitCost)
	add := metering.Addition{Window: w, Amount: 1}
	id := c.id()
	c.admit(c.hold(id, metering.Claim{Window: w, Limit: 100, Amount: 50}), allowed(50))
	c.applied(c.fact(0, 3, c.id(), add))
	c.settle([]error{metering.ErrSlotLost}, c.fact(5, 6, id, add))
	c.counts(w, 1, 50)
	c.applied(c.fact(3, 5, c.id(), add), c.fact(5, 6, id, add))
	c.counts(w, 3, 0)

	// A slot that was set to the middle of a chain takes what comes after.
	c.restore(metering.Snapshot{Slot: c.slot, Positions: map[string]uint64{"journal": 10}, Totals: []metering.Addition{{Window: w, Amount: 9}}}, true)
	c.applied(c.fact(9, 10, c.id(), add), c.fact(8, 11, c.id(), add))
	c.counts(w, 10, 0)
	// One that is said to come after itself is there or lost like any other.
	c.applied(c.fact(11, 11, c.id(), add))
	c.settle([]error{metering.ErrSlotLost}, c.fact(12, 12, c.id(), add))
	c.counts(w, 10, 0)
}

func settleBatch(c *counterTest) {
	second := metering.Slot{Org: c.slot.Org, Customer: "second"}
	c.make()
	if ok, err := c.counter.Restore(c.Context(), metering.Snapshot{Slot: second}); !ok || err != nil {
		c.Fatalf("restore: %v, %v", ok, err)
	}
	w := c.month(metering.UnitCost)
	add := metering.Addition{Window: w, Amount: 1}
	in := func(slot metering.Slot, journal string, prev, seq uint64) metering.Settlement {
		return metering.Settlement{Slot: slot, Journal: journal, Prev: prev, Seq: seq, ID: c.id(), Add: []metering.Addition{add}}
	}
	gone := metering.Slot{Org: c.slot.Org, Customer: "third"}
	c.settle([]error{nil, nil, nil, metering.ErrSlotLost, nil, metering.ErrSlotLost, nil, nil},
		in(c.slot, "j", 0, 1), in(second, "j", 0, 2), in(c.slot, "j", 1, 3), in(gone, "j", 0, 4),
		in(c.slot, "k", 0, 1), in(second, "j", 4, 5), in(second, "j", 2, 6), in(c.slot, "j", 1, 3))
	c.counts(w, 3, 0)
	used, _, err := c.counter.Totals(c.Context(), second, []metering.Window{w})
	if err != nil || used[0] != 2 {
		c.Errorf("second slot: %v, %v", used, err)
	}

	// More than fits into one step of any implementation.
	var many []metering.Settlement
	for seq := range uint64(1000) {
		many = append(many, in(c.slot, "long", seq, seq+1), in(second, "long", seq, seq+1))
	}
	c.applied(many...)
	c.applied(many...)
	c.counts(w, 1003, 0)
	if got, err := c.counter.Settle(c.Context(), nil); len(got) != 0 || err != nil {
		c.Errorf("settle nothing = %v, %v", got, err)
	}
}

func settleNothing(c *counterTest) {
	// There is nothing to add and nothing to release.
	c.applied(c.fact(0, 1, c.id()), c.fact(1, 2, c.id()))
	c.lost()
	c.make()
	w := c.month(metering.UnitCost)
	id := c.id()
	c.admit(c.hold(id, metering.Claim{Window: w, Limit: 100, Amount: 50}), allowed(50))
	c.applied(c.fact(0, 1, c.id()), c.fact(1, 2, id))
	c.counts(w, 0, 0)
	c.applied(c.fact(2, 3, c.id(), metering.Addition{Window: w, Amount: 5}), c.fact(3, 4, c.id(), metering.Addition{Window: w, Amount: 0}))
	c.counts(w, 5, 0)
	// It does not hide a gap.
	c.settle([]error{metering.ErrSlotLost, metering.ErrSlotLost}, c.fact(5, 6, c.id()), c.fact(6, 7, c.id(), metering.Addition{Window: w, Amount: 5}))
	c.counts(w, 5, 0)
}

func restoreCases(c *counterTest) {
	w, fresh := c.month(metering.UnitCost), c.month(metering.UnitTokens)
	snap := func(j, k uint64, totals ...metering.Addition) metering.Snapshot {
		return metering.Snapshot{Slot: c.slot, Totals: totals, Positions: map[string]uint64{"j": j, "k": k}}
	}
	of := func(w metering.Window, n int64) metering.Addition { return metering.Addition{Window: w, Amount: n} }
	fact := func(journal string, prev, seq uint64) metering.Settlement {
		f := c.fact(prev, seq, c.id(), of(w, 1))
		f.Journal = journal
		return f
	}
	c.restore(snap(5, 3, of(w, 100)), true)
	id := c.id()
	c.admit(c.hold(id, metering.Claim{Window: w, Limit: 1000, Amount: 40}), allowed(860))
	c.counts(w, 100, 40)

	// Equal positions: the database is right, also downwards. Holds stay.
	c.restore(snap(5, 3, of(w, 90)), true)
	c.counts(w, 90, 40)
	// The database knows more.
	c.restore(snap(6, 3, of(w, 120)), true)
	c.counts(w, 120, 40)
	c.applied(fact("j", 5, 6))
	c.counts(w, 120, 40)
	// The slot knows more: only what it did not count is raised.
	c.applied(fact("j", 6, 7))
	c.restore(snap(6, 3, of(w, 120), of(fresh, 8)), true)
	c.counts(w, 121, 40)
	c.counts(fresh, 8, 0)
	c.settle([]error{nil}, fact("j", 7, 8))
	// Each knows what the other does not.
	c.restore(snap(7, 4, of(w, 500), of(fresh, 500)), false)
	c.counts(w, 122, 40)
	c.counts(fresh, 8, 0)
	// A journal that the snapshot does not know is more, too.
	c.applied(fact("m", 0, 1))
	c.restore(snap(9, 4, of(w, 500)), false)
	c.counts(w, 123, 40)
	c.restore(metering.Snapshot{Slot: c.slot, Positions: map[string]uint64{"j": 9, "k": 4, "m": 1, "n": 2}, Totals: []metering.Addition{of(w, 500)}}, true)
	c.counts(w, 500, 40)
	c.counts(fresh, 8, 0)
	c.applied(c.fact(0, 1, id, of(w, 5)), fact("n", 2, 3))
	c.counts(w, 506, 0)
}

func rebuild(c *counterTest) {
	c.make()
	windows := []metering.Window{c.month(metering.UnitCost), c.month(metering.UnitTokens), c.month(metering.UnitRequests)}
	windows[2].Key = "key"
	snapshot := metering.Snapshot{Slot: c.slot, Positions: map[string]uint64{}}
	for i, w := range windows {
		snapshot.Totals = append(snapshot.Totals, metering.Addition{Window: w})
		for n := range int64(20) {
			journal := fmt.Sprint("journal ", n%3)
			f := c.fact(snapshot.Positions[journal], uint64(i*100)+uint64(n)+1, c.id(), metering.Addition{Window: w, Amount: n * n * 1_000_003})
			f.Journal = journal
			c.applied(f)
			snapshot.Positions[journal] = f.Seq
			snapshot.Totals[i].Amount += f.Add[0].Amount
		}
	}
	before, _, err := c.counter.Totals(c.Context(), c.slot, windows)
	if err != nil {
		c.Fatal(err)
	}
	c.control.Lose(c)
	c.lost()
	for range 2 {
		c.restore(snapshot, true)
		after, held, err := c.counter.Totals(c.Context(), c.slot, windows)
		if diff := cmp.Diff(before, after); diff != "" || err != nil {
			c.Fatalf("totals changed, %v (-before +after):\n%s", err, diff)
		}
		if diff := cmp.Diff([]int64{0, 0, 0}, held); diff != "" {
			c.Errorf("held after a flush:\n%s", diff)
		}
	}
}

func endedWindows(c *counterTest) {
	now := c.control.Now()
	long := metering.Window{Unit: metering.UnitCost, Start: now - 10*86400*second, End: now - 2*86400*second}
	just := metering.Window{Unit: metering.UnitCost, Start: now - 86400*second, End: now - 10*second}
	c.restore(metering.Snapshot{Slot: c.slot, Totals: []metering.Addition{{Window: long, Amount: 5}, {Window: just, Amount: 6}}}, true)
	c.counts(just, 6, 0)
	ended := func(what string, err error) {
		c.Helper()
		if !errors.Is(err, metering.ErrInvalid) {
			c.Errorf("%s a window that ended long ago: %v", what, err)
		}
	}
	_, _, err := c.counter.Totals(c.Context(), c.slot, []metering.Window{just, long})
	ended("totals of", err)
	_, err = c.counter.Admit(c.Context(), c.hold(c.id(), metering.Claim{Window: just, Limit: 10, Amount: 1}, metering.Claim{Window: long, Limit: 10, Amount: 1}))
	ended("claim on", err)
	// A late fact counts where it still matters, and its position always.
	c.applied(c.fact(0, 1, c.id(), metering.Addition{Window: long, Amount: 1}, metering.Addition{Window: just, Amount: 1}))
	c.applied(c.fact(1, 2, c.id(), metering.Addition{Window: just, Amount: 1}))
	c.counts(just, 8, 0)
}

func apart(c *counterTest) {
	w := c.month(metering.UnitRequests)
	other := []metering.Window{w, w, w, w, w}
	other[0].End++
	other[1].Start++
	other[2].Key = "k"
	other[3].Unit += ":"
	other[4].Key = ":"
	like := []metering.Slot{{Org: "a", Customer: "b:c"}, {Org: "a:b", Customer: "c"}, {Org: "a}", Customer: "b:c"}, {Org: "a%3Ab", Customer: "c"}, {Org: "{a", Customer: "b c"}}
	for i, slot := range like {
		c.slot = slot
		c.make()
		c.applied(c.fact(0, 1, c.id(), metering.Addition{Window: w, Amount: int64(i + 1)}))
		for j, o := range other {
			c.applied(c.fact(uint64(j)+1, uint64(j)+2, c.id(), metering.Addition{Window: o, Amount: int64(10 * (j + 1))}))
		}
	}
	for i, slot := range like {
		c.slot = slot
		c.counts(w, int64(i+1), 0)
		for j, o := range other {
			c.counts(o, int64(10*(j+1)), 0)
		}
	}
}

func invalidInput(c *counterTest) {
	c.make()
	w := c.month(metering.UnitCost)
	bad := func(what string, err error) {
		c.Helper()
		if !errors.Is(err, metering.ErrInvalid) {
			c.Errorf("%s: %v, want ErrInvalid", what, err)
		}
	}
	holds := map[string]func(h *metering.Hold){
		"no id":           func(h *metering.Hold) { h.ID = metering.ID{} },
		"no time to live": func(h *metering.Hold) { h.TTL = 0 },
		"endless":         func(h *metering.Hold) { h.TTL = math.MaxInt64 },
		"negative amount": func(h *metering.Hold) { h.Claims[0].Amount = -1 },
		"negative limit":  func(h *metering.Hold) { h.Claims[0].Limit = -1 },
		"empty window":    func(h *metering.Hold) { h.Claims[0].Window.End = h.Claims[0].Window.Start },
		"no unit":         func(h *metering.Hold) { h.Claims[0].Window.Unit = "" },
		"long key":        func(h *metering.Hold) { h.Claims[0].Window.Key = strings.Repeat("k", 300) },
		"no customer":     func(h *metering.Hold) { h.Slot.Customer = "" },
		"no organisation": func(h *metering.Hold) { h.Slot.Org = "" },
		"many claims":     func(h *metering.Hold) { h.Claims = make([]metering.Claim, 1000) },
	}
	for what, spoil := range holds {
		h := c.hold(c.id(), metering.Claim{Window: w, Limit: 10, Amount: 1})
		spoil(&h)
		_, err := c.counter.Admit(c.Context(), h)
		bad("hold: "+what, err)
	}
	add := metering.Addition{Window: w, Amount: -1}
	none, unnamed := c.fact(0, 0, c.id()), c.fact(0, 1, c.id())
	unnamed.Journal = ""
	results, err := c.counter.Settle(c.Context(), []metering.Settlement{
		c.fact(0, 1, c.id(), add), none, unnamed, c.fact(0, 1, c.id(), metering.Addition{Window: w, Amount: 2}),
	})
	if err != nil || results[3] != nil {
		c.Fatalf("settle: %v, %v", results, err)
	}
	for i, what := range []string{"negative", "no position", "no journal"} {
		bad("settlement: "+what, results[i])
	}
	c.counts(w, 2, 0)
	_, err = c.counter.Restore(c.Context(), metering.Snapshot{Slot: c.slot, Totals: []metering.Addition{add}})
	bad("restore: negative", err)
	_, _, err = c.counter.Totals(c.Context(), c.slot, []metering.Window{{}})
	bad("totals: empty window", err)
	c.counts(w, 2, 0)
}

// PassByWaiting is CounterControl.Pass of a counter with a clock of its own.
func PassByWaiting(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d + 5*time.Millisecond) // two clocks
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal("the test ended while the counter's clock was waited for")
	}
}
