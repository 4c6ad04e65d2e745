package meteringtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// EventStore is what TestEventStore tests: the registry of journals, events and
// what they add up to.
type EventStore interface {
	ClaimJournal(ctx context.Context, c metering.JournalClaim) (metering.JournalLease, error)
	Ship(ctx context.Context, s metering.Shipment) error
	Beat(ctx context.Context, b metering.Beat) (int64, error)
	ReleaseJournal(ctx context.Context, l metering.JournalLease) error
	Snapshot(ctx context.Context, slot metering.Slot, windows []metering.Window) (metering.Snapshot, error)
	Journals(ctx context.Context) ([]metering.JournalInfo, error)
	AskSync(ctx context.Context) (map[string]int64, error)
	DeclareLost(ctx context.Context, journal string) error
	Ingest(ctx context.Context, org string, events []*metering.Event) (metering.IngestResult, error)
	Event(ctx context.Context, org, ref string) (*metering.Event, error)
	Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error)
	Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error)
	Quantities(ctx context.Context, q metering.QuantityQuery) ([]metering.QuantityRow, error)
	Quarantined(ctx context.Context, org string, limit int) ([]metering.Quarantined, error)
	StatedCosts(ctx context.Context, q metering.StatedQuery) ([]metering.StatedRow, error)
	Correct(ctx context.Context, c *metering.Event, before int, content []byte) error
	Corrections(ctx context.Context, org string, of metering.ID) ([]*metering.Event, []byte, error)
	VerifyRollups(ctx context.Context, org string) ([]string, error)
	CreateMeter(ctx context.Context, m metering.Meter) (metering.Meter, error)
	CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error)
}

// TestEventStore is the conformance suite of an event store. open returns an
// empty one, closed when the test ends.
func TestEventStore(t *testing.T, open func(t *testing.T) EventStore) {
	for name, test := range map[string]func(*storeTest){
		"shipment applies once":          testShipOnce,
		"stale epoch and position":       testShipFenced,
		"claims":                         testClaims,
		"beats and sync":                 testBeats,
		"quarantine":                     testQuarantine,
		"rollups equal events":           testRollups,
		"usage at the edges":             testUsageEdges,
		"usage by group":                 testUsageGroups,
		"events by any id":               testEventRefs,
		"pages of events":                testEventPages,
		"ingest":                         testIngest,
		"snapshot":                       testSnapshot,
		"organisations":                  testOrganisations,
		"replicas at once":               testReplicas,
		"replays in any order":           testReplays,
		"usage, whatever is asked":       testUsageAny,
		"windows of the counters":        testWindows,
		"senders at once":                testIngestRace,
		"a batch is whole":               testIngestWhole,
		"every field comes back":         testEveryField,
		"an id used again":               testRefRepeated,
		"meters: live equals filled":     testMeters,
		"costs add up without a rounded": testCosts,
		"stated costs equal events":      testStated,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&storeTest{T: t, EventStore: open(t)})
		})
	}
}

// storeTest is one test on one store.
type storeTest struct {
	*testing.T
	EventStore
}

// base is a whole hour; the instants of the suite are after it.
const base = metering.Micros(1_790_000_000_000_000 - 1_790_000_000_000_000%3_600_000_000)

const hour = metering.Micros(time.Hour / time.Microsecond)

func (t *storeTest) must(what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// claim registers a journal under a name.
func (t *storeTest) claim(name string) metering.JournalLease {
	t.Helper()
	lease, err := t.ClaimJournal(t.Context(), metering.JournalClaim{Journal: name, Nonce: "n1-" + name, Known: []string{"n1-" + name}, Host: "test"})
	t.must("claim", err)
	return lease
}

// event makes an event of a journal.
func (t *storeTest) event(journal string, seq uint64, customer string, at metering.Micros, tokens int64) *metering.Event {
	t.Helper()
	id, err := metering.NewID()
	t.must("id", err)
	e := &metering.Event{
		Call: metering.Call{
			ID: id, Org: metering.DefaultOrg, Customer: customer, Key: "key-" + customer, At: at, Upstream: "openai", Provider: "openai",
			Endpoint: "openai.chat", Metered: true, Model: "gpt-4o-mini",
		},
		Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, End: at + 1000, Journal: journal, FactSeq: seq,
		Cost: metering.Cost{Picos: tokens * 150_000}.Normal(), CostState: metering.CostExact, Rates: []string{"r"}, Book: "b",
	}
	e.Usage.State = metering.UsageExact
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = tokens
	e.Usage.Input = tokens
	return e
}

// ship ships events from a position.
func (t *storeTest) ship(lease metering.JournalLease, from uint64, events ...*metering.Event) {
	t.Helper()
	t.must("ship", t.Ship(t.Context(), metering.Shipment{Lease: lease, From: from, To: events[len(events)-1].FactSeq, Events: events}))
}

func (t *storeTest) totals(customer string) metering.UsageTotals {
	t.Helper()
	_, totals, err := t.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg, Customer: customer})
	t.must("usage", err)
	return totals
}

// verify holds that every rollup equals the direct sum, I5.
func (t *storeTest) verify() {
	t.Helper()
	differ, err := t.VerifyRollups(t.Context(), metering.DefaultOrg)
	t.must("verify", err)
	for _, d := range differ {
		t.Errorf("rollups differ from events: %s", d)
	}
}

// testShipOnce: the same shipment again, as after a lost reply, changes nothing,
// and what comes back of an event is what was shipped. I3, B04.
func testShipOnce(t *storeTest) {
	lease := t.claim("j")
	e := t.event("j", 3, "a", base+5, 100)
	e.Tags = []metering.Tag{{Name: "team", Value: "x"}}
	e.Usage.Raw = []byte(`{"prompt_tokens":100}`)
	for range 3 {
		t.ship(lease, 0, e)
	}
	if got := t.totals("a"); got.Requests != 1 || got.InputTokens != 100 {
		t.Errorf("after three deliveries: %+v", got)
	}
	got, err := t.Event(t.Context(), metering.DefaultOrg, e.ID.String())
	t.must("event", err)
	if diff := cmp.Diff(e, got); diff != "" {
		t.Errorf("event (-shipped +read):\n%s", diff)
	}
	t.ship(lease, 3, t.event("j", 7, "a", base+6, 1))
	if got := t.totals("a"); got.Requests != 2 {
		t.Errorf("after the next shipment: %+v", got)
	}
	t.verify()
}

// testShipFenced: nothing of a shipment with another epoch or position is kept.
func testShipFenced(t *storeTest) {
	old := t.claim("j")
	lease, err := t.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n2", Known: []string{"n1-j", "n2"}})
	t.must("claim again", err)
	if lease.Epoch <= old.Epoch {
		t.Fatalf("epoch %d after %d", lease.Epoch, old.Epoch)
	}
	for name, x := range map[string]metering.Shipment{
		"old epoch":     {Lease: old, From: 0, To: 1, Events: []*metering.Event{t.event("j", 1, "a", base, 1)}},
		"position":      {Lease: lease, From: 5, To: 6, Events: []*metering.Event{t.event("j", 6, "a", base, 1)}},
		"unknown":       {Lease: metering.JournalLease{Journal: "k", Epoch: 1}, From: 0, To: 1, Events: []*metering.Event{t.event("k", 1, "a", base, 1)}},
		"coming epoch":  {Lease: metering.JournalLease{Journal: "j", Epoch: lease.Epoch + 1}, From: 0, To: 1, Events: []*metering.Event{t.event("j", 1, "a", base, 1)}},
		"from the past": {Lease: lease, From: 1, To: 2, Events: []*metering.Event{t.event("j", 2, "a", base, 1)}},
	} {
		if err := t.Ship(t.Context(), x); !errors.Is(err, metering.ErrFenced) {
			t.Errorf("%s: %v, want fenced", name, err)
		}
	}
	if _, err := t.Beat(t.Context(), metering.Beat{Lease: old}); !errors.Is(err, metering.ErrFenced) {
		t.Errorf("beat of the old epoch: %v", err)
	}
	if err := t.ReleaseJournal(t.Context(), old); !errors.Is(err, metering.ErrFenced) {
		t.Errorf("release of the old epoch: %v", err)
	}
	if got := t.totals("a"); got.Requests != 0 {
		t.Errorf("fenced shipments left %+v", got)
	}
}

// testClaims: a directory that crashed is claimed again, a copy that was
// overtaken is not.
func testClaims(t *storeTest) {
	first := t.claim("j")
	again := t.claim("j")
	if again != first {
		t.Errorf("the same claim again: %+v, was %+v", again, first)
	}
	t.ship(first, 0, t.event("j", 9, "a", base, 1))
	restarted, err := t.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n2", Known: []string{"n1-j", "n2"}})
	t.must("claim after a crash", err)
	if restarted.Shipped != 9 || restarted.Epoch != first.Epoch+1 {
		t.Errorf("after a crash: %+v", restarted)
	}
	// A claim that never reached the registry is in the directory all the same.
	_, err = t.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n4", Known: []string{"n1-j", "n2", "n3", "n4"}})
	t.must("claim after a claim that was lost", err)
	if _, err := t.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "m3", Known: []string{"n1-j", "n2", "m3"}}); !errors.Is(err, metering.ErrFenced) {
		t.Errorf("claim of an overtaken copy: %v", err)
	}
}

// testBeats: watermarks never go back, and a sync request is never answered
// before it was made.
func testBeats(t *storeTest) {
	lease := t.claim("j")
	open := []metering.OpenCall{{ID: metering.ID{1}, Org: "default", Customer: "a", At: 5}}
	_, err := t.Beat(t.Context(), metering.Beat{Lease: lease, Watermark: 100, Clean: 90, Open: open, Lag: 4, SyncDone: 12})
	t.must("beat", err)
	_, err = t.Beat(t.Context(), metering.Beat{Lease: lease, Watermark: 50, Clean: 40})
	t.must("beat", err)
	waiting, err := t.AskSync(t.Context())
	t.must("ask", err)
	all, err := t.Journals(t.Context())
	t.must("journals", err)
	if len(all) != 1 || all[0].Watermark != 100 || all[0].Clean != 90 || all[0].SyncDone >= waiting["j"] || all[0].State != metering.JournalLive {
		t.Errorf("registry %+v, waiting %v", all, waiting)
	}
	asked, err := t.Beat(t.Context(), metering.Beat{Lease: lease, Watermark: 101})
	t.must("beat", err)
	if asked != waiting["j"] {
		t.Errorf("beat says %d was asked, want %d", asked, waiting["j"])
	}
	_, err = t.Beat(t.Context(), metering.Beat{Lease: lease, Watermark: 102, SyncDone: asked})
	t.must("beat", err)
	t.must("release", t.ReleaseJournal(t.Context(), lease))
	all, err = t.Journals(t.Context())
	t.must("journals", err)
	if all[0].SyncDone < asked || all[0].State != metering.JournalClean {
		t.Errorf("registry %+v", all[0])
	}
	if waiting, err = t.AskSync(t.Context()); err != nil || len(waiting) != 0 {
		t.Errorf("a clean journal is waited for: %v %v", waiting, err)
	}
	t.must("declare lost", t.DeclareLost(t.Context(), "j"))
	_, err = t.Beat(t.Context(), metering.Beat{Lease: lease, Watermark: 103})
	t.must("beat of a lost journal", err)
	t.inState("j", metering.JournalLost) // periods may have closed without it
	_, err = t.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n2", Known: []string{"n1-j", "n2"}})
	t.must("claim a lost journal", err)
	t.inState("j", metering.JournalLive)
	if err := t.DeclareLost(t.Context(), "k"); !errors.Is(err, metering.ErrNotFound) {
		t.Errorf("declare an unknown journal lost: %v", err)
	}
}

func (t *storeTest) inState(journal string, want metering.JournalState) {
	t.Helper()
	all, err := t.Journals(t.Context())
	t.must("journals", err)
	i := slices.IndexFunc(all, func(j metering.JournalInfo) bool { return j.Journal == journal })
	if i < 0 || all[i].State != want {
		t.Errorf("journal %s in %+v, want it %s", journal, all, want)
	}
}

// testQuarantine: a record that the database refuses is cut out and shown, and
// the others pass. A label that a client may choose spoils nothing: what is sent
// under it is billed.
func testQuarantine(t *storeTest) {
	lease := t.claim("j")
	var events []*metering.Event
	for n := range uint64(90) {
		e := t.event("j", n+1, "a", base+metering.Micros(n), 1)
		switch n {
		case 5:
			e.Model, e.Run, e.ClientID = "bad\x00model", "run\x00", "\xff"
			e.Tags = []metering.Tag{{Name: "a\x00", Value: "\xfe"}}
			e.ErrorCode, e.Usage.Finish, e.Usage.Model = "\xff", "\x00", strings.Repeat("long\x00", 1000)
		case 17:
			e.Usage.Tokens[0] = 1 << 62
		case 18:
			e.Cost = metering.Cost{Micros: -1 << 62}
		case 30:
			e.Usage.Raw = []byte("{no JSON")
		case 63:
			e.Key = "key\x00"
		case 64:
			e.Customer = "not \xff utf-8"
		case 89:
			e.Org = "org\x00"
		}
		events = append(events, e)
	}
	t.ship(lease, 0, events...)
	if got := t.totals("a"); got.Requests != 84 || got.Total != 84 {
		t.Errorf("%d of 84 good events are there, with %d tokens", got.Requests, got.Total)
	}
	bad, err := t.Quarantined(t.Context(), metering.DefaultOrg, 10)
	t.must("quarantine", err)
	var seqs []uint64
	for _, q := range bad {
		seqs = append(seqs, q.Seq)
		if q.Reason == "" || !json.Valid(q.Record) || q.Journal != "j" || q.ID != events[q.Seq-1].ID.String() {
			t.Errorf("quarantined %+v", q)
		}
	}
	slices.Sort(seqs)
	if !slices.Equal(seqs, []uint64{18, 19, 31, 64, 65, 90}) {
		t.Errorf("quarantined %v", seqs)
	}
	t.verify()
}

// random makes an event with everything that rollups are kept by.
func (t *storeTest) random(r *rand.Rand, journal string, seq uint64) *metering.Event {
	e := t.event(journal, seq, []string{"a", "b", "c"}[r.IntN(3)], base+metering.Micros(r.Int64N(int64(5*hour))), r.Int64N(5000))
	e.Key = fmt.Sprint("key-", r.IntN(2))
	e.Model = []string{"gpt-4o-mini", "gpt-4o", ""}[r.IntN(3)]
	e.Test = r.IntN(5) == 0
	e.Tags = []metering.Tag{{Name: "team", Value: fmt.Sprint(r.IntN(3))}}
	e.Run, e.Upstream = []string{"", "run-1", "run-2"}[r.IntN(3)], []string{"", "eu"}[r.IntN(2)]
	for c := range e.Usage.Tokens {
		if r.IntN(4) == 0 {
			e.Usage.Tokens[c] = r.Int64N(1000)
		}
	}
	if r.IntN(6) == 0 {
		e.CostState, e.CostReason, e.Cost = metering.CostUnpriced, "model: x", metering.Cost{}
	}
	if r.IntN(6) == 0 {
		e.Usage.State = metering.UsageEstimated
	}
	return e
}

// testRollups: after any shipments, each delivered once or more, every rollup
// equals the direct sum. I5, B03.
func testRollups(t *storeTest) {
	r := rand.New(rand.NewPCG(1, 2))
	lease := t.claim("j")
	seq := uint64(0)
	for range 25 {
		from := seq
		var events []*metering.Event
		for range 1 + r.IntN(60) {
			seq++
			events = append(events, t.random(r, "j", seq))
		}
		for range 1 + r.IntN(2) {
			t.ship(lease, from, events...)
		}
		t.verify()
	}
}
