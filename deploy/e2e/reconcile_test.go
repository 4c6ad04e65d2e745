package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/proxy/proxytest"
)

// vendor is a provider that is called and says afterwards what it served.
type vendor struct {
	name, path, body      string
	header, scheme        string // of its key
	model                 string // in its answers and reports
	input, cached, output int64  // price of a token, in pico-dollars
	days                  map[string]*served
}

// served is what a provider says of a day.
type served struct{ requests, input, cached, output int64 }

func vendors() []*vendor {
	return []*vendor{
		{
			"openai", "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Why does water fall over weir number %d, and not back up?"}]}`,
			"Authorization", "Bearer ",
			"gpt-4o-mini-2024-07-18", 150_000, 75_000, 600_000, map[string]*served{},
		},
		{
			"anthropic", "/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"Why does water fall over weir number %d, and not back up?"}]}`,
			"X-Api-Key", "",
			"claude-sonnet-4-5-20250929", 3_000_000, 300_000, 15_000_000, map[string]*served{},
		},
	}
}

// call calls the provider at a base URL, and notes what it served.
func (v *vendor) call(t *testing.T, simulator *proxytest.Simulator, base, key string, i int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+v.path, strings.NewReader(fmt.Sprintf(v.body, i)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(v.header, v.scheme+key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", v.name, resp.StatusCode, text, err)
	}
	if err := simulator.Recorder().Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := simulator.Recorder().Select(nil)
	last := all[len(all)-1]
	day := time.Now().UTC().Format(time.DateOnly)
	if v.days[day] == nil {
		v.days[day] = &served{}
	}
	d := v.days[day]
	d.requests, d.input, d.cached, d.output = d.requests+1, d.input+last.Input, d.cached+last.Cached, d.output+last.Output
}

// export writes what the provider says as its reports do, with the exact amounts
// of its list prices, and returns the arguments that name the files.
func (v *vendor) export(t *testing.T) []string {
	t.Helper()
	var usage, costs strings.Builder
	for date, d := range v.days {
		at, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		picos := (d.input-d.cached)*v.input + d.cached*v.cached + d.output*v.output
		if v.name == "openai" {
			const bucket = `{"object":"page","data":[{"object":"bucket","start_time":%d,"end_time":%d,"results":[%s]}],"has_more":false,"next_page":null}` + "\n"
			fmt.Fprintf(&usage, bucket, at.Unix(), at.Unix()+86400, fmt.Sprintf(
				`{"object":"organization.usage.completions.result","input_tokens":%d,"input_cached_tokens":%d,"output_tokens":%d,"num_model_requests":%d,"model":%q,"batch":false,"service_tier":"default"}`,
				d.input, d.cached, d.output, d.requests, v.model))
			fmt.Fprintf(&costs, bucket, at.Unix(), at.Unix()+86400, fmt.Sprintf(
				`{"object":"organization.costs.result","amount":{"value":%d.%012d,"currency":"usd"},"line_item":"%s, all"}`, picos/1e12, picos%1e12, v.model))
			continue
		}
		const bucket = `{"data":[{"starting_at":%q,"ending_at":%q,"results":[%s]}],"has_more":false,"next_page":null}` + "\n"
		from, until := at.Format(time.RFC3339), at.AddDate(0, 0, 1).Format(time.RFC3339)
		fmt.Fprintf(&usage, bucket, from, until, fmt.Sprintf(
			`{"uncached_input_tokens":%d,"cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":0},"cache_read_input_tokens":%d,"output_tokens":%d,"server_tool_use":{"web_search_requests":0},"model":%q,"service_tier":"standard","context_window":"0-200k","inference_geo":"global"}`,
			d.input-d.cached, d.cached, d.output, v.model))
		fmt.Fprintf(&costs, bucket, from, until, fmt.Sprintf(
			`{"amount":"%d.%010d","currency":"USD","cost_type":"tokens","token_type":"output_tokens","model":%q,"description":"all","service_tier":"standard"}`, picos/1e10, picos%1e10, v.model))
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"usage": usage.String(), "costs": costs.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What is compared is of today, which is not over.
	return []string{"--usage", filepath.Join(dir, "usage"), "--costs", filepath.Join(dir, "costs"), "--to", time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)}
}

// administration answers for the administration API of a provider: of every day
// that it is asked for, a thousand calls that did not go through Weir.
func administration(t *testing.T) (server *httptest.Server, asked func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n++; r.Header.Get("X-Api-Key") != "sk-ant-admin01-of-a-test" {
			t.Errorf("asked with %q", r.Header.Get("X-Api-Key"))
		}
		result := `{"uncached_input_tokens":100000,"output_tokens":1,"model":"claude-sonnet-4-5-20250929"}`
		if strings.HasSuffix(r.URL.Path, "cost_report") {
			result = `{"amount":"30","currency":"USD","model":"claude-sonnet-4-5-20250929","description":"all","cost_type":"tokens"}`
		}
		q := r.URL.Query()
		fmt.Fprintf(w, `{"data":[{"starting_at":%q,"ending_at":%q,"results":[%s]}],"has_more":false,"next_page":null}`, q.Get("starting_at"), q.Get("ending_at"), result)
	}))
	t.Cleanup(server.Close)
	return server, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// TestReconcile covers T84 over the process: what the provider says of a hundred
// calls is what was recorded, to the last digit of the cost; one call that did not
// go through Weir is found, with its cause. Meanwhile the server compares the last
// day that has settled by itself.
func TestReconcile(t *testing.T) {
	program(t)
	t.Parallel()
	simulator := proxytest.NewSimulator(proxytest.SimulatorOptions{Keys: []string{simulatorKey}})
	provider := httptest.NewServer(simulator)
	defer provider.Close()
	admin, asked := administration(t)
	config := fmt.Sprintf(`
listen: 127.0.0.1:0
console: {listen: 127.0.0.1:0}
upstreams:
  openai: {base_url: %[1]q, credentials: [{key: %[2]s}], default: true}
  anthropic: {base_url: %[1]q, credentials: [{key: %[2]s}]}
reconcile:
  nightly: true
  providers: {anthropic: {admin_key: "${TEST_ADMIN_KEY}", base_url: %[3]q}}
`, provider.URL, simulatorKey, admin.URL)
	p := start(t, options{config: config, env: []string{"TEST_ADMIN_KEY=sk-ant-admin01-of-a-test"}})
	key := p.customer("acme")
	eventually(t, 2*time.Second, "the key works", func() bool { return status(t, p.proxy+"/-/me", key) == http.StatusOK })

	for _, v := range vendors() {
		for i := range 100 {
			v.call(t, simulator, p.proxy+"/"+v.name, key, i)
		}
		p.usage("acme") // waits until all of it is on record
		command := []string{"reconcile", "--provider", v.name, "--floor-tokens", "0", "--floor-usd", "0", "--json"}
		out, errOut, code := p.command(append(command, v.export(t)...)...)
		if r := verdict(t, out); code != 0 || r.Verdict != "equal" || r.Differing != 0 || !strings.Contains(out, `"cost_usd"`) {
			t.Errorf("%s, all calls: exit %d: %s%s", v.name, code, out, errOut)
		}
		v.call(t, simulator, provider.URL, simulatorKey, 100) // past Weir
		out, errOut, code = p.command(append(command, v.export(t)...)...)
		r := verdict(t, out)
		if code != 1 || r.Verdict != "differs" || len(r.Causes) == 0 || r.Causes[0].Kind != "missing_calls" || len(r.Totals.Causes) == 0 || r.Totals.Causes[0].Kind != "missing_calls" {
			t.Errorf("%s, one of a hundred lost: exit %d: %s%s", v.name, code, out, errOut)
		}
	}

	eventually(t, 20*time.Second, "the server has compared by itself", func() bool {
		return strings.Contains(scrape(t, p), `weir_reconcile_last_success_timestamp_seconds{provider="anthropic"}`)
	})
	metrics := scrape(t, p)
	for _, want := range []string{`weir_reconcile_difference_ratio{provider="anthropic"} -1`, `weir_reconcile_last_day_timestamp_seconds{provider="anthropic"} 1.`, `weir_reconcile_failures{provider="anthropic"} 0`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if n := asked(); n != 2 {
		t.Errorf("the provider was asked %d times, want once for each of two reports", n)
	}
	if out, _, _ := p.command("doctor"); !strings.Contains(out, "nightly reconcile") || !strings.Contains(out, "is the last day compared") || !strings.Contains(out, "differs, -1 of what it says") {
		t.Errorf("doctor: %s", out)
	}
	if strings.Contains(p.tail(1<<20), "sk-ant-admin01") {
		t.Error("the administrator's key is in the log")
	}
}

// said is what a report says, as far as it is looked at.
type said struct {
	Verdict   string `json:"verdict"`
	Differing int    `json:"differing"`
	Causes    []struct {
		Kind string `json:"kind"`
	} `json:"causes"`
	Totals struct {
		Causes []struct {
			Kind string `json:"kind"`
		} `json:"causes"`
	} `json:"totals"`
}

func verdict(t *testing.T, text string) (r said) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Errorf("no report: %v: %.300s", err, text)
	}
	return r
}

// scrape returns the metrics.
func scrape(t *testing.T, p *process) string {
	t.Helper()
	resp, err := http.Get(p.console + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReconcile_check: a key of the wrong kind is a problem of the configuration,
// said without the key, by check and at the start.
func TestReconcile_check(t *testing.T) {
	program(t)
	t.Parallel()
	file := filepath.Join(t.TempDir(), "weir.yaml")
	const text = "console: {listen: '127.0.0.1:0'}\nupstreams: {anthropic: {credentials: [{key: k}], default: true}}\nreconcile: {nightly: true, providers: {anthropic: {admin_key: sk-ant-api03-secret}}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "--config", file}, {"serve", "--config", file, "--data", t.TempDir(), "--listen", "127.0.0.1:0"}} {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = clean(os.Environ())
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "reconcile.providers.anthropic.admin_key: the key is one of Anthropic that calls models") || strings.Contains(string(out), "secret") {
			t.Errorf("weir %s: %v: %s", args[0], err, out)
		}
	}
}
