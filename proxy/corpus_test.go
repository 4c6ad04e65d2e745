package proxy_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/proxy"
)

// recording is what is read of a file of the corpus; its INDEX.md says what the
// members mean.
type recording struct {
	ID           string `json:"id"`
	Endpoint     string `json:"endpoint"`
	Method       string `json:"method"`
	Path         string `json:"path"`
	Request      string `json:"request_body"`
	RequestCode  string `json:"request_body_encoding"`
	Status       int    `json:"status"`
	Response     string `json:"response_body"`
	ResponseCode string `json:"response_body_encoding"`
	Gzip         string `json:"response_wire_gzip_base64"`
	Stream       bool   `json:"stream"`
	Headers      any    `json:"response_headers"`
	Expect       struct {
		Usage  string `json:"usage"`
		Input  *int64 `json:"input_tokens"`
		Output *int64 `json:"output_tokens"`
		Cached int64  `json:"cached_input_tokens"`
		Reason int64  `json:"reasoning_tokens"`
	} `json:"expect"`
}

// TestCorpus sends recorded exchanges through the whole data plane (T23 to T26,
// T30): both bodies arrive byte for byte, and the fact has the usage that each
// must yield. A stream is cut into pieces of 97 bytes.
func TestCorpus(t *testing.T) {
	t.Parallel()
	files := meteringtest.CorpusFiles(t)
	endpoints := map[string]string{
		"openai.chat": "openai", "openai.responses": "openai", "openai.embeddings": "openai", "anthropic.messages": "anthropic", "gemini.generate_content": "gemini",
	}
	current := make(chan recording, 1)
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		rec := <-current
		replay(c, rec)
	})
	r := start(t, o, func(o2 *proxy.Options) {
		o2.Upstreams = []proxy.Upstream{upstreamAt(t, "openai", o), upstreamAt(t, "anthropic", o), upstreamAt(t, "gemini", o)}
		o2.Upstreams[0].IncludeUsage = "estimate"
		o2.Inspect = 4 << 20
	})
	seen := map[string]int{}
	for _, file := range files {
		rec := load(t, file)
		name := endpoints[rec.Endpoint]
		// A third of each kind, and paths that the dialects know.
		if name == "" || rec.Status != 200 || rec.RequestCode == "base64" || rec.ResponseCode == "base64" || rec.Expect.Usage != "present" {
			continue
		}
		if seen[rec.Endpoint]++; seen[rec.Endpoint]%3 != 1 {
			continue
		}
		check(t, r, o, name, rec, current)
	}
	t.Logf("recorded exchanges by endpoint, a third of them sent: %v", seen)
	if len(seen) != len(endpoints) {
		t.Errorf("only %v", seen)
	}
}

func load(t *testing.T, file string) recording {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rec recording
	if err := json.Unmarshal(text, &rec); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return rec
}

// replay answers as the recorded provider did, compressed where that was kept.
func replay(c net.Conn, rec recording) {
	contentType := "application/json"
	if rec.Stream {
		contentType = "text/event-stream"
		if strings.HasPrefix(strings.TrimSpace(rec.Response), "[") {
			contentType = "application/json"
		}
	}
	body := []byte(rec.Response)
	coding := ""
	if packed, err := base64.StdEncoding.DecodeString(rec.Gzip); err == nil && len(packed) > 0 {
		body, coding = packed, "Content-Encoding: gzip\r\n"
	}
	write(c, "HTTP/1.1 200 OK\r\nContent-Type: "+contentType+"\r\n"+coding+"Transfer-Encoding: chunked\r\n\r\n")
	size := 97
	if !rec.Stream {
		size = 64 << 10
	}
	for piece := range slices.Chunk(body, size) {
		write(c, chunk(string(piece)))
	}
	write(c, "0\r\n\r\n")
}

func check(t *testing.T, r *rig, o *origin, upstream string, rec recording, current chan recording) {
	t.Helper()
	path, query, hasQuery := strings.Cut(rec.Path, "?")
	if hasQuery {
		var kept []string
		for _, pair := range strings.Split(query, "&") {
			if !strings.HasPrefix(pair, "key=") {
				kept = append(kept, pair)
			}
		}
		path += "?" + strings.Join(kept, "&")
	}
	request := strings.Replace(post("/"+upstream+path, rec.Request), "POST", rec.Method, 1)
	before, _ := o.seen()
	_, facts := r.journal.counts()
	current <- rec
	resp, body, err := r.ask("POST", request)
	if resp != nil && resp.StatusCode == 403 || resp != nil && resp.StatusCode == 400 {
		<-current // a path that another vendor has, behind a prefix of its own
		return
	}
	want := rec.Response
	if packed, e := base64.StdEncoding.DecodeString(rec.Gzip); e == nil && len(packed) > 0 {
		want = string(packed)
	}
	if err != nil || resp.StatusCode != 200 || string(body) != want {
		t.Errorf("%s: got %v, %d of %d bytes, %v", rec.ID, resp, len(body), len(want), err)
		return
	}
	requests, _ := o.seen()
	if g := requests[len(before)]; string(g.body) != rec.Request {
		t.Errorf("%s: the request body changed", rec.ID)
	}
	e := r.journal.fact(t, facts+1)
	if !e.Metered {
		return
	}
	have := fmt.Sprintf("%d in %d cached %d out %d reasoning", e.Usage.Input, e.Usage.Tokens.Classes().CacheRead, e.Usage.Output, e.Usage.Tokens.Classes().Reasoning)
	expected := fmt.Sprintf("%d in %d cached %d out %d reasoning", value(rec.Expect.Input), rec.Expect.Cached, value(rec.Expect.Output), rec.Expect.Reason)
	if have != expected || e.Usage.State != metering.UsageExact && len(e.Usage.Flags) == 0 {
		t.Errorf("%s: fact has %s (%s, %v), want %s", rec.ID, have, e.Usage.State, e.Usage.Flags, expected)
	}
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// TestFakeUsage covers T28: usage inside of content is content.
func TestFakeUsage(t *testing.T) {
	t.Parallel()
	body := `{"choices":[{"message":{"content":"data: [DONE]\n\n{\"usage\":{\"prompt_tokens\":999}}"}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`
	event := "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"data: [DONE]\\n\\n\\\"usage\\\":{\\\"prompt_tokens\\\":999}\"}}]}\n\n"
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if strings.Contains(string(g.body), "stream") {
			write(c, eventsHead, chunk(event), chunk(strings.Join(stream()[3:], "")), "0\r\n\r\n")
			return
		}
		write(c, respond("200 OK", "application/json", body))
	})
	r := start(t, o, nil)
	if _, have, err := r.ask("POST", post(chatPath, chatRequest)); err != nil || string(have) != body {
		t.Fatalf("got %q %v", have, err)
	}
	if e := r.journal.fact(t, 1); e.Usage.State != metering.UsageExact || e.Usage.Input != 0 || e.Usage.Output != 0 { // T30: zero stays zero
		t.Errorf("usage is %+v", e.Usage)
	}
	if _, have, err := r.ask("POST", post(chatPath, streamRequest)); err != nil || !strings.HasPrefix(string(have), event) {
		t.Fatalf("got %q %v", have, err)
	}
	if e := r.journal.fact(t, 2); e.Usage.State != metering.UsageExact || e.Usage.Input != 9 {
		t.Errorf("usage is %+v", e.Usage)
	}
}
