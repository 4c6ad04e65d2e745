package proxytest_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/proxy/proxytest"
)

// serve puts a simulator on a socket.
func serve(t *testing.T, o proxytest.SimulatorOptions) (*proxytest.Simulator, string) {
	t.Helper()
	sim := proxytest.NewSimulator(o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL
}

// fails are one request to each API, with the model left out.
func fails() map[string]struct{ head, body, broken string } {
	const words = "Hold it in 50 words"
	return map[string]struct{ head, body, broken string }{
		"chat":              {"/v1/chat/completions", `{"model":"MODEL","stream":STREAM,"messages":[{"role":"user","content":"` + words + `"}]}`, `"chat.completion.chunk"`},
		"legacy completion": {"/v1/completions", `{"model":"MODEL","stream":STREAM,"prompt":"` + words + `"}`, `"text_completion"`},
		"response":          {"/v1/responses", `{"model":"MODEL","stream":STREAM,"input":"` + words + `"}`, "event: response."},
		"message":           {"/v1/messages", `{"model":"MODEL","stream":STREAM,"max_tokens":500,"messages":[{"role":"user","content":"` + words + `"}]}`, "event: content_block_delta"},
		"content, events":   {"/v1beta/models/MODEL:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"` + words + `"}]}]}`, "data: {"},
		"content, array":    {"/v1beta/models/MODEL:streamGenerateContent", `{"contents":[{"parts":[{"text":"` + words + `"}]}]}`, "[{"},
	}
}

func request(t *testing.T, url, head, body, model string, stream bool) *http.Request {
	t.Helper()
	fill := strings.NewReplacer("MODEL", model, "STREAM", strconv.FormatBool(stream))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+fill.Replace(head), strings.NewReader(fill.Replace(body)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// settled waits until the simulator has noted everything, and returns it.
func settled(t *testing.T, sim *proxytest.Simulator) []proxytest.Served {
	t.Helper()
	if err := sim.Recorder().Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sim.Recorder().Select(nil)
}

// TestSimulator_breaksOff: answers that end in their middle, streamed and not.
func TestSimulator_breaksOff(t *testing.T) {
	t.Parallel()
	for name, f := range fails() {
		for _, tt := range []struct {
			model string
			want  error
		}{{"sim-cut", io.ErrUnexpectedEOF}, {"sim-reset", syscall.ECONNRESET}, {"fail-reset", syscall.ECONNRESET}} {
			for _, stream := range []bool{true, false} {
				sim, url := serve(t, proxytest.SimulatorOptions{})
				resp, err := http.DefaultClient.Do(request(t, url, f.head, f.body, tt.model, stream))
				if err != nil {
					if tt.want != syscall.ECONNRESET || !errors.Is(err, tt.want) { // a reset may overtake the head
						t.Errorf("%s, %s: %v", name, tt.model, err)
					}
					continue
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK || !errors.Is(err, tt.want) {
					t.Errorf("%s, %s, stream %t: %d, %d bytes, then %v, want %v", name, tt.model, stream, resp.StatusCode, len(got), err, tt.want)
				}
				if tt.model == "sim-cut" && stream && !strings.Contains(string(got), f.broken) {
					t.Errorf("%s: before the cut there is no %s in %s", name, f.broken, got)
				}
				s := settled(t, sim)
				if len(s) != 1 || s[0].Delivered || s[0].Bytes == 0 || s[0].Input == 0 || s[0].Status != http.StatusOK {
					t.Errorf("%s, %s: recorded %+v", name, tt.model, s)
				}
				if stream && len(s) == 1 && (s[0].Output > 5 || tt.model == "sim-cut" && int64(len(got)) != s[0].Bytes) {
					t.Errorf("%s, %s: recorded %+v for %d bytes", name, tt.model, s[0], len(got))
				}
			}
		}
	}
}

// TestSimulator_hangs: answers that never go on end when the client leaves.
func TestSimulator_hangs(t *testing.T) {
	t.Parallel()
	for name, f := range fails() {
		sim, url := serve(t, proxytest.SimulatorOptions{})
		resp, err := http.DefaultClient.Do(request(t, url, f.head, f.body, "sim-hang", true))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 100)); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, %v", name, resp.StatusCode, err)
		}
		if open := sim.Recorder().Select(nil); len(open) != 1 || open[0].Delivered {
			t.Errorf("%s: recorded %+v while it hangs", name, open)
		}
		resp.Body.Close()
		if s := settled(t, sim); s[0].Delivered || s[0].Status != http.StatusOK {
			t.Errorf("%s: recorded %+v", name, s)
		}
	}
}

// TestSimulator_stalls: no head comes; Close ends even that.
func TestSimulator_stalls(t *testing.T) {
	t.Parallel()
	sim, url := run(t)
	failed := make(chan error, 1)
	r := request(t, url, "/v1/chat/completions", `{"model":"MODEL"}`, "sim-stall", false)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	tick, late := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for len(sim.Recorder().Select(nil)) == 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the request did not come within 10 s")
		}
	}
	if err := sim.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("a head came")
	}
	if s := settled(t, sim); len(s) != 1 || s[0].Status != 0 || s[0].Delivered || s[0].Model != "sim-stall" {
		t.Errorf("recorded %+v", s)
	}
	w := ask(t, sim, "GET /v1/models", "")
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("a closed simulator answers %d", w.Code)
	}
}

// TestSimulator_statuses: every status as an error of the API that was called.
func TestSimulator_statuses(t *testing.T) {
	t.Parallel()
	for name, f := range fails() {
		for _, status := range []int{400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 529, 599} {
			sim := newSimulator()
			fill := strings.NewReplacer("MODEL", "sim-"+strconv.Itoa(status), "STREAM", "true")
			w := ask(t, sim, "POST "+fill.Replace(f.head), fill.Replace(f.body))
			if w.Code != status || !strings.Contains(w.Body.String(), `"error"`) || (w.Header().Get("Retry-After") != "") != (status == 429) {
				t.Errorf("%s: %d %v %s, want %d", name, w.Code, w.Header(), w.Body, status)
			}
			if s := settled(t, sim)[0]; s.Input != 0 || s.Output != 0 || s.Status != status || !s.Delivered {
				t.Errorf("%s: recorded %+v", name, s)
			}
		}
		fill := strings.NewReplacer("MODEL", "sim-html", "STREAM", "false")
		if w := ask(t, newSimulator(), "POST "+fill.Replace(f.head), fill.Replace(f.body)); w.Code != 502 || w.Header().Get("Content-Type") != "text/html" || !strings.HasPrefix(w.Body.String(), "<html>") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, model := range []string{"sim-399", "sim-600", "sim-", "sim-nothing", "weir-429"} {
		if w := ask(t, newSimulator(), chatPath, `{"model":"`+model+`","messages":[{"role":"user","content":"x"}]}`); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", model, w.Code)
		}
	}
}

// TestSimulator_noUsage: the answer is whole and says nothing of what it cost;
// the recorder knows.
func TestSimulator_noUsage(t *testing.T) {
	t.Parallel()
	for name, f := range fails() {
		for _, stream := range []string{"true", "false"} {
			sim := newSimulator()
			fill := strings.NewReplacer("MODEL", "sim-no-usage", "STREAM", stream, `"prompt"`, `"stream_options":{"include_usage":true},"prompt"`, `"messages"`, `"stream_options":{"include_usage":true},"messages"`)
			w := ask(t, sim, "POST "+fill.Replace(f.head), fill.Replace(f.body))
			body := strings.ReplaceAll(w.Body.String(), `"usage":null`, "")
			if w.Code != http.StatusOK || strings.Contains(body, `"usage`) || strings.Contains(body, "TokenCount") {
				t.Errorf("%s: %d %s", name, w.Code, body)
			}
			if s := settled(t, sim)[0]; s.Output == 0 || !s.Delivered || s.Model != "sim-no-usage" {
				t.Errorf("%s: recorded %+v", name, s)
			}
		}
	}
}

// TestSimulator_errorWhole: what fails in the middle of a stream fails at once
// where nothing is streamed, and costs nothing.
func TestSimulator_errorWhole(t *testing.T) {
	t.Parallel()
	sim := newSimulator()
	w := ask(t, sim, chatPath, `{"model":"sim-error","messages":[{"role":"user","content":"x"}]}`)
	if s := settled(t, sim)[0]; w.Code != 500 || s.Input != 0 || s.Output != 0 {
		t.Errorf("%d %s, recorded %+v", w.Code, w.Body, s)
	}
}

// TestSimulator_pace: the first token takes ten times as long as each further
// one, an answer that is not streamed as long as the first; sim-slow a second
// each.
func TestSimulator_pace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, head, body string
		pace, want       time.Duration
	}{
		{"no pace", chatPath, `{"model":"gpt-4o","stream":true,"max_tokens":8,"messages":[{"role":"user","content":"x"}]}`, 0, 0},
		{"stream", chatPath, `{"model":"gpt-4o","stream":true,"max_tokens":8,"messages":[{"role":"user","content":"x"}]}`, 20 * time.Millisecond, 200*time.Millisecond + 7*20*time.Millisecond},
		{"whole", chatPath, `{"model":"gpt-4o","max_tokens":8,"messages":[{"role":"user","content":"x"}]}`, 20 * time.Millisecond, 200 * time.Millisecond},
		{"no more than a second", chatPath, `{"model":"gpt-4o","max_tokens":8,"messages":[{"role":"user","content":"x"}]}`, time.Minute, time.Second},
		{"message", "POST /v1/messages", `{"model":"claude-sonnet-4-5","stream":true,"max_tokens":8,"messages":[{"role":"user","content":"x"}]}`, 10 * time.Millisecond, 170 * time.Millisecond},
		{"content", "POST /v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"maxOutputTokens":8}}`, 10 * time.Millisecond, 170 * time.Millisecond},
		{"slow", chatPath, `{"model":"sim-slow","stream":true,"max_tokens":8,"messages":[{"role":"user","content":"x"}]}`, 0, 8 * time.Second},
		{"count", "POST /v1/messages/count_tokens", `{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"x"}]}`, time.Minute, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := proxytest.NewSimulator(proxytest.SimulatorOptions{Pace: tt.pace})
			start := time.Now()
			if w := ask(t, sim, tt.head, tt.body); w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
			}
			if got := time.Since(start); got != tt.want {
				t.Errorf("%s took %v, want %v", tt.name, got, tt.want)
			}
		})
	}
}
