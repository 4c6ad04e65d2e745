package meteringtest

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// CounterControl is what the suite needs of a counter beyond its interface.
type CounterControl struct {
	// Now is the counter's clock, to within a few seconds.
	Now func() metering.Micros
	// Pass returns when the counter's clock has moved on by at least d. Instant
	// says that this takes no time.
	Pass    func(t testing.TB, d time.Duration)
	Instant bool
	// Lose loses everything at once, as a flush does.
	Lose func(t testing.TB)
}

// OpenCounter returns a counter in which every slot is lost, and registers its
// own cleanup.
type OpenCounter func(t testing.TB) (metering.Counter, CounterControl)

// TestCounter checks a counter.
func TestCounter(t *testing.T, open OpenCounter) {
	for _, tt := range []struct {
		name string
		test func(*counterTest)
	}{
		{"a lost slot admits nothing and has no totals", lostSlot},
		{"a hold fits up to the limit and not beyond", holdFits},
		{"a refused hold holds nothing", refusedHolds},
		{"asked again gets the first answer", firstAnswer},
		{"claims on one window hold the largest amount once", sharedWindow},
		{"a hold without claims needs no slot", withoutClaims},
		{"a settlement releases the hold and adds once", settleOnce},
		{"a gap is noticed and changes nothing", settleGap},
		{"settlements apply in order within a batch", settleBatch},
		{"a settlement that adds nothing", settleNothing},
		{"a hold expires by the counter's clock", holdExpires},
		{"numbers are exact to the last unit", exactNumbers},
		{"a sum stops at the greatest number", sumStops},
		{"restore takes over, raises or asks for more", restoreCases},
		{"B03 flushed and rebuilt gives identical totals", rebuild},
		{"windows that ended are dropped", endedWindows},
		{"windows of one start and slots of like names are apart", apart},
		{"what can never be applied is refused", invalidInput},
		{"B04 any prefix any number of times in any order", replays},
		{"every operation answers as the model does", modelled},
		{"T57 B13 parallel calls never exceed the limit", parallelCalls},
		{"B13 B14 spenders never exceed the limit", spenders},
		{"I6 B03 flushes and restores race with settlements", lossUnderLoad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, control := open(t)
			tt.test(&counterTest{T: t, counter: c, control: control, slot: metering.Slot{Org: "org", Customer: "customer"}})
		})
	}
}

// counterTest is one test of one counter, most of them on one slot.
type counterTest struct {
	*testing.T
	counter metering.Counter
	control CounterControl
	slot    metering.Slot
	ids     byte
}

const second = metering.Micros(time.Second / time.Microsecond)

// month is a window that contains now.
func (c *counterTest) month(u metering.Unit) metering.Window {
	day := c.control.Now() - c.control.Now()%(86400*second)
	return metering.Window{Unit: u, Start: day - 86400*second, End: day + 30*86400*second}
}

func (c *counterTest) id() metering.ID {
	c.ids++
	return metering.ID{0: 1, 15: c.ids}
}

// make brings the slot into being with nothing used.
func (c *counterTest) make() {
	c.Helper()
	c.restore(metering.Snapshot{Slot: c.slot}, true)
}

func (c *counterTest) restore(s metering.Snapshot, want bool) {
	c.Helper()
	ok, err := c.counter.Restore(c.Context(), s)
	if err != nil || ok != want {
		c.Fatalf("restore %v at %v = %v, %v; want %v", s.Totals, s.Positions, ok, err, want)
	}
}

func (c *counterTest) hold(id metering.ID, claims ...metering.Claim) metering.Hold {
	return metering.Hold{Slot: c.slot, ID: id, Claims: claims, TTL: 600 * second, Now: c.control.Now()}
}

func (c *counterTest) admit(h metering.Hold, want metering.Decision) {
	c.Helper()
	got, err := c.counter.Admit(c.Context(), h)
	if err != nil || got != want {
		c.Fatalf("admit %v = %+v, %v; want %+v", h.Claims, got, err, want)
	}
}

func (c *counterTest) fact(prev, seq uint64, id metering.ID, add ...metering.Addition) metering.Settlement {
	return metering.Settlement{Slot: c.slot, Journal: "journal", Prev: prev, Seq: seq, ID: id, Add: add}
}

// settle wants one error per fact, nil for those that apply.
func (c *counterTest) settle(want []error, facts ...metering.Settlement) {
	c.Helper()
	got, err := c.counter.Settle(c.Context(), facts)
	if err != nil || len(got) != len(facts) {
		c.Fatalf("settle %d facts = %v, %v", len(facts), got, err)
	}
	for i := range got {
		if !errors.Is(got[i], want[i]) || want[i] == nil && got[i] != nil {
			c.Fatalf("fact %d of %d: %v, want %v", i, len(facts), got[i], want[i])
		}
	}
}

func (c *counterTest) applied(facts ...metering.Settlement) {
	c.Helper()
	c.settle(make([]error, len(facts)), facts...)
}

// counts wants a window's used and held amounts.
func (c *counterTest) counts(w metering.Window, used, held int64) {
	c.Helper()
	gotUsed, gotHeld, err := c.counter.Totals(c.Context(), c.slot, []metering.Window{w})
	if err != nil {
		c.Fatalf("totals: %v", err)
	}
	if diff := cmp.Diff([][]int64{{used}, {held}}, [][]int64{gotUsed, gotHeld}); diff != "" {
		c.Fatalf("used and held (-want +got):\n%s", diff)
	}
}

func (c *counterTest) lost() {
	c.Helper()
	if _, _, err := c.counter.Totals(c.Context(), c.slot, nil); !errors.Is(err, metering.ErrSlotLost) {
		c.Fatalf("totals of a lost slot: %v", err)
	}
	w := c.month(metering.UnitCost)
	_, err := c.counter.Admit(c.Context(), c.hold(c.id(), metering.Claim{Window: w, Limit: math.MaxInt64, Amount: 1}))
	if !errors.Is(err, metering.ErrSlotLost) {
		c.Fatalf("admit on a lost slot: %v", err)
	}
	c.settle([]error{metering.ErrSlotLost}, c.fact(0, 1, c.id(), metering.Addition{Window: w, Amount: 1}))
}

func allowed(left int64) metering.Decision {
	return metering.Decision{Allowed: true, Refused: -1, Left: left}
}

func refused(claim int, left int64) metering.Decision {
	return metering.Decision{Refused: claim, Left: left}
}
