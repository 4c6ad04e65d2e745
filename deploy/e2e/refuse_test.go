package e2e_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRefusesToStart: what cannot work is refused at once, with the cause and
// what to do.
func TestRefusesToStart(t *testing.T) {
	program(t)
	base := oracleConfig("http://127.0.0.1:9")
	for _, tt := range []struct {
		name, config string
		env          []string
		want         []string // all of them in the message
	}{
		{"not YAML", "listen: [", nil, []string{"weir.yaml"}},
		{"unknown field", base + "\nlisen: 127.0.0.1:1\n", nil, []string{"lisen"}},
		{"unset variable", "upstreams: {openai: {base_url: 'https://a.example', credentials: [{key: '${NOT_SET_ANYWHERE}'}]}}", nil, []string{"NOT_SET_ANYWHERE", "upstreams.openai.credentials[0].key"}},
		{"doubled version", "upstreams: {openai: {base_url: 'https://a.example/v1', credentials: [{key: k}]}}", nil, []string{"upstreams.openai.base_url", "/v1"}},
		{"two problems at once", "upstreams: {a: {base_url: 'ftp://x', credentials: [{key: k}]}, b: {base_url: 'https://x', preset: nope, credentials: [{key: k}]}}", nil, []string{"upstreams.a.base_url", "upstreams.b.preset"}},
		{"database unreachable", base, []string{"DATABASE_URL=postgres://weir@127.0.0.1:9/weir"}, []string{"database"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, _ := launch(t, options{config: tt.config, env: tt.env})
			if code := p.wait(30 * time.Second); code != 1 {
				t.Errorf("exit status %d, want 1", code)
			}
			for _, want := range tt.want {
				if !strings.Contains(p.tail(8000), want) {
					t.Errorf("the message does not name %q:\n%s", want, p.tail(8000))
				}
			}
			if strings.Contains(p.tail(8000), "goroutine ") {
				t.Errorf("a stack trace instead of a message:\n%s", p.tail(8000))
			}
		})
	}
}

// TestCheck: weir check tells every problem and exits 1, or says that all is well.
func TestCheck(t *testing.T) {
	program(t)
	file := filepath.Join(t.TempDir(), "weir.yaml")
	check := func(config string) (string, int) {
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(binary, "check", "--config", file).CombinedOutput()
		if err == nil {
			return string(out), 0
		}
		return string(out), err.(*exec.ExitError).ExitCode()
	}
	if out, code := check(oracleConfig("https://a.example")); code != 0 {
		t.Errorf("a good configuration: exit %d\n%s", code, out)
	}
	out, code := check("listen: nonsense\nupstreams: {a: {base_url: 'https://a.example/v1', credentials: [{key: k}]}}")
	if code != 1 || !strings.Contains(out, "listen") || !strings.Contains(out, "upstreams.a.base_url") {
		t.Errorf("a bad configuration: exit %d\n%s", code, out)
	}
}

// TestCorruptJournal: damage in the middle of the journal is refused with the
// file, and the data is left as it is.
func TestCorruptJournal(t *testing.T) {
	program(t)
	o := newOracle(t)
	opts := options{data: t.TempDir(), config: oracleConfig(o.URL), env: []string{"WEIR_FAULT=ship.before_transaction:error:1000000"}}
	p := start(t, opts)
	l := &load{key: p.customer("acme"), answered: make(map[string]answer)}
	l.target.Store(&p.proxy)
	for range 20 {
		l.call(t.Context())
	}
	p.kill()
	segments, err := filepath.Glob(filepath.Join(opts.data, "journal", "*.wal"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no journal segments in %s: %v", opts.data, err)
	}
	raw, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 0xff
	if err := os.WriteFile(segments[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	p, _ = launch(t, opts)
	if code := p.wait(20 * time.Second); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if !strings.Contains(p.tail(4000), filepath.Base(segments[0])) {
		t.Errorf("the message does not name the file:\n%s", p.tail(4000))
	}
	after, err := os.ReadFile(segments[0])
	if err != nil || string(after) != string(raw) {
		t.Errorf("the damaged file was changed: %v", err)
	}
}

// TestStaysUp: what can be waited for is waited for. An unreachable upstream
// is a 502 in the words of the API, a Redis that is away stops no call.
func TestStaysUp(t *testing.T) {
	program(t)
	for _, tt := range []struct {
		name   string
		env    []string
		oracle bool
		want   int
	}{
		{"upstream unreachable", nil, false, http.StatusBadGateway},
		{"redis unreachable", []string{"REDIS_URL=redis://127.0.0.1:9"}, true, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := "http://127.0.0.1:9"
			if tt.oracle {
				target = newOracle(t).URL
			}
			p := start(t, options{config: oracleConfig(target), env: tt.env})
			key := p.customer("acme")
			req, err := http.NewRequest(http.MethodPost, p.proxy+"/v1/chat/completions",
				strings.NewReader(`{"model":"gpt-4o-mini","max_tokens":3,"messages":[]}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+key)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tt.want, body)
			}
			if tt.want != http.StatusOK && !strings.Contains(string(body), `"error"`) {
				t.Errorf("not an error object of the API: %s", body)
			}
			u := p.usage("acme")
			if u.Totals.Requests != 1 {
				t.Errorf("%d requests recorded, want 1", u.Totals.Requests)
			}
		})
	}
}

// TestKeys: malformed, unknown and revoked keys are the same 401 in the words
// of the API that was called, S24.
func TestKeys(t *testing.T) {
	program(t)
	o := newOracle(t)
	p := start(t, options{config: oracleConfig(o.URL)})
	key := p.customer("acme")
	if got := status(t, p.proxy+"/v1/models", "weir_live_' OR 1=1 --"); got != http.StatusUnauthorized {
		t.Errorf("malformed key: %d", got)
	}
	flipped := []byte(key)
	flipped[len("weir_live_")] ^= 1
	if got := status(t, p.proxy+"/v1/models", string(flipped)); got != http.StatusUnauthorized {
		t.Errorf("unknown key: %d", got)
	}
	var keys struct {
		Items []struct{ ID string } `json:"items"`
	}
	p.decode(&keys, "key", "list", "--customer", "acme")
	if len(keys.Items) != 1 {
		t.Fatalf("%d keys, want 1", len(keys.Items))
	}
	if got := status(t, p.proxy+"/v1/models", key); got == http.StatusUnauthorized {
		t.Fatalf("good key: %d", got)
	}
	p.weir("key", "revoke", keys.Items[0].ID)
	eventually(t, time.Second, "the revoked key is refused", func() bool {
		return status(t, p.proxy+"/v1/models", key) == http.StatusUnauthorized
	})
	if strings.Contains(p.tail(1<<20), key) {
		t.Error("the key is in the log")
	}
}
