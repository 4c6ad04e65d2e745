package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/memory"
)

func slotOf(n int) metering.Slot { return metering.Slot{Org: "org", Customer: fmt.Sprint(n)} }

func present(t *testing.T, c *memory.Counter, n int) bool {
	t.Helper()
	_, _, err := c.Totals(t.Context(), slotOf(n), nil)
	if err != nil && !errors.Is(err, metering.ErrSlotLost) {
		t.Fatal(err)
	}
	return err == nil
}

// Beyond the bound, slots that hold nothing go, and those that hold something
// stay; when all hold something, there is no room for another.
func TestCounter_slotsAreBounded(t *testing.T) {
	t.Parallel()
	const bound, many = 640, 5000
	clock := newClock()
	c := memory.New(memory.Options{Slots: bound, Now: clock.now})
	w := metering.Window{Unit: metering.UnitCost, Start: clock.micros64() - 1, End: clock.micros64() + 86400_000_000}
	restore := func(n int) error {
		ok, err := c.Restore(t.Context(), metering.Snapshot{Slot: slotOf(n)})
		if err == nil && !ok {
			t.Fatalf("slot %d was not restored", n)
		}
		return err
	}
	hold := func(n int) {
		t.Helper()
		_, err := c.Admit(t.Context(), metering.Hold{
			Slot: slotOf(n), ID: metering.ID{15: 1}, TTL: 60_000_000,
			Claims: []metering.Claim{{Window: w, Limit: 1, Amount: 1}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range 20 {
		if err := restore(n); err != nil {
			t.Fatal(err)
		}
		hold(n)
	}
	for n := range many {
		if err := restore(n); err != nil && !errors.Is(err, memory.ErrFull) {
			t.Fatal(err)
		}
	}
	kept := 0
	for n := range many {
		if present(t, c, n) {
			kept++
		} else if n < 20 {
			t.Errorf("slot %d holds something and was dropped", n)
		}
	}
	if kept > bound || kept < bound/2 {
		t.Errorf("%d slots are kept of %d, the bound is %d", kept, many, bound)
	}

	full := 0
	for n := range many {
		switch err := restore(n); {
		case errors.Is(err, memory.ErrFull):
			full++
		case err != nil:
			t.Fatal(err)
		default:
			hold(n)
		}
	}
	if full < many-bound {
		t.Errorf("%d of %d slots were refused, the bound is %d", full, many, bound)
	}
	clock.advance(time.Hour) // all holds have run out
	if err := restore(many + 1); err != nil {
		t.Errorf("no room after the holds ran out: %v", err)
	}
}

// What was asked for last is dropped last.
func TestCounter_oldestGoesFirst(t *testing.T) {
	t.Parallel()
	c := memory.New(memory.Options{Slots: 64 * 3}) // three per shard
	const used = 7
	for n := range 1000 {
		if _, err := c.Restore(t.Context(), metering.Snapshot{Slot: slotOf(n)}); err != nil {
			t.Fatal(err)
		}
		if n >= used && !present(t, c, used) {
			t.Fatalf("the slot that is always asked for was dropped after %d others", n-used)
		}
	}
	if present(t, c, 0) {
		t.Error("a slot that nobody asked for is still there after 1000 others")
	}
}

func TestCounter_endedContext(t *testing.T) {
	t.Parallel()
	c := memory.New(memory.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.Restore(ctx, metering.Snapshot{Slot: slotOf(1)}); err != nil {
		t.Fatal(err)
	}
	cancel()
	w := metering.Window{Unit: metering.UnitCost, End: metering.MicrosOf(time.Now()) + 1_000_000_000}
	_, err := c.Admit(ctx, metering.Hold{Slot: slotOf(1), ID: metering.ID{1}, TTL: 1, Claims: []metering.Claim{{Window: w, Limit: 1}}})
	_, err2 := c.Settle(ctx, nil)
	_, err3 := c.Restore(ctx, metering.Snapshot{Slot: slotOf(1)})
	_, _, err4 := c.Totals(ctx, slotOf(1), nil)
	for i, err := range []error{err, err2, err3, err4} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("operation %d of a context that ended: %v", i, err)
		}
	}
}
