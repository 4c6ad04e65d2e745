package clients_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/deploy/clients/box"
	"github.com/weirhq/weir/deploy/clients/scenario"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/proxy/api"
)

// recording is an exchange of the corpus, whose INDEX.md says what its members
// are, and what an SDK is told of it.
type recording struct {
	ID       string            `json:"id"`
	Provider string            `json:"provider"`
	Endpoint string            `json:"endpoint"`
	Path     string            `json:"path"`
	Request  string            `json:"request_body"`
	Status   int               `json:"status"`
	Headers  map[string]string `json:"response_headers"`
	Answer   string            `json:"response_body"`
	Encoding string            `json:"response_body_encoding"`
	Fidelity string            `json:"body_fidelity"`
	Stream   bool              `json:"stream"`
	Expect   struct {
		Usage  string `json:"usage"`
		Input  int64  `json:"input_tokens"`
		Output int64  `json:"output_tokens"`
	} `json:"expect"`
}

// mostRecordings are of one kind: an API, streamed or not.
const mostRecordings = 6

// officially is the provider whose SDK reads an endpoint, and how the program
// that does it calls that.
func officially(endpoint string) (provider, api string) {
	switch endpoint {
	case "openai.chat", "openai.responses":
		return "openai", endpoint
	case "anthropic.messages":
		return "anthropic", endpoint
	case "gemini.generate_content", "gemini.stream_generate_content":
		return "gemini", "gemini"
	}
	return "", ""
}

// readable reports whether an SDK gets the recorded bytes back for what it sends:
// they are the original ones, and where usage was not asked for, none came.
func (r recording) readable() bool {
	provider, _ := officially(r.Endpoint)
	if provider == "" || r.Provider != provider || r.Status != http.StatusOK || r.Fidelity != "recorded" || r.Expect.Usage != "present" {
		return false
	}
	if r.Encoding == "base64" || !json.Valid([]byte(r.Request)) || strings.Contains(r.Path, "batch") {
		return false
	}
	if provider == "gemini" && r.Stream && !strings.Contains(r.Path, "alt=sse") {
		return false // the SDK reads events
	}
	return r.Endpoint != "openai.chat" || !r.Stream || strings.Contains(r.Request, `"include_usage":true`) || strings.Contains(r.Request, `"include_usage": true`)
}

// recordings are the first few of each kind.
func recordings(t *testing.T) []recording {
	t.Helper()
	var out []recording
	kinds := make(map[string]int)
	for _, f := range meteringtest.CorpusFiles(t) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var r recording
		if json.Unmarshal(b, &r) != nil || !r.readable() {
			continue // of other shapes are those that no SDK of these reads
		}
		_, api := officially(r.Endpoint)
		kind := fmt.Sprintf("%s stream=%t", api, r.Stream)
		if kinds[kind]++; kinds[kind] <= mostRecordings {
			out = append(out, r)
		}
	}
	if len(kinds) != 8 {
		t.Errorf("recordings of only these kinds: %v", kinds)
	}
	return out
}

// replaying answers with the recording that X-Replay-Id names.
func replaying(t *testing.T, all []recording) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(all, func(x recording) bool { return x.ID == r.Header.Get("X-Replay-Id") })
		if i < 0 {
			http.Error(w, "no such recording", http.StatusNotFound)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the client has gone
		}
		for name, v := range all[i].Headers {
			w.Header().Set(name, v)
		}
		w.WriteHeader(all[i].Status)
		_, _ = w.Write([]byte(all[i].Answer)) // if the client has gone, nobody misses it
	}))
	t.Cleanup(s.Close)
	return s.URL
}

var serving = regexp.MustCompile(`(?m)^weir ready proxy=(\S+) `)

// serve runs `weir serve` in front of a provider and returns its URL, a key, and
// a client of its API.
func serve(t *testing.T, provider string) (proxy, key string, admin *api.Client) {
	t.Helper()
	dir := t.TempDir()
	var conf strings.Builder
	conf.WriteString("listen: 127.0.0.1:0\nconsole: {listen: 127.0.0.1:0}\nupstreams:\n")
	for _, name := range []string{"openai", "anthropic", "gemini"} {
		fmt.Fprintf(&conf, "  %s: {base_url: %q, credentials: [{key: sk-replay}], default: %t}\n", name, provider, name == "openai")
	}
	file, data := filepath.Join(dir, "weir.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy = box.Serve(t, box.Server{Dir: dir, Ready: serving, Args: []string{weir, "serve", "--config", file, "--data", data}})
	runtime, err := api.ReadRuntime(data)
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(data, api.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	admin = api.NewClient(runtime.Console, strings.TrimSpace(string(token)), nil)
	if _, err := admin.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: "replay", Name: "replay"}); err != nil {
		t.Fatal(err)
	}
	made, err := admin.CreateKey(t.Context(), api.NewKey{Customer: "replay"})
	if err != nil {
		t.Fatal(err)
	}
	return proxy, made.Secret, admin
}

// testRecordings: what the vendors' SDKs make of recorded answers is the same
// through Weir as directly, and each is recorded with exact usage.
func testRecordings(t *testing.T, _ *box.Box) {
	all := recordings(t)
	provider := replaying(t, all)
	proxy, key, admin := serve(t, provider)
	type told struct {
		ID     string          `json:"id"`
		API    string          `json:"api"`
		Model  string          `json:"model"`
		Body   json.RawMessage `json:"body"`
		Stream bool            `json:"stream"`
	}
	type place struct {
		Name string        `json:"name"`
		URLs scenario.URLs `json:"urls"`
		Key  string        `json:"key"`
	}
	var plan struct {
		Recordings []told  `json:"recordings"`
		Places     []place `json:"places"`
	}
	for _, r := range all {
		_, api := officially(r.Endpoint)
		_, model, _ := strings.Cut(r.Path, "/models/")
		model, _, _ = strings.Cut(model, ":")
		plan.Recordings = append(plan.Recordings, told{r.ID, api, model, json.RawMessage(r.Request), r.Stream})
	}
	plan.Places = []place{
		{"direct", scenario.URLs{OpenAI: provider + "/v1", Anthropic: provider, Gemini: provider}, "sk-replay"},
		{"weir", scenario.URLs{OpenAI: proxy + "/v1", Anthropic: proxy + "/anthropic", Gemini: proxy + "/gemini"}, key},
	}
	results := make(map[string]scenario.Answer)
	for _, a := range piped(t, plan, box.Node(t, "node_modules"), filepath.Join("node", "recording.js")) {
		results[a.Scenario+" "+a.Place] = a
	}
	for _, r := range all {
		direct, through := results[r.ID+" direct"], results[r.ID+" weir"]
		if direct.Result == nil || through.Result == nil {
			t.Errorf("%s: directly %q, through Weir %q", r.ID, direct.Failed, through.Failed)
		} else if diff := cmp.Diff(decoded(direct.Result), decoded(through.Result)); diff != "" {
			t.Errorf("%s (-direct +weir):\n%s", r.ID, diff)
		}
	}
	if _, err := admin.Usage(t.Context(), api.UsageOptions{Customer: "replay", Sync: true}); err != nil {
		t.Fatal(err)
	}
	var want, got scenario.Usage
	for _, r := range all {
		want.Input, want.Output = want.Input+r.Expect.Input, want.Output+r.Expect.Output
	}
	events := listEvents(t, admin, "replay")
	for _, e := range events {
		got.Input, got.Output = got.Input+e.Usage.Input, got.Output+e.Usage.Output
		if e.Outcome != "complete" || e.Usage.State != "exact" {
			t.Errorf("event of %s %s: %s, %s", e.Endpoint, e.Model, e.Outcome, e.Usage.State)
		}
	}
	if len(events) != len(all) || got != want {
		t.Errorf("%d events of %d calls with %+v, want %+v", len(events), len(all), got, want)
	}
	t.Logf("%d recordings read", len(all))
}
