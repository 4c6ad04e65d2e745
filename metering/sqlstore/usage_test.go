package sqlstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqlstore"
)

// TestUsage_runs: usage is summed by run and upstream; of an event that is older
// than the columns neither is known, which is not the same as none.
func TestUsage_runs(t *testing.T) {
	t.Parallel()
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testRuns(t, open(t, url(t)))
		})
	}
}

func testRuns(t *testing.T, s *sqlstore.Store) {
	of := func(seq uint64, run, upstream string) *metering.Event {
		e := event(t, seq)
		e.Journal, e.FactSeq, e.Run, e.Upstream = "", 0, run, upstream
		return e
	}
	old := of(1, "before", "before")
	if _, err := s.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{old, of(2, "", ""), of(3, "r", "eu"), of(4, "r", "us")}); err != nil {
		t.Fatal(err)
	}
	forget(t, s, old)
	by := func(group string, only ...metering.UsageFilter) map[string]int64 {
		t.Helper()
		rows, totals, err := s.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg, By: []string{group}, Only: only})
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int64)
		for _, r := range rows {
			got[r.Group[group]] = r.Requests
			totals.Requests -= r.Requests
		}
		if totals.Requests != 0 {
			t.Errorf("by %s: the total has %d calls more than the rows", group, totals.Requests)
		}
		return got
	}
	for _, c := range []struct{ got, want map[string]int64 }{
		{by("run"), map[string]int64{metering.GroupUnknown: 1, "": 1, "r": 2}},
		{by("upstream"), map[string]int64{metering.GroupUnknown: 1, "": 1, "eu": 1, "us": 1}},
		{by("upstream", metering.UsageFilter{By: "run", Value: "r"}), map[string]int64{"eu": 1, "us": 1}},
		{by("model", metering.UsageFilter{By: "run", Value: metering.GroupUnknown}), map[string]int64{"m": 1}},
		{by("run", metering.UsageFilter{By: "upstream"}), map[string]int64{"": 1}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

// TestUsage_runs_corrected: what corrects an event of which the run is not known
// is not of a known run either, or a group had the difference and not the call.
func TestUsage_runs_corrected(t *testing.T) {
	t.Parallel()
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, url(t))
			old, late := event(t, 1), event(t, 2)
			for _, e := range []*metering.Event{old, late} {
				e.Journal, e.FactSeq, e.Run, e.Upstream, e.CostState, e.Cost = "", 0, "r", "eu", metering.CostExact, metering.Cost{Micros: 100}
			}
			if _, err := s.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{old, late}); err != nil {
				t.Fatal(err)
			}
			forget(t, s, old)
			costs(t, s, old, 30)
			costs(t, s, late, 30)
			rows, _, err := s.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg, By: []string{"run", "upstream"}})
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]metering.Cost)
			for _, r := range rows {
				got[r.Group["run"]+" "+r.Group["upstream"]] = r.Cost
			}
			want := map[string]metering.Cost{metering.GroupUnknown + " " + metering.GroupUnknown: {Micros: 30}, "r eu": {Micros: 30}}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("costs after corrections (-want +got):\n%s", d)
			}
		})
	}
}

// TestMeasured: the parts of what a meter measures are what its events say, by
// groups that sums have and have not, and are not told of too many events.
func TestMeasured(t *testing.T) {
	t.Parallel()
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testMeasured(t, open(t, url(t)))
		})
	}
}

func testMeasured(t *testing.T, s *sqlstore.Store) {
	var events []*metering.Event
	for i := range 40 {
		e := event(t, uint64(i))
		e.Journal, e.FactSeq, e.At = "", 0, e.At+metering.Micros(i)*1_700_000_000
		e.Model, e.Run, e.Test = []string{"m", "n"}[i%2], []string{"", "r", "s"}[i%3], i%7 == 0
		e.Tags = []metering.Tag{{Name: "team", Value: []string{"red", "blue"}[i%4/2]}}
		e.Usage.Quantities = []metering.Quantity{{Name: "images", Amount: metering.Number{Units: int64(i % 5), Picos: 1}}}
		if i%6 == 0 {
			e.Name = "other"
		}
		events = append(events, e)
	}
	if _, err := s.Ingest(t.Context(), metering.DefaultOrg, events); err != nil {
		t.Fatal(err)
	}
	m := metering.Meter{
		Org: metering.DefaultOrg, Aggregate: metering.Aggregate{Func: metering.AggregateSum, Property: "images"},
		Filter: metering.Filter{Conjunction: metering.And, Clauses: []metering.Clause{{Property: "name", Operator: metering.OpEq, Value: metering.StringValue(metering.EventLLM)}}},
	}
	q := metering.UsageQuery{Org: metering.DefaultOrg, Customer: "a", From: events[3].At, To: events[35].At, By: []string{"run", "tag:team", "hour"}, Only: []metering.UsageFilter{{By: "model", Value: "m"}, {By: "tag:team", Value: "red"}}}
	want := make(map[string]metering.Number)
	for i, e := range events {
		if i < 3 || i >= 35 || e.Test || e.Name != metering.EventLLM || e.Model != "m" || e.Tags[0].Value != "red" {
			continue
		}
		name := e.Run + " red " + e.At.Hour().Time().Format(time.RFC3339)
		want[name] = want[name].Add(e.Usage.Quantities[0].Amount)
	}
	rows, read, err := s.Measured(t.Context(), q, m, 100)
	if err != nil || read < 10 || read > 20 {
		t.Fatal(read, err) // of one model, and not of test keys
	}
	got := make(map[string]metering.Number)
	for _, r := range rows {
		got[r.Group["run"]+" "+r.Group["tag:team"]+" "+r.Group["hour"]] = r.Quantity
	}
	if d := cmp.Diff(want, got); d != "" || len(want) < 4 {
		t.Errorf("parts (-events +measured):\n%s", d)
	}
	m.Aggregate = metering.Aggregate{Func: metering.AggregateCount}
	q.Only, q.By = nil, nil
	counted, all := 0, 0
	for i, e := range events {
		if i < 3 || i >= 35 || e.Test {
			continue
		}
		if all++; e.Name == metering.EventLLM {
			counted++
		}
	}
	if rows, read, err := s.Measured(t.Context(), q, m, all); err != nil || read != all || len(rows) != 1 || rows[0].Quantity != metering.NumberOf(int64(counted)) {
		t.Errorf("counted %v, %v, %v; want %d of %d", rows, read, err, counted, all)
	}
	if rows, read, err := s.Measured(t.Context(), q, m, all-1); read <= all-1 || err != nil || rows != nil {
		t.Errorf("of more events than are read: %v, %v, %v", rows, read, err)
	}
	m.Aggregate = metering.Aggregate{Func: metering.AggregateMax, Property: "images"}
	if _, _, err := s.Measured(t.Context(), q, m, 100); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("parts of a greatest: %v", err)
	}
	q.By = []string{"nothing"}
	if _, _, err := s.Measured(t.Context(), q, metering.Meter{Aggregate: metering.Aggregate{Func: metering.AggregateCount}}, 100); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("by nothing known: %v", err)
	}
}
