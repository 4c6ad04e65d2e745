package sqlstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/meteringtest"
	metersql "github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy/objects"
	"github.com/weirhq/weir/proxy/objects/sqlstore"
)

// onBoth runs a test on either engine.
func onBoth(t *testing.T, test func(t *testing.T, s *metersql.Store)) {
	for engine, address := range map[string]func() string{
		"SQLite":     func() string { return "sqlite:" + filepath.Join(t.TempDir(), "weir.db") },
		"PostgreSQL": func() string { return meteringtest.Postgres(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			s, err := metersql.Open(t.Context(), address())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, s)
		})
	}
}

func object(kind, id string) dialect.Object { return dialect.Object{Kind: kind, ID: id} }

// TestStore: a row stands, a deletion stays, and organisations, providers and
// kinds do not see each other.
func TestStore(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, base *metersql.Store) {
		s, ctx := sqlstore.New(base.DB()), t.Context()
		row := func(customer, kind, id string) objects.Row {
			return objects.Row{Org: "o", Provider: "openai", Object: object(kind, id), Customer: customer, Key: "k", Event: "e", Created: 5}
		}
		if err := s.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			rows  []objects.Row
			fresh int64
		}{
			{[]objects.Row{row("a", "file", "f1"), row("a", "batch", "f1")}, 2},
			{[]objects.Row{row("b", "file", "f1"), row("b", "file", "f2")}, 1},
			{nil, 0},
		} {
			if n, err := s.Insert(ctx, tt.rows); err != nil || n != tt.fresh {
				t.Errorf("inserted %d of %v, %v, want %d", n, tt.rows, err, tt.fresh)
			}
		}
		owners := func(org, provider string, list ...dialect.Object) string {
			rows, err := s.Find(ctx, org, provider, list)
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]string{}
			for _, r := range rows {
				out[r.Object.Kind+r.Object.ID] = r.Customer
				if r.Deleted != 0 {
					out[r.Object.Kind+r.Object.ID] += "!"
				}
			}
			var text []string
			for _, o := range list {
				text = append(text, out[o.Kind+o.ID])
			}
			return strings.Join(text, ",")
		}
		list := []dialect.Object{object("file", "f1"), object("file", "f2"), object("batch", "f1"), object("file", "F1"), object("file", "f\x001")}
		if have := owners("o", "openai", list...); have != "a,b,a,," {
			t.Errorf("owners are %q", have)
		}
		if have := owners("p", "openai", list...) + owners("o", "xai", list...); have != ",,,,,,,," {
			t.Errorf("of others: %q", have)
		}
		for range 2 {
			for _, o := range []dialect.Object{object("file", "f1"), object("response", "r")} {
				if err := s.Delete(ctx, "o", "openai", o, 9); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n, err := s.Insert(ctx, []objects.Row{row("b", "file", "f1"), row("b", "response", "r")}); err != nil || n != 0 {
			t.Errorf("what is deleted was made anew: %d, %v", n, err)
		}
		if have := owners("o", "openai", object("file", "f1"), object("response", "r")); have != "a!,!" {
			t.Errorf("deleted: %q", have)
		}
		if _, err := s.Insert(ctx, []objects.Row{row("a", "item", "i1"), row("a", "item", "i2")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(ctx, 6); err != nil {
			t.Fatal(err)
		}
		if have := owners("o", "openai", object("item", "i1"), object("batch", "f1")); have != ",a" {
			t.Errorf("purged: %q", have)
		}
		if _, err := s.Insert(ctx, []objects.Row{row("a", "file", "x\x00")}); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("NUL: %v", err)
		}
		many := make([]dialect.Object, 512)
		for i := range many {
			many[i] = object("file", strings.Repeat("x", i+1))
		}
		if rows, err := s.Find(ctx, "o", "openai", many); err != nil || len(rows) != 0 {
			t.Errorf("512 at once: %v, %v", rows, err)
		}
	})
}

// deferrals remembers what it is told.
type deferrals struct {
	mu   sync.Mutex
	told []string
}

func (d *deferrals) Add(_ context.Context, c *metering.Call, o dialect.Object, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, c.Customer+" "+o.Kind+" "+o.ID+" "+path)
	return nil
}

func (d *deferrals) Deleted(_ context.Context, _, provider string, o dialect.Object) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, "deleted "+provider+" "+o.Kind+" "+o.ID)
	return nil
}

// TestRegistry: two replicas on one database agree on who owns what (I9, S26).
func TestRegistry(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, base *metersql.Store) {
		ctx := t.Context()
		told := &deferrals{}
		replica := func() *objects.Registry {
			return objects.New(objects.Options{Store: sqlstore.New(base.DB()), Events: base, Deferrals: told, Wait: 400 * time.Millisecond})
		}
		first, second := replica(), replica()
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- first.Run(running) }()
		id, err := metering.NewID()
		if err != nil {
			t.Fatal(err)
		}
		call := &metering.Call{ID: id, Org: metering.DefaultOrg, Customer: "a", Key: "k", At: 1_790_000_000_000_000, Provider: "openai", Endpoint: "openai.responses", Metered: true}
		owned := func(r *objects.Registry, customer string, list ...dialect.Object) error {
			return r.Owned(ctx, metering.DefaultOrg, customer, "openai", list)
		}
		is := func(what string, err error, want bool) {
			t.Helper()
			if want != (err == nil) || err != nil && !errors.Is(err, metering.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		file, response, item, batch := object("file", "f"), object("response", "r"), object("item", "i"), object("batch", "b")
		for range 2 {
			for _, o := range []dialect.Object{file, batch} {
				if err := first.Created(ctx, call, o, "/v1/batches?v=1"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if diff := cmp.Diff([]string{"a batch b /v1/batches?v=1", "a batch b /v1/batches?v=1"}, told.told); diff != "" {
			t.Errorf("deferred (-want +have):\n%s", diff)
		}
		told.told = nil
		for path, o := range map[string]dialect.Object{"/v1beta/m:predictLongRunning#video_seconds=8": object("operation", "with"), "/v1beta/m:predictLongRunning": object("operation", "without"), "/v1beta/cachedContents": object("cached_content", "c")} {
			if err := first.Created(ctx, call, o, path); err != nil {
				t.Fatal(err)
			}
		}
		if err := first.Deleted(ctx, metering.DefaultOrg, "openai", object("cached_content", "c")); err != nil {
			t.Fatal(err)
		}
		slices.Sort(told.told)
		if diff := cmp.Diff([]string{"a cached_content c /v1beta/cachedContents", "a operation with /v1beta/m:predictLongRunning#video_seconds=8", "deleted openai cached_content c"}, told.told); diff != "" {
			t.Errorf("deferred (-want +have):\n%s", diff)
		}
		first.Noted(call, response)
		first.Noted(call, item)
		is("the creator", owned(first, "a", file, batch, response, item), true)
		is("another replica", owned(second, "a", file, batch), true)
		is("another customer", owned(first, "b", file), false)
		is("another customer, another replica", owned(second, "b", batch), false)
		is("one of two", owned(first, "a", file, object("file", "g")), false)
		is("another customer's response", owned(first, "b", response), false)
		is("another organisation", first.Owned(ctx, "other", "a", "openai", []dialect.Object{file}), false)
		is("another provider", first.Owned(ctx, metering.DefaultOrg, "a", "xai", []dialect.Object{file}), false)
		foreign := func(customer string, list ...dialect.Object) error {
			return second.Foreign(ctx, metering.DefaultOrg, customer, "openai", list)
		}
		is("named by its creator", foreign("a", file, batch), true)
		is("named by another customer", foreign("b", file), false)
		is("nobody's, named by anybody", foreign("b", object("vector_store", "shared")), true)
		is("one of two is another's", foreign("b", object("vector_store", "shared"), batch), false)
		is("an item on another replica", owned(second, "a", item), true)
		is("a response that was not shipped", owned(second, "a", response), false)

		// The event comes while the other replica waits for it.
		lease, err := base.ClaimJournal(ctx, metering.JournalClaim{Journal: "j", Nonce: "n"})
		if err != nil {
			t.Fatal(err)
		}
		waits := make(chan error, 1)
		go func() { waits <- second.Owned(ctx, metering.DefaultOrg, "a", "openai", []dialect.Object{response}) }()
		event := func(customer, client string) *metering.Event {
			id, err := metering.NewID()
			if err != nil {
				t.Fatal(err)
			}
			e := &metering.Event{Call: *call, Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Journal: "j", FactSeq: 1, CostState: metering.CostFree}
			e.ID, e.Customer, e.ClientID, e.Usage.ObjectID, e.Usage.State = id, customer, client, "r", metering.UsageNone
			return e
		}
		// A later event with the id, and one whose client calls itself so, change nothing.
		named := event("b", "r")
		named.Usage.ObjectID = ""
		if err := base.Ship(ctx, metering.Shipment{Lease: lease, To: 3, Events: []*metering.Event{event("a", ""), event("b", ""), named}}); err != nil {
			t.Fatal(err)
		}
		is("a response that is shipped meanwhile", <-waits, true)
		is("shipped, another customer", owned(second, "b", response), false)

		for _, o := range []dialect.Object{file, response} {
			if err := second.Deleted(ctx, metering.DefaultOrg, "openai", o); err != nil {
				t.Fatal(err)
			}
			is("deleted", owned(second, "a", o), false)
			is("deleted, to a replica that knows nothing", owned(replica(), "a", o), false)
		}
		forged := *call
		forged.Customer = "b"
		if err := second.Created(ctx, &forged, batch, ""); err != nil {
			t.Fatal(err)
		}
		is("created again by another", owned(second, "b", batch), false)
		is("still the creator's", owned(second, "a", batch), true)
		last := object("item", "last")
		first.Noted(call, last)
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		is("an item noted before the end", owned(second, "a", last), true)
		if n := first.Dropped(); n != 0 {
			t.Errorf("%d items dropped", n)
		}
	})
}

// TestRegistry_time: what is another's takes as long to be refused as what is
// nobody's, so that time tells nothing.
func TestRegistry_time(t *testing.T) {
	t.Parallel()
	s, err := metersql.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "weir.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := objects.New(objects.Options{Store: sqlstore.New(s.DB()), Events: s, Wait: 300 * time.Millisecond})
	id, err := metering.NewID()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Created(t.Context(), &metering.Call{ID: id, Org: "o", Customer: "a", Provider: "p"}, object("file", "f"), ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "g"} {
		began := time.Now()
		if err := r.Owned(t.Context(), "o", "b", "p", []dialect.Object{object("file", name)}); !errors.Is(err, metering.ErrNotFound) || time.Since(began) < 300*time.Millisecond {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
}
