package meteringtest

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering"
)

// everyFunc are the aggregations.
var everyFunc = [...]metering.Aggregation{
	metering.AggregateCount, metering.AggregateSum, metering.AggregateAvg, metering.AggregateMin, metering.AggregateMax, metering.AggregateUnique,
}

func aggregations(t *meterTest) {
	meters := make(map[metering.Aggregation]metering.Meter)
	create := func(fn metering.Aggregation) {
		property := "n"
		if fn == metering.AggregateCount {
			property = ""
		}
		meters[fn] = t.meter(home, fn, property)
	}
	for _, fn := range everyFunc[:3] {
		create(fn)
	}
	var events []*metering.Event
	for i, n := range []string{"-3.5", "1e-12", "2", "2.0", `"2"`, "true", "null", "[1]", "1e-13", "0.000000000001"} {
		events = append(events, reported(home, "c", morning+metering.Micros(i)*7*minute, `{"n":`+n+`}`))
	}
	t.ingest(append(events, reported(home, "c", morning, `{}`))...)
	for _, fn := range everyFunc[3:] {
		create(fn)
	}
	for fn, want := range map[metering.Aggregation]string{
		metering.AggregateCount: "11", metering.AggregateSum: "0.500000000002", metering.AggregateMin: "-3.5", metering.AggregateMax: "2",
		metering.AggregateAvg: "0.1", metering.AggregateUnique: "5", // -3.5, 1e-12, 2, "2" and true
	} {
		q := metering.QuantityQuery{Org: home, Meter: meters[fn].ID}
		t.equal(string(fn), t.quantity(q), want)
		q.From, q.To = morning+1, morning+2*wholeDay+1 // not from rollups alone
		t.equal(string(fn)+" but for the first", t.quantity(q), map[metering.Aggregation]string{
			metering.AggregateCount: "9", metering.AggregateSum: "4.000000000002", metering.AggregateMin: "0.000000000001", metering.AggregateMax: "2",
			metering.AggregateAvg: "1.000000000001", metering.AggregateUnique: "4",
		}[fn])
	}
	for _, fn := range everyFunc {
		rows := t.quantities(metering.QuantityQuery{Org: home, Meter: meters[fn].ID, From: morning - wholeDay, To: morning})
		if len(rows) != 1 || rows[0].Quantity != "0" || !rows[0].Exact || rows[0].Events != 0 {
			t.Errorf("%s of nothing: %+v", fn, rows)
		}
	}
}

// extremes come one by one, so that each is compared with what is stored.
func extremes(t *meterTest) {
	least, most := t.meter(home, metering.AggregateMin, "n"), t.meter(home, metering.AggregateMax, "n")
	for i, tt := range []struct{ numbers, least, most string }{
		{"2.1 1.9 2.0", "1.9", "2.1"},
		{"1.9 2.1 2.0", "1.9", "2.1"},
		{"-1.4 -1.5 -1.6", "-1.6", "-1.4"},
		{"-1.6 -1.5 -1.4", "-1.6", "-1.4"},
		{"-0.1 0.1 0", "-0.1", "0.1"},
		{"5.000000000001 5 4.999999999999 5.000000000002", "4.999999999999", "5.000000000002"},
		{"3 -9223372036854775808 9223372036854775807.5 7", "-9223372036854775808", "9223372036854775807.5"},
	} {
		customer := fmt.Sprint("c", i)
		for _, n := range strings.Fields(tt.numbers) {
			t.ingest(reported(home, customer, morning, `{"n":`+n+`}`))
		}
		t.equal("least of "+tt.numbers, t.quantity(metering.QuantityQuery{Org: home, Meter: least.ID, Customer: customer}), tt.least)
		t.equal("most of "+tt.numbers, t.quantity(metering.QuantityQuery{Org: home, Meter: most.ID, Customer: customer}), tt.most)
	}
}

// longPast fills a meter from more events than are read at once.
func longPast(t *meterTest) {
	const n = 2501
	for i := 0; i < n; i += 500 {
		var events []*metering.Event
		for j := i; j < min(i+500, n); j++ {
			events = append(events, reported(home, "c", morning+metering.Micros(j)*minute, fmt.Sprintf(`{"n":%d}`, j)))
		}
		t.ingest(events...)
	}
	sum, unique := t.meter(home, metering.AggregateSum, "n"), t.meter(home, metering.AggregateUnique, "n")
	t.equal("sum", t.quantity(metering.QuantityQuery{Org: home, Meter: sum.ID}), fmt.Sprint(n*(n-1)/2))
	t.equal("values", t.quantity(metering.QuantityQuery{Org: home, Meter: unique.ID}), fmt.Sprint(n))
}

// greatSums adds numbers of which two are more than a column holds, one by one,
// in one batch, and in a fill.
func greatSums(t *meterTest) {
	const great = "9223372036854775807.999999999999"
	sum, least := t.meter(home, metering.AggregateSum, "n"), t.meter(home, metering.AggregateMin, "n")
	var batch []*metering.Event
	for range 30 {
		t.ingest(reported(home, "up", morning, `{"n":`+great+`}`))
		batch = append(batch, reported(home, "up", morning, `{"n":`+great+`}`), reported(home, "down", morning, `{"n":-9223372036854775807.999999999999}`))
	}
	t.ingest(batch...)
	again := metering.Meter{Org: home, Name: "again", Filter: metering.Filter{Conjunction: metering.And}, Aggregate: sum.Aggregate}
	again, err := t.CreateMeter(t.Context(), again)
	t.must(err)
	for _, m := range []metering.Meter{sum, again} {
		for customer, want := range map[string]string{
			"up": "553402322211286548479.99999999994", "down": "-276701161105643274239.99999999997", "": "276701161105643274239.99999999997",
		} {
			q := metering.QuantityQuery{Org: home, Meter: m.ID, Customer: customer}
			t.equal("from rollups of "+m.Name, t.quantity(q), want)
			q.From, q.To = morning, morning+1
			t.equal("from events", t.quantity(q), want)
		}
	}
	t.equal("least", t.quantity(metering.QuantityQuery{Org: home, Meter: least.ID}), "-9223372036854775807.999999999999")
}

func averages(t *meterTest) {
	m := t.meter(home, metering.AggregateAvg, "n")
	for i, tt := range []struct {
		numbers string
		want    string
		exact   bool
	}{
		{"1 2", "1.5", true},
		{"1 1 0", "0.666666666667", false},
		{"-1 -1 0", "-0.666666666667", false},
		{"0.000000000001 0", "0.000000000001", false}, // half a pico
		{"-0.000000000001 0", "-0.000000000001", false},
		{"-0.000000000001 0 0", "0", false}, // not "-0"
		{"0.000000000003 0", "0.000000000002", false},
		{"10 10", "10", true},
		{"9223372036854775807 9223372036854775807", "9223372036854775807", true},
		{"5 -5", "0", true},
	} {
		customer := fmt.Sprint("c", i)
		for _, n := range strings.Fields(tt.numbers) {
			t.ingest(reported(home, customer, noon, `{"n":`+n+`}`))
		}
		rows := t.quantities(metering.QuantityQuery{Org: home, Meter: m.ID, Customer: customer})
		if len(rows) != 1 || rows[0].Quantity != tt.want || rows[0].Exact != tt.exact {
			t.Errorf("of %s: %+v, want %s", tt.numbers, rows, tt.want)
		}
	}
}

// uniqueSpans has values in the hours at the edges and in the whole hours
// between, in both, and more of them than one statement asks for.
func uniqueSpans(t *meterTest) {
	m := t.meter(home, metering.AggregateUnique, "s")
	var events []*metering.Event
	add := func(customer string, at metering.Micros, value string) {
		events = append(events, reported(home, customer, at, fmt.Sprintf(`{"s":%q}`, value)))
	}
	long := strings.Repeat("long ", 50)
	for i := range 300 {
		add("a", morning+30*minute, fmt.Sprint("edge ", i))                 // 300 in the first hour
		add("a", morning+90*minute, fmt.Sprint("edge ", i+200))             // of them 100 again in the second, and 200 new
		add("b", morning+150*minute, fmt.Sprint(long, i/100))               // 3 long ones
		add("a", morning+150*minute, fmt.Sprint(long, "more ", i%2, "end")) // 2 long ones
	}
	t.ingest(events...)
	for _, tt := range []struct {
		customer string
		from, to metering.Micros
		want     string
	}{
		{"", 0, 0, "505"},
		{"a", 0, 0, "502"},
		{"b", 0, 0, "3"},
		{"a", morning, morning + 60*minute, "300"},
		{"a", morning + 1, morning + 120*minute, "500"},
		{"a", morning + 1, morning + 180*minute - 1, "502"},
		{"", morning + 60*minute, morning + 150*minute + 1, "305"},
		{"", morning + 61*minute, morning + 150*minute, "300"},
		{"b", morning + 1, morning + 150*minute, "0"},
	} {
		t.equal(fmt.Sprintf("of %q from %d to %d", tt.customer, tt.from, tt.to),
			t.quantity(metering.QuantityQuery{Org: home, Meter: m.ID, Customer: tt.customer, From: tt.from, To: tt.to}), tt.want)
	}
}

func liveOnly(t *meterTest) {
	sum, unique := t.meter(home, metering.AggregateSum, "n"), t.meter(home, metering.AggregateUnique, "n")
	for i, n := range []string{"1", "2", "2", "4"} {
		e := reported(home, "c", morning+metering.Micros(i)*minute, `{"n":`+n+`}`)
		e.Test = i >= 2
		t.ingest(e)
	}
	for _, span := range [][2]metering.Micros{{0, 0}, {morning, morning + 59*minute}} {
		q := metering.QuantityQuery{Org: home, Meter: sum.ID, From: span[0], To: span[1]}
		t.equal("all", t.quantity(q), "9")
		q.Live = true
		t.equal("live", t.quantity(q), "3")
		q.Meter = unique.ID
		t.equal("live values", t.quantity(q), "2")
		q.Live = false
		t.equal("all values", t.quantity(q), "3")
	}
}

// archival: the meter counts what was authorised before it ended, whether that
// was shipped before or comes late, and nothing after, also if that came early.
func archival(t *meterTest) {
	end := morning + 90*minute
	sum, unique := t.meter(home, metering.AggregateSum, "n"), t.meter(home, metering.AggregateUnique, "n")
	other := t.meter(home, metering.AggregateCount, "")
	ingest := func(n int) {
		for _, at := range []metering.Micros{morning, end - 1, end, end + wholeDay} {
			t.ingest(reported(home, "c", at, fmt.Sprintf(`{"n":%d}`, n)))
			n *= 10
		}
	}
	ingest(1)
	check := func(wantSum, wantUnique, wantCount string) {
		t.Helper()
		for _, to := range []metering.Micros{0, end + 2*wholeDay, end + wholeDay + 10*minute} {
			t.equal("sum", t.quantity(metering.QuantityQuery{Org: home, Meter: sum.ID, To: to}), wantSum)
			t.equal("values", t.quantity(metering.QuantityQuery{Org: home, Meter: unique.ID, To: to}), wantUnique)
			t.equal("another meter", t.quantity(metering.QuantityQuery{Org: home, Meter: other.ID, To: to}), wantCount)
		}
		// Within the hour in which it ended.
		t.equal("at the end", t.quantity(metering.QuantityQuery{Org: home, Meter: unique.ID, From: end, To: end + minute}), "0")
	}
	t.equal("before", t.quantity(metering.QuantityQuery{Org: home, Meter: sum.ID}), "1111")
	t.must(t.other.ArchiveMeter(t.Context(), home, sum.ID, end))
	t.must(t.ArchiveMeter(t.Context(), home, unique.ID, end))
	check("11", "2", "4")
	ingest(2)
	check("33", "4", "8")

	whole := t.meter(home, metering.AggregateMax, "n")
	t.must(t.ArchiveMeter(t.Context(), home, whole.ID, morning+60*minute))
	t.equal("ended at a whole hour", t.quantity(metering.QuantityQuery{Org: home, Meter: whole.ID}), "2")
}
