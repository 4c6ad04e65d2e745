package meteringtest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirhq/weir/metering"
)

// BenchmarkCounter measures the operations on one customer's slot, and what
// settling costs where nothing is counted. Each pair of a hold and its
// settlement leaves the slot as large as it was.
func BenchmarkCounter(b *testing.B, open OpenCounter) {
	c := newCounterBench(b, open)
	b.Run("admit and settle, 2 claims, 4 windows", c.admitAndSettle)
	b.Run("settle, 4 windows", func(b *testing.B) { c.settleBatches(b, 1) })
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprintf("settle a batch of %d, 4 windows", size), func(b *testing.B) { c.settleBatches(b, size) })
	}
	b.Run("settle nothing on a slot that is not there", c.settleNothing)
}

// counterBench is a counter with one slot that is in use.
type counterBench struct {
	metering.Counter
	slot       metering.Slot
	now        metering.Micros
	claims     []metering.Claim
	add        []metering.Addition
	seq, calls uint64
}

func newCounterBench(b *testing.B, open OpenCounter) *counterBench {
	b.Helper()
	counter, control := open(b)
	c := &counterBench{
		Counter: counter, now: control.Now(),
		slot: metering.Slot{Org: metering.DefaultOrg, Customer: "0198a7b2-0000-7000-8000-000000000001"},
	}
	snapshot := metering.Snapshot{Slot: c.slot, Positions: map[string]uint64{"journal": 0}}
	for _, days := range []metering.Micros{1, 30} {
		for _, unit := range []metering.Unit{metering.UnitRequests, metering.UnitTokens} {
			w := metering.Window{Unit: unit, Start: c.now - 3600*second, End: c.now + days*86400*second}
			snapshot.Totals = append(snapshot.Totals, metering.Addition{Window: w})
			c.add = append(c.add, metering.Addition{Window: w, Amount: 1})
			if days > 1 {
				c.claims = append(c.claims, metering.Claim{Window: w, Limit: 1 << 50, Amount: 100})
			}
		}
	}
	if ok, err := c.Restore(b.Context(), snapshot); !ok || err != nil {
		b.Fatalf("restore: %v, %v", ok, err)
	}
	return c
}

// fact is the next fact of the journal.
func (c *counterBench) fact(id metering.ID) metering.Settlement {
	c.seq++
	return metering.Settlement{Slot: c.slot, Journal: "journal", Prev: c.seq - 1, Seq: c.seq, ID: id, Add: c.add}
}

func (c *counterBench) id() metering.ID {
	c.calls++
	id := metering.ID{0: 1}
	binary.BigEndian.PutUint64(id[8:], c.calls)
	return id
}

// Neither admit nor settle calls b.Helper, which costs more than a settlement.
func (c *counterBench) admit(b *testing.B, id metering.ID) {
	answer, err := c.Admit(b.Context(), metering.Hold{Slot: c.slot, ID: id, Claims: c.claims, TTL: 600 * second, Now: c.now})
	if err != nil || !answer.Allowed {
		b.Fatalf("admit: %+v, %v", answer, err)
	}
}

func (c *counterBench) settle(b *testing.B, batch []metering.Settlement) {
	results, err := c.Settle(b.Context(), batch)
	if err != nil || results[0] != nil {
		b.Fatalf("settle: %v, %v", results, err)
	}
}

func (c *counterBench) admitAndSettle(b *testing.B) {
	b.ReportAllocs()
	batch := make([]metering.Settlement, 1)
	for b.Loop() {
		id := c.id()
		c.admit(b, id)
		batch[0] = c.fact(id)
		c.settle(b, batch)
	}
}

func (c *counterBench) settleBatches(b *testing.B, size int) {
	b.ReportAllocs()
	batch := make([]metering.Settlement, size)
	for b.Loop() {
		for i := range batch {
			batch[i] = c.fact(c.id())
		}
		c.settle(b, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/fact")
}

func (c *counterBench) settleNothing(b *testing.B) {
	b.ReportAllocs()
	bare := metering.Slot{Org: metering.DefaultOrg, Customer: "0198a7b2-0000-7000-8000-000000000002"}
	batch := []metering.Settlement{{Slot: bare, Journal: "journal", Seq: 1, ID: c.id()}}
	for b.Loop() {
		c.settle(b, batch)
	}
}
