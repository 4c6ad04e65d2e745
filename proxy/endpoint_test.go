package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// nobodyThere is an address that refuses connections.
func nobodyThere(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String()
}

// endpoints gives the upstream addresses in place of its own.
func endpoints(urls ...string) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Upstreams[0].BaseURL = ""
		for _, u := range urls {
			o.Upstreams[0].Endpoints = append(o.Upstreams[0].Endpoints, proxy.Endpoint{BaseURL: u})
		}
	}
}

// hits are how many requests each has got.
func hits(origins ...*origin) []int {
	var n []int
	for _, o := range origins {
		requests, _ := o.seen()
		n = append(n, len(requests))
	}
	return n
}

func well() func(*origin, net.Conn, got) {
	return answering(respond("200 OK", "application/json", chatAnswer))
}

// TestEndpoint_Unreachable: what cannot be reached was sent nothing, so the call
// goes to another address, and the next ones do not try.
func TestEndpoint_Unreachable(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, well())
	dead := nobodyThere(t)
	r := start(t, nil, endpoints(dead, o.url()))
	for range 5 {
		r.chat(200)
	}
	e := r.journal.fact(t, 1)
	want := []metering.Attempt{
		{Upstream: "openai", Provider: "openai", Model: "gpt-x", ErrorCode: "upstream_unreachable"},
		{Upstream: "openai", Provider: "openai", Model: "gpt-x", Status: 200},
	}
	if diff := cmp.Diff(want, e.Attempts, ignoreTimes()); diff != "" || e.Attempts[0].Endpoint != strings.TrimPrefix(dead, "http://") {
		t.Errorf("attempts (-want +got):\n%s\n%+v", diff, e.Attempts)
	}
	for n := 2; n <= 5; n++ {
		if e := r.journal.fact(t, n); e.Attempts != nil {
			t.Errorf("call %d asked the dead one: %+v", n, e.Attempts)
		}
	}
	s := r.s.Upstreams()[0].Endpoints
	if s[0].Resting.IsZero() || s[0].LastError != "upstream_unreachable" || s[0].Requests != 1 || s[0].Failures != 1 || !s[1].Resting.IsZero() || s[1].Requests != 5 {
		t.Errorf("the state is %+v", s)
	}
}

// TestEndpoint_TLS: a failed handshake has sent nothing either.
func TestEndpoint_TLS(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, well())
	plain := newOrigin(t, func(_ *origin, c net.Conn, _ got) { c.Close() })
	r := start(t, nil, func(opts *proxy.Options) {
		endpoints(strings.Replace(plain.url(), "http:", "https:", 1), o.url())(opts)
		opts.Upstreams[0].Connect = time.Second
	})
	r.chat(200)
	if e := r.journal.fact(t, 1); len(e.Attempts) != 2 || e.Attempts[0].Status != 0 || e.Attempts[0].Usage != nil {
		t.Errorf("attempts are %+v", e.Attempts)
	}
}

// TestEndpoint_AllRest: with all ejected the least bad is asked, so that a
// provider that is back is found by the next call.
func TestEndpoint_AllRest(t *testing.T) {
	t.Parallel()
	r := start(t, nil, endpoints(nobodyThere(t), nobodyThere(t)))
	for range 3 {
		if body := r.chat(502); code(t, body) != "upstream_unreachable" {
			t.Fatalf("got %s", body)
		}
	}
	for n := 1; n <= 3; n++ {
		if e := r.journal.fact(t, n); len(e.Attempts) != 2 || e.ErrorCode != "upstream_unreachable" || e.Attempts[1].ErrorCode != "upstream_unreachable" {
			t.Errorf("call %d: %+v", n, e)
		}
	}
}

// TestEndpoint_Ejected: three answers 5xx in a row, which are passed on because
// something may have run, eject an address; one real request tries it again.
func TestEndpoint_Ejected(t *testing.T) {
	t.Parallel()
	var sick atomic.Bool
	sick.Store(true)
	a := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		if sick.Load() {
			write(c, respond("500 Internal Server Error", "application/json", `{"error":{"message":"oops"}}`))
			return
		}
		write(c, respond("200 OK", "application/json", chatAnswer))
	})
	b := newOrigin(t, well())
	r := start(t, nil, endpoints(a.url(), b.url()))
	statuses := ""
	for range 12 {
		resp, _, err := r.ask("POST", post(chatPath, chatRequest))
		if err != nil {
			t.Fatal(err)
		}
		statuses += fmt.Sprint(resp.StatusCode, " ")
	}
	if want := "500 200 500 200 500 200 200 200 200 200 200 200 "; statuses != want {
		t.Errorf("got %s, want %s", statuses, want)
	}
	if n := hits(a, b); n[0] != 3 {
		t.Errorf("requests: %v", n)
	}
	sick.Store(false)
	eventually(t, "the sick one is tried again", 10*time.Second, func() bool { r.chat(200); return hits(a)[0] > 4 })
	if s := r.s.Upstreams()[0].Endpoints[0]; !s.Resting.IsZero() || s.LastError != "http_500" {
		t.Errorf("the state is %+v", s)
	}
}

// TestEndpoint_AsksToBeLeftAlone: 503 with retry-after says that nothing ran.
func TestEndpoint_AsksToBeLeftAlone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"retry-after":  respond("503 Service Unavailable", "text/plain", "busy", "Retry-After: 60"),
		"its own word": respond("503 Service Unavailable", "application/json", `{"error":{"message":"The engine is overloaded","type":"server_error","code":"overloaded"}}`),
		"529":          respond("529 Overloaded", "application/json", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newOrigin(t, answering(answer)), newOrigin(t, well())
			r := start(t, nil, endpoints(a.url(), b.url()))
			r.chat(200)
			if e := r.journal.fact(t, 1); len(e.Attempts) != 2 || e.Attempts[0].Usage != nil {
				t.Errorf("attempts are %+v", e.Attempts)
			}
		})
	}
	t.Run("a balancer's word", func(t *testing.T) {
		t.Parallel()
		const lost = "upstream connect error or disconnect/reset before headers"
		a, b := newOrigin(t, answering(respond("503 Service Unavailable", "text/plain", lost))), newOrigin(t, well())
		r := start(t, nil, endpoints(a.url(), b.url()))
		if body := r.chat(503); string(body) != lost || hits(b)[0] != 0 {
			t.Errorf("got %q, and the other one %d requests", body, hits(b)[0])
		}
	})
}

// TestEndpoint_Weights shares calls by weight, and each address may have its own
// keys.
func TestEndpoint_Weights(t *testing.T) {
	t.Parallel()
	a, b := newOrigin(t, well()), newOrigin(t, well())
	r := start(t, nil, func(o *proxy.Options) {
		o.Upstreams[0].BaseURL = ""
		o.Upstreams[0].Endpoints = []proxy.Endpoint{
			{BaseURL: a.url(), Weight: 3, Region: "eu"},
			{BaseURL: b.url() + "/us", Weight: 1, Credentials: []string{secondKey}},
		}
	})
	for range 8 {
		r.chat(200)
	}
	if n := hits(a, b); n[0] != 6 || n[1] != 2 {
		t.Errorf("requests: %v, want 6 and 2", n)
	}
	requests, _ := b.seen()
	if g := requests[0]; g.all("Authorization")[0] != "Bearer "+secondKey || !strings.HasPrefix(g.line, "POST /us/v1/chat/completions ") {
		t.Errorf("the second got %q %v", g.line, g.fields)
	}
	requests, _ = a.seen()
	if g := requests[0]; g.all("Authorization")[0] != "Bearer "+operatorKey {
		t.Errorf("the first got %v", g.fields)
	}
	s := r.s.Upstreams()[0].Endpoints
	if s[0].Region != "eu" || s[0].Weight != 3 || s[1].Credentials[0].Last4 != "bbbb" || s[0].Credentials[0].Last4 != "" {
		t.Errorf("the state is %+v", s)
	}
}

// TestEndpoint_StateOutlivesConfiguration: who rests goes on resting when the
// configuration is read again.
func TestEndpoint_StateOutlivesConfiguration(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, refusing(respond("401 Unauthorized", "application/json", "{}")))
	list := []proxy.Upstream{}
	r := start(t, nil, func(opts *proxy.Options) {
		endpoints(nobodyThere(t), o.url())(opts)
		twoKeys(opts)
		list = opts.Upstreams
	})
	r.chat(200)
	r.chat(200)
	var before []proxy.UpstreamState
	eventually(t, "connections are given back", 5*time.Second, func() bool { before = r.s.Upstreams(); return before[0].InUse == 0 })
	list[0].Idle++
	if err := r.s.SetUpstreams(list); err != nil {
		t.Fatal(err)
	}
	after := r.s.Upstreams()
	if diff := cmp.Diff(before, after); diff != "" || after[0].Endpoints[0].Resting.IsZero() || after[0].Endpoints[1].Credentials[0].Resting.IsZero() {
		t.Errorf("the state changed (-before +after):\n%s", diff)
	}
	r.chat(200)
	if e := r.journal.fact(t, 3); e.Attempts != nil {
		t.Errorf("it was asked again: %+v", e.Attempts)
	}
}
