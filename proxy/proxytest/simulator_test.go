package proxytest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/proxy/proxytest"
)

// run serves a simulator by its own Serve and closes it at the end.
func run(t *testing.T) (*proxytest.Simulator, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sim := newSimulator()
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(sim.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	return sim, "http://" + ln.Addr().String()
}

// TestSimulator_keys: each API has its key where the vendor has it.
func TestSimulator_keys(t *testing.T) {
	t.Parallel()
	const (
		body = `{"model":"gpt-4o","max_tokens":4,"messages":[{"role":"user","content":"x"}],"contents":[{"parts":[{"text":"x"}]}]}`
	)
	for _, tt := range []struct {
		head string
		want int
		text string
	}{
		{chatPath + "\nAuthorization: Bearer sk-right", 200, ""},
		{chatPath + "\nAuthorization: Bearer sk-other", 200, ""},
		{chatPath + "\nAuthorization: Bearer sk-wrong", 401, `"code":"invalid_api_key"`},
		{chatPath + "\nX-Api-Key: sk-right", 401, `"code":"invalid_api_key"`},
		{chatPath, 401, `"code":"invalid_api_key"`},
		{"POST /v1/messages\nX-Api-Key: sk-right", 200, ""},
		{"POST /v1/messages\nAuthorization: Bearer sk-right", 200, ""},
		{"POST /v1/messages\nX-Api-Key: sk-wrong", 401, `"type":"authentication_error"`},
		{"POST /v1beta/models/gemini-2.5-flash:generateContent\nX-Goog-Api-Key: sk-right", 200, ""},
		{"POST /v1beta/models/gemini-2.5-flash:generateContent?key=sk-right", 200, ""},
		{"POST /v1beta/models/gemini-2.5-flash:generateContent?key=sk-wrong", 400, `"reason": "API_KEY_INVALID"`},
		{"GET /v1/models\nAuthorization: Bearer sk-wrong", 401, `"code":"invalid_api_key"`},
		{"GET /nothing\nAuthorization: Bearer sk-right", 404, `"code":null`},
	} {
		sim := proxytest.NewSimulator(proxytest.SimulatorOptions{Keys: []string{"sk-right", "sk-other"}})
		w := ask(t, sim, tt.head, body)
		if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.text) || strings.Contains(w.Body.String(), "sk-") {
			t.Errorf("%s: %d %s, want %d", tt.head, w.Code, w.Body, tt.want)
		}
	}
	if w := ask(t, newSimulator(), chatPath, body); w.Code != http.StatusOK {
		t.Errorf("a simulator without keys: %d %s", w.Code, w.Body)
	}
}

// TestSimulator_lists: every model that answers or fails is on the list.
func TestSimulator_lists(t *testing.T) {
	t.Parallel()
	sim := newSimulator()
	for _, head := range []string{"GET /v1/models", "GET /v1/models\nAnthropic-Version: 2023-06-01", "GET /v1beta/models"} {
		list := ask(t, sim, head, "").Body.String()
		for _, m := range proxytest.Models() {
			if !strings.Contains(list, m) {
				t.Errorf("%s: no %s", head, m)
			}
		}
	}
	for _, name := range []string{"sim-cut", "sim-error", "sim-hang", "sim-html", "sim-no-usage", "sim-reset", "sim-slow", "sim-stall", "sim-429", "gpt-4o-mini"} {
		if !slices.Contains(proxytest.Models(), name) {
			t.Errorf("%s is on no list", name)
		}
	}
	for _, model := range proxytest.Models() { // each by its name and as the version it reports
		if w := ask(t, sim, "GET /v1/models/"+model, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d", model, w.Code)
		}
	}
	if w := ask(t, sim, chatPath, `{"model":"gpt-4o-2024-08-06","messages":[{"role":"user","content":"x"}]}`); w.Code != http.StatusOK {
		t.Errorf("a version: %d %s", w.Code, w.Body)
	}
}

// TestSimulator_tooLarge: what is read of a request is bounded.
func TestSimulator_tooLarge(t *testing.T) {
	t.Parallel()
	body := `{"model":"gpt-4o","messages":"` + strings.Repeat("x", 32<<20) + `"}`
	if w := ask(t, newSimulator(), "POST /v1/messages", body); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"request_too_large"`) {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
}

// TestRecorder: requests are found by the id that the answer carries and by the
// client's, refused ones too; sums are of what is asked for.
func TestRecorder(t *testing.T) {
	t.Parallel()
	sim := newSimulator()
	body := `{"model":"gpt-4o","messages":[{"role":"user","content":"Measure it in 9 words"}]}`
	first := ask(t, sim, chatPath+"\nX-Request-Id: call-1", body)
	second := ask(t, sim, "POST /v1/messages\nX-Request-Id: call-2", `{"model":"claude-sonnet-4-5","stream":true,"max_tokens":4,"messages":[{"role":"user","content":"x"}]}`)
	refused := ask(t, sim, chatPath+"\nX-Request-Id: call-3", `{"model":"sim-429"}`)
	r := sim.Recorder()
	one, ok := r.Find(first.Header().Get("X-Request-Id"))
	want := proxytest.Served{
		Request: one.Request, Client: "call-1", Object: one.Object, Endpoint: "openai.chat", Model: "gpt-4o", Status: 200,
		Input: 13, Output: one.Output, Bytes: int64(first.Body.Len()), Delivered: true,
	}
	if diff := cmp.Diff(want, one); !ok || diff != "" || !strings.Contains(first.Body.String(), `"id":"`+one.Object+`"`) {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	two, ok := r.Find(second.Header().Get("Request-Id"))
	if !ok || two.Client != "call-2" || two.Endpoint != "anthropic.messages" || two.Output != 4 {
		t.Errorf("second: %+v", two)
	}
	if three, ok := r.Find(refused.Header().Get("X-Request-Id")); !ok || three.Status != 429 || three.Input != 0 {
		t.Errorf("third: %+v", three)
	}
	if _, ok := r.Find("req_none"); ok {
		t.Error("a request was found that never came")
	}
	chats := func(s proxytest.Served) bool { return s.Endpoint == "openai.chat" }
	if got := r.Select(chats); len(got) != 2 || got[0] != one || got[1].Client != "call-3" {
		t.Errorf("chats: %+v", got)
	}
	if got := r.Sum(chats); got != (proxytest.Totals{Requests: 2, Delivered: 2, Input: one.Input, Output: one.Output}) {
		t.Errorf("sum of chats: %+v", got)
	}
	if got := r.Sum(nil); got.Requests != 3 || got.Output != one.Output+4 {
		t.Errorf("sum: %+v", got)
	}
	if ids := map[string]bool{one.Request: true, two.Request: true}; len(ids) != 2 {
		t.Errorf("two requests have the id %s", one.Request)
	}
}

// TestRecorder_clientLeaves: of a stream that nobody reads to its end, what was
// sent is noted, and that it was not all.
func TestRecorder_clientLeaves(t *testing.T) {
	t.Parallel()
	sim, url := serve(t, proxytest.SimulatorOptions{})
	// sim-slow pauses for a second before each piece, in which the client leaves.
	r := request(t, url, "/v1/chat/completions", `{"model":"MODEL","stream":STREAM,"messages":[{"role":"user","content":"Hold it in 500 words"}]}`, "sim-slow", true)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(resp.Body)
	for range 3 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sim.Recorder().Wait(short); !errors.Is(err, context.Canceled) {
		t.Errorf("waited for a stream that is under way: %v", err)
	}
	resp.Body.Close()
	if s := settled(t, sim); len(s) != 1 || s[0].Delivered || s[0].Output < 1 || s[0].Output > 3 {
		t.Errorf("recorded %+v", s)
	}
}

// TestSimulator_Close: a listener that comes too late is closed, and a second
// close does no harm.
func TestSimulator_Close(t *testing.T) {
	t.Parallel()
	sim, url := run(t)
	resp, err := http.Get(url + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %v", resp.StatusCode, err)
	}
	if err := sim.Close(); err != nil {
		t.Error(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
	if c, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second); err == nil {
		c.Close()
		t.Error("the listener is open")
	}
}
