package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/proxy/proxytest"
)

const simulatorKey = "sk-simulator-of-a-test"

// probe is one call of an SDK, as it looks on the wire.
type probe struct {
	name, path, header, scheme, body string
	free                             bool // costs nothing and is in no total
}

func probes() []probe {
	const (
		auth, bearer = "Authorization", "Bearer "
		chat         = `"model":"gpt-4o-mini","messages":[{"role":"user","content":"Why does water fall over a weir?"}]`
		claude       = `"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"Why does water fall over a weir?"}]`
		gemini       = `{"contents":[{"role":"user","parts":[{"text":"Why does water fall over a weir?"}]}]}`
	)
	return []probe{
		{"chat", "/v1/chat/completions", auth, bearer, `{` + chat + `}`, false},
		{"chat, named upstream", "/openai/v1/chat/completions", auth, bearer, `{"temperature":0,` + chat + `}`, false},
		{"chat, streamed", "/v1/chat/completions", auth, bearer, `{"stream":true,` + chat + `}`, false},
		{"chat, streamed with usage", "/v1/chat/completions", auth, bearer, `{"stream":true,"stream_options":{"include_usage":true},` + chat + `}`, false},
		{"legacy completion", "/v1/completions", auth, bearer, `{"model":"gpt-4o-mini","prompt":"A weir is"}`, false},
		{"response", "/v1/responses", auth, bearer, `{"model":"gpt-4o-mini","input":"Why does water fall over a weir?"}`, false},
		{"response, streamed", "/v1/responses", auth, bearer, `{"model":"gpt-4o-mini","stream":true,"input":"Why does water fall over a weir?"}`, false},
		{"embedding", "/v1/embeddings", auth, bearer, `{"model":"text-embedding-3-small","input":"water over a weir"}`, false},
		{"models", "/v1/models", auth, bearer, "", true},
		{"message", "/anthropic/v1/messages", "x-api-key", "", `{` + claude + `}`, false},
		{"message, streamed", "/anthropic/v1/messages", "x-api-key", "", `{"stream":true,` + claude + `}`, false},
		{"count tokens", "/anthropic/v1/messages/count_tokens", "x-api-key", "", `{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"weir"}]}`, true},
		{"content", "/gemini/v1beta/models/gemini-2.5-flash:generateContent", "x-goog-api-key", "", gemini, false},
		{"content, streamed", "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "x-goog-api-key", "", gemini, false},
		{"content, key in the query", "/gemini/v1beta/models/gemini-2.5-flash:generateContent?key=", "", "", gemini, false},
	}
}

// send makes the call at an address and returns status and body.
func (c probe) send(t *testing.T, base, path, key string, header http.Header) (int, string, http.Header) {
	t.Helper()
	method := http.MethodPost
	if c.body == "" {
		method = http.MethodGet
	}
	if c.header == "" {
		path += key
	}
	req, err := http.NewRequest(method, base+path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.header != "" {
		req.Header.Set(c.header, c.scheme+key)
	}
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.header == "x-api-key" {
		req.Header.Set("anthropic-version", "2023-06-01")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// upstreamPath is the path without the segment that names the upstream.
func (c probe) upstreamPath() string {
	for _, name := range []string{"/openai", "/anthropic", "/gemini"} {
		if rest, ok := strings.CutPrefix(c.path, name+"/"); ok {
			return "/" + rest
		}
	}
	return c.path
}

// told is what the provider says it used: the last number of each kind in the
// answer, which is the total where an answer is streamed.
func told(body string) (input, output int64) {
	last := func(names ...string) int64 {
		var n int64
		at := -1
		for _, name := range names {
			if i := strings.LastIndex(body, `"`+name+`"`); i > at {
				at = i
				digits := strings.TrimLeft(body[i+len(name)+2:], ": ")
				end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
				if v, err := strconv.ParseInt(digits[:max(end, 0)], 10, 64); err == nil {
					n = v
				}
			}
		}
		return n
	}
	return last("prompt_tokens", "input_tokens", "promptTokenCount"), last("completion_tokens", "output_tokens", "candidatesTokenCount")
}

// TestCapture is the main job, on the embedded default and on shared parts with
// two replicas: swapped base URLs, unchanged bytes, every call counted, priced
// and attributed, the same from whichever replica is asked.
func TestCapture(t *testing.T) {
	program(t)
	for _, tt := range []struct {
		name     string
		replicas int
		env      func(*testing.T) []string
	}{
		{"SQLite and counters in process", 1, func(*testing.T) []string { return nil }},
		{"PostgreSQL and Redis, two replicas", 2, func(t *testing.T) []string {
			return []string{"DATABASE_URL=" + meteringtest.Postgres(t), "REDIS_URL=" + meteringtest.Redis(t)}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			capture(t, tt.replicas, tt.env(t))
		})
	}
}

func capture(t *testing.T, replicas int, env []string) {
	simulator := httptest.NewServer(proxytest.NewSimulator(proxytest.SimulatorOptions{Keys: []string{simulatorKey}}))
	defer simulator.Close()
	config := fmt.Sprintf(`
listen: 127.0.0.1:0
console: {listen: 127.0.0.1:0}
upstreams:
  openai: {base_url: %[1]q, credentials: [{key: %[2]s}], default: true}
  anthropic: {base_url: %[1]q, credentials: [{key: %[2]s}]}
  gemini: {base_url: %[1]q, credentials: [{key: %[2]s}]}
`, simulator.URL, simulatorKey)
	var all []*process
	for range replicas {
		all = append(all, start(t, options{config: config, env: env}))
	}
	keys := map[string]string{"acme": all[0].customer("acme"), "globex": all[0].customer("globex")}
	backend := all[0].customer("backend", "--permit", "attribute,create")
	for _, p := range all {
		eventually(t, 2*time.Second, "the backend's key works on every replica", func() bool { return status(t, p.proxy+"/-/me", backend) == http.StatusOK })
		for _, key := range keys {
			eventually(t, 2*time.Second, "the key works on every replica", func() bool { return status(t, p.proxy+"/v1/models", key) == http.StatusOK })
		}
	}
	type sum struct{ requests, input, output int64 }
	want := map[string]*sum{"acme": {}, "globex": {}, "initech": {}}
	add := func(customer string, c probe, body string) {
		want[customer].requests++
		if !c.free {
			in, out := told(body)
			if in == 0 || c.name != "embedding" && out == 0 {
				t.Errorf("%s: the provider says %d in, %d out: %.300s", c.name, in, out, body)
			}
			want[customer].input, want[customer].output = want[customer].input+in, want[customer].output+out
		}
	}
	for customer := range keys {
		want[customer].requests += int64(replicas) // the model lists above
	}
	for _, p := range all {
		for _, c := range probes() {
			directStatus, direct, _ := c.send(t, simulator.URL, c.upstreamPath(), simulatorKey, nil)
			for customer, key := range keys {
				code, body, header := c.send(t, p.proxy, c.path, key, http.Header{"X-Weir-Run": {"run-1"}, "X-Weir-Tags": {"feature=chat"}})
				if code != directStatus || stable(body) != stable(direct) {
					at := differ([]byte(stable(body)), []byte(stable(direct)))
					t.Errorf("%s: through weir %d, directly %d, first difference at %d: %.200q", c.name, code, directStatus, at, stable(body)[min(at, len(stable(body))):])
				}
				if header.Get("X-Weir-Event-Id") == "" {
					t.Errorf("%s: no event id", c.name)
				}
				add(customer, c, usageOf(c, direct, body, simulator.URL, t))
			}
		}
		c := probes()[0]
		if code, body, _ := c.send(t, p.proxy, c.path, backend, http.Header{"X-Weir-Customer": {"initech"}}); code != http.StatusOK {
			t.Errorf("attributed call: %d %s", code, body)
		} else {
			add("initech", c, body)
		}
	}
	for _, p := range all {
		var tokens int64
		for customer, w := range want {
			u := p.usage(customer).Totals
			if u.Requests != w.requests || u.InputTokens != w.input || u.OutputTokens != w.output || u.Total != w.input+w.output {
				t.Errorf("usage of %s: %+v, the provider says %+v", customer, u, *w)
			}
			if u.Unpriced != 0 || u.Estimated != 0 || u.CostUSD == "0" {
				t.Errorf("usage of %s: %+v, want exact tokens and prices", customer, u)
			}
			tokens += w.input + w.output
		}
		var meter struct {
			Items []struct {
				Quantity string `json:"quantity"`
			} `json:"items"`
		}
		p.get("meters/llm-tokens/quantities", &meter)
		if len(meter.Items) != 1 || meter.Items[0].Quantity != strconv.FormatInt(tokens, 10) {
			t.Errorf("the meter llm-tokens says %+v, want %d", meter.Items, tokens)
		}
		rows := p.usage("acme", "--by", "model,tag:feature")
		if len(rows.Rows) < 5 {
			t.Errorf("usage by model and tag has %d rows", len(rows.Rows))
		}
	}
	var doctor struct {
		Status string `json:"status"`
	}
	out, _, _ := all[0].command("doctor", "--json")
	if err := json.Unmarshal([]byte(out), &doctor); err != nil || doctor.Status == "fail" {
		t.Errorf("doctor: %v %s", err, out)
	}
	for _, p := range all {
		if code := p.stop(); code != 0 {
			t.Errorf("SIGTERM: exit %d\n%s", code, p.tail(4000))
		}
	}
}

// stable is an answer without the instant at which it was made.
func stable(body string) string { return instant.ReplaceAllString(body, `"$1":0`) }

var instant = regexp.MustCompile(`"(created|created_at|completed_at)": ?\d+`)

// usageOf returns an answer that holds the usage of a probe: that of a stream
// which did not ask for it is in the same stream when asked.
func usageOf(c probe, direct, body, base string, t *testing.T) string {
	t.Helper()
	if c.free || strings.Contains(body, "sage") {
		return body
	}
	asked := c
	asked.body = strings.Replace(c.body, `"stream":true,`, `"stream":true,"stream_options":{"include_usage":true},`, 1)
	if bytes.Equal([]byte(asked.body), []byte(c.body)) {
		t.Errorf("%s: no usage in %s", c.name, direct)
	}
	_, full, _ := asked.send(t, base, c.upstreamPath(), simulatorKey, nil)
	return full
}
