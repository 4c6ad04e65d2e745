package meteringtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// Meters is what TestMeters tests: meters and what they measured.
type Meters interface {
	CreateMeter(ctx context.Context, m metering.Meter) (metering.Meter, error)
	Meter(ctx context.Context, org, ref string) (metering.Meter, error)
	Meters(ctx context.Context, org string, limit int, cursor string) ([]metering.Meter, string, error)
	RenameMeter(ctx context.Context, org, id, name string) error
	ArchiveMeter(ctx context.Context, org, id string, at metering.Micros) error
	Quantities(ctx context.Context, q metering.QuantityQuery) ([]metering.QuantityRow, error)

	Ingest(ctx context.Context, org string, events []*metering.Event) (metering.IngestResult, error)
	ClaimJournal(ctx context.Context, c metering.JournalClaim) (metering.JournalLease, error)
	Ship(ctx context.Context, s metering.Shipment) error
}

// OpenMeters returns two stores over one empty database, as two replicas have
// them, and registers their cleanup.
type OpenMeters func(t *testing.T) (Meters, Meters)

// TestMeters is the conformance suite of what a store keeps of meters.
func TestMeters(t *testing.T, open OpenMeters) {
	for _, tt := range []struct {
		name string
		test func(*meterTest)
	}{
		{"the meter that exists from the start", meterFromTheStart},
		{"a meter from beginning to end", meterLife},
		{"S26 nothing is found from another organisation", meterTenancy},
		{"S30 text and questions that mean nothing are refused", meterText},
		{"every aggregation is exact", aggregations},
		{"the least and the most of numbers that come one by one", extremes},
		{"sums do not overflow", greatSums},
		{"a fill of thousands of events", longPast},
		{"an average is rounded half away from zero", averages},
		{"unique values of any span", uniqueSpans},
		{"what test keys used can be left out", liveOnly},
		{"an archived meter ends at its instant", archival},
		{"I5 rollups equal a direct aggregate, live and filled", rollupsEqual},
		{"T63 days, hours and months of a place", places},
		{"a meter made during shipping misses nothing and doubles nothing", creationRace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			tt.test(&meterTest{checked: checked{t}, Meters: a, other: b})
		})
	}
}

// meterTest is one test on one database.
type meterTest struct {
	checked
	Meters
	other Meters // another replica
}

const (
	minute   = 60 * second
	wholeDay = 24 * 60 * minute
	morning  = noon - noon%wholeDay // of the same day, UTC
)

// reported is an event that another source reported.
func reported(org, customer string, at metering.Micros, metadata string) *metering.Event {
	id, err := metering.NewID()
	if err != nil {
		panic(err) // no random numbers
	}
	return &metering.Event{
		Call: metering.Call{ID: id, Org: org, Customer: customer, At: at}, Name: "work", Properties: json.RawMessage(metadata),
		Usage: metering.Usage{State: metering.UsageNone},
	}
}

func (t *meterTest) ingest(events ...*metering.Event) {
	t.Helper()
	got, err := t.Ingest(t.Context(), events[0].Org, events)
	if err != nil || got.Inserted != len(events) {
		t.Fatalf("ingest: %+v, %v", got, err)
	}
}

// meter makes a meter of everything.
func (t *meterTest) meter(org string, fn metering.Aggregation, property string) metering.Meter {
	t.Helper()
	m, err := t.CreateMeter(t.Context(), metering.Meter{
		Org: org, Name: fmt.Sprintf("%s of %s", fn, property), Filter: metering.Filter{Conjunction: metering.And},
		Aggregate: metering.Aggregate{Func: fn, Property: property}, Created: noon,
	})
	t.must(err)
	return m
}

func (t *meterTest) quantities(q metering.QuantityQuery) []metering.QuantityRow {
	t.Helper()
	rows, err := t.other.Quantities(t.Context(), q)
	t.must(err)
	return rows
}

// quantity asks for one row.
func (t *meterTest) quantity(q metering.QuantityQuery) string {
	t.Helper()
	rows := t.quantities(q)
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	return rows[0].Quantity
}

func (t *meterTest) equal(what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func meterFromTheStart(t *meterTest) {
	ctx := t.Context()
	list, next, err := t.Meters.Meters(ctx, metering.DefaultOrg, 10, "")
	t.must(err)
	if len(list) != 1 || next != "" || list[0].Name != metering.MeterLLM || list[0].Aggregate != (metering.Aggregate{Func: metering.AggregateSum, Property: "totalTokens"}) {
		t.Fatalf("there are %+v", list)
	}
	if err := list[0].Validate(); err != nil {
		t.Error(err)
	}
	lease, err := t.ClaimJournal(ctx, metering.JournalClaim{Journal: "j", Nonce: "n", Known: []string{"n"}})
	t.must(err)
	x := metering.Shipment{Lease: lease, To: 3, Events: []*metering.Event{call("j", 1, noon, 100), call("j", 2, noon+1, 20), call("j", 3, noon+2*wholeDay, 3)}}
	t.must(t.Ship(ctx, x))
	t.must(t.other.Ship(ctx, x)) // its reply was lost
	q := metering.QuantityQuery{Org: metering.DefaultOrg, Meter: list[0].ID, Customer: "c"}
	t.equal("tokens", t.quantity(q), "123")
	q.Customer = "nobody"
	t.equal("tokens of another customer", t.quantity(q), "0")
}

// call is a proxied call of a journal.
func call(journal string, seq uint64, at metering.Micros, tokens int64) *metering.Event {
	e := reported(metering.DefaultOrg, "c", at, "")
	e.Name, e.Properties, e.Outcome, e.Metered, e.Journal, e.FactSeq = metering.EventLLM, nil, metering.OutcomeComplete, true, journal, seq
	e.Endpoint, e.Model, e.Provider, e.Upstream = "openai.chat", "gpt-5", "openai", "openai"
	e.Usage = metering.Usage{State: metering.UsageExact, Input: tokens}
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = tokens
	return e
}

func meterLife(t *meterTest) {
	ctx := t.Context()
	nested := metering.Filter{Conjunction: metering.Or, Clauses: []metering.Clause{
		{Property: "model", Operator: metering.OpLike, Value: metering.StringValue("gpt \"quoted\" é")},
		{Filter: &metering.Filter{Conjunction: metering.And, Clauses: []metering.Clause{{Property: "n", Operator: metering.OpGte, Value: metering.NumberValue(metering.Number{Units: -1, Picos: 1})}}}},
	}}
	m, err := t.CreateMeter(ctx, metering.Meter{Org: home, Name: "first", Filter: nested, Aggregate: metering.Aggregate{Func: metering.AggregateAvg, Property: "a.b"}})
	t.must(err)
	if m.ID == "" || m.Created == 0 {
		t.Errorf("made %+v", m)
	}
	second := t.meter(home, metering.AggregateCount, "")
	find := func(ref string, want metering.Meter) {
		t.Helper()
		got, err := t.other.Meter(ctx, home, ref)
		t.must(err)
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b metering.Value) bool { return a.Kind == b.Kind && (a.IsZero() || a.Equal(b)) })); d != "" {
			t.Errorf("%s (-want +got):\n%s", ref, d)
		}
	}
	find(m.ID, m)
	find("first", m)
	_, err = t.Meter(ctx, home, "nothing")
	t.want("no such meter", err, metering.ErrNotFound)
	_, err = t.CreateMeter(ctx, metering.Meter{Org: home, Name: "first", Filter: nested, Aggregate: metering.Aggregate{Func: metering.AggregateCount}})
	t.want("the name again", err, metering.ErrConflict)

	t.want("rename to a name that is taken", t.RenameMeter(ctx, home, m.ID, second.Name), metering.ErrConflict)
	t.want("rename nothing", t.RenameMeter(ctx, home, "nothing", "x"), metering.ErrNotFound)
	t.must(t.RenameMeter(ctx, home, m.ID, "renamed"))
	t.must(t.RenameMeter(ctx, home, m.ID, "renamed"))
	t.must(t.ArchiveMeter(ctx, home, m.ID, noon))
	t.must(t.ArchiveMeter(ctx, home, m.ID, noon+5))
	t.want("archive nothing", t.ArchiveMeter(ctx, home, "nothing", noon), metering.ErrNotFound)
	m.Name, m.Archived = "renamed", noon
	find(m.ID, m)

	var ids []string
	for cursor, first := "", true; first || cursor != ""; first = false {
		list, next, err := t.Meters.Meters(ctx, home, 1, cursor)
		t.must(err)
		for _, m := range list {
			ids = append(ids, m.ID)
		}
		cursor = next
	}
	if !slices.Equal(ids, []string{m.ID, second.ID}) {
		t.Errorf("listed %v", ids)
	}
}

func meterTenancy(t *meterTest) {
	ctx := t.Context()
	t.ingest(reported(home, "c", noon, `{"n":5}`))
	m := t.meter(home, metering.AggregateSum, "n")
	_, err := t.Meter(ctx, abroad, m.ID)
	t.want("meter", err, metering.ErrNotFound)
	_, err = t.Meter(ctx, abroad, m.Name)
	t.want("meter by name", err, metering.ErrNotFound)
	t.want("rename", t.RenameMeter(ctx, abroad, m.ID, "x"), metering.ErrNotFound)
	t.want("archive", t.ArchiveMeter(ctx, abroad, m.ID, noon), metering.ErrNotFound)
	_, err = t.Quantities(ctx, metering.QuantityQuery{Org: abroad, Meter: m.ID, Customer: "c"})
	t.want("quantities", err, metering.ErrNotFound)
	list, _, err := t.Meters.Meters(ctx, abroad, 10, "")
	if err != nil || len(list) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	// The same name and a customer of the same id are others there.
	theirs := t.meter(abroad, metering.AggregateSum, "n")
	t.ingest(reported(abroad, "c", noon, `{"n":7}`))
	t.equal("theirs", t.quantity(metering.QuantityQuery{Org: abroad, Meter: theirs.ID}), "7")
	t.equal("ours", t.quantity(metering.QuantityQuery{Org: home, Meter: m.ID}), "5")
}

func meterText(t *meterTest) {
	ctx := t.Context()
	m := t.meter(home, metering.AggregateCount, "")
	everything := metering.Filter{Conjunction: metering.And}
	for _, bad := range []string{"a\x00b", "\xff"} {
		_, found := t.Meter(ctx, home, bad)
		_, named := t.CreateMeter(ctx, metering.Meter{Org: home, Name: bad, Filter: everything, Aggregate: metering.Aggregate{Func: metering.AggregateCount}})
		_, property := t.CreateMeter(ctx, metering.Meter{Org: home, Name: "x", Filter: everything, Aggregate: metering.Aggregate{Func: metering.AggregateSum, Property: bad}})
		_, meter := t.Quantities(ctx, metering.QuantityQuery{Org: home, Meter: bad})
		_, customer := t.Quantities(ctx, metering.QuantityQuery{Org: home, Meter: m.ID, Customer: bad})
		for what, err := range map[string]error{
			"find": found, "name": named, "property": property, "quantities": meter, "quantities of a customer": customer,
			"rename": t.RenameMeter(ctx, home, m.ID, bad), "rename by": t.RenameMeter(ctx, home, bad, "x"), "archive": t.ArchiveMeter(ctx, home, bad, noon),
		} {
			t.want(what, err, metering.ErrInvalid)
		}
	}
	for what, q := range map[string]metering.QuantityQuery{
		"an end before the beginning": {From: noon, To: noon - 1},
		"an interval that is not":     {From: noon, To: noon + 1, Interval: "fortnight"},
		"hours without a beginning":   {To: noon, Interval: "hour"},
		"hours without an end":        {From: noon, Interval: "hour"},
		"hours of a century":          {From: 1, To: 100 * 366 * wholeDay, Interval: "hour"},
	} {
		q.Org, q.Meter = home, m.ID
		_, err := t.Quantities(ctx, q)
		t.want(what, err, metering.ErrInvalid)
	}
	for what, m := range map[string]metering.Meter{
		"no name":        {Filter: everything, Aggregate: metering.Aggregate{Func: metering.AggregateCount}},
		"no aggregation": {Name: "x", Filter: everything},
		"no conjunction": {Name: "x", Aggregate: metering.Aggregate{Func: metering.AggregateCount}},
	} {
		m.Org = home
		_, err := t.CreateMeter(ctx, m)
		t.want(what, err, metering.ErrInvalid)
	}
	t.want("rename to nothing", t.RenameMeter(ctx, home, m.ID, ""), metering.ErrInvalid)
	t.want("rename to too much", t.RenameMeter(ctx, home, m.ID, strings.Repeat("x", metering.MaxMeterName+1)), metering.ErrInvalid)
	t.want("archive before time began", t.ArchiveMeter(ctx, home, m.ID, 0), metering.ErrInvalid)
	if rows := t.quantities(metering.QuantityQuery{Org: home, Meter: m.ID, From: noon, To: noon, Interval: "day"}); len(rows) != 0 {
		t.Errorf("no time has %d days", len(rows))
	}
}
