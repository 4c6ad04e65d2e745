package api_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/proxy/api"
)

// faring are upstreams of which something rests.
func faring() []api.Upstream {
	at := time.Date(2026, 1, 31, 12, 5, 0, 0, time.UTC)
	well := api.NewHealth(7, 0, time.Time{}, "", time.Time{})
	shared := []api.Credential{
		{Position: 0, Last4: "aaaa", Shared: true, Health: api.NewHealth(5, 1, at, "insufficient_quota", at.Add(-time.Minute))},
		{Position: 1, Last4: "aaaa", Shared: true, Health: well},
	}
	return []api.Upstream{
		{
			Name: "openai", Preset: "openai", Dialect: "openai", Provider: "openai", BaseURL: "https://api.openai.com", Default: true, ClientPath: "/openai/v1",
			Fallback: []string{"local"}, InUse: 2, Waiting: 1,
			Endpoints: []api.Endpoint{
				{BaseURL: "https://user:secret@api.openai.com", Region: "eu", Weight: 3, Health: well, Credentials: shared},
				{BaseURL: "https://us.api.openai.com", Weight: 1, Health: well, Credentials: shared},
				{BaseURL: "https://in.api.openai.com", Weight: 1, Health: well, Credentials: []api.Credential{{Last4: "cccc", Health: well}}},
			},
		},
		{Name: "local", Preset: "vllm", Dialect: "openai", Provider: "local", ClientPath: "/local/v1", Endpoints: []api.Endpoint{
			{BaseURL: "http://127.0.0.1:8000", Weight: 1, Health: api.NewHealth(1, 1, at, "upstream_unreachable", at)},
		}},
	}
}

// TestUpstreams_Health: what calls go to is shown with how it fares, and no
// secret of it.
func TestUpstreams_Health(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *api.Options) { o.Upstreams = faring })
	got, err := s.client.Upstreams(t.Context())
	s.must("list upstreams", err)
	e := got.Items[0].Endpoints[0]
	if e.BaseURL != "https://api.openai.com" || e.State != "healthy" || e.RestingUntil != 0 || got.Items[0].InUse != 2 || got.Items[0].Waiting != 1 || got.Items[0].Fallback[0] != "local" {
		t.Errorf("got %+v", got.Items[0])
	}
	if c := e.Credentials[0]; c.State != "resting" || c.RestingUntil.String() != "2026-01-31T12:05:00.000000Z" || c.LastError != "insufficient_quota" || c.Last4 != "aaaa" {
		t.Errorf("got %+v", c)
	}
	out := s.says("upstream list",
		"openai - https://api.openai.com (eu) healthy - 7 0 - -",
		"openai 0 …aaaa - resting 2026-01-31T12:05:00.000000Z 5 1 insufficient_quota 2026-01-31T12:04:00.000000Z",
		"local - http://127.0.0.1:8000 resting 2026-01-31T12:05:00.000000Z 1 1 upstream_unreachable")
	if strings.Contains(out, "secret") || strings.Count(out, "0 …aaaa") != 1 || strings.Count(out, "0 …cccc") != 1 {
		t.Errorf("a password is shown:\n%s", out)
	}
}

// TestMetrics_Upstreams: each endpoint and credential is a series of its own,
// also of two keys that end alike.
func TestMetrics_Upstreams(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	api.Metrics(func() api.Sample { return api.Sample{Upstreams: faring()} }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("got %d %v", w.Code, err)
	}
	for _, want := range []string{
		`weir_upstream_requests_total{credential="",endpoint="https://api.openai.com",upstream="openai"} 7`,
		`weir_upstream_requests_total{credential="0-aaaa",endpoint="",upstream="openai"} 5`,
		`weir_upstream_failures_total{credential="1-aaaa",endpoint="",upstream="openai"} 0`,
		`weir_upstream_resting{credential="0-aaaa",endpoint="",upstream="openai"} 1`,
		`weir_upstream_requests_total{credential="0-cccc",endpoint="https://in.api.openai.com",upstream="openai"} 7`,
		`weir_upstream_resting{credential="",endpoint="http://127.0.0.1:8000",upstream="local"} 1`,
		`weir_upstream_connections_in_use{upstream="openai"} 2`,
		`weir_upstream_waiting_calls{upstream="openai"} 1`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestCheckUpstreams tells what rests from what has nothing left.
func TestCheckUpstreams(t *testing.T) {
	t.Parallel()
	all := faring()
	f := func(list []api.Upstream, status api.Status, measured string) {
		t.Helper()
		if c := api.CheckUpstreams(list); c.Status != status || !strings.Contains(c.Measured, measured) || strings.Contains(c.Measured, "secret") {
			t.Errorf("got %+v, want %s with %q", c, status, measured)
		}
	}
	f(nil, api.StatusOK, "0, and nothing of them rests")
	f(all[:1], api.StatusWarn, "credential …aaaa of openai (insufficient_quota)")
	f(all, api.StatusFail, "local: nothing of it is healthy; ")
	all[0].Endpoints = all[0].Endpoints[:1]
	all[0].Endpoints[0].Credentials = all[0].Endpoints[0].Credentials[:1]
	f(all[:1], api.StatusFail, "openai: nothing of it is healthy")
}

// TestEvent_Attempts covers T52: one event shows each of its attempts, the
// customer's cost is that of the answer alone, and what the others cost stands
// beside them.
func TestEvent_Attempts(t *testing.T) {
	t.Parallel()
	layers, err := pricebook.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	book, err := pricebook.Compile(layers...)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(o *api.Options) { o.Pricer = book })
	lease, err := s.store.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n", Host: "h"})
	s.must("claim", err)
	id, err := metering.NewID()
	s.must("id", err)
	now := metering.MicrosOf(s.clock.Now())
	usage := func(input, output int64) metering.Usage {
		u := metering.Usage{State: metering.UsageExact, Input: input, Output: output}
		u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = input
		u.Tokens[metering.OutputCell(false, metering.Text)] = output
		return u
	}
	failed := usage(1_000_000, 0)
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: "c", Key: "k", At: now, Upstream: "azure", Provider: "azure_openai", Endpoint: "openai.chat", Metered: true, Model: "fast", SentModel: "gpt-4o-mini"},
		Name: metering.EventLLM, End: now + 5, Outcome: metering.OutcomeComplete, Status: 200, Usage: usage(2_000_000, 0), Journal: "j", FactSeq: 1,
		Attempts: []metering.Attempt{
			{Upstream: "openai", Provider: "openai", Endpoint: "api.openai.com", Credential: "aaaa", Model: "gpt-4o-mini", Status: 500, ErrorCode: "worker_died", Started: now + 1, Ended: now + 2, ProviderID: "req_1", Usage: &failed},
			{Upstream: "openai", Provider: "openai", Endpoint: "api.openai.com", Credential: "bbbb", Model: "gpt-4o-mini", ErrorCode: "upstream_timeout", Started: now + 2, Ended: now + 3, Usage: &metering.Usage{State: metering.UsageUnknown}},
			{Upstream: "azure", Provider: "azure_openai", Endpoint: "x.openai.azure.com", Credential: "cccc", Model: "gpt-4o-mini", Status: 200, Started: now + 3},
		},
	}
	book.Price(e)
	s.must("ship", s.store.Ship(t.Context(), metering.Shipment{Lease: lease, To: 1, Events: []*metering.Event{e}}))

	got, err := s.client.Event(t.Context(), id.String())
	s.must("show event", err)
	if len(got.Attempts) != 3 || got.Attempts[0].Cost == nil || got.Attempts[0].Cost.String() != "0.15" || got.Attempts[1].Cost != nil || got.Attempts[2].Cost != nil || got.Attempts[2].Usage != nil {
		t.Errorf("attempts are %+v", got.Attempts)
	}
	if got.Cost == nil || *got.Cost != e.Cost || got.Usage.Input != 2_000_000 || got.SentModel != "gpt-4o-mini" || got.Model != "fast" {
		t.Errorf("the event is %+v", got)
	}
	s.says("event show "+id.String(), "sent as gpt-4o-mini",
		"1 openai api.openai.com aaaa gpt-4o-mini 500 worker_died", "req_1 1000000 in, 0 out $0.15",
		"2 openai api.openai.com bbbb gpt-4o-mini upstream_timeout", "unknown unknown",
		"3 azure x.openai.azure.com cccc gpt-4o-mini 200", "as above")
	page, err := s.client.Events(t.Context(), api.EventOptions{})
	s.must("list events", err)
	if len(page.Items) != 1 || len(page.Items[0].Attempts) != 3 || page.Items[0].Attempts[0].Cost != nil {
		t.Errorf("the list is %+v", page.Items)
	}
}
