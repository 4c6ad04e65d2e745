package meteringtest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"

	"github.com/weirhq/weir/metering"
)

// truth is what the database knows of a slot: facts get there first.
type truth struct {
	mu        sync.Mutex
	slot      metering.Slot
	window    metering.Window
	total     int64
	positions map[string]uint64
}

func (d *truth) record(f metering.Settlement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total += f.Add[0].Amount
	d.positions[f.Journal] = f.Seq
}

func (d *truth) snapshot() metering.Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return metering.Snapshot{
		Slot: d.slot, Positions: maps.Clone(d.positions),
		Totals: []metering.Addition{{Window: d.window, Amount: d.total}},
	}
}

// heal restores the slot until a snapshot was new enough. It returns the
// position of the journal in it.
func (d *truth) heal(c *counterTest, journal string) uint64 {
	for range 10_000 {
		snap := d.snapshot()
		ok, err := c.counter.Restore(c.Context(), snap)
		if err != nil {
			c.Errorf("restore: %v", err)
			return 0
		}
		if ok {
			return snap.Positions[journal]
		}
	}
	c.Error("no snapshot was new enough")
	return 0
}

// lossUnderLoad: replicas record facts, settle them and restore what is lost,
// callers hold, and everything is flushed again and again. The counter never
// counts more than the database, and when all is quiet exactly that.
func lossUnderLoad(c *counterTest) {
	const facts = 300
	d := &truth{slot: c.slot, window: c.month(metering.UnitTokens), positions: make(map[string]uint64)}
	var replicas, others sync.WaitGroup
	quiet := make(chan struct{})
	for n := range 3 {
		replicas.Go(func() { replica(c, d, fmt.Sprint("journal ", n), facts) })
	}
	others.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-quiet:
				return
			default:
			}
			holdAndWatch(c, d, n)
			if n%25 == 24 {
				c.control.Lose(c)
			}
		}
	})
	replicas.Wait()
	close(quiet)
	others.Wait()

	d.heal(c, "")
	used, _, err := c.counter.Totals(c.Context(), c.slot, []metering.Window{d.window})
	if err != nil || used[0] != d.total {
		c.Errorf("the counter says %v, the database %d: %v", used, d.total, err)
	}
	if d.total == 0 {
		c.Error("nothing was used")
	}
}

// replica ships the facts of one journal: to the database, then to the counter.
func replica(c *counterTest, d *truth, journal string, facts int) {
	random := rand.New(rand.NewPCG(uint64(len(journal)), uint64(journal[len(journal)-1])))
	var prev, seq uint64
	for seq < uint64(facts) && !c.Failed() {
		var batch []metering.Settlement
		after := prev
		for range 1 + random.IntN(4) {
			seq++
			f := metering.Settlement{
				Slot: c.slot, Journal: journal, Prev: after, Seq: seq, ID: metering.ID{1: journal[len(journal)-1], 2: byte(seq), 3: byte(seq >> 8)},
				Add: []metering.Addition{{Window: d.window, Amount: random.Int64N(1000)}},
			}
			d.record(f)
			batch = append(batch, f)
			after = seq
		}
		results, err := c.counter.Settle(c.Context(), batch)
		if err != nil {
			c.Errorf("settle: %v", err)
			return
		}
		prev = seq
		if err := errors.Join(results...); errors.Is(err, metering.ErrSlotLost) {
			prev = d.heal(c, journal)
		} else if err != nil {
			c.Errorf("settle: %v", err)
		}
	}
}

// holdAndWatch holds a little, as far as the slot is there, and compares what
// is used with the database, which is asked last and so has at least as much.
func holdAndWatch(c *counterTest, d *truth, n int) {
	h := c.hold(metering.ID{0: 9, 1: byte(n), 2: byte(n >> 8), 3: byte(n >> 16)}, metering.Claim{Window: d.window, Limit: 1 << 40, Amount: 10})
	if _, err := c.counter.Admit(c.Context(), h); err != nil && !errors.Is(err, metering.ErrSlotLost) {
		c.Errorf("admit: %v", err)
	}
	used, _, err := c.counter.Totals(c.Context(), c.slot, []metering.Window{d.window})
	switch {
	case errors.Is(err, metering.ErrSlotLost):
	case err != nil:
		c.Errorf("totals: %v", err)
	default:
		if total := d.snapshot().Totals[0].Amount; used[0] > total {
			c.Errorf("the counter says %d, the database %d", used[0], total)
		}
	}
}
