package sqlstore_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
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
	err := s.DB().Write(t.Context(), "make an event old", func(tx sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE events SET run = NULL, upstream = NULL WHERE at = $1", int64(old.At))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
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
