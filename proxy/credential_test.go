package proxy_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

const (
	firstKey  = "sk-first-0000-aaaa"
	secondKey = "sk-second-000-bbbb"
)

// twoKeys gives the upstream two credentials.
func twoKeys(o *proxy.Options) { o.Upstreams[0].Credentials = []string{firstKey, secondKey} }

// refusing answers the first key as told and all others well.
func refusing(answer string) func(*origin, net.Conn, got) {
	return func(_ *origin, c net.Conn, g got) {
		if g.all("Authorization")[0] == "Bearer "+firstKey {
			write(c, answer)
			return
		}
		write(c, respond("200 OK", "application/json", chatAnswer))
	}
}

// shownKeys are the keys that an upstream was shown, by their last letter.
func shownKeys(o *origin) string {
	var b strings.Builder
	requests, _ := o.seen()
	for _, g := range requests {
		key := g.all("Authorization")[0]
		b.WriteByte(key[len(key)-1])
	}
	return b.String()
}

// chat makes a call and holds it to a status.
func (r *rig) chat(status int, fields ...string) []byte {
	r.t.Helper()
	resp, body, err := r.ask("POST", post(chatPath, chatRequest, fields...))
	if err != nil || resp.StatusCode != status {
		r.t.Fatalf("got %v %q %v, want %d", resp, body, err, status)
	}
	return body
}

// ignoreTimes compares attempts by what happened.
func ignoreTimes() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreFields(metering.Attempt{}, "Started", "Ended", "Endpoint"),
		cmp.Transformer("usage", func(u *metering.Usage) string {
			if u == nil {
				return ""
			}
			return fmt.Sprintf("%s %d/%d", u.State, u.Input, u.Output)
		}),
	}
}

// TestCredential_Refused covers T52 and I8: what says that nothing ran is sent
// again with another key before the client has got a byte, as one call with two
// attempts; the key rests, and the whole of it is told to nobody.
func TestCredential_Refused(t *testing.T) {
	t.Parallel()
	problem := func(code string) string { return `{"error":{"message":"no","type":"x","code":"` + code + `"}}` }
	for _, tt := range []struct {
		name   string
		answer string
		status int
		code   string
		rests  bool
	}{
		{"401", respond("401 Unauthorized", "application/json", problem("invalid_api_key")), 401, "invalid_api_key", true},
		{"401 without a body", respond("401 Unauthorized", "text/plain", ""), 401, "http_401", true},
		{"402", respond("402 Payment Required", "application/json", `{"error":{"message":"Insufficient Balance"}}`), 402, "http_402", true},
		{"403", respond("403 Forbidden", "application/json", problem("account_deactivated")), 403, "account_deactivated", true},
		{"403 of a model", respond("403 Forbidden", "application/json", problem("model_not_found")), 403, "model_not_found", false},
		{"429 with retry-after", respond("429 Too Many Requests", "application/json", problem("rate_limit_exceeded"), "Retry-After: 60"), 429, "rate_limit_exceeded", true},
		{"429 with retry-after-ms", respond("429 Too Many Requests", "application/json", problem("rate_limit_exceeded"), "retry-after-ms: 60000.5"), 429, "rate_limit_exceeded", true},
		{"429, the quota", respond("429 Too Many Requests", "application/json", problem("insufficient_quota")), 429, "insufficient_quota", true},
		{"429, compressed", respond("429 Too Many Requests", "application/json", zipped(problem("insufficient_quota")), "Content-Encoding: gzip"), 429, "insufficient_quota", true},
		{"429 of the request", respond("429 Too Many Requests", "application/json", problem("rate_limit_exceeded")), 429, "rate_limit_exceeded", false},
		{"429 in chunks, then closed", "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 9\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(problem("q")) + "0\r\n\r\n", 429, "q", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, refusing(tt.answer))
			r := start(t, o, twoKeys)
			for range 4 {
				if body := r.chat(200); string(body) != chatAnswer {
					t.Fatalf("got %q", body)
				}
			}
			want, shown := "abbbb", shownKeys(o)
			if !tt.rests {
				want = "abbabb"
			}
			if shown != want {
				t.Errorf("the keys were shown in the order %s, want %s", shown, want)
			}
			e := r.journal.fact(t, 1)
			if e.Status != 200 || e.Outcome != metering.OutcomeComplete || e.Usage.Input != 11 {
				t.Errorf("the fact is %+v", e)
			}
			attempts := []metering.Attempt{
				{Upstream: "openai", Provider: "openai", Credential: "aaaa", Model: "gpt-x", Status: tt.status, ErrorCode: tt.code},
				{Upstream: "openai", Provider: "openai", Credential: "bbbb", Model: "gpt-x", Status: 200},
			}
			if diff := cmp.Diff(attempts, e.Attempts, ignoreTimes()); diff != "" {
				t.Errorf("attempts (-want +got):\n%s", diff)
			}
			if e.Attempts[0].Started == 0 || e.Attempts[0].Ended < e.Attempts[0].Started || e.Attempts[1].Started < e.Attempts[0].Ended || e.Attempts[1].Ended != 0 {
				t.Errorf("times of %+v", e.Attempts)
			}
			if r.journal.fact(t, 2).Attempts != nil {
				t.Error("a call of one attempt lists it")
			}
			if log := r.logged(); strings.Contains(log, firstKey) || tt.rests != strings.Contains(log, "…aaaa") {
				t.Errorf("the log is %s", log)
			}
			u := r.s.Upstreams()[0].Endpoints[0].Credentials
			if rests := !u[0].Resting.IsZero(); rests != tt.rests || u[0].Last4 != "aaaa" || u[0].LastError != tt.code || !u[1].Resting.IsZero() || u[1].Requests != 4 {
				t.Errorf("the state is %+v", u)
			}
		})
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// TestCredential_AllRefused passes the last answer on as it came, and goes on
// asking: a provider whose keys all rest is still asked by the least bad.
func TestCredential_AllRefused(t *testing.T) {
	t.Parallel()
	const problem = `{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}`
	o := newOrigin(t, answering(respond("429 Too Many Requests", "application/json", problem, "Retry-After: 30", "X-RateLimit-Reset-Tokens: 6ms")))
	r := start(t, o, twoKeys)
	resp, body, err := r.ask("POST", post(chatPath, chatRequest))
	if err != nil || resp.StatusCode != 429 || string(body) != problem || resp.Header.Get("Retry-After") != "30" || resp.Header.Get("X-RateLimit-Reset-Tokens") != "6ms" {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	if e := r.journal.fact(t, 1); len(e.Attempts) != 2 || e.Status != 429 || e.Usage.State != metering.UsageNone {
		t.Errorf("the fact is %+v", e)
	}
	r.chat(429)
	if shown := shownKeys(o); shown != "aba" {
		t.Errorf("keys were shown in the order %s; while all rest, each call is one request", shown)
	}
}

// TestCredential_Recovers uses a key again when the provider said that it may be,
// and forgets its failures then.
func TestCredential_Recovers(t *testing.T) {
	t.Parallel()
	var refused atomic.Bool
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if g.all("Authorization")[0] == "Bearer "+firstKey && !refused.Swap(true) {
			write(c, respond("429 Too Many Requests", "application/json", "{}", "Retry-After: 1"))
			return
		}
		write(c, respond("200 OK", "application/json", chatAnswer))
	})
	r := start(t, o, twoKeys)
	began := time.Now()
	r.chat(200)
	took := eventually(t, "the first key is shown again", 10*time.Second, func() bool {
		r.chat(200)
		return strings.Count(shownKeys(o), "a") > 1
	})
	if took < 800*time.Millisecond || time.Since(began) > 5*time.Second {
		t.Errorf("a rest of a second took %v", took)
	}
	if c := r.s.Upstreams()[0].Endpoints[0].Credentials[0]; !c.Resting.IsZero() || c.LastErrorAt.IsZero() {
		t.Errorf("the state is %+v", c)
	}
}

// TestCredential_ClientChoosesAccount: a client that names an organisation in
// whose name it cannot call sends no key of ours to rest.
func TestCredential_ClientChoosesAccount(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("401 Unauthorized", "application/json", `{"error":{"code":"mismatched_organization"}}`)))
	r := start(t, o, twoKeys)
	for range 3 {
		r.chat(401, "OpenAI-Organization: org-of-others")
	}
	for _, c := range r.s.Upstreams()[0].Endpoints[0].Credentials {
		if !c.Resting.IsZero() {
			t.Errorf("a client sent a key to rest: %+v", c)
		}
	}
}

// TestCredential_Weights shares calls by weight.
func TestCredential_Weights(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, func(o *proxy.Options) {
		twoKeys(o)
		o.Upstreams[0].Weights = []int{1, 3}
	})
	for range 8 {
		r.chat(200)
	}
	if shown := shownKeys(o); strings.Count(shown, "a") != 2 {
		t.Errorf("keys were shown in the order %s, want 2 and 6", shown)
	}
}

// TestCredential_GeminiSaysItWith400: Google's answer to an invalid key is 400.
func TestCredential_GeminiSaysItWith400(t *testing.T) {
	t.Parallel()
	const path = "/gemini/v1beta/models/gemini-3-flash:generateContent"
	invalid := respond("400 Bad Request", "application/json", `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`)
	wrong := respond("400 Bad Request", "application/json", `{"error":{"code":400,"message":"Unknown name","status":"INVALID_ARGUMENT"}}`)
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		switch {
		case strings.Contains(string(g.body), "wrong"):
			write(c, wrong)
		case g.all("x-goog-api-key")[0] == firstKey:
			write(c, invalid)
		default:
			write(c, respond("200 OK", "application/json", `{"candidates":[],"usageMetadata":{"promptTokenCount":1,"totalTokenCount":1}}`))
		}
	})
	r := start(t, o, func(opts *proxy.Options) {
		u := upstreamAt(t, "gemini", o)
		u.KeyHeader, u.Credentials = "x-goog-api-key", []string{firstKey, secondKey}
		opts.Upstreams = append(opts.Upstreams, u)
	})
	for i, tt := range []struct {
		body   string
		status int
	}{{`{"wrong":1}`, 400}, {`{}`, 200}, {`{}`, 200}, {`{}`, 200}} {
		if resp, body, err := r.ask("POST", post(path, tt.body)); err != nil || resp.StatusCode != tt.status {
			t.Fatalf("call %d: %v %q %v", i, resp, body, err)
		}
	}
	if state := r.s.Upstreams()[0].Endpoints[0].Credentials; r.s.Upstreams()[0].Name != "gemini" || state[0].Resting.IsZero() || !state[1].Resting.IsZero() {
		t.Errorf("the state is %+v", r.s.Upstreams()[0])
	}
}
