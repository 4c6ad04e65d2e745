package sqlstore_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/sqldb"
	"github.com/weirhq/weir/proxy/objects/deferred"
	"github.com/weirhq/weir/proxy/objects/deferred/sqlstore"
)

// onBoth runs a test on both engines.
func onBoth(t *testing.T, do func(t *testing.T, s *sqlstore.Store)) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "weir.db") },
		"PostgreSQL": func(t *testing.T) string { return meteringtest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sqldb.Open(t.Context(), url(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			do(t, sqlstore.New(db))
		})
	}
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func deferral(object string, due time.Time) deferred.Deferral {
	return deferred.Deferral{
		Call: metering.Call{
			Org: metering.DefaultOrg, Customer: "c1", Key: "k1", Upstream: "openai", Provider: "openai", Endpoint: "openai.batches",
			Model: "m", At: metering.MicrosOf(start()), Tags: []metering.Tag{{Name: "team", Value: "core"}}, Run: "r", Metered: true,
		},
		Kind: dialect.KindBatch, Object: object, Path: "/v1/batches/" + object, State: deferred.StateOpen, Due: metering.MicrosOf(due),
	}
}

func TestStore(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store) {
		ctx, now := t.Context(), start()
		must := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		first := deferral("batch_1", now)
		must("add", s.Add(ctx, first))
		again := first
		again.Call.Customer, again.Path = "somebody else", "/elsewhere"
		must("add again", s.Add(ctx, again))
		must("add another", s.Add(ctx, deferral("batch_2", now.Add(time.Hour))))

		taken, err := s.Take(ctx, now, time.Minute, 10)
		must("take", err)
		want := first
		want.Fence = 1
		if diff := cmp.Diff([]deferred.Deferral{want}, taken); diff != "" {
			t.Fatalf("taken (-want +got):\n%s", diff)
		}
		if more, err := s.Take(ctx, now.Add(30*time.Second), time.Minute, 10); err != nil || len(more) != 0 {
			t.Fatalf("taken twice: %+v, %v", more, err)
		}
		// The lease has run out, and somebody else is on it.
		later, err := s.Take(ctx, now.Add(2*time.Minute), time.Minute, 10)
		must("take later", err)
		if len(later) != 1 || later[0].Fence != 2 {
			t.Fatalf("taken later: %+v", later)
		}
		zombie := taken[0]
		zombie.State = deferred.StateDone
		if err := s.Put(ctx, zombie); !errors.Is(err, metering.ErrFenced) {
			t.Errorf("a zombie wrote: %v", err)
		}
		later[0].Tries, later[0].Error, later[0].Due = 3, "no answer", metering.MicrosOf(now.Add(time.Hour))
		must("put", s.Put(ctx, later[0]))
		must("put again, as after a lost reply", s.Put(ctx, later[0]))
		if open, failing, err := s.Open(ctx, 3); err != nil || open != 2 || failing != 1 {
			t.Errorf("%d open, %d failing, %v", open, failing, err)
		}
		if none, err := s.Take(ctx, now.Add(3*time.Minute), time.Minute, 10); err != nil || len(none) != 0 {
			t.Errorf("taken before it is due: %+v, %v", none, err)
		}
		must("wake", s.Wake(ctx, metering.DefaultOrg, "openai", dialect.KindBatch, "batch_1", now.Add(3*time.Minute)))
		must("wake one that is not there", s.Wake(ctx, "other", "openai", dialect.KindBatch, "batch_1", now))
		woken, err := s.Take(ctx, now.Add(3*time.Minute), time.Minute, 10)
		must("take woken", err)
		if len(woken) != 1 || woken[0].Tries != 3 || woken[0].Error != "no answer" {
			t.Fatalf("woken: %+v", woken)
		}
		woken[0].State, woken[0].Done, woken[0].Error = deferred.StateDone, metering.MicrosOf(now), ""
		must("end", s.Put(ctx, woken[0]))
		all, err := s.Take(ctx, now.Add(24*time.Hour), time.Minute, 10)
		must("take all", err)
		if len(all) != 1 || all[0].Object != "batch_2" {
			t.Errorf("what is done is taken again: %+v", all)
		}
		bad := deferral("x\x00", now)
		if err := s.Add(ctx, bad); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("NUL: %v", err)
		}
	})
}
