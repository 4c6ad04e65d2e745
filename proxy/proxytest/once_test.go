package proxytest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestSimulator_once: a request fails when it comes first and is answered when
// it comes again, on every API, streamed or not; another request or another key
// does not count as its second try.
func TestSimulator_once(t *testing.T) {
	t.Parallel()
	const prompt = `"messages":[{"role":"user","content":"%s"}],"max_tokens":9,"contents":[{"parts":[{"text":"%[1]s"}]}]`
	for _, api := range []struct{ path, field string }{
		{"POST /v1/chat/completions", `"model":"sim-503-once",`},
		{"POST /v1/messages", `"model":"sim-503-once",`},
		{"POST /v1beta/models/sim-503-once:generateContent", ``},
	} {
		sim := newSimulator()
		for i, step := range []struct {
			key, content string
			stream       bool
			want         int
		}{
			{"a", "one", false, http.StatusServiceUnavailable},
			{"a", "two", false, http.StatusServiceUnavailable},
			{"b", "one", false, http.StatusServiceUnavailable},
			{"a", "one", true, http.StatusOK},
			{"a", "two", false, http.StatusOK},
			{"b", "one", false, http.StatusOK},
			{"a", "one", false, http.StatusServiceUnavailable},
		} {
			body := fmt.Sprintf("{%s%s,\"stream\":%t}", api.field, fmt.Sprintf(prompt, step.content), step.stream)
			w := ask(t, sim, api.path+"\nAuthorization: Bearer "+step.key, body)
			if w.Code != step.want {
				t.Errorf("%s, step %d: %d %s, want %d", api.path, i, w.Code, w.Body, step.want)
			}
		}
	}
}

// TestSimulator_onceForgets: requests that never come again are not remembered
// without end, and only a status can happen once.
func TestSimulator_onceForgets(t *testing.T) {
	t.Parallel()
	sim := newSimulator()
	try := func(model string, i int) int {
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"%d"}]}`, model, i)
		return ask(t, sim, chatPath, body).Code
	}
	for i := range 5000 {
		if got := try("sim-429-once", i); got != http.StatusTooManyRequests {
			t.Fatalf("request %d: %d", i, got)
		}
	}
	if got := try("sim-429-once", 4999); got != http.StatusOK {
		t.Errorf("the last one again: %d", got)
	}
	if got := try("sim-429-once", 0); got != http.StatusTooManyRequests {
		t.Errorf("the first one, long forgotten: %d", got)
	}
	for _, want := range []int{http.StatusTooManyRequests, http.StatusOK} {
		if got := try("ft:gpt-4o-mini:sim-429-once", 1); got != want {
			t.Errorf("a fine-tuned model: %d, want %d", got, want)
		}
	}
	for _, model := range []string{"sim-cut-once", "sim-once", "sim--once", "sim-200-once", "ft:gpt-4o-mini", "ft:gpt-4o-mini:gpt-4o"} {
		if got := try(model, 1); got != http.StatusNotFound {
			t.Errorf("%s: %d", model, got)
		}
	}
	if all := ask(t, sim, "GET /v1/models", "").Body.String(); !strings.Contains(all, `"sim-429-once"`) {
		t.Errorf("the list of models does not name it: %s", all)
	}
}
