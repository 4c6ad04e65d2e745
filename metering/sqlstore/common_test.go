package sqlstore_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
	"github.com/weirhq/weir/metering/sqlstore"
)

// beside is a connection to the same database beside the store's.
func beside(t *testing.T, address string) *sql.DB {
	t.Helper()
	driver := "pgx"
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		driver, address = "sqlite", path
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// event makes the event of a journal, of one customer, with one token.
func event(t *testing.T, seq uint64) *metering.Event {
	t.Helper()
	id, err := metering.NewID()
	if err != nil {
		t.Fatal(err)
	}
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: "a", Key: "k", At: 1_790_000_000_000_000 + metering.Micros(seq), Model: "m", Metered: true},
		Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Journal: "j", FactSeq: seq, CostState: metering.CostExact, Cost: metering.Cost{Picos: 3},
	}
	e.Usage.State = metering.UsageExact
	e.Usage.Tokens[0] = 1
	return e
}

// costs says of an event, by a correction, that it costs so many micro-dollars.
func costs(t *testing.T, s *sqlstore.Store, e *metering.Event, micros int64) {
	t.Helper()
	id, err := metering.NewID()
	if err != nil {
		t.Fatal(err)
	}
	target := *e
	target.Cost, target.CostState, target.CostReason = metering.Cost{Micros: micros}, metering.CostExact, ""
	c, err := metering.Correction(id, e, nil, &target, false)
	if err == nil {
		err = s.Correct(t.Context(), c, 0, []byte{1})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// forget makes an event one that is older than the columns for its run and its
// upstream.
func forget(t *testing.T, s *sqlstore.Store, e *metering.Event) {
	t.Helper()
	err := s.DB().Write(t.Context(), "make an event old", func(tx sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE events SET run = NULL, upstream = NULL WHERE at = $1", int64(e.At))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// expect holds that the store has so many events, that every sum agrees, and
// that nothing is in quarantine.
func expect(t *testing.T, s *sqlstore.Store, want int64) {
	t.Helper()
	_, totals, err := s.Usage(t.Context(), metering.UsageQuery{Org: metering.DefaultOrg})
	if err != nil {
		t.Fatal(err)
	}
	if totals.Requests != want || totals.Total != want || totals.Cost != (metering.Cost{Picos: 3 * want}).Normal() {
		t.Errorf("usage %+v, want %d events", totals, want)
	}
	differ, err := s.VerifyRollups(t.Context(), metering.DefaultOrg)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differ {
		t.Error(d)
	}
	refused, err := s.Quarantined(t.Context(), metering.DefaultOrg, 10)
	if err != nil || len(refused) > 0 {
		t.Errorf("quarantined %v, %v", refused, err)
	}
}
