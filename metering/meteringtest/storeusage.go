package meteringtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// naive adds events up the slow way.
func naive(events []*metering.Event, keep func(*metering.Event) bool) metering.UsageTotals {
	var out metering.UsageTotals
	for _, e := range events {
		if !keep(e) {
			continue
		}
		c := e.Usage.Tokens.Classes()
		out.Requests++
		out.Input += c.Input
		out.CacheRead += c.CacheRead
		out.CacheWrite += c.CacheWrite
		out.Output += c.Output
		out.Reasoning += c.Reasoning
		out.AudioInput += c.AudioInput
		out.AudioOutput += c.AudioOutput
		out.ImageInput += c.ImageInput
		out.ImageOutput += c.ImageOutput
		out.Total += c.Total()
		out.InputTokens += e.Usage.Tokens.Input()
		out.OutputTokens += e.Usage.Tokens.Output()
		out.Cost = out.Cost.Add(e.Cost)
		if e.Estimated() {
			out.Estimated++
		}
		if e.CostState == metering.CostUnpriced {
			out.Unpriced++
		}
	}
	return out
}

// many ships random events of one journal and returns them.
func (t *storeTest) many(journal string, n int, seed uint64) []*metering.Event {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	var events []*metering.Event
	for seq := range uint64(n) {
		events = append(events, t.random(r, journal, seq+1))
	}
	t.ship(t.claim(journal), 0, events...)
	return events
}

// testUsageEdges: a span that begins or ends within an hour is exact, P02.
func testUsageEdges(t *storeTest) {
	events := t.many("j", 400, 5)
	r := rand.New(rand.NewPCG(9, 9))
	for range 60 {
		from, to := base+metering.Micros(r.Int64N(int64(5*hour))), base+metering.Micros(r.Int64N(int64(5*hour)))
		switch r.IntN(6) {
		case 0:
			from = from.Hour()
		case 1:
			to = to.Hour()
		case 2:
			from = 0
		case 3:
			to = 0
		case 4:
			to = from + 1_000_000
		}
		if to != 0 && to < from {
			from, to = to, from
		}
		customer := []string{"", "a"}[r.IntN(2)]
		_, got, err := t.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg, Customer: customer, From: from, To: to})
		t.must("usage", err)
		want := naive(events, func(e *metering.Event) bool {
			return e.At >= from && (to == 0 || e.At < to) && (customer == "" || e.Customer == customer)
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q from %d to %d (-events +usage):\n%s", customer, from-base, to-base, diff)
		}
	}
}

// testUsageGroups: groups partition the total, B09.
func testUsageGroups(t *storeTest) {
	events := t.many("j", 300, 6)
	zone, err := time.LoadLocation("Asia/Kolkata") // days that do not begin on a whole hour
	t.must("zone", err)
	for _, by := range [][]string{{"model"}, {"key", "customer"}, {"provider"}, {"day"}, {"tag:team"}, {"tag:team", "model"}, {"tag:none"}} {
		for _, loc := range []*time.Location{nil, zone} {
			rows, totals, err := t.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg, By: by, Zone: loc})
			t.must("usage", err)
			var sum metering.UsageTotals
			for _, row := range rows {
				want := naive(events, func(e *metering.Event) bool { return t.in(e, row.Group, loc) })
				if diff := cmp.Diff(want, row.UsageTotals); diff != "" {
					t.Errorf("group %v (-events +usage):\n%s", row.Group, diff)
				}
				sum.Requests += row.Requests
			}
			if sum.Requests != totals.Requests || totals.Requests != int64(len(events)) {
				t.Errorf("by %v: groups have %d calls, the total %d, there are %d", by, sum.Requests, totals.Requests, len(events))
			}
		}
	}
}

// in reports whether an event belongs to a group.
func (t *storeTest) in(e *metering.Event, group map[string]string, loc *time.Location) bool {
	if loc == nil {
		loc = time.UTC
	}
	for name, value := range group {
		if value != t.groupIn(e, name, loc) {
			return false
		}
	}
	return true
}

// group is what an event has of a group, in UTC.
func (t *storeTest) group(e *metering.Event, by string) string { return t.groupIn(e, by, time.UTC) }

func (t *storeTest) groupIn(e *metering.Event, by string, loc *time.Location) string {
	of := map[string]string{
		"model": e.Model, "key": e.Key, "customer": e.Customer, "provider": e.Provider, "day": e.At.Time().In(loc).Format(time.DateOnly),
		"test": strconv.FormatBool(e.Test), "run": e.Run, "upstream": e.Upstream, "name": e.Name,
	}
	for _, tag := range e.Tags {
		of["tag:"+tag.Name] = tag.Value
	}
	return of[by]
}

// testEventRefs: an event is found by each of its names, and by no part of one.
func testEventRefs(t *storeTest) {
	e := t.event("j", 1, "a", base, 1)
	e.ProviderID, e.Usage.ObjectID, e.ClientID = "req_1", "chatcmpl-1", "client-1"
	twice := t.event("j", 2, "a", base, 1)
	twice.ClientID = "client-1"
	turn, imposter := t.event("j", 3, "a", base, 1), t.event("j", 4, "a", base, 1)
	turn.Session, imposter.ClientID = e.ID, e.ID.String()
	t.ship(t.claim("j"), 0, e, twice, turn, imposter)
	turns, _, err := t.Events(t.Context(), metering.EventQuery{Org: metering.DefaultOrg, Session: e.ID})
	if err != nil || len(turns) != 1 || turns[0].ID != turn.ID || turns[0].Session != e.ID {
		t.Errorf("turns of a socket: %v, %v", turns, err)
	}
	for ref, want := range map[string]metering.ID{e.ID.String(): e.ID, "req_1": e.ID, "chatcmpl-1": e.ID, "client-1": twice.ID} {
		got, err := t.Event(t.Context(), metering.DefaultOrg, ref)
		if err != nil || got.ID != want {
			t.Errorf("%s: %v %v", ref, got, err)
		}
	}
	for _, ref := range []string{"req_", "", "nobody", metering.ID{9}.String()} {
		if _, err := t.Event(t.Context(), metering.DefaultOrg, ref); !errors.Is(err, metering.ErrNotFound) {
			t.Errorf("%q: %v, want not found", ref, err)
		}
	}
}

// testEventPages: pages list every event once, newest first, whatever is asked
// for.
func testEventPages(t *storeTest) {
	events := t.many("j", 120, 7)
	for name, q := range map[string]metering.EventQuery{
		"all": {}, "of one": {Customer: "a"}, "of a key": {Key: "key-1"}, "of a model": {Model: "gpt-4o", Customer: "b"},
		"of a span": {From: base + hour/2, To: base + 3*hour}, "of one in a span": {Customer: "c", From: base + hour, To: base + 4*hour + 7},
		"of a name": {Name: metering.EventLLM}, "of an outcome": {Outcome: metering.OutcomeCrashed},
	} {
		want := make(map[metering.ID]bool)
		for _, e := range events {
			if (q.Customer == "" || e.Customer == q.Customer) && (q.Key == "" || e.Key == q.Key) && (q.Model == "" || e.Model == q.Model) &&
				(q.Outcome == "" || e.Outcome == q.Outcome) && (q.From == 0 || e.At >= q.From) && (q.To == 0 || e.At < q.To) {
				want[e.ID] = true
			}
		}
		q.Org, q.Limit = metering.DefaultOrg, 7
		for {
			page, next, err := t.Events(t.Context(), q)
			t.must("events", err)
			for i, e := range page {
				if !want[e.ID] {
					t.Errorf("%s: event %s is listed twice, or does not belong", name, e.ID)
				}
				delete(want, e.ID)
				if i > 0 && q.Customer != "" && page[i-1].At < e.At {
					t.Errorf("%s: not newest first", name)
				}
			}
			if next == "" {
				break
			}
			q.Cursor = next
		}
		if len(want) != 0 {
			t.Errorf("%s: %d events were never listed", name, len(want))
		}
	}
	if _, _, err := t.Events(t.Context(), metering.EventQuery{Org: metering.DefaultOrg, Cursor: "nonsense"}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a cursor of nobody: %v", err)
	}
}

// testIngest: an external id is one event for ever, and events reported before
// their customer exists are that customer's.
func testIngest(t *storeTest) {
	reported := func(external, customer string, properties string) *metering.Event {
		id, err := metering.NewID()
		t.must("id", err)
		return &metering.Event{Call: metering.Call{ID: id, Org: metering.DefaultOrg, At: base}, Name: "search", ExternalID: external, ExternalCustomer: customer, Properties: []byte(properties), CostState: metering.CostFree}
	}
	got, err := t.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{reported("x1", "later", `{"n":1}`), reported("x2", "later", `{"n":2}`), reported("", "later", `{"n":3}`)})
	t.must("ingest", err)
	if got.Inserted != 3 {
		t.Errorf("first batch: %+v", got)
	}
	got, err = t.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{reported("x1", "later", `{"n":1}`), reported("x2", "later", `{"n":9}`), reported("x3", "later", `{"n":4}`), reported("x3", "later", `{"n":4}`)})
	t.must("ingest", err)
	if got.Inserted != 1 || got.Duplicates != 2 || len(got.Conflicts) != 1 || got.Conflicts[0] != "x2" {
		t.Errorf("second batch: %+v", got)
	}
	e, err := t.Event(t.Context(), metering.DefaultOrg, "x2")
	if err != nil || string(e.Properties) != `{"n":2}` {
		t.Errorf("the first does not stand: %v %v", e, err)
	}
	c, err := t.CreateCustomer(t.Context(), metering.Customer{Org: metering.DefaultOrg, ExternalID: "later", Name: "x", OnLoss: metering.LossRefuse})
	t.must("create customer", err)
	if got := t.totals(c.ID); got.Requests != 4 {
		t.Errorf("the customer has %d of 4 events reported before", got.Requests)
	}
	t.verify()
}

// testSnapshot: totals are those of the live events, with the position that
// they include, B03.
func testSnapshot(t *storeTest) {
	events := t.many("j", 200, 8)
	windows := []metering.Window{
		{Unit: metering.UnitRequests, Start: base, End: base + 2*hour}, {Unit: metering.UnitTokens, Start: base + hour, End: base + 5*hour},
	}
	snap, err := t.Snapshot(t.Context(), metering.Slot{Org: metering.DefaultOrg, Customer: "a"}, windows)
	t.must("snapshot", err)
	var last uint64
	want := make([]int64, len(windows))
	for _, e := range events {
		if e.Customer != "a" {
			continue
		}
		last = e.FactSeq
		for i, w := range windows {
			if !e.Test && e.At >= w.Start && e.At < w.End {
				if w.Unit == metering.UnitRequests {
					want[i]++
				} else {
					want[i] += e.Usage.Tokens.Input() + e.Usage.Tokens.Output()
				}
			}
		}
	}
	if snap.Positions["j"] != last || len(snap.Totals) != 2 || snap.Totals[0].Amount != want[0] || snap.Totals[1].Amount != want[1] {
		t.Errorf("snapshot %+v, want %v at %d", snap, want, last)
	}
}

// testOrganisations: what belongs to another organisation does not exist, B29.
func testOrganisations(t *storeTest) {
	e := t.event("j", 1, "a", base, 5)
	e.Org, e.ProviderID = "other", "req_other"
	t.ship(t.claim("j"), 0, e, t.event("j", 2, "a", base, 7))
	if got := t.totals("a"); got.Requests != 1 || got.InputTokens != 7 {
		t.Errorf("usage crosses organisations: %+v", got)
	}
	for _, ref := range []string{e.ID.String(), "req_other"} {
		if _, err := t.Event(t.Context(), metering.DefaultOrg, ref); !errors.Is(err, metering.ErrNotFound) {
			t.Errorf("%s of another organisation: %v", ref, err)
		}
	}
	page, _, err := t.Events(t.Context(), metering.EventQuery{Org: metering.DefaultOrg})
	if err != nil || len(page) != 1 {
		t.Errorf("%d events listed, want 1: %v", len(page), err)
	}
}

// testReplicas: replicas that ship at once, the same customers and hours, lose
// nothing of each other, F24.
func testReplicas(t *storeTest) {
	const replicas, shipments = 4, 12
	var wg sync.WaitGroup
	errs := make(chan error, replicas)
	var all []*metering.Event
	for n := range replicas {
		journal := fmt.Sprint("j", n)
		lease, r := t.claim(journal), rand.New(rand.NewPCG(uint64(n), 4))
		var batches [][]*metering.Event
		for i := range shipments {
			var batch []*metering.Event
			for k := range 20 {
				e := t.random(r, journal, uint64(20*i+k+1))
				batch, all = append(batch, e), append(all, e)
			}
			batches = append(batches, batch)
		}
		wg.Go(func() {
			for i, batch := range batches {
				x := metering.Shipment{Lease: lease, From: uint64(20 * i), To: uint64(20*i + 20), Events: batch}
				if err := t.Ship(context.WithoutCancel(t.Context()), x); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	_, got, err := t.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg})
	t.must("usage", err)
	if diff := cmp.Diff(naive(all, func(*metering.Event) bool { return true }), got); diff != "" {
		t.Errorf("usage (-events +rollups):\n%s", diff)
	}
	t.verify()
}

// testMeters: a meter that counted all along and one that was made afterwards
// agree, at every span, with the events themselves, I5.
func testMeters(t *storeTest) {
	kinds := []metering.Aggregate{
		{Func: metering.AggregateCount},
		{Func: metering.AggregateSum, Property: "totalTokens"},
		{Func: metering.AggregateAvg, Property: "inputTokens"},
		{Func: metering.AggregateMin, Property: "outputTokens"},
		{Func: metering.AggregateMax, Property: "_cost.amount"},
		{Func: metering.AggregateUnique, Property: "team"},
	}
	make := func(when string) []metering.Meter {
		var out []metering.Meter
		for i, a := range kinds {
			m, err := t.CreateMeter(t.Context(), metering.Meter{
				Org: metering.DefaultOrg, Name: fmt.Sprint(when, i), Aggregate: a, Created: base,
				Filter: metering.Filter{Conjunction: metering.And, Clauses: []metering.Clause{{Property: "model", Operator: metering.OpLike, Value: metering.StringValue("gpt")}}},
			})
			t.must("create meter", err)
			out = append(out, m)
		}
		return out
	}
	live := make("live")
	t.many("j", 250, 10)
	filled := make("filled")
	r := rand.New(rand.NewPCG(3, 3))
	for i := range kinds {
		for range 12 {
			from := base + metering.Micros(r.Int64N(int64(3*hour)))
			to := from + metering.Micros(r.Int64N(int64(3*hour)))
			if r.IntN(3) == 0 {
				from, to = from.Hour(), to.Hour()+hour
			}
			q := metering.QuantityQuery{Org: metering.DefaultOrg, From: from, To: to, Customer: []string{"", "a"}[r.IntN(2)], Interval: []string{"", "hour"}[r.IntN(2)]}
			q.Meter = live[i].ID
			one, err := t.Quantities(t.Context(), q)
			t.must("quantities", err)
			q.Meter = filled[i].ID
			other, err := t.Quantities(t.Context(), q)
			t.must("quantities", err)
			if diff := cmp.Diff(one, other); diff != "" {
				t.Errorf("%s (-live +filled):\n%s", kinds[i].Func, diff)
			}
		}
	}
}

// testCosts: a million times a tiny cost and a few large ones add up exactly,
// T44.
func testCosts(t *storeTest) {
	lease := t.claim("j")
	var events []*metering.Event
	var want metering.Cost
	for seq := range uint64(500) {
		e := t.event("j", seq+1, "a", base, 1)
		e.Cost = metering.Cost{Micros: 0, Picos: 1000}
		if seq%100 == 0 {
			e.Cost = metering.Cost{Micros: 13_333_333, Picos: 333_333}
		}
		want = want.Add(e.Cost)
		events = append(events, e)
	}
	t.ship(lease, 0, events...)
	if got := t.totals("a").Cost; got != want {
		t.Errorf("sum is %s, want %s", got, want)
	}
}

var _ testing.TB = (*storeTest)(nil)
