package meteringtest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
)

// places covers T63: intervals begin where the clocks of a place say, through
// every change of them, and each event is in one.
func places(t *meterTest) {
	m := t.meter(home, metering.AggregateCount, "")
	for i, tt := range []struct{ zone, interval, from, to, begins string }{
		{"America/New_York", "day", "03-07T05:00 2026", "03-10T04:00 2026", "03-07T05:00 03-08T05:00 03-09T04:00"},
		{"America/New_York", "day", "10-31T04:00 2026", "11-02T05:00 2026", "10-31T04:00 11-01T04:00"},
		{"America/New_York", "hour", "11-01T04:30 2026", "11-01T07:00 2026", "11-01T04:30 11-01T05:00 11-01T06:00"},
		{"America/New_York", "hour", "03-08T06:00 2026", "03-08T08:00 2026", "03-08T06:00 03-08T07:00"},
		{"Asia/Kolkata", "day", "05-01T00:00 2026", "05-02T00:00 2026", "05-01T00:00 05-01T18:30"},
		{"Asia/Kolkata", "hour", "05-01T00:00 2026", "05-01T02:00 2026", "05-01T00:00 05-01T00:30 05-01T01:30"},
		{"Asia/Kolkata", "month", "04-30T18:00 2026", "05-31T19:00 2026", "04-30T18:00 04-30T18:30 05-31T18:30"},
		{"Africa/Cairo", "day", "04-22T22:00 2026", "04-24T21:00 2026", "04-22T22:00 04-23T22:00"},   // midnight is skipped
		{"America/Havana", "day", "10-31T04:00 2026", "11-02T05:00 2026", "10-31T04:00 11-01T04:00"}, // midnight comes twice
		{"UTC", "day", "02-28T12:00 2028", "03-01T12:00 2028", "02-28T12:00 02-29T00:00 03-01T00:00"},
		{"UTC", "month", "01-31T00:00 2028", "03-31T00:00 2028", "01-31T00:00 02-01T00:00 03-01T00:00"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		t.must(err)
		customer := fmt.Sprint("c", i)
		q := metering.QuantityQuery{Org: home, Meter: m.ID, Customer: customer, Interval: tt.interval, Zone: zone, From: t.at(tt.from), To: t.at(tt.to)}
		var events []*metering.Event
		step := max(30*minute, (q.To-q.From)/(30*minute)/20*30*minute)
		for at := q.From - 30*minute; at < q.To+60*minute; at += step {
			events = append(events, reported(home, customer, at-1, "{}"), reported(home, customer, at, "{}"))
		}
		t.ingest(events...)
		rows := t.quantities(q)
		var begins []string
		for _, row := range rows {
			begins = append(begins, row.From.Time().Format("01-02T15:04"))
		}
		t.equal("beginnings of "+tt.interval+" in "+tt.zone, strings.Join(begins, " "), tt.begins)
		if err := agrees(&m, q, rows, events); err != nil {
			t.Errorf("%s of %s from %s: %v", tt.interval, tt.zone, tt.from, err)
		}
	}
}

func (t *meterTest) at(s string) metering.Micros {
	t.Helper()
	at, err := time.Parse("01-02T15:04 2006", s)
	t.must(err)
	return metering.MicrosOf(at)
}

// creationRace makes meters while both replicas ship and ingest.
func creationRace(t *meterTest) {
	const batches, size = 25, 8
	var wg sync.WaitGroup
	for i, on := range []Meters{t.Meters, t.other} {
		journal := fmt.Sprint("j", i)
		wg.Go(func() { t.shipping(on, journal, batches, size) })
		wg.Go(func() {
			for range batches {
				var events []*metering.Event
				for j := range size {
					events = append(events, reported(metering.DefaultOrg, "c", noon+metering.Micros(j)*minute, fmt.Sprintf(`{"totalTokens":%d}`, j)))
				}
				if _, err := on.Ingest(t.Context(), metering.DefaultOrg, events); err != nil {
					t.Errorf("ingest: %v", err)
				}
			}
		})
	}
	var made []metering.Meter
	for i := range 6 {
		on := []Meters{t.Meters, t.other}[i%2]
		fn := []metering.Aggregation{metering.AggregateCount, metering.AggregateSum, metering.AggregateUnique}[i/2]
		m := metering.Meter{Org: metering.DefaultOrg, Name: fmt.Sprint("m", i), Filter: metering.Filter{Conjunction: metering.And}, Aggregate: metering.Aggregate{Func: fn}}
		if fn != metering.AggregateCount {
			m.Aggregate.Property = "totalTokens"
		}
		m, err := on.CreateMeter(t.Context(), m)
		if err != nil {
			t.Errorf("create meter: %v", err)
		}
		made = append(made, m)
	}
	wg.Wait()
	// Calls of tokens 0 … 7, each batch of both kinds on both replicas.
	sum := size * (size - 1) / 2 * batches * 4
	want := []string{fmt.Sprint(batches * size * 4), fmt.Sprint(sum), fmt.Sprint(size)}
	for i, m := range made {
		t.equal(m.Name, t.quantity(metering.QuantityQuery{Org: metering.DefaultOrg, Meter: m.ID}), want[i/2])
	}
}

func (t *meterTest) shipping(on Meters, journal string, batches, size int) {
	lease, err := on.ClaimJournal(t.Context(), metering.JournalClaim{Journal: journal, Nonce: journal, Known: []string{journal}})
	if err != nil {
		t.Errorf("claim: %v", err)
		return
	}
	seq := uint64(0)
	for range batches {
		x := metering.Shipment{Lease: lease, From: seq}
		for j := range size {
			seq++
			x.Events = append(x.Events, call(journal, seq, noon+metering.Micros(j)*minute, int64(j)))
		}
		x.To = seq
		if err := on.Ship(t.Context(), x); err != nil {
			t.Errorf("ship: %v", err)
			return
		}
	}
}
