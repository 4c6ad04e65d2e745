package proxy_test

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

// fallback configures openai at a, which falls back on azure at b.
func fallback(t *testing.T, a, b string, change func(first, second *proxy.Upstream)) func(*proxy.Options) {
	t.Helper()
	return func(o *proxy.Options) {
		second := upstreamAt(t, "openai", nil)
		second.Name, second.Provider, second.Default, second.BaseURL = "azure", "azure_openai", false, b+"/openai"
		second.KeyHeader, second.KeyScheme, second.Credentials = "api-key", "", []string{"azure-key-cccc"}
		o.Upstreams[0].BaseURL, o.Upstreams[0].Fallback = a, []string{"azure"}
		if change != nil {
			change(&o.Upstreams[0], &second)
		}
		o.Upstreams = append(o.Upstreams, second)
	}
}

// unasking is a stream that does not ask for its usage.
const unasking = `{"model":"gpt-x","stream":true,"messages":[]}`

// TestFallback asks another upstream with its own key, path and name of the
// model, and bills by that one's prices.
func TestFallback(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*origin, net.Conn, got){
		"unreachable": nil,
		"overloaded":  answering(respond("503 Service Unavailable", "application/json", "{}", "Retry-After: 5")),
		"no quota":    answering(respond("429 Too Many Requests", "application/json", `{"error":{"code":"insufficient_quota"}}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := nobodyThere(t)
			if fail != nil {
				url = newOrigin(t, fail).url()
			}
			b := newOrigin(t, well())
			r := start(t, nil, fallback(t, url, b.url(), func(_, second *proxy.Upstream) {
				second.Models.Aliases = map[string]string{"gpt-x": "my-deployment"}
			}))
			r.chat(200)
			requests, _ := b.seen()
			g := requests[0]
			if !strings.HasPrefix(g.line, "POST /openai/v1/chat/completions ") || g.all("Authorization") != nil || g.all("api-key")[0] != "azure-key-cccc" ||
				string(g.body) != strings.Replace(chatRequest, "gpt-x", "my-deployment", 1) || g.all("Host")[0] != strings.TrimPrefix(b.url(), "http://") {
				t.Errorf("it got %s", g.raw)
			}
			e := r.journal.fact(t, 1)
			if e.Upstream != "azure" || e.Provider != "azure_openai" || e.Model != "gpt-x" || e.SentModel != "my-deployment" || len(e.Attempts) != 2 {
				t.Fatalf("the fact is %+v", e)
			}
			last := metering.Attempt{Upstream: "azure", Provider: "azure_openai", Credential: "cccc", Model: "my-deployment", Status: 200}
			if diff := cmp.Diff(last, e.Attempts[1], ignoreTimes()); diff != "" || e.Attempts[0].Upstream != "openai" || e.Attempts[0].Model != "gpt-x" {
				t.Errorf("attempts (-want +got):\n%s\n%+v", diff, e.Attempts)
			}

			// Who rests is not asked first, and the call says where it went.
			r.chat(200)
			if e := r.journal.fact(t, 2); len(e.Attempts) != 1 || e.Attempts[0].Upstream != "azure" || e.Upstream != "azure" {
				t.Errorf("the second fact is %+v", e)
			}
		})
	}
}

// TestFallback_Splice writes the request anew for each upstream: one is asked for
// the usage, the other one is not.
func TestFallback_Splice(t *testing.T) {
	t.Parallel()
	a := newOrigin(t, answering(respond("503 Service Unavailable", "application/json", "{}", "Retry-After: 5")))
	b := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, eventsHead, chunk(stream()[1]), chunk("data: [DONE]\n\n"), "0\r\n\r\n")
	})
	r := start(t, nil, fallback(t, a.url(), b.url(), func(_, second *proxy.Upstream) { second.IncludeUsage = "estimate" }))
	if _, _, err := r.ask("POST", post(chatPath, unasking, "Accept-Encoding: br")); err != nil {
		t.Fatal(err)
	}
	first, _ := a.seen()
	second, _ := b.seen()
	if !strings.Contains(string(first[0].body), "include_usage") || string(second[0].body) != unasking || second[0].all("Accept-Encoding")[0] != "br" {
		t.Errorf("they got %s and %s", first[0].raw, second[0].raw)
	}
}

// TestFallback_Not: what a key may not name it does not get by a failure either,
// what is not known stays where it was sent, and so does what is too large.
func TestFallback_Not(t *testing.T) {
	t.Parallel()
	large := `{"model":"gpt-x","x":"` + strings.Repeat("a", 10<<10) + `"}`
	for _, tt := range []struct {
		name, path, body, key string
		change                func(first, second *proxy.Upstream)
	}{
		{"a test key", chatPath, chatRequest, testKey, func(first, _ *proxy.Upstream) { first.Test = true }},
		{"a key of other upstreams", "/other/v1/chat/completions", chatRequest, scopedKey, func(first, _ *proxy.Upstream) { first.Name = "other" }},
		{"an unknown path", "/v1/brand/new", chatRequest, key, nil},
		{"a large body", chatPath, large, key, nil},
		{"a model that is not served", chatPath, chatRequest, key, func(_, second *proxy.Upstream) { second.Models.Deny = []string{"gpt-*"} }},
		{"an operation that is not served", chatPath, chatRequest, key, func(_, second *proxy.Upstream) { second.Operations = []string{"openai.embeddings"} }},
		{"a stream that must ask", chatPath, unasking, key, func(_, second *proxy.Upstream) { second.IncludeUsage = "refuse" }},
		{"an alias that cannot be replaced", chatPath, `{"model":"gpt-x","model":"gpt-x"}`, key, func(_, second *proxy.Upstream) {
			second.Models.Aliases = map[string]string{"gpt-x": "y"}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newOrigin(t, well())
			r := start(t, nil, func(o *proxy.Options) {
				fallback(t, nobodyThere(t), b.url(), tt.change)(o)
				o.Inspect = 4 << 10
			})
			resp, body, err := r.ask("POST", post(tt.path, tt.body, "Authorization: Bearer "+tt.key))
			if err != nil || resp.StatusCode != 502 || code(t, body) != "upstream_unreachable" || hits(b)[0] != 0 {
				t.Errorf("got %v %q %v, and the other one %d requests", resp, body, err, hits(b)[0])
			}
			if e := r.journal.fact(t, 1); e.Attempts != nil || e.Provider != "openai" || e.SentModel != "" {
				t.Errorf("the fact is %+v", e)
			}
		})
	}
}

// A fallback that cannot be one is an error of the configuration.
func TestFallback_Configuration(t *testing.T) {
	t.Parallel()
	anthropic, _ := dialect.Named("anthropic")
	for name, change := range map[string]func(first, second *proxy.Upstream){
		"nobody":         func(first, _ *proxy.Upstream) { first.Fallback = []string{"nobody"} },
		"itself":         func(first, _ *proxy.Upstream) { first.Fallback = []string{"openai"} },
		"other dialect":  func(_, second *proxy.Upstream) { second.Dialect = anthropic },
		"client's key":   func(_, second *proxy.Upstream) { second.ClientAuth = true },
		"client's key 2": func(first, _ *proxy.Upstream) { first.ClientAuth = true },
	} {
		o := proxy.Options{Keyring: ring{}, Journal: newBook(), Upstreams: []proxy.Upstream{upstreamAt(t, "openai", nil)}}
		fallback(t, "http://127.0.0.1:1", "http://127.0.0.1:1", change)(&o)
		if _, err := proxy.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
