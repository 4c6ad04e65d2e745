package sqlstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqlstore"
)

// TestStatedCosts_from: what was recorded before the sums were kept stays out of
// them whole, with its corrections, so that no difference stands there alone.
func TestStatedCosts_from(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			address := url(t)
			s := open(t, address)
			lease, err := s.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n", Known: []string{"n"}, Host: "test"})
			if err != nil {
				t.Fatal(err)
			}
			earlier, later := event(t, 1), event(t, 2)
			later.At += 3_600_000_000
			for _, e := range []*metering.Event{earlier, later} {
				e.Usage.StatedCost = &metering.StatedCost{Amount: "0.5", Unit: "usd"}
			}
			if err := s.Ship(t.Context(), metering.Shipment{Lease: lease, From: 0, To: 1, Events: []*metering.Event{earlier}}); err != nil {
				t.Fatal(err)
			}
			again(t, address, name, "00017_stated.sql") // as if the event had been there before the table
			if err := s.Ship(t.Context(), metering.Shipment{Lease: lease, From: 1, To: 2, Events: []*metering.Event{later}}); err != nil {
				t.Fatal(err)
			}
			for _, e := range []*metering.Event{earlier, later} {
				costs(t, s, e, 500_000)
			}
			countedAlone(t, s, "the later call alone, corrected")
		})
	}
}

// TestStatedCosts_rolling covers T82: what a release wrote that keeps no such sums,
// while this one is running too, stays out of them whole, corrections included.
func TestStatedCosts_rolling(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			address := url(t)
			s := open(t, address)
			lease, err := s.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n", Known: []string{"n"}, Host: "test"})
			if err != nil {
				t.Fatal(err)
			}
			theirs, ours, partial := event(t, 1), event(t, 2), event(t, 3)
			for _, e := range []*metering.Event{theirs, ours, partial} {
				e.Usage.StatedCost = &metering.StatedCost{Amount: "0.5", Unit: "usd"}
				e.Cost, e.CostState, e.CostReason = metering.Cost{}, metering.CostUnpriced, "model: m"
			}
			theirs.Metered, ours.Metered, partial.Metered = true, true, true
			partial.Usage.State = metering.UsagePartial // whose cost is in no sum either
			ship := func(from uint64, list ...*metering.Event) {
				t.Helper()
				if err := s.Ship(t.Context(), metering.Shipment{Lease: lease, From: from, To: from + uint64(len(list)), Events: list}); err != nil {
					t.Fatal(err)
				}
			}
			ship(0, theirs)
			ship(1, partial)
			db := beside(t, address)
			for _, statement := range []string{
				"UPDATE events SET document = (SELECT document FROM events WHERE usage_state = 'partial') WHERE usage_state IS NULL",
				"DELETE FROM stated_costs",
			} {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			ship(2, ours)
			for _, e := range []*metering.Event{theirs, ours} {
				costs(t, s, e, 500_000)
			}
			countedAlone(t, s, "the call that was counted alone")
		})
	}
}

// countedAlone holds that one call is in the sums, with its correction and nothing
// else.
func countedAlone(t *testing.T, s *sqlstore.Store, which string) {
	t.Helper()
	rows, err := s.StatedCosts(t.Context(), metering.StatedQuery{Org: metering.DefaultOrg})
	if err != nil {
		t.Fatal(err)
	}
	half := metering.Cost{Micros: 500_000}
	want := metering.StatedSums{Calls: 1, Compared: 1, Stated: half, StatedCompared: half, Computed: half}
	if len(rows) != 1 || rows[0].StatedSums != want {
		t.Errorf("%+v, want %s: %+v", rows, which, want)
	}
}

// again runs a migration down and up.
func again(t *testing.T, address, engine, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "schema", engine, file))
	if err != nil {
		t.Fatal(err)
	}
	up, down, ok := strings.Cut(string(text), "-- +goose Down")
	if !ok {
		t.Fatalf("%s has no way down", file)
	}
	db := beside(t, address)
	for _, statement := range append(strings.Split(down, ";\n"), strings.Split(up, ";\n")...) {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
