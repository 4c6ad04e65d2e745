package meteringtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

// testReplays: any shipment again, of any epoch and in any order, between new
// ones, new processes and events that come a second time in other shipments,
// changes nothing, I3, I5, B02, B04. Each run has an organisation and a journal
// of its own.
func testReplays(t *storeTest) {
	run := 0
	rapid.Check(t.T, func(rt *rapid.T) {
		run++
		r := replayRun{
			storeTest: t, rt: rt, org: fmt.Sprint("org-", run), journal: fmt.Sprint("journal-", run),
			rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1)),
		}
		r.claim()
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"ship", "ship", "replay", "claim"}).Draw(rt, "step") {
			case "claim":
				r.claim()
			case "ship":
				r.shipNew(rapid.IntRange(1, 8).Draw(rt, "events"))
			case "replay":
				r.replay()
			}
		}
		r.agree()
	})
}

// replayRun is one run: what was sent, and what must be there.
type replayRun struct {
	*storeTest
	rt           *rapid.T
	rand         *rand.Rand
	org, journal string

	known    []string
	lease    metering.JournalLease
	position uint64
	sent     []metering.Shipment
	events   []*metering.Event
}

func (r *replayRun) claim() {
	nonce := fmt.Sprint(r.journal, "-", len(r.known))
	r.known = append(r.known, nonce)
	var err error
	r.lease, err = r.ClaimJournal(r.Context(), metering.JournalClaim{Journal: r.journal, Nonce: nonce, Known: r.known})
	if err != nil || r.lease.Shipped != r.position || r.lease.Epoch != int64(len(r.known)) {
		r.rt.Fatalf("claim: %+v, %v; the position is %d", r.lease, err, r.position)
	}
}

// shipNew ships new events, and among them some that stand already, as facts of
// another number.
func (r *replayRun) shipNew(n int) {
	x := metering.Shipment{Lease: r.lease, From: r.position, To: r.position + uint64(n)}
	for seq := x.From + 1; seq <= x.To; seq++ {
		if len(r.events) > 0 && r.rand.IntN(5) == 0 {
			again := *r.events[r.rand.IntN(len(r.events))]
			again.FactSeq = seq
			x.Events = append(x.Events, &again)
			continue
		}
		e := r.random(r.rand, r.journal, seq)
		e.Org = r.org
		r.events, x.Events = append(r.events, e), append(x.Events, e)
	}
	if err := r.Ship(r.Context(), x); err != nil {
		r.rt.Fatalf("ship: %v", err)
	}
	r.position, r.sent = x.To, append(r.sent, x)
}

// replay ships anything that was shipped: the last shipment of this epoch is
// known to be there, any other is of somebody who has been overtaken.
func (r *replayRun) replay() {
	if len(r.sent) == 0 {
		return
	}
	x := r.sent[r.rand.IntN(len(r.sent))]
	err := r.Ship(r.Context(), x)
	last := x.To == r.position && x.Lease.Epoch == r.lease.Epoch
	if last && err != nil || !last && !errors.Is(err, metering.ErrFenced) {
		r.rt.Fatalf("replay of %d-%d at %d, epoch %d at %d: %v", x.From, x.To, r.position, x.Lease.Epoch, r.lease.Epoch, err)
	}
}

func (r *replayRun) agree() {
	_, got, err := r.Usage(r.Context(), metering.UsageQuery{Org: r.org})
	if err != nil {
		r.rt.Fatal(err)
	}
	if diff := cmp.Diff(naive(r.events, func(*metering.Event) bool { return true }), got); diff != "" {
		r.rt.Fatalf("usage (-events +usage):\n%s", diff)
	}
	if differ, err := r.VerifyRollups(r.Context(), r.org); err != nil || len(differ) > 0 {
		r.rt.Fatalf("rollups differ: %v, %v", differ, err)
	}
}

// testUsageAny: any question is answered as the events answer it.
func testUsageAny(t *storeTest) {
	events := t.many("j", 300, 11)
	r := rand.New(rand.NewPCG(12, 3))
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"} {
		zone, err := time.LoadLocation(name)
		t.must("zone", err)
		zones = append(zones, zone)
	}
	groups := []string{"model", "key", "customer", "provider", "day", "test", "tag:team", "tag:none", "run", "upstream", "name"}
	for range 120 {
		from := base + metering.Micros(r.Int64N(int64(5*hour)))
		q := metering.UsageQuery{Org: metering.DefaultOrg, From: from, To: from + metering.Micros(r.Int64N(int64(3*hour))), Zone: zones[r.IntN(len(zones))]}
		if r.IntN(2) == 0 {
			q.Customer = "b"
		}
		for _, i := range r.Perm(len(groups))[:r.IntN(4)] {
			q.By = append(q.By, groups[i])
		}
		only := make(map[string]string)
		for _, i := range r.Perm(len(groups))[:r.IntN(3)] {
			if by, e := groups[i], events[r.IntN(len(events))]; by != "day" {
				only[by] = t.group(e, by)
				q.Only = append(q.Only, metering.UsageFilter{By: by, Value: only[by]})
			}
		}
		rows, totals, err := t.Usage(t.Context(), q)
		t.must("usage", err)
		keep := func(e *metering.Event) bool {
			return t.in(e, only, nil) && e.At >= q.From && e.At < q.To && (q.Customer == "" || q.Customer == e.Customer)
		}
		if diff := cmp.Diff(naive(events, keep), totals); diff != "" {
			t.Fatalf("totals of %+v (-events +usage):\n%s", q, diff)
		}
		requests := int64(0)
		for _, row := range rows {
			want := naive(events, func(e *metering.Event) bool { return keep(e) && t.in(e, row.Group, q.Zone) })
			if diff := cmp.Diff(want, row.UsageTotals); diff != "" {
				t.Fatalf("%v of %+v (-events +usage):\n%s", row.Group, q, diff)
			}
			requests += row.Requests
		}
		if requests != totals.Requests {
			t.Fatalf("groups of %+v have %d calls, the total %d", q, requests, totals.Requests)
		}
	}
	for _, q := range []metering.UsageQuery{
		{By: []string{"model", "nothing"}}, {By: []string{"tag"}}, {Only: []metering.UsageFilter{{By: "nothing"}}}, {Only: []metering.UsageFilter{{By: "day", Value: "2026-01-01"}}},
	} {
		q.Org = metering.DefaultOrg
		if _, _, err := t.Usage(t.Context(), q); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("usage of %+v: %v", q, err)
		}
	}
}

// testWindows: totals for counters are what limits counted, in windows of every
// unit, of one key, and of less than an hour. Reported events are in none.
func testWindows(t *storeTest) {
	events := t.many("j", 300, 21)
	reported := t.event("", 0, "a", base+7, 1000)
	reported.Key, reported.Metered = "", false
	if _, err := t.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{reported}); err != nil {
		t.Fatal(err)
	}
	var windows []metering.Window
	for _, unit := range []metering.Unit{metering.UnitRequests, metering.UnitTokens, metering.UnitCost} {
		for _, key := range []string{"", "key-1", "key-none"} {
			for _, end := range []metering.Micros{base + 5*hour, base + hour/2, base + 3*hour/2 + 1} {
				windows = append(windows, metering.Window{Unit: unit, Key: key, Start: base, End: end}, metering.Window{Unit: unit, Key: key, Start: base + 1, End: end})
			}
		}
	}
	got, err := t.Snapshot(t.Context(), metering.Slot{Org: metering.DefaultOrg, Customer: "a"}, windows)
	t.must("snapshot", err)
	if len(got.Totals) != len(windows) {
		t.Fatalf("%d totals of %d windows", len(got.Totals), len(windows))
	}
	for i, w := range windows {
		want := int64(0)
		for _, e := range events {
			want += counted(e, "a", w)
		}
		if got.Totals[i].Window != w || got.Totals[i].Amount != want {
			t.Errorf("%+v: %d, want %d", w, got.Totals[i].Amount, want)
		}
	}
	if _, err := t.Snapshot(t.Context(), metering.Slot{Org: metering.DefaultOrg, Customer: "a"}, []metering.Window{{Unit: "miles"}}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a window of no unit: %v", err)
	}
}

// counted is what an event adds to a window of a customer.
func counted(e *metering.Event, customer string, w metering.Window) int64 {
	if e.Test || e.Customer != customer || e.At < w.Start || e.At >= w.End || w.Key != "" && w.Key != e.Key {
		return 0
	}
	switch w.Unit {
	case metering.UnitRequests:
		return 1
	case metering.UnitTokens:
		return e.Usage.Tokens.Input() + e.Usage.Tokens.Output()
	default:
		return e.Cost.Micros*1000 + (e.Cost.Picos+999)/1000
	}
}

// testIngestRace: of several senders of the same events each event stands once,
// and each is told of it as inserted once.
func testIngestRace(t *storeTest) {
	const senders, count = 4, 40
	var wg sync.WaitGroup
	results := make(chan metering.IngestResult, senders)
	for n := range senders {
		var batch []*metering.Event
		for i := range count {
			e := t.event("", 0, "a", base+metering.Micros(i), 1)
			e.Key, e.ExternalID, e.Properties = "", fmt.Sprint("ext-", i), []byte(`{"a":1}`)
			batch = append(batch, e)
		}
		rand.New(rand.NewPCG(uint64(n), 2)).Shuffle(count, func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		wg.Go(func() {
			got, err := t.Ingest(context.WithoutCancel(t.Context()), metering.DefaultOrg, batch)
			if err != nil {
				t.Errorf("ingest: %v", err)
			}
			results <- got
		})
	}
	wg.Wait()
	close(results)
	var sum metering.IngestResult
	for got := range results {
		sum.Inserted, sum.Duplicates, sum.Conflicts = sum.Inserted+got.Inserted, sum.Duplicates+got.Duplicates, append(sum.Conflicts, got.Conflicts...)
	}
	if sum.Inserted != count || sum.Duplicates != (senders-1)*count || len(sum.Conflicts) != 0 {
		t.Errorf("together %+v, want %d inserted", sum, count)
	}
	if got := t.totals("a"); got.Requests != count {
		t.Errorf("%d events, want %d", got.Requests, count)
	}
	t.verify()
}

// testIngestWhole: a batch with one event that cannot be stored is not stored.
func testIngestWhole(t *storeTest) {
	good, bad := t.event("", 0, "a", base, 1), t.event("", 0, "a", base, 1)
	good.ExternalID, bad.ExternalID, bad.Usage.Tokens[0] = "good", "bad", -1
	if _, err := t.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{good, bad}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("ingest: %v", err)
	}
	if got := t.totals("a"); got.Requests != 0 {
		t.Errorf("%d events of a batch that was refused", got.Requests)
	}
	got, err := t.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{good})
	if err != nil || got.Inserted != 1 {
		t.Errorf("the good one alone: %+v, %v", got, err)
	}
	good.Org = "other"
	if _, err := t.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{good}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("an event of another organisation: %v", err)
	}
}

// testEveryField: an event comes back with all that it had.
func testEveryField(t *storeTest) {
	lease := t.claim("j")
	for n := range uint64(40) {
		r := rand.New(rand.NewPCG(n, 4))
		e := t.event("j", n+1, "a", base, 1)
		fill(r, reflect.ValueOf(e).Elem(), 40)
		e.Org, e.Journal, e.FactSeq, e.At, e.Status, e.Seq = metering.DefaultOrg, "j", n+1, base+metering.Micros(n), 200, 0
		e.EventName = "" // only of an intent: an event has its name
		e.Cost = metering.Cost{Micros: r.Int64N(1e9), Picos: r.Int64N(1e6)}
		e.CostState = []metering.CostState{metering.CostExact, metering.CostStated, metering.CostFree}[r.IntN(3)]
		e.Properties, e.Usage.Raw = []byte(`{"a":[1,"\u0000"]}`), []byte(`{"prompt_tokens":1}`)
		if e.Usage.Error != nil {
			e.Usage.Error.Message = "" // it is never stored
		}
		for i := range e.Attempts {
			e.Attempts[i].Usage.Raw, e.Attempts[i].Usage.Error.Message = []byte(`{"prompt_tokens":1}`), ""
		}
		switch n % 3 {
		case 0:
			e.Usage.HasTotal, e.Usage.Total = false, 0
		case 1:
			e.Usage.Input, e.Usage.Output = e.Usage.Tokens.Input(), e.Usage.Tokens.Output()
			e.Usage.Total = e.Usage.Input + e.Usage.Output
		}
		if n%5 == 0 {
			e.End, e.FirstByte, e.Tags, e.Usage.Flags = e.At, 0, nil, nil
		}
		t.ship(lease, n, e)
		got, err := t.Event(t.Context(), metering.DefaultOrg, e.ID.String())
		t.must("event", err)
		if diff := cmp.Diff(e, got); diff != "" {
			t.Fatalf("event %d (-shipped +read):\n%s", n, diff)
		}
	}
	t.verify()
}

// fill sets everything in v to something, at most max long.
func fill(r *rand.Rand, v reflect.Value, limit int) {
	switch v.Kind() {
	case reflect.String:
		b := make([]rune, 1+r.IntN(limit))
		for i := range b {
			b[i] = []rune("abcXYZ 019/\\\"<é漢\x01")[r.IntN(17)]
		}
		v.SetString(string(b))
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + r.Int64N(100_000))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1 + r.Uint64N(200))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), limit)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(3), 4))
		for i := range v.Len() {
			fill(r, v.Index(i), limit)
		}
	case reflect.Array:
		for i := range v.Len() {
			if r.IntN(3) > 0 {
				fill(r, v.Index(i), limit)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(r, v.Field(i), limit)
			}
		}
	default:
		panic("an event has a field of kind " + v.Kind().String())
	}
}

// testRefRepeated: of many events with one id of the client's the latest is
// found, and one that is told apart by another id is found by that.
func testRefRepeated(t *storeTest) {
	lease := t.claim("j")
	var events []*metering.Event
	for n := range uint64(30) {
		e := t.event("j", n+1, "a", base+metering.Micros(n), 1)
		e.ClientID, e.ProviderID = "always the same", fmt.Sprint("req_", n)
		events = append(events, e)
	}
	t.ship(lease, 0, events...)
	got, err := t.Event(t.Context(), metering.DefaultOrg, "always the same")
	if err != nil || got.ID != events[29].ID {
		t.Errorf("by the client's id: %+v, %v", got, err)
	}
	i := slices.IndexFunc(events, func(e *metering.Event) bool { return e.ProviderID == "req_3" })
	got, err = t.Event(t.Context(), metering.DefaultOrg, "req_3")
	if err != nil || got.ID != events[i].ID {
		t.Errorf("by the provider's id: %+v, %v", got, err)
	}
}
