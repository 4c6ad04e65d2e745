package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirhq/weir/config"
	"github.com/weirhq/weir/metering/meteringtest"
)

// exchange is one recorded request and answer with the usage it must yield.
type exchange struct {
	ID              string            `json:"id"`
	Provider        string            `json:"provider"`
	Endpoint        string            `json:"endpoint"`
	Method          string            `json:"method"`
	Path            string            `json:"path"`
	RequestHeaders  map[string]string `json:"request_headers"`
	RequestBody     *string           `json:"request_body"`
	RequestEncoding string            `json:"request_body_encoding"`
	Status          int               `json:"status"`
	Headers         map[string]string `json:"response_headers"`
	Body            string            `json:"response_body"`
	BodyEncoding    string            `json:"response_body_encoding"`
	WireGzip        string            `json:"response_wire_gzip_base64"`
	Stream          bool              `json:"stream"`
	Expect          struct {
		Usage          string   `json:"usage"`
		Model          *string  `json:"model"`
		ServiceTier    string   `json:"service_tier"`
		Input          *int64   `json:"input_tokens"`
		Output         *int64   `json:"output_tokens"`
		Cached         int64    `json:"cached_input_tokens"`
		CacheWrite     int64    `json:"cache_write_tokens"`
		CacheWrite1h   int64    `json:"cache_write_1h_tokens"`
		Reasoning      int64    `json:"reasoning_tokens"`
		AudioInput     int64    `json:"audio_input_tokens"`
		AudioOutput    int64    `json:"audio_output_tokens"`
		ImageInput     int64    `json:"image_input_tokens"`
		ImageOutput    int64    `json:"image_output_tokens"`
		Total          *int64   `json:"total_tokens_reported"`
		EarlierRequest bool     `json:"usage_of_earlier_request"`
		ObjectID       string   `json:"usage_object_id"`
		Flags          []string `json:"flags"`
	} `json:"expect"`
}

// inScope are the endpoints whose usage is counted today.
var inScope = map[string]bool{
	"openai.chat": true, "openai.responses": true, "openai.completions": true, "openai.embeddings": true,
	"openai.models": true, "anthropic.messages": true, "anthropic.count_tokens": true,
	"gemini.generate_content": true, "gemini.stream_generate_content": true, "gemini.count_tokens": true,
	"cohere.chat": true, "cohere.embed": true, "cohere.generate": true, "cohere.rerank": true, "cohere.tokenize": true,
	"bedrock.converse": true, "bedrock.converse_stream": true, "bedrock.invoke": true, "bedrock.invoke_stream": true, "bedrock.count_tokens": true,
}

// corpus loads the recorded exchanges in scope, or skips.
func corpus(t *testing.T) []exchange {
	t.Helper()
	var all []exchange
	for _, f := range meteringtest.CorpusFiles(t) {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var e exchange
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if inScope[e.Endpoint] {
			all = append(all, e)
		}
	}
	return all
}

// payload decodes text or base64.
func payload(t *testing.T, text, encoding string) []byte {
	t.Helper()
	if encoding != "base64" {
		return []byte(text)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replay answers with the exchange that X-Replay-Id names, compressed as it was
// recorded where the client accepts that and the original bytes are there.
func replay(t *testing.T, all []exchange) *httptest.Server {
	t.Helper()
	byID := make(map[string]exchange, len(all))
	for _, e := range all {
		byID[e.ID] = e
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, ok := byID[r.Header.Get("X-Replay-Id")]
		if !ok {
			http.Error(w, "no such exchange", http.StatusTeapot)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		for name, v := range e.Headers {
			w.Header().Set(name, v)
		}
		body := payload(t, e.Body, e.BodyEncoding)
		if e.WireGzip != "" && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			body = payload(t, e.WireGzip, "base64")
			w.Header().Set("Content-Encoding", "gzip")
		}
		w.WriteHeader(e.Status)
		if !e.Stream {
			_, _ = w.Write(body)
			return
		}
		for len(body) > 0 {
			n := min(len(body), 700)
			_, _ = w.Write(body[:n])
			w.(http.Flusher).Flush()
			body = body[n:]
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// fetched is what a plain client got.
type fetched struct {
	status int
	header http.Header
	body   []byte
}

// fetch makes the recorded request at base.
func fetch(t *testing.T, base string, e exchange, key string) fetched {
	t.Helper()
	var body io.Reader
	if e.RequestBody != nil {
		body = bytes.NewReader(payload(t, *e.RequestBody, e.RequestEncoding))
	}
	req, err := http.NewRequest(e.Method, base+e.Path, body)
	if err != nil {
		t.Fatalf("%s: %v", e.ID, err)
	}
	for name, v := range e.RequestHeaders {
		switch strings.ToLower(name) {
		case "connection", "content-length", "transfer-encoding", "host":
		default:
			req.Header.Set(name, v)
		}
	}
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "identity")
	}
	req.Header.Set("X-Replay-Id", e.ID)
	if key != "" {
		req.Header.Set("X-Weir-Key", key)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", e.ID, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: read: %v", e.ID, err)
	}
	return fetched{resp.StatusCode, resp.Header, got}
}

// TestCorpusThroughServe replays every recorded exchange in scope through the
// program: bytes equal to a direct fetch, usage equal to what the recording
// must yield. T01, T06, T07, T23–T26, T30.
func TestCorpusThroughServe(t *testing.T) {
	program(t)
	all := corpus(t)
	up := replay(t, all)
	p := start(t, options{config: corpusConfig(up.URL, all)})
	key := p.customer("acme")

	type row struct{ exchanges, exact, flagged, estimated, none, wrong int }
	table := map[string]*row{}
	check := map[string]exchange{}
	for _, e := range all {
		direct := fetch(t, up.URL, e, "")
		at := placeOf(e)
		e.Path = strings.TrimPrefix(e.Path, at.prefix)
		through := fetch(t, p.proxy+"/"+at.name(), e, key)
		if through.status != direct.status || !bytes.Equal(through.body, direct.body) {
			t.Errorf("%s: differs from a direct fetch: status %d and %d, %d and %d bytes, first difference at %d",
				e.ID, through.status, direct.status, len(through.body), len(direct.body), differ(through.body, direct.body))
		}
		for name := range direct.header {
			if name != "Date" && name != "Connection" && strings.Join(direct.header[name], "|") != strings.Join(through.header[name], "|") {
				t.Errorf("%s: header %s is %q, direct %q", e.ID, name, through.header[name], direct.header[name])
			}
		}
		id := through.header.Get("X-Weir-Event-Id")
		if id == "" {
			t.Errorf("%s: no event id (status %d)", e.ID, through.status)
			continue
		}
		check[id] = e
	}
	p.usage("acme") // waits until everything answered is rolled up
	for _, ev := range p.events(nil) {
		e, ok := check[ev.ID]
		if !ok {
			t.Errorf("event %s belongs to no exchange", ev.ID)
			continue
		}
		delete(check, ev.ID)
		name := e.Provider + " " + e.Endpoint
		if table[name] == nil {
			table[name] = &row{}
		}
		r := table[name]
		r.exchanges++
		if problems := compare(e, ev); len(problems) > 0 {
			r.wrong++
			t.Errorf("%s: %s", e.ID, strings.Join(problems, "; "))
		}
		switch {
		case len(ev.Usage.Flags) > 0:
			r.flagged++
		case ev.Usage.State == "exact":
			r.exact++
		case ev.Usage.State == "none":
			r.none++
		default:
			r.estimated++
		}
	}
	for _, e := range check {
		t.Errorf("%s left no event", e.ID)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-44s %9s %6s %8s %10s %6s %6s\n", "provider endpoint", "exchanges", "exact", "flagged", "estimated", "none", "wrong")
	var sum row
	for _, name := range slices.Sorted(maps.Keys(table)) {
		r := table[name]
		fmt.Fprintf(&out, "%-44s %9d %6d %8d %10d %6d %6d\n", name, r.exchanges, r.exact, r.flagged, r.estimated, r.none, r.wrong)
		sum.exchanges += r.exchanges
		sum.exact += r.exact
		sum.flagged += r.flagged
		sum.estimated += r.estimated
		sum.none += r.none
		sum.wrong += r.wrong
	}
	fmt.Fprintf(&out, "%-44s %9d %6d %8d %10d %6d %6d", "all", sum.exchanges, sum.exact, sum.flagged, sum.estimated, sum.none, sum.wrong)
	t.Logf("\n%s", out.String())
}

// differ returns the index of the first byte that differs.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// compare lists what an event says otherwise than its exchange must yield.
func compare(e exchange, ev event) []string {
	var problems []string
	check := func(what string, got, want int64) {
		if got != want {
			problems = append(problems, fmt.Sprintf("%s is %d, want %d", what, got, want))
		}
	}
	if e.Expect.Usage != "present" {
		if e.Expect.Usage == "none" && ev.Usage.State == "exact" {
			problems = append(problems, fmt.Sprintf("usage is exact (%d in, %d out), want none", ev.Usage.Input, ev.Usage.Output))
		}
		return problems
	}
	if ev.Usage.State != "exact" {
		problems = append(problems, "state is "+ev.Usage.State)
	}
	if e.Expect.Input != nil {
		check("input", ev.Usage.Input, *e.Expect.Input)
	}
	if e.Expect.Output != nil {
		want := *e.Expect.Output
		if n, err := strconv.ParseInt(e.Headers["x-amzn-bedrock-output-token-count"], 10, 64); err == nil && want == 0 {
			want = n // a guardrail took it out of the body
		}
		check("output", ev.Usage.Output, want)
	}
	if strings.HasPrefix(e.Endpoint, "cohere.") {
		e.Expect.Cached = 0 // counts processed tokens, which are not billed: a quantity
	}
	check("cached", ev.cells("cache_read"), e.Expect.Cached)
	check("cache write", ev.cells("cache_write"), e.Expect.CacheWrite)
	check("cache write 1h", ev.cells("cache_write_1h"), e.Expect.CacheWrite1h)
	check("reasoning", ev.cells("reasoning"), e.Expect.Reasoning)
	if e.Expect.Model != nil && ev.Usage.Model != *e.Expect.Model {
		problems = append(problems, fmt.Sprintf("model is %q, want %q", ev.Usage.Model, *e.Expect.Model))
	}
	if ev.Usage.ServiceTier != e.Expect.ServiceTier {
		problems = append(problems, fmt.Sprintf("tier is %q, want %q", ev.Usage.ServiceTier, e.Expect.ServiceTier))
	}
	return problems
}

// place is the upstream that an exchange is fetched through.
type place struct {
	provider string
	dialect  string // empty: the preset's
	prefix   string // of the path, which belongs to the base URL
	reports  bool   // streams report usage that was not asked for
}

// placeOf finds the upstream as its operator would configure it. A gateway of
// several vendors is one upstream per protocol; a server that reports usage
// unasked must not be asked, or the client would miss what it is used to.
func placeOf(e exchange) place {
	p := place{provider: e.Provider}
	for prefix, dialect := range map[string]string{"/anthropic": "anthropic", "/google-vertex": "gemini", "/bedrock": "bedrock"} {
		if e.Provider == "pydantic-gateway" && strings.HasPrefix(e.Path, prefix+"/") {
			p.prefix, p.dialect = prefix, dialect
		}
	}
	asked := e.RequestBody != nil && strings.Contains(*e.RequestBody, "include_usage")
	splices := e.Endpoint == "openai.chat" || e.Endpoint == "openai.completions"
	p.reports = splices && e.Stream && !asked && strings.Contains(e.Body, `"usage"`)
	return p
}

func (p place) name() string {
	name := p.provider
	if p.dialect != "" {
		name += "-" + p.dialect
	}
	if p.reports {
		name += "-reports"
	}
	return name
}

// corpusConfig names the upstreams of the exchanges. A provider that is a known
// preset has its traits; the rest speak OpenAI.
func corpusConfig(url string, all []exchange) string {
	places := make(map[string]place)
	for _, e := range all {
		p := placeOf(e)
		places[p.name()] = p
	}
	var b strings.Builder
	b.WriteString("listen: 127.0.0.1:0\nconsole: {listen: 127.0.0.1:0}\nupstreams:\n")
	for _, name := range slices.Sorted(maps.Keys(places)) {
		p := places[name]
		more := ""
		if _, known := config.PresetNamed(p.provider); known {
			more += ", preset: " + p.provider
		}
		if p.dialect != "" {
			more += ", dialect: " + p.dialect
		}
		if p.reports {
			more += ", include_usage: estimate"
		}
		fmt.Fprintf(&b, "  %s: {base_url: %q, credentials: [{key: upstream-secret}]%s}\n", name, url+p.prefix, more)
	}
	return b.String()
}
