package meteringtest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

// direct aggregates events one by one, with fractions.
type direct struct {
	events int64
	sum    big.Rat
	least  *big.Rat
	most   *big.Rat
	values map[string]bool
}

func (d *direct) add(v metering.Value) {
	d.events++
	if b, err := json.Marshal(v); err == nil {
		d.values[string(b)] = true
	}
	if v.Kind != metering.KindNumber {
		return
	}
	n := v.Num.Rat()
	d.sum.Add(&d.sum, n)
	if d.least == nil || n.Cmp(d.least) < 0 {
		d.least = n
	}
	if d.most == nil || n.Cmp(d.most) > 0 {
		d.most = n
	}
}

func (d *direct) quantity(fn metering.Aggregation) *big.Rat {
	switch {
	case fn == metering.AggregateCount:
		return new(big.Rat).SetInt64(d.events)
	case fn == metering.AggregateUnique:
		return new(big.Rat).SetInt64(int64(len(d.values)))
	case d.events == 0:
		return new(big.Rat)
	case fn == metering.AggregateMin:
		return d.least
	case fn == metering.AggregateMax:
		return d.most
	case fn == metering.AggregateAvg:
		return new(big.Rat).Quo(&d.sum, new(big.Rat).SetInt64(d.events))
	default:
		return &d.sum
	}
}

// label names the interval that contains an instant, by what a clock on the
// wall shows.
func label(at metering.Micros, interval string, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return at.Time().In(zone).Format(map[string]string{"hour": "2006-01-02T15 -0700", "day": "2006-01-02", "month": "2006-01", "": "all"}[interval])
}

// agrees holds rows against the events: intervals without gap or overlap, cut
// where the label changes and nowhere else, and the quantity of each.
func agrees(m *metering.Meter, q metering.QuantityQuery, rows []metering.QuantityRow, events []*metering.Event) error {
	if len(rows) > 0 && rows[0].From != q.From {
		return fmt.Errorf("the first row begins at %d, not %d", rows[0].From, q.From)
	}
	for i, row := range rows {
		to := q.To
		if i+1 < len(rows) {
			to = rows[i+1].From
			if to <= row.From || label(to, q.Interval, q.Zone) == label(to-1, q.Interval, q.Zone) {
				return fmt.Errorf("row %d ends at %s", i, to.Time())
			}
		}
		d := direct{values: make(map[string]bool)}
		for _, e := range events {
			v, ok := m.Measure(e)
			if !ok || e.Org != q.Org || q.Customer != "" && e.Customer != q.Customer || q.Live && e.Test || e.At < row.From || to != 0 && e.At >= to {
				continue
			}
			if label(e.At, q.Interval, q.Zone) != label(row.From, q.Interval, q.Zone) {
				return fmt.Errorf("row %d, from %s, contains %s", i, row.From.Time(), e.At.Time())
			}
			d.add(v)
		}
		want := d.quantity(m.Aggregate.Func)
		got, ok := new(big.Rat).SetString(row.Quantity)
		if !ok || strings.ContainsAny(row.Quantity, "/eE") {
			return fmt.Errorf("row %d: %q is no decimal", i, row.Quantity)
		}
		off := new(big.Rat).Sub(got, want)
		if row.Exact != (off.Sign() == 0) || off.Abs(off).Cmp(big.NewRat(1, 2_000_000_000_000)) > 0 || row.Events != d.events {
			return fmt.Errorf("row %d: %+v, directly %s of %d events", i, row, want.FloatString(15), d.events)
		}
	}
	return nil
}

// someEvent is an event near an hour, mostly.
func someEvent(org string) *rapid.Generator[*metering.Event] {
	numbers := []string{"1", "2", "-7", "0.1", "0.000000000001", "-0.333333333333", "9223372036854775807", "-9223372036854775808", `"5"`, "null", "true", "1e3"}
	texts := []string{`"x"`, `"y"`, `"1"`, "1", "1.0", "true", "false", `"` + strings.Repeat("long", 20) + `"`, "{}"}
	return rapid.Custom(func(t *rapid.T) *metering.Event {
		at := morning + metering.Micros(rapid.IntRange(0, 26*4).Draw(t, "quarter"))*15*minute +
			metering.Micros(rapid.SampledFrom([]int64{-1, 0, 1, 59_000_000, 7_000_000_000}).Draw(t, "off"))
		e := reported(org, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "customer"), at,
			fmt.Sprintf(`{"n":%s,"s":%s}`, rapid.SampledFrom(numbers).Draw(t, "n"), rapid.SampledFrom(texts).Draw(t, "s")))
		e.Name = rapid.SampledFrom([]string{"work", "play"}).Draw(t, "name")
		e.Test = rapid.IntRange(0, 4).Draw(t, "test") == 0
		return e
	})
}

func someMeter(org string, i int) *rapid.Generator[metering.Meter] {
	return rapid.Custom(func(t *rapid.T) metering.Meter {
		m := metering.Meter{Org: org, Name: fmt.Sprint("m", i), Filter: metering.Filter{Conjunction: metering.And}}
		if rapid.Bool().Draw(t, "filtered") {
			m.Filter.Clauses = []metering.Clause{{Property: "name", Operator: metering.OpEq, Value: metering.StringValue("work")}}
		}
		m.Aggregate.Func = rapid.SampledFrom(everyFunc[:]).Draw(t, "func")
		if m.Aggregate.Func != metering.AggregateCount {
			m.Aggregate.Property = rapid.SampledFrom([]string{"n", "s"}).Draw(t, "property")
		}
		return m
	})
}

var someZones = []string{"UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"}

func someQuery(m metering.Meter) *rapid.Generator[metering.QuantityQuery] {
	return rapid.Custom(func(t *rapid.T) metering.QuantityQuery {
		instant := rapid.Custom(func(t *rapid.T) metering.Micros {
			return morning + metering.Micros(rapid.IntRange(-1, 28*2).Draw(t, "half hours"))*30*minute + metering.Micros(rapid.IntRange(-1, 1).Draw(t, "off"))
		})
		q := metering.QuantityQuery{Org: m.Org, Meter: m.ID, Customer: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "customer"), Live: rapid.Bool().Draw(t, "live")}
		q.From, q.To = instant.Draw(t, "from"), instant.Draw(t, "to")
		if q.From > q.To {
			q.From, q.To = q.To, q.From
		}
		q.Interval = rapid.SampledFrom([]string{"", "hour", "day", "month"}).Draw(t, "interval")
		if q.Interval == "" {
			q.From *= metering.Micros(rapid.IntRange(0, 1).Draw(t, "bounded below"))
			q.To *= metering.Micros(rapid.IntRange(0, 1).Draw(t, "bounded above"))
		}
		zone, err := time.LoadLocation(rapid.SampledFrom(someZones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		q.Zone = zone
		return q
	})
}

// rollupsEqual covers I5: whatever meters are made whenever, what they measured
// is a direct aggregate of the events.
func rollupsEqual(t *meterTest) {
	var orgs int
	rapid.Check(t.T, func(rt *rapid.T) {
		orgs++
		org := fmt.Sprint("org-", orgs)
		var events []*metering.Event
		var meters []metering.Meter
		on := func() Meters {
			if rapid.Bool().Draw(rt, "replica") {
				return t.other
			}
			return t.Meters
		}
		for i := range rapid.IntRange(2, 4).Draw(rt, "steps") {
			m, err := on().CreateMeter(t.Context(), someMeter(org, i).Draw(rt, "meter"))
			if err != nil {
				rt.Fatal(err)
			}
			meters = append(meters, m)
			if batch := rapid.SliceOfN(someEvent(org), 0, 12).Draw(rt, "events"); len(batch) > 0 {
				if _, err := on().Ingest(t.Context(), org, batch); err != nil {
					rt.Fatal(err)
				}
				events = append(events, batch...)
			}
		}
		for i := range meters {
			q := someQuery(meters[i]).Draw(rt, "query")
			rows, err := on().Quantities(t.Context(), q)
			if err == nil {
				err = agrees(&meters[i], q, rows, events)
			}
			if err != nil {
				rt.Fatalf("%s of %s in %+v: %v", meters[i].Aggregate.Func, meters[i].Aggregate.Property, q, err)
			}
		}
	})
}
