package meteringtest

import (
	"math"
	"time"

	"github.com/weirhq/weir/metering"
)

func lostSlot(c *counterTest) {
	c.lost()
	c.make()
	w := c.month(metering.UnitCost)
	c.counts(w, 0, 0)
	c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: 1, Amount: 1}), allowed(0))
	c.control.Lose(c)
	c.lost()
}

func holdFits(c *counterTest) {
	c.make()
	cost, tokens := c.month(metering.UnitCost), c.month(metering.UnitTokens)
	claims := func(amount, more int64) []metering.Claim {
		return []metering.Claim{{Window: cost, Limit: 100, Amount: amount}, {Window: tokens, Limit: 1000, Amount: more}}
	}
	c.admit(c.hold(c.id(), claims(60, 10)...), allowed(40))
	c.admit(c.hold(c.id(), claims(41, 10)...), refused(0, 40))
	c.admit(c.hold(c.id(), claims(40, 991)...), refused(1, 990))
	c.admit(c.hold(c.id(), claims(40, 990)...), allowed(0))
	c.admit(c.hold(c.id(), claims(0, 0)...), allowed(0))
	c.admit(c.hold(c.id(), claims(1, 0)...), refused(0, 0))
	c.admit(c.hold(c.id(), claims(101, 0)...), refused(0, 0))
	c.counts(cost, 0, 100)
	c.counts(tokens, 0, 1000)

	// A limit that was lowered below what is taken leaves nothing, not less.
	c.admit(c.hold(c.id(), metering.Claim{Window: cost, Limit: 50, Amount: 0}), refused(0, 0))
}

func refusedHolds(c *counterTest) {
	c.make()
	cost, tokens := c.month(metering.UnitCost), c.month(metering.UnitTokens)
	id := c.id()
	c.admit(c.hold(id,
		metering.Claim{Window: cost, Limit: 100, Amount: 10},
		metering.Claim{Window: tokens, Limit: 5, Amount: 6}), refused(1, 5))
	c.counts(cost, 0, 0)
	c.counts(tokens, 0, 0)
	c.applied(c.fact(0, 1, id, metering.Addition{Window: cost, Amount: 3}))
	c.counts(cost, 3, 0)
}

func firstAnswer(c *counterTest) {
	c.make()
	w := c.month(metering.UnitCost)
	first, no, other := c.id(), c.id(), c.id()
	ask := func(id metering.ID, want metering.Decision) {
		c.Helper()
		c.admit(c.hold(id, metering.Claim{Window: w, Limit: 100, Amount: 60}), want)
	}
	ask(first, allowed(40))
	ask(first, allowed(40))
	ask(no, refused(0, 40))
	c.counts(w, 0, 60)

	// Neither room that was made nor a settlement changes an answer.
	c.applied(c.fact(0, 1, first, metering.Addition{Window: w, Amount: 10}))
	ask(no, refused(0, 40))
	ask(first, allowed(40))
	c.counts(w, 10, 0)
	ask(other, allowed(30))
	c.counts(w, 10, 60)
}

func sharedWindow(c *counterTest) {
	c.make()
	w := c.month(metering.UnitCost)
	id := c.id()
	c.admit(c.hold(id,
		metering.Claim{Window: w, Limit: 100, Amount: 10},
		metering.Claim{Window: w, Limit: 50, Amount: 30},
		metering.Claim{Window: w, Limit: 90, Amount: 20}), allowed(20))
	c.counts(w, 0, 30)
	c.admit(c.hold(c.id(),
		metering.Claim{Window: w, Limit: 100, Amount: 10},
		metering.Claim{Window: w, Limit: 50, Amount: 21}), refused(1, 20))
	c.applied(c.fact(0, 1, id))
	c.counts(w, 0, 0)
}

func withoutClaims(c *counterTest) {
	c.admit(c.hold(c.id()), allowed(0))
	c.lost()
	c.make()
	c.admit(c.hold(c.id()), allowed(0))
}

func holdExpires(c *counterTest) {
	c.make()
	w := c.month(metering.UnitCost)
	short, long := c.id(), c.id()
	claim := metering.Claim{Window: w, Limit: 100, Amount: 40}
	h := c.hold(short, claim)
	h.TTL = metering.Micros(time.Second / time.Microsecond)
	c.admit(c.hold(long, claim), allowed(60))
	c.admit(h, allowed(20))
	c.counts(w, 0, 80)
	c.control.Pass(c, time.Second)
	c.admit(c.hold(c.id(), claim), allowed(20))
	c.counts(w, 0, 80)

	second := c.id()
	h2 := c.hold(second, metering.Claim{Window: w, Limit: 100, Amount: 20})
	h2.TTL = h.TTL
	c.admit(h2, allowed(0))
	c.control.Pass(c, time.Second)
	c.counts(w, 0, 80)

	// Nothing is released twice: neither by the settlement of a hold that has run
	// out, nor after it was asked for again.
	c.admit(h, allowed(20))
	c.applied(c.fact(0, 1, short, metering.Addition{Window: w, Amount: 7}))
	c.counts(w, 7, 80)
	c.applied(c.fact(1, 2, long, metering.Addition{Window: w, Amount: 9}))
	c.counts(w, 16, 40)
}

func exactNumbers(c *counterTest) {
	const big = 1<<53 + 1 // the first integer that a double cannot hold
	w := c.month(metering.UnitCost)
	c.restore(metering.Snapshot{Slot: c.slot, Totals: []metering.Addition{{Window: w, Amount: big}}}, true)
	c.counts(w, big, 0)
	id := c.id()
	c.admit(c.hold(id, metering.Claim{Window: w, Limit: 2*big + 2, Amount: big + 1}), allowed(1))
	c.counts(w, big, big+1)
	c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: 2*big + 1, Amount: 1}), refused(0, 0))
	c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: 2*big + 2, Amount: 2}), refused(0, 1))
	c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: 2*big + 2, Amount: 1}), allowed(0))
	c.applied(c.fact(0, math.MaxUint64-1, id, metering.Addition{Window: w, Amount: 1}))
	c.counts(w, big+1, 1)

	// Positions too.
	c.applied(c.fact(math.MaxUint64-1, math.MaxUint64, c.id(), metering.Addition{Window: w, Amount: 1_000_000_000}))
	c.applied(c.fact(math.MaxUint64-1, math.MaxUint64, c.id(), metering.Addition{Window: w, Amount: 1_000_000_000}))
	c.counts(w, big+1_000_000_001, 1)

	// Where the digits of two halves meet.
	c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: big + 1_000_000_001 + 1 + 1_000_000_000, Amount: 1}), allowed(999_999_999))
	c.counts(w, big+1_000_000_001, 2)
	for _, sum := range [][]int64{{1_999_999_999, 1}, {999_999_999, 1}, {1_000_000_000, 999_999_999}, {1, 9_999_999_999}} {
		w.Key += "k"
		id := c.id()
		c.restore(metering.Snapshot{Slot: c.slot, Positions: map[string]uint64{"journal": math.MaxUint64}, Totals: []metering.Addition{{Window: w, Amount: sum[0]}}}, true)
		total := sum[0] + sum[1]
		c.admit(c.hold(id, metering.Claim{Window: w, Limit: total - 1, Amount: sum[1]}), refused(0, sum[1]-1))
		id = c.id()
		c.admit(c.hold(id, metering.Claim{Window: w, Limit: total, Amount: sum[1]}), allowed(0))
		c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: total + 1, Amount: 1}), allowed(0))
		f := c.fact(0, 1, id, metering.Addition{Window: w, Amount: sum[1]})
		f.Journal += w.Key
		c.applied(f)
		c.counts(w, total, 1)
	}
}

func sumStops(c *counterTest) {
	c.make()
	w := c.month(metering.UnitCost)
	c.applied(
		c.fact(0, 1, c.id(), metering.Addition{Window: w, Amount: math.MaxInt64 - 1}),
		c.fact(1, 2, c.id(), metering.Addition{Window: w, Amount: 1}))
	c.counts(w, math.MaxInt64, 0)
	c.applied(c.fact(2, 3, c.id(), metering.Addition{Window: w, Amount: math.MaxInt64}))
	c.counts(w, math.MaxInt64, 0)
	c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: math.MaxInt64, Amount: 1}), refused(0, 0))
	c.admit(c.hold(c.id(), metering.Claim{Window: w, Limit: math.MaxInt64, Amount: 0}), allowed(0))

	// A hold as large as can be, on a window of its own.
	other := c.month(metering.UnitTokens)
	id := c.id()
	c.admit(c.hold(id, metering.Claim{Window: other, Limit: math.MaxInt64, Amount: math.MaxInt64}), allowed(0))
	c.applied(c.fact(3, 4, c.id(), metering.Addition{Window: other, Amount: math.MaxInt64}))
	c.counts(other, math.MaxInt64, math.MaxInt64)
	c.admit(c.hold(c.id(), metering.Claim{Window: other, Limit: math.MaxInt64, Amount: 0}), refused(0, 0))
	c.applied(c.fact(4, 5, id))
	c.counts(other, math.MaxInt64, 0)
}
