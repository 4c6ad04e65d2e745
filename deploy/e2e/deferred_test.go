package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/metering/meteringtest"
)

// laterProvider is an upstream whose work takes a while: a batch without usage of
// its own, whose lines have it, and a response in the background.
type laterProvider struct{ done atomic.Bool }

func (l *laterProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	status, usage, file := "in_progress", "null", ""
	if l.done.Load() {
		status, usage, file = "completed", `{"input_tokens":20,"output_tokens":7,"total_tokens":27}`, `,"output_file_id":"file-out"`
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/responses":
		fmt.Fprint(w, `{"id":"resp_later","object":"response","status":"queued","background":true,"store":true,"model":"gpt-4o","output":[],"usage":null}`)
	case "GET /v1/responses/resp_later":
		fmt.Fprintf(w, `{"id":"resp_later","object":"response","status":"%s","background":true,"store":true,"model":"gpt-4o","output":[],"usage":%s}`, status, usage)
	case "POST /v1/files":
		fmt.Fprint(w, `{"id":"file-in","object":"file","purpose":"batch"}`)
	case "POST /v1/batches":
		fmt.Fprint(w, `{"id":"batch_later","object":"batch","status":"validating","input_file_id":"file-in"}`)
	case "GET /v1/batches/batch_later":
		fmt.Fprintf(w, `{"id":"batch_later","object":"batch","status":"%s","input_file_id":"file-in"%s}`, status, file)
	case "GET /v1/files/file-out/content":
		for range 100 {
			fmt.Fprintln(w, `{"id":"r","custom_id":"c","response":{"status_code":200,"body":{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}},"error":null}`)
		}
	default:
		http.NotFound(w, r)
	}
}

// TestDeferred covers T53 to T55 through the program: batches and background
// responses are billed once, to their creators, when they have ended, although
// the process that took them is killed and two others follow them.
func TestDeferred(t *testing.T) {
	program(t)
	provider := &laterProvider{}
	upstream := httptest.NewServer(provider)
	defer upstream.Close()
	env := []string{"DATABASE_URL=" + meteringtest.Postgres(t), "REDIS_URL=" + meteringtest.Redis(t)}
	first := start(t, options{config: oracleConfig(upstream.URL), env: env})
	acme, globex := first.customer("acme"), first.customer("globex")

	call := func(p *process, key, method, path, body string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, p.proxy+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		if strings.HasSuffix(path, "/files") {
			req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, text, err)
		}
		return string(text)
	}
	call(first, acme, "POST", "/v1/responses", `{"model":"gpt-4o","input":"think","background":true}`)
	line := `{"custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[]}}`
	call(first, globex, "POST", "/v1/files", "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n"+line+"\n\r\n--b--\r\n")
	call(first, globex, "POST", "/v1/batches", `{"input_file_id":"file-in","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
	first.kill()

	second := start(t, options{config: oracleConfig(upstream.URL), env: env})
	third := start(t, options{config: oracleConfig(upstream.URL), env: env})
	type totals struct {
		Totals struct {
			Input    int64 `json:"input_tokens"`
			Output   int64 `json:"output_tokens"`
			Requests int64 `json:"requests"`
		} `json:"totals"`
	}
	used := func(customer string) (in, out int64) {
		t.Helper()
		var u totals
		second.decode(&u, "usage", "--customer", customer)
		return u.Totals.Input, u.Totals.Output
	}
	if in, out := used("acme"); in != 0 || out != 0 {
		t.Fatalf("%d and %d tokens before anything has ended", in, out)
	}
	provider.done.Store(true)
	for i := range 20 { // polls of the creators, on either replica, count nothing
		p := []*process{second, third}[i%2]
		call(p, acme, "GET", "/v1/responses/resp_later", "")
		call(p, globex, "GET", "/v1/batches/batch_later", "")
	}
	limit := time.After(60 * time.Second)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		in, out := used("acme")
		batchIn, batchOut := used("globex")
		if in == 20 && out == 7 && batchIn == 1000 && batchOut == 100 {
			break
		}
		if in > 20 || batchIn > 1000 {
			t.Fatalf("counted twice: %d, %d, %d, %d", in, out, batchIn, batchOut)
		}
		select {
		case <-limit:
			t.Fatalf("not within a minute: %d, %d, %d, %d", in, out, batchIn, batchOut)
		case <-tick.C:
		}
	}
	call(third, globex, "GET", "/v1/batches/batch_later", "")
	if in, out := used("globex"); in != 1000 || out != 100 {
		t.Errorf("after one more poll: %d, %d", in, out)
	}
	if text := second.weir("event", "show", "batch_later"); !strings.Contains(text, "openai.batches_deferred") || !strings.Contains(text, "+batch") {
		t.Errorf("event show says %s", text)
	}
}
