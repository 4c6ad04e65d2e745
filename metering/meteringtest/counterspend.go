package meteringtest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/weirhq/weir/metering"
)

// parallelCalls: a budget of one dollar, 200 parallel calls of ten cents from
// five replicas: ten pass.
func parallelCalls(c *counterTest) {
	const dollar = 1_000_000_000
	c.make()
	w := c.month(metering.UnitCost)
	var passed, refusals atomic.Int64
	var wg sync.WaitGroup
	for replica := range 5 {
		for call := range 40 {
			h := c.hold(metering.ID{1: byte(replica + 1), 2: byte(call)}, metering.Claim{Window: w, Limit: dollar, Amount: dollar / 10})
			wg.Go(func() {
				answer, err := c.counter.Admit(c.Context(), h)
				switch {
				case err != nil:
					c.Errorf("admit: %v", err)
				case answer.Allowed:
					passed.Add(1)
				default:
					refusals.Add(1)
				}
			})
		}
	}
	wg.Wait()
	if passed.Load() != 10 || refusals.Load() != 190 {
		c.Errorf("%d calls passed and %d were refused, want 10 and 190", passed.Load(), refusals.Load())
	}
	c.counts(w, 0, dollar)
}

// spenders hold, use at most what they hold and settle, over and over, each
// with a journal of its own and now and then twice. What all of them hold and
// have used is never above the limit, and in the end nothing is held.
func spenders(c *counterTest) {
	const (
		limit  = 10_000
		number = 8
		rounds = 150
	)
	c.make()
	w := c.month(metering.UnitCost)
	var taken, used, refusals atomic.Int64
	var wg sync.WaitGroup
	for n := range number {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 13))
			var prev uint64
			for round := range rounds {
				amount := 1 + random.Int64N(300)
				h := c.hold(metering.ID{1: byte(n + 1), 2: byte(round), 3: byte(round >> 8)}, metering.Claim{Window: w, Limit: limit, Amount: amount})
				answer, err := c.counter.Admit(c.Context(), h)
				// A refusal may have been forgotten among those of the others.
				again, err2 := c.counter.Admit(c.Context(), h)
				if err != nil || err2 != nil || answer.Allowed && again != answer {
					c.Errorf("admit = %+v, %v, and again %+v, %v", answer, err, again, err2)
					return
				}
				answer = again
				f := metering.Settlement{Slot: c.slot, Journal: fmt.Sprint("journal ", n), Prev: prev, Seq: prev + 1, ID: h.ID}
				if answer.Allowed {
					if sum := taken.Add(amount); sum > limit {
						c.Errorf("%d is used and held, the limit is %d", sum, limit)
					}
					actual := random.Int64N(amount + 1)
					used.Add(actual)
					// Counted down before the counter may give it to others.
					taken.Add(actual - amount)
					f.Add = []metering.Addition{{Window: w, Amount: actual}}
				} else {
					refusals.Add(1)
				}
				batch := []metering.Settlement{f}
				for range 1 + random.IntN(2) {
					if results, err := c.counter.Settle(c.Context(), batch); err != nil || results[0] != nil {
						c.Errorf("settle: %v, %v", results, err)
						return
					}
				}
				prev++
			}
		})
	}
	wg.Wait()
	if refusals.Load() == 0 || used.Load() > limit {
		c.Errorf("%d refused, %d used of %d: the limit was not reached, or exceeded", refusals.Load(), used.Load(), limit)
	}
	c.counts(w, used.Load(), 0)
}
