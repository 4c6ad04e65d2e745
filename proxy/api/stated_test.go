package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// walkStated succeeds with the operation about stated costs.
func walkStated(s *server) {
	_, err := s.client.StatedCosts(s.t.Context(), api.StatedOptions{Interval: "day", Provider: "openrouter", From: "-7d", Sync: true})
	s.must("stated costs", err)
}

// shipStated ships calls whose provider states what they cost.
func (s *server) shipStated(events ...*metering.Event) {
	s.t.Helper()
	lease, err := s.store.ClaimJournal(s.t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n", Host: "h"})
	s.must("claim", err)
	for i, e := range events {
		e.ID, err = metering.NewID()
		s.must("id", err)
		e.Org, e.Customer, e.At, e.Metered, e.FactSeq = metering.DefaultOrg, "c", metering.MicrosOf(began())-3_600_000_000, true, uint64(i+1)
		e.Name, e.Usage.State = metering.EventLLM, metering.UsageExact
	}
	s.must("ship", s.store.Ship(s.t.Context(), metering.Shipment{Lease: lease, To: uint64(len(events)), Events: events}))
}

func stating(provider, model, said, computed string) *metering.Event {
	e := &metering.Event{CostState: metering.CostUnpriced, CostReason: "model: " + model}
	e.Provider, e.Upstream, e.Model = provider, "router", model
	e.Usage.StatedCost = &metering.StatedCost{Amount: said, Unit: "usd", Field: "usage.cost"}
	if computed != "" {
		c, err := metering.ParseCost(computed)
		if err != nil {
			panic(err)
		}
		e.Cost, e.CostState, e.CostReason = c, metering.CostExact, ""
	}
	return e
}

// TestStated covers T41: the API, the command and doctor tell what providers state
// beside what the price book says, and a script can ask for a tolerance.
func TestStated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.says("pricebook stated --tolerance 0", "No provider stated what a call costs.")
	s.says("doctor", "stated costs no provider stated what a call costs within a week")

	own := stating("openrouter", "c", "0.01", "")
	own.Usage.StatedCost.Vendor = "0.2"
	own.Usage.Flag(metering.FlagStatedFee)
	s.shipStated(
		stating("openrouter", "a", "0.5", "0.5"), stating("openrouter", "a", "0.5", "0.4"),
		stating("xai", "b", "2", "2"), stating("xai", "b", "-2", "2"), own,
	)
	got, err := s.client.StatedCosts(t.Context(), api.StatedOptions{})
	s.must("stated costs", err)
	if x := got.Totals; got.Interval != "total" || len(got.Rows) != 3 || x.Calls != 4 || x.Compared != 3 || x.Differing != 1 || x.Invalid != 1 || x.Unpriced != 1 || x.OwnKey != 1 ||
		x.Stated.String() != "3.01" || x.StatedCompared.String() != "3" || x.Computed.String() != "2.9" || x.Difference.String() != "0.1" || *x.Percent != "3.33" || x.Vendor.String() != "0.2" {
		t.Errorf("%+v", got)
	}
	got, err = s.client.StatedCosts(t.Context(), api.StatedOptions{Interval: "hour", Provider: "openrouter", Upstream: "router", Model: "c", From: "-2h", To: "-1h"})
	s.must("stated costs of an hour", err)
	if len(got.Rows) != 1 || got.Rows[0].From.String() != "2026-01-31T11:00:00.000000Z" || got.Rows[0].Percent != nil {
		t.Errorf("of an hour: %+v", got)
	}

	s.says("event show "+own.ID.String(), "cost unpriced model: c stated by the provider $0.01 the vendor bills besides 0.2 usd", "flag stated_cost_fee")
	s.says("pricebook stated", "openrouter/a router 2 1 2 1 0.9 0.1 10.00 1 0 0 0", "openrouter/c router 1 0.01 0 - - - - 0 0 1 0", "xai/b router 1 2 1 2 2 0 0.00 0 0 0 1", "total 4 3.01 3 3 2.9 0.1 3.33 1 0 1 1",
		"what is stated of them is the gateway's fee, and the vendors bill $0.2 more", "1 calls have no cost by the price book", "1 more calls state what is no cost")
	s.says("pricebook stated --interval day --model b", "2026-01-31T00:00:00.000000Z xai/b router 1 2")
	s.says("pricebook stated --tolerance 10", "openrouter/a")
	s.says("pricebook stated --tolerance 0.1% --provider xai", "xai/b")
	if status, out, _ := s.weir("pricebook", "stated", "--tolerance", "0.1"); status != api.ExitRefused {
		t.Errorf("with a difference above the tolerance it exits with %d:\n%s", status, out)
	}
	if status, _, _ := s.weir("pricebook", "stated", "--tolerance", "much"); status != api.ExitUsage {
		t.Errorf("a tolerance that is none exits with %d", status)
	}
	s.says("doctor", "of 4 calls within a week that have one, 3 have a price here too, and 1 differ by more than 0.1 %; most of them openrouter/a, $1 stated and $0.9 by the price book; 1 more state what is no cost")
	if code, problem, _ := s.request("GET", "/api/v1/costs/stated?interval=year", "", nil); code != 422 || problem != api.CodeInvalid {
		t.Errorf("by the year: %d %s", code, problem)
	}
}

// TestMetrics_stated: the last day has series, and none while nobody knows.
func TestMetrics_stated(t *testing.T) {
	t.Parallel()
	scrape := func(sums *metering.StatedSums) string {
		w := httptest.NewRecorder()
		api.Metrics(func() api.Sample { return api.Sample{Stated: sums} }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	got := scrape(&metering.StatedSums{Calls: 5, Differing: 2, Unpriced: 1, Invalid: 3, StatedCompared: metering.Cost{Micros: 1}, Computed: metering.Cost{Micros: 250_001}})
	for _, want := range []string{"weir_stated_calls 5", "weir_stated_differing_calls 2", "weir_stated_unpriced_calls 1", "weir_stated_invalid_calls 3", "weir_stated_difference_usd -0.25"} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(scrape(nil), "weir_stated") {
		t.Error("what nobody knows has a figure")
	}
}
