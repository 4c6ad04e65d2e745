package sqlstore_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
)

// TestLostReply: the reply to a COMMIT is lost, so nobody knows whether it
// happened; the call is made again from the start and comes to the same. Row 10
// of the failure matrix, I3.
func TestLostReply(t *testing.T) {
	t.Parallel()
	again, address := meteringtest.Sever(t, meteringtest.Postgres(t))
	s := open(t, address)
	var lease metering.JournalLease
	again("claim", func() (err error) {
		lease, err = s.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n", Known: []string{"n"}})
		return err
	})
	if lease.Epoch != 1 {
		t.Errorf("epoch %d, want 1", lease.Epoch)
	}
	for from := uint64(0); from < 50; from += 10 {
		x := metering.Shipment{Lease: lease, From: from, To: from + 10}
		for seq := from + 1; seq <= x.To; seq++ {
			x.Events = append(x.Events, event(t, seq))
		}
		again("ship", func() error { return s.Ship(t.Context(), x) })
	}
	reported := event(t, 0)
	reported.ExternalID = "ext"
	unnamed := event(t, 0)
	again("ingest", func() error {
		got, err := s.Ingest(t.Context(), metering.DefaultOrg, []*metering.Event{reported, unnamed})
		if got.Inserted != 2 || got.Duplicates != 0 {
			t.Errorf("ingest: %+v, want 2 inserted", got)
		}
		return err
	})
	again("beat", func() error {
		_, err := s.Beat(t.Context(), metering.Beat{Lease: lease})
		return err
	})
	again("release", func() error { return s.ReleaseJournal(t.Context(), lease) })
	expect(t, s, 52)
}

// TestConnectionsKilled: whenever connections break, everything is there once.
func TestConnectionsKilled(t *testing.T) {
	t.Parallel()
	address := meteringtest.Postgres(t)
	s := open(t, address)
	lease, err := s.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n", Known: []string{"n"}})
	if err != nil {
		t.Fatal(err)
	}
	killer := beside(t, address)
	// kill ends one transaction, unless the shipment is through before it finds any.
	kill := func(through *atomic.Bool) (killed int64) {
		for killed == 0 && !through.Load() {
			err := killer.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'weir' AND xact_start IS NOT NULL) AS k`).Scan(&killed)
			if err != nil {
				t.Errorf("kill: %v", err)
				return killed
			}
		}
		return killed
	}
	killed := int64(0)
	const shipments, size = 40, 10
	for i := range uint64(shipments) {
		x := metering.Shipment{Lease: lease, From: i * size, To: i*size + size}
		for seq := x.From + 1; seq <= x.To; seq++ {
			x.Events = append(x.Events, event(t, seq))
		}
		var through atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() { killed += kill(&through) })
		err := s.Ship(t.Context(), x)
		through.Store(true)
		wg.Wait()
		if err != nil {
			t.Fatalf("ship: %v", err)
		}
	}
	if killed == 0 {
		t.Error("no connection was killed in a transaction: the test shows nothing")
	}
	expect(t, s, shipments*size)
}
