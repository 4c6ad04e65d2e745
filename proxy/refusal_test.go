package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// code is what an error body says, in whichever API's shape.
func code(t testing.TB, body []byte) string {
	t.Helper()
	var e struct {
		Error struct {
			Code    any    `json:"code"`
			Type    string `json:"type"`
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Error.Message == "" {
		t.Fatalf("error body is %q: %v", body, err)
	}
	if s, ok := e.Error.Code.(string); ok {
		return s
	}
	if e.Error.Status != "" {
		return e.Error.Status
	}
	return e.Error.Type
}

// TestRefusals_BeforeTheUpstream covers every refusal that is decided on before
// a byte goes upstream, T13, S08, S09 and S11 among them: the status, the code in the shape of
// the API called, whether a retry can help, and that nothing is forwarded.
func TestRefusals_BeforeTheUpstream(t *testing.T) {
	t.Parallel()
	auth := "Authorization: Bearer "
	for _, tt := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"no key", "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nContent-Length: 2\r\n\r\n{}", 401, "missing_api_key"},
		{"unknown key", post(chatPath, chatRequest, auth+"weir_live_nobody"), 401, "invalid_api_key"},
		{"a key that is no bearer's", post(chatPath, chatRequest, "Authorization: Basic weir_nobody"), 401, "invalid_api_key"},
		{"keyring away", post(chatPath, chatRequest, auth+awayKey), 503, "keys_unavailable"},
		{"SQL in the key (S24)", post(chatPath, chatRequest, auth+"weir_' OR 1=1 --"), 401, "invalid_api_key"},
		{"two keys (S11)", post(chatPath, chatRequest, auth+key, "x-api-key: "+plainKey), 400, "two_keys"},
		{"two keys, one in the query", post(chatPath+"?key="+plainKey, chatRequest, auth+key), 400, "two_keys"},
		{"a key and something else", post(chatPath, chatRequest, auth+key, "api-key: sk-other"), 400, "two_keys"},
		{"two Authorization lines (S11)", post(chatPath, chatRequest, auth+key, "authorization: Bearer "+key), 400, "two_keys"},
		{"underscore (S11)", post(chatPath, chatRequest, auth+key, "x_api_key: "+key), 400, "underscore_header"},
		{"key in another header (T04)", post(chatPath, chatRequest, auth+key, "X-Debug: k="+key), 400, "stray_key"},
		{"key in another parameter", post(chatPath+"?token="+key, chatRequest, auth+key), 400, "stray_key"},
		{"key in the path", post("/v1/chat/completions/"+key, chatRequest, auth+key), 400, "stray_key"},
		{"unknown upstream", post("/nowhere/v1/chat/completions", chatRequest), 404, "unknown_upstream"},
		{"test key", post(chatPath, chatRequest, auth+testKey), 403, "test_key_not_allowed"},
		{"upstream not allowed", post(chatPath, chatRequest, auth+scopedKey), 403, "upstream_not_allowed"},
		{"stateful", post("/v1/files", chatRequest), 403, "stateful_not_supported"},
		{"raw without permission (T13)", post("/v1/new/endpoint", "{}", auth+plainKey), 403, "route_not_allowed"},
		{"model not allowed", post(chatPath, chatRequest, auth+modelKey), 403, "model_not_allowed"},
		{"model not named", post(chatPath, `{"messages":[]}`, auth+modelKey), 403, "model_not_allowed"},
		{"two models (S20)", post(chatPath, `{"model":"small","model":"large"}`), 400, "ambiguous_model"},
		{"an escaped model (S20)", post(chatPath, `{"model":"small","mod\u0065l":"large"}`), 400, "ambiguous_model"},
		{"a model in capitals (S20)", post(chatPath, `{"model":"small","Model":"large"}`), 400, "ambiguous_model"},
		{"a model of a megabyte (T75)", post(chatPath, `{"model":"`+strings.Repeat("m", 1<<18)+`"}`), 400, "ambiguous_model"},
		{"customer without permission", post(chatPath, chatRequest, auth+plainKey, "X-Weir-Customer: globex"), 400, "attribution_not_permitted"},
		{"unknown customer", post(chatPath, chatRequest, auth+key, "X-Weir-Customer: nobody"), 400, "unknown_customer"},
		{"two customers", post(chatPath, chatRequest, auth+key, "X-Weir-Customer: globex", "x-weir-customer: acme"), 400, "repeated_header"},
		{"tags", post(chatPath, chatRequest, auth+key, "X-Weir-Tags: a"), 400, "invalid_tags"},
		{"tags with a bad name", post(chatPath, chatRequest, auth+key, "X-Weir-Tags: a b=c"), 400, "invalid_tags"},
		{"run", post(chatPath, chatRequest, auth+key, "X-Weir-Run: "+strings.Repeat("r", 129)), 400, "invalid_run"},
		{"compressed request", post(chatPath, chatRequest, auth+key, "Content-Encoding: gzip"), 415, "content_encoding"},
		{"too large", "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\n" + auth + key + "\r\nContent-Length: 9000001\r\n\r\n", 413, "request_too_large"},
		{"dot segment (S09)", post("/v1/chat/../files", chatRequest), 400, "path_not_canonical"},
		{"encoded dots (S09)", post("/v1/%2e%2e/files", chatRequest), 400, "path_not_canonical"},
		{"encoded slash (S09)", post("/openai%2fv1/chat/completions", chatRequest), 400, "path_not_canonical"},
		{"twice encoded (S09)", post("/v1/%252e%252e/files", chatRequest), 400, "path_not_canonical"},
		{"empty segment (S09)", post("//v1/chat/completions", chatRequest), 400, "path_not_canonical"},
		{"backslash (S09)", post("/v1\\chat/completions", chatRequest), 400, "path_not_canonical"},
		{"encoded letter (S09)", post("/v1/fil%65s", chatRequest), 400, "path_not_canonical"},
		{"non-ASCII byte (S09)", post("/v1/mod\xc3\xa9ls", chatRequest), 400, "path_not_canonical"},
		{"fragment (S09)", post("/v1/chat/completions#x", chatRequest), 400, "path_not_canonical"},
		{"anthropic", post("/anthropic/v1/messages", chatRequest, "x-api-key: weir_live_nobody"), 401, "authentication_error"},
		{"gemini", post("/gemini/v1beta/models/g:generateContent", chatRequest, "x-goog-api-key: weir_live_nobody"), 401, "UNAUTHENTICATED"},
		{"gemini by query", post("/gemini/v1beta/models/g:generateContent?key="+plainKey, `{"model":"x"}`, "X-Nothing: weir_"), 402, ""},
		{"own client without a Weir key", post("/byok/v1/chat/completions", chatRequest, auth+key), 401, "missing_api_key"},
		{"own client whose Weir key is in both", post("/byok/v1/chat/completions", chatRequest, auth+key, "X-Weir-Key: "+key), 400, "stray_key"},
		{"include_usage refused", post("/strict/v1/chat/completions", `{"model":"m","stream":true}`), 400, "include_usage_required"},
		{"own path", "GET /-/nothing HTTP/1.1\r\nHost: w\r\n\r\n", 404, "not_found"},
		{"own path, POST", post("/-/healthy", "{}"), 405, "method_not_allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(respond("402 Payment Required", "application/json", "{}")))
			r := start(t, o, func(o2 *proxy.Options) {
				o2.MaxBody = 9_000_000
				o2.Upstreams = upstreams(t, o)
			})
			resp, body, err := r.ask("POST", tt.request)
			if err != nil || resp.StatusCode != tt.status {
				t.Fatalf("got %v %q %v, want %d", resp, body, err, tt.status)
			}
			if tt.code == "" {
				return // passed on: the row shows that the request is otherwise good
			}
			if have := code(t, body); have != tt.code {
				t.Errorf("code is %q, want %q", have, tt.code)
			}
			if retry := resp.Header.Get("X-Should-Retry"); (retry == "false") != (tt.status < 500) {
				t.Errorf("x-should-retry is %q with %d", retry, tt.status)
			}
			if requests, _ := o.seen(); len(requests) > 0 {
				t.Errorf("upstream got %q", requests[0].raw)
			}
			if intents, facts := r.journal.counts(); intents != 0 || facts != 0 {
				t.Errorf("%d intents and %d facts of a refusal", intents, facts)
			}
			if s := string(body) + fmt.Sprint(resp.Header); strings.Contains(s, "weir_live_0") || strings.Contains(s, operatorKey) {
				t.Errorf("a key is in %q", s)
			}
		})
	}
}

// upstreams are all kinds at one origin.
func upstreams(t testing.TB, o *origin) []proxy.Upstream {
	t.Helper()
	byok, strict := upstreamAt(t, "openai", o), upstreamAt(t, "openai", o)
	byok.Name, byok.Default, byok.ClientAuth, byok.Credentials = "byok", false, true, nil
	strict.Name, strict.Default, strict.IncludeUsage = "strict", false, "refuse"
	sandbox := upstreamAt(t, "openai", o)
	sandbox.Name, sandbox.Default, sandbox.Test = "sandbox", false, true
	return []proxy.Upstream{upstreamAt(t, "openai", o), upstreamAt(t, "anthropic", o), upstreamAt(t, "gemini", o), byok, strict, sandbox}
}

// TestRefusal_KeepsTheConnection serves the next request after a refusal whose
// body has come, and closes where that is not sure.
func TestRefusal_KeepsTheConnection(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	c := r.dial()
	b := bufio.NewReader(c)
	for range 3 {
		write(c, post(chatPath, chatRequest, "Authorization: Bearer weir_live_nobody"))
		if resp, _, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 401 || resp.Close {
			t.Fatalf("got %v, %v", resp, err)
		}
	}
	write(c, post(chatPath, chatRequest))
	if resp, body, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
		t.Fatalf("got %v, %v", resp, err)
	}
	write(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer weir_live_nobody\r\nContent-Length: 100000\r\n\r\n{")
	if resp, _, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 401 || !resp.Close {
		t.Fatalf("got %v, %v", resp, err)
	}
	if _, err := b.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection goes on: %v", err)
	}
}

// TestJournalAway follows the customer's policy (I14).
func TestJournalAway(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	r.journal.beginErr = errors.New("no space left on device")
	resp, body, err := r.ask("POST", post(chatPath, chatRequest))
	if err != nil || resp.StatusCode != 503 || code(t, body) != "not_recordable" {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	if requests, _ := o.seen(); len(requests) != 0 {
		t.Fatal("it was forwarded all the same")
	}
	resp, _, err = r.ask("POST", post(chatPath, chatRequest, "Authorization: Bearer "+passKey))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v %v", resp, err)
	}
	if e := r.journal.fact(t, 1); e.Seq != 0 || e.Usage.Input != 11 {
		t.Errorf("fact is %+v", e)
	}
	if s := r.s.Stats(); s.Losses != 1 {
		t.Errorf("%d losses", s.Losses)
	}
	if !strings.Contains(r.log.String(), "could not be recorded") {
		t.Errorf("log says %q", r.log)
	}
}

// TestFenced answers 503 and is not ready any more.
func TestFenced(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	ready := "GET /-/ready HTTP/1.1\r\nHost: w\r\n\r\n"
	if resp, _, err := r.ask("GET", ready); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v %v", resp, err)
	}
	r.journal.beginErr = fmt.Errorf("write intent: %w", metering.ErrFenced)
	// Even a customer whose calls pass unrecorded: somebody else serves now.
	resp, body, err := r.ask("POST", post(chatPath, chatRequest, "Authorization: Bearer "+passKey))
	if err != nil || resp.StatusCode != 503 || code(t, body) != "fenced" {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	if resp, _, err := r.ask("GET", ready); err != nil || resp.StatusCode != 503 {
		t.Errorf("got %v %v", resp, err)
	}
}

// TestLabels takes customer, tags and run off the headers, and keeps them from
// the upstream.
func TestLabels(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	request := post(chatPath, chatRequest, "Authorization: Bearer "+key, "x-WEIR-customer: globex", "X-Weir-Tags: feature=chat, team=sales", "X-Weir-Run: run 7", "X-Request-Id: mine", "X-Weir-Unknown: 1")
	if resp, body, err := r.ask("POST", request); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	e := r.journal.fact(t, 1)
	type facts struct {
		Customer, Run, ClientID string
		Tags                    []metering.Tag
	}
	want := facts{"c2", "run 7", "mine", []metering.Tag{{Name: "feature", Value: "chat"}, {Name: "team", Value: "sales"}}}
	if diff := cmp.Diff(want, facts{e.Customer, e.Run, e.ClientID, e.Tags}); diff != "" {
		t.Error(diff)
	}
	requests, _ := o.seen()
	if raw := strings.ToLower(string(requests[0].raw)); strings.Contains(raw, "x-weir") || strings.Contains(raw, "globex") || !strings.Contains(raw, "x-request-id: mine") {
		t.Errorf("upstream got %q", raw)
	}
}

// TestKeyPlaces takes the key wherever SDKs put it, and sends the operator's in
// its place (T04): ours never reaches the upstream.
func TestKeyPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, field, wantHeader, want, target string }{
		{chatPath, "Authorization: Bearer " + key, "Authorization", "Bearer " + operatorKey, "/v1/chat/completions"},
		{chatPath, "aUTHORIZATION: bearer  " + key, "Authorization", "Bearer " + operatorKey, "/v1/chat/completions"},
		{"/openai/v1/chat/completions?a=1&b=%20", "api-key: " + key, "Authorization", "Bearer " + operatorKey, "/v1/chat/completions?a=1&b=%20"},
		{"/anthropic/v1/messages", "X-API-Key: " + key, "x-api-key", operatorKey, "/v1/messages"},
		{"/gemini/v1beta/models/g:generateContent?alt=json&key=" + key + "&x=y", "A: weir_", "x-api-key", operatorKey, "/v1beta/models/g:generateContent?alt=json&x=y"},
		{"/gemini/v1beta/models/g:generateContent?key=" + key, "A: weir_", "x-api-key", operatorKey, "/v1beta/models/g:generateContent"},
		{"/gemini/v1beta/models/g:generateContent", "x-goog-api-key: " + key, "x-api-key", operatorKey, "/v1beta/models/g:generateContent"},
		{"/byok/v1/chat/completions", "Authorization: Bearer sk-own\r\nX-Weir-Key: " + key, "Authorization", "Bearer sk-own", "/v1/chat/completions"},
		{"/byok/v1/chat/completions?key=AIza", "x-weir-key: " + key, "Authorization", "", "/v1/chat/completions?key=AIza"},
		{"/byok/v1/brand/new", "Authorization: Bearer sk-own\r\nX-Weir-Key: " + plainKey, "Authorization", "Bearer sk-own", "/v1/brand/new"},
		{"/sandbox/v1/chat/completions", "Authorization: Bearer " + testKey, "Authorization", "Bearer " + operatorKey, "/v1/chat/completions"},
	} {
		t.Run(tt.path+" "+tt.field[:8], func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")))
			r := start(t, o, func(o2 *proxy.Options) { o2.Upstreams = upstreams(t, o) })
			if resp, body, err := r.ask("POST", post(tt.path, chatRequest, tt.field)); err != nil || resp.StatusCode != 200 {
				t.Fatalf("got %v %q %v", resp, body, err)
			}
			requests, _ := o.seen()
			g := requests[0]
			want := []string{tt.want}
			if tt.want == "" {
				want = nil
			}
			if have := g.all(tt.wantHeader); !slices.Equal(have, want) {
				t.Errorf("%s is %q, want %q", tt.wantHeader, have, want)
			}
			if _, target, _ := strings.Cut(g.line, " "); target != tt.target+" HTTP/1.1" {
				t.Errorf("target is %q", target)
			}
			if strings.Contains(string(g.raw), key[20:]) || strings.Contains(string(g.raw), "weir_live_0") {
				t.Errorf("the Weir key went upstream: %q", g.raw)
			}
		})
	}
}

// TestOwn answers the paths of Weir itself.
func TestOwn(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering("never asked"))
	var notReady atomic.Bool
	r := start(t, o, func(o *proxy.Options) {
		o.Ready = func() error {
			if notReady.Load() {
				return errors.New("starting")
			}
			return nil
		}
		o.Usage = func(_ context.Context, p *metering.Principal) ([]byte, error) {
			return []byte(`{"customer":"` + p.Customer.ExternalID + `"}`), nil
		}
	})
	f := func(path, fields string, status int, want string) {
		t.Helper()
		resp, body, err := r.ask("GET", "GET "+path+" HTTP/1.1\r\nHost: w\r\n"+fields+"\r\n")
		if err != nil || resp.StatusCode != status || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %v %q %v", path, resp, body, err)
		}
	}
	f("/-/healthy", "", 200, "healthy")
	f("/-/ready", "", 200, "ready")
	f("/-/me", "x-api-key: "+key+"\r\n", 200, `{"customer":"acme"}`)
	f("/-/me", "", 401, "missing_api_key")
	notReady.Store(true)
	f("/-/ready", "", 503, "not_ready")
	f("/-/healthy", "", 200, "healthy")
	if requests, _ := o.seen(); len(requests) > 0 {
		t.Errorf("upstream got %q", requests[0].raw)
	}
}

// dialTCP is here for tests that need the socket itself.
func (r *rig) dialTCP() *net.TCPConn {
	r.t.Helper()
	c, ok := r.dial().(*net.TCPConn)
	if !ok {
		r.t.Fatal("not a TCP connection")
	}
	return c
}
