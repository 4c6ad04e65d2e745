package proxy_test

import (
	"net"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

const (
	storedAnswer = `{"id":"resp_1","object":"response","status":"completed","model":"gpt-x","usage":{"input_tokens":11,"output_tokens":7,"total_tokens":18}}`
	unknown404   = `{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error","param":null,"code":null}}`
	unknown400   = `{"error":{"message":"Previous response with id 'resp_1' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`
)

// TestElsewhere: an object is where it was made. A place that does not know it
// is no reason to tell the client so while another place may have it, and it
// is no reason to let the place rest.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	follow := post("/v1/responses", `{"model":"gpt-x","previous_response_id":"resp_1","input":"go on"}`)
	for _, tt := range []struct {
		name, request string
		knows         int    // which of three endpoints has the object; -1: none
		refusal       string // of those that do not
		status        int
		asks          int // most requests in all
	}{
		{"read", request("GET", "/v1/responses/resp_1", ""), 2, respond("404 Not Found", "application/json", unknown404), 200, 3},
		{"deleted", request("DELETE", "/v1/responses/resp_1", ""), 1, respond("404 Not Found", "application/json", unknown404), 200, 3},
		{"gone on from", follow, 2, respond("400 Bad Request", "application/json", unknown400), 200, 3},
		{"nowhere", request("GET", "/v1/responses/resp_1", ""), -1, respond("404 Not Found", "application/json", unknown404), 404, 3},
		{"another mistake", follow, -1, respond("400 Bad Request", "application/json", `{"error":{"message":"no","type":"invalid_request_error","code":"unsupported_value"}}`), 400, 1},
		{"no object", post("/v1/chat/completions", chatRequest), -1, respond("404 Not Found", "application/json", unknown404), 404, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var places []*origin
			for i := range 3 {
				answer := tt.refusal
				if i == tt.knows {
					answer = respond("200 OK", "application/json", storedAnswer)
				}
				places = append(places, newOrigin(t, answering(answer)))
			}
			w := &owners{of: map[string]string{name("openai", dialect.Object{Kind: dialect.KindResponse, ID: "resp_1"}): "c1"}}
			r := start(t, places[0], func(o *proxy.Options) {
				o.Objects = w
				for _, p := range places[1:] {
					o.Upstreams[0].Endpoints = append(o.Upstreams[0].Endpoints, proxy.Endpoint{BaseURL: p.url()})
				}
			})
			method, _, _ := strings.Cut(tt.request, " ")
			for range 4 { // whoever's turn it is
				resp, body, err := r.ask(method, tt.request)
				if err != nil || resp.StatusCode != tt.status {
					t.Fatalf("got %v %q %v, want %d", resp, body, err, tt.status)
				}
				if tt.status == 200 && string(body) != storedAnswer {
					t.Errorf("got %s", body)
				}
				if method == "DELETE" { // the next round asks again
					call := r.journal.fact(t, 1).Call
					w.Noted(&call, dialect.Object{Kind: dialect.KindResponse, ID: "resp_1"})
				}
			}
			asked := 0
			for _, p := range places {
				seen, _ := p.seen()
				asked += len(seen)
			}
			if asked < 4 || asked > 4*tt.asks {
				t.Errorf("%d requests for four calls", asked)
			}
			if tt.knows < 0 && asked != 4*tt.asks {
				t.Errorf("%d requests for four calls, want %d each", asked, tt.asks)
			}
			for _, e := range r.s.Upstreams()[0].Endpoints {
				if !e.Resting.IsZero() {
					t.Errorf("%s rests", e.BaseURL)
				}
			}
		})
	}
}

// TestElsewhere_keys: where there is one endpoint the keys are the places.
func TestElsewhere_keys(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if g.all("Authorization")[0] == "Bearer "+firstKey {
			write(c, respond("404 Not Found", "application/json", unknown404))
			return
		}
		write(c, respond("200 OK", "application/json", storedAnswer))
	})
	r := start(t, o, func(o *proxy.Options) {
		twoKeys(o)
		o.Objects = &owners{of: map[string]string{name("openai", dialect.Object{Kind: dialect.KindResponse, ID: "resp_1"}): "c1"}}
	})
	for range 4 {
		resp, body, err := r.ask("GET", request("GET", "/v1/responses/resp_1", ""))
		if err != nil || resp.StatusCode != 200 || string(body) != storedAnswer {
			t.Fatalf("got %v %q %v", resp, body, err)
		}
	}
	if keys := shownKeys(o); strings.Count(keys, "a") != 2 || strings.Count(keys, "b") != 4 {
		t.Errorf("keys shown: %s", keys)
	}
}
