package meteringtest

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir/metering"
)

// BenchmarkCounter measures the operations on one customer's slot, and what
// settling costs where nothing is counted. Each pair of a hold and its
// settlement leaves the slot as large as it was.
func BenchmarkCounter(b *testing.B, open OpenCounter) {
	c, control := open(b)
	slot := metering.Slot{Org: metering.DefaultOrg, Customer: "0198a7b2-0000-7000-8000-000000000001"}
	bare := metering.Slot{Org: metering.DefaultOrg, Customer: "0198a7b2-0000-7000-8000-000000000002"}
	now := control.Now()
	window := func(u metering.Unit, days int64) metering.Window {
		return metering.Window{Unit: u, Start: now - 3600*second, End: now + metering.Micros(days)*86400*second}
	}
	windows := []metering.Window{
		window(metering.UnitRequests, 1), window(metering.UnitTokens, 1),
		window(metering.UnitRequests, 30), window(metering.UnitTokens, 30),
	}
	snapshot := metering.Snapshot{Slot: slot, Positions: map[string]uint64{"journal": 0}}
	claims := make([]metering.Claim, 0, 2)
	var add []metering.Addition
	for i, w := range windows {
		snapshot.Totals = append(snapshot.Totals, metering.Addition{Window: w})
		add = append(add, metering.Addition{Window: w, Amount: 1})
		if i >= 2 {
			claims = append(claims, metering.Claim{Window: w, Limit: 1 << 50, Amount: 100})
		}
	}
	if ok, err := c.Restore(b.Context(), snapshot); !ok || err != nil {
		b.Fatalf("restore: %v, %v", ok, err)
	}
	var seq, calls uint64
	fact := func(id metering.ID, add []metering.Addition) metering.Settlement {
		seq++
		return metering.Settlement{Slot: slot, Journal: "journal", Prev: seq - 1, Seq: seq, ID: id, Add: add}
	}
	next := func() metering.ID {
		calls++
		return metering.ID{0: 1, 8: byte(calls >> 32), 9: byte(calls >> 24), 10: byte(calls >> 16), 11: byte(calls >> 8), 12: byte(calls)}
	}
	// Not b.Helper in what is measured: it costs more than a settlement.
	admit := func(b *testing.B, id metering.ID) {
		answer, err := c.Admit(b.Context(), metering.Hold{Slot: slot, ID: id, Claims: claims, TTL: 600 * second, Now: now})
		if err != nil || !answer.Allowed {
			b.Fatalf("admit: %+v, %v", answer, err)
		}
	}
	settle := func(b *testing.B, batch []metering.Settlement) {
		results, err := c.Settle(b.Context(), batch)
		if err != nil || results[0] != nil {
			b.Fatalf("settle: %v, %v", results, err)
		}
	}
	b.Run("admit and settle, 2 claims, 4 windows", func(b *testing.B) {
		b.ReportAllocs()
		batch := make([]metering.Settlement, 1)
		for b.Loop() {
			id := next()
			admit(b, id)
			batch[0] = fact(id, add)
			settle(b, batch)
		}
	})
	b.Run("settle, 4 windows", func(b *testing.B) {
		b.ReportAllocs()
		batch := make([]metering.Settlement, 1)
		for b.Loop() {
			batch[0] = fact(next(), add)
			settle(b, batch)
		}
	})
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprintf("settle a batch of %d, 4 windows", size), func(b *testing.B) {
			b.ReportAllocs()
			batch := make([]metering.Settlement, size)
			for b.Loop() {
				for i := range batch {
					batch[i] = fact(next(), add)
				}
				settle(b, batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/fact")
		})
	}
	b.Run("settle nothing on a slot that is not there", func(b *testing.B) {
		b.ReportAllocs()
		batch := []metering.Settlement{{Slot: bare, Journal: "journal", Seq: 1, ID: next()}}
		for b.Loop() {
			settle(b, batch)
		}
	})
}
