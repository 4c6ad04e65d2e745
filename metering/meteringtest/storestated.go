package meteringtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// testStated: what providers state, by the hour, equals the direct sum over events
// and their corrections, however often and by whom they are shipped, T41.
func testStated(t *storeTest) {
	const journals, events = 3, 120
	var wg sync.WaitGroup
	leases := make([]metering.JournalLease, journals)
	shipped := make([][]*metering.Event, journals)
	for j := range journals {
		name := fmt.Sprint("j", j)
		leases[j] = t.claim(name)
		r := rand.New(rand.NewPCG(uint64(j), 41))
		for seq := range uint64(events) {
			shipped[j] = append(shipped[j], t.stating(r, name, seq+1))
		}
	}
	for j := range journals {
		wg.Go(func() {
			for from := 0; from < events; from += 40 {
				part := shipped[j][from : from+40]
				for range 2 { // the second finds that the first has been
					err := t.Ship(t.Context(), metering.Shipment{Lease: leases[j], From: uint64(from), To: uint64(from + 40), Events: part})
					if err != nil {
						t.Errorf("ship: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	t.statedAgree()

	r := rand.New(rand.NewPCG(7, 41))
	for _, e := range shipped[0][:60] {
		t.restate(r, e)
	}
	t.statedAgree()
	t.verify()

	if _, err := t.StatedCosts(t.Context(), metering.StatedQuery{Org: metering.DefaultOrg, Interval: "year"}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("by the year: %v", err)
	}
	if rows, err := t.StatedCosts(t.Context(), metering.StatedQuery{Org: "other"}); err != nil || len(rows) != 0 {
		t.Errorf("another organisation has %v, %v", rows, err)
	}
}

// stating is a random event whose provider may state what it costs.
func (t *storeTest) stating(r *rand.Rand, journal string, seq uint64) *metering.Event {
	e := t.random(r, journal, seq)
	e.Upstream = []string{"openai", "router", ""}[r.IntN(3)]
	e.Provider = []string{"openrouter", "xai"}[r.IntN(2)]
	said := &metering.StatedCost{Amount: e.Cost.String(), Unit: "usd", Field: "usage.cost"}
	switch r.IntN(9) {
	case 0:
		return e
	case 1:
		said.Amount = "-1"
	case 2:
		said.Amount = "0.123456789012"
	case 3:
		said.Amount, said.Within = "0.00001", "0.1"
	case 4:
		said.Vendor = "0.0000123"
		e.Usage.Flag(metering.FlagStatedFee)
	case 5: // the policy takes it
		e.CostPolicy = metering.CostOfProvider
		e.Computed = &metering.Figure{Cost: e.Cost, State: e.CostState, Reason: e.CostReason}
		e.Cost, e.CostState, e.CostReason = metering.Cost{Micros: 7}, metering.CostStated, ""
		said.Amount = "0.000007"
	case 6:
		e.Usage.State = metering.UsagePartial
	}
	e.Usage.StatedCost = said
	return e
}

// restate corrects what an event costs, twice, each time as one whose reply is lost
// and who tries again.
func (t *storeTest) restate(r *rand.Rand, e *metering.Event) {
	for n := range 2 {
		before, _, err := t.Corrections(t.Context(), e.Org, e.ID)
		t.must("corrections", err)
		target := *e
		target.Cost, target.CostState, target.CostReason = metering.Cost{Picos: r.Int64N(1_000_000)}, metering.CostExact, ""
		if r.IntN(4) == 0 {
			target.Cost, target.CostState, target.CostReason = metering.Cost{}, metering.CostUnpriced, "model: x"
		}
		if e.CostState == metering.CostStated {
			target.Computed = &metering.Figure{Cost: target.Cost, State: target.CostState, Reason: target.CostReason}
			target.Cost, target.CostState, target.CostReason = e.Cost, metering.CostStated, ""
		}
		var made [2]*metering.Event
		for i := range made {
			id, err := metering.NewID()
			t.must("id", err)
			made[i], err = metering.Correction(id, e, before, &target, false)
			t.must("correction", err)
		}
		for range 2 {
			t.must("correct", t.Correct(t.Context(), made[0], n, []byte{byte(n)}))
		}
		if err := t.Correct(t.Context(), made[1], n, []byte{9}); !errors.Is(err, metering.ErrConflict) {
			t.Errorf("who came second is told %v", err)
		}
	}
}

// statedAgree holds that the sums equal those over what is on record.
func (t *storeTest) statedAgree() {
	t.Helper()
	type entry struct {
		e    *metering.Event
		sums metering.StatedSums
	}
	var all []entry
	for q := (metering.EventQuery{Org: metering.DefaultOrg, Limit: 1000}); ; {
		page, cursor, err := t.Events(t.Context(), q)
		t.must("events", err)
		for _, e := range page {
			if e.Usage.State.Corrects() {
				continue
			}
			corrections, _, err := t.Corrections(t.Context(), e.Org, e.ID)
			t.must("corrections", err)
			all = append(all, entry{e, metering.StatedOf(e, corrections)})
		}
		if q.Cursor = cursor; cursor == "" {
			break
		}
	}
	const day = 24 * hour
	for _, q := range []metering.StatedQuery{
		{}, {Interval: "total", Provider: "xai"}, {Interval: "hour"}, {Interval: "day", Model: "gpt-4o", Upstream: "router"},
		{Interval: "hour", From: base + hour + 1, To: base + 3*hour + 1}, {Interval: "total", From: base + hour, To: base + 3*hour},
	} {
		q.Org = metering.DefaultOrg
		type key struct {
			from                      metering.Micros
			provider, upstream, model string
		}
		want, have := make(map[key]metering.StatedSums), make(map[key]metering.StatedSums)
		to := q.To
		if to != to.Hour() {
			to = to.Hour() + hour
		}
		for _, x := range all {
			at := x.e.At
			if x.sums == (metering.StatedSums{}) || at < q.From.Hour() || to != 0 && at >= to ||
				q.Provider != "" && x.e.Provider != q.Provider || q.Upstream != "" && x.e.Upstream != q.Upstream || q.Model != "" && x.e.Model != q.Model {
				continue
			}
			k := key{0, x.e.Provider, x.e.Upstream, x.e.Model}
			switch q.Interval {
			case "hour":
				k.from = at.Hour()
			case "day":
				k.from = at - at%day
			}
			s := want[k]
			s.Add(&x.sums)
			want[k] = s
		}
		rows, err := t.StatedCosts(t.Context(), q)
		t.must("stated costs", err)
		for _, row := range rows {
			have[key{row.From, row.Provider, row.Upstream, row.Model}] = row.StatedSums
		}
		if diff := cmp.Diff(want, have); diff != "" || len(want) == 0 {
			t.Errorf("%+v: (-events +rollup)\n%s", q, diff)
		}
	}
}
