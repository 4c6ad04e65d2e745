package ship_test

import (
	"testing"

	"github.com/weirhq/weir/metering"
)

// BenchmarkShipper is what a call costs from its fact in the journal to the event
// in the store and the usage in the counters, without what a database does.
func BenchmarkShipper(b *testing.B) {
	r := open(b, b.TempDir(), newDatabase())
	r.run()
	customers := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	e := metering.Event{Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, Credential: "k3y9", ProviderID: "req_0123456789abcdef"}
	e.Usage.State, e.Usage.Model, e.Usage.ServiceTier, e.Usage.Finish = metering.UsageExact, "gpt-4o-mini-2024-07-18", "default", "stop"
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 1000
	e.Usage.Raw = []byte(`{"prompt_tokens":1000,"completion_tokens":0,"total_tokens":1000}`)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		id, err := metering.NewID()
		if err != nil {
			b.Fatal(err)
		}
		next := e
		next.Call = metering.Call{ID: id, Org: metering.DefaultOrg, Customer: customers[n%len(customers)], Key: "k", Upstream: "openai", Provider: "openai", Endpoint: "openai.chat", Model: "gpt-4o-mini", Metered: true}
		if err := r.journal.Begin(&next.Call); err != nil {
			b.Fatal(err)
		}
		if err := r.journal.Finish(&next); err != nil {
			b.Fatal(err)
		}
		n++
		if n%500 == 0 {
			r.sync()
		}
	}
	r.sync()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	if got := r.db.count(); got != n {
		b.Errorf("%d events in the store, want %d", got, n)
	}
	if err := r.end(); err != nil {
		b.Error(err)
	}
}
