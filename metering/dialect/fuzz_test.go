package dialect_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering/dialect"
)

// fuzzCalls are the calls whose answers have a reader of their own.
func fuzzCalls() []prepared {
	call := func(name, path, contentType string) prepared {
		d, _ := dialect.Named(name)
		e := exchange{ID: path, Status: 200, Headers: map[string]string{"content-type": contentType}}
		return prepared{e, d, d.Route("POST", path), dialect.Request{BodyBytes: 400, OutputCap: 100, Choices: 2}, nil}
	}
	get := func(path string) prepared {
		p := call("openai", path, "")
		p.route = p.dialect.Route("GET", path)
		return p
	}
	return []prepared{
		call("openai", "/v1/images/generations", ""), call("openai", "/v1/audio/speech", "audio/mpeg"), call("openai", "/v1/audio/transcriptions", ""),
		call("openai", "/v1/batches", ""), get("/v1/batches/b"), get("/v1/batches/b/results"), get("/v1/files/f/content"), call("openai", "/v1/threads/t/runs", ""),
		call("openai", "/v1/videos", ""), call("openai", "/v1/rerank", ""), call("openai", "/v1/ocr", ""), call("openai", "/v1/listen", ""),
		call("openai", "/v1/predictions", ""), call("openai", "/ml/v1/text/generation_stream", ""), call("openai", "/api/chat", "application/x-ndjson"),
		call("openai", "/api/generate", ""), call("openai", "/completion", ""), call("openai", "/", ""),
		call("openai", "/v1/chat/completions", "text/event-stream"), call("openai", "/v1/chat/completions", ""),
		call("openai", "/v1/responses", "text/event-stream"), call("openai", "/v1/responses", ""),
		call("anthropic", "/v1/messages", "text/event-stream"), call("anthropic", "/v1/messages", ""),
		call("gemini", "/v1beta/models/g:streamGenerateContent", ""), call("anthropic", "/v1/messages/count_tokens", ""),
		call("gemini", "/v1beta/interactions", "text/event-stream"), call("gemini", "/v1beta/interactions", ""),
		call("gemini", "/v1beta/publishers/google/models/g:predict", ""), call("gemini", "/v1beta/batches/b", ""),
		call("gemini", "/v1beta/files/f:download", ""), call("gemini", "/v1beta/cachedContents", ""),
		call("gemini", "/v1beta/operations/o", ""), call("anthropic", "/v1/complete", "text/event-stream"),
		call("anthropic", "/v1/messages/batches/b/results", ""), call("anthropic", "/v1/messages/batches/b", ""),
		call("cohere", "/v2/chat", "text/event-stream"), call("cohere", "/v1/chat", "application/stream+json"), call("cohere", "/v2/embed", ""),
		call("bedrock", "/model/m/converse", ""), call("bedrock", "/model/m/converse-stream", "application/vnd.amazon.eventstream"),
		call("bedrock", "/model/m/invoke", ""), call("bedrock", "/model/m/invoke-with-response-stream", "application/vnd.amazon.eventstream"),
	}
}

// FuzzScanner: whatever comes, it reads the same however it is cut, nothing is
// negative, nothing panics, no byte is changed, and a terminal event stays
// (T03, T27, T29, S17, S19).
func FuzzScanner(f *testing.F) {
	calls := fuzzCalls()
	for i, tr := range transcripts(f) {
		f.Add(tr.answer, uint8(i), uint64(i))
	}
	for i, a := range answers() {
		f.Add(a.answer, uint8(i), uint64(i))
	}
	for _, s := range []string{
		"data: {\"usage\":{\"prompt_tokens\":1e400}}\r\r\ndata: [DONE]", "\xef\xbb\xbf: x\n\ndata\n\n", "[{}{}{},[", "{\"data\":[[}]",
		"event: error\ndata: {\"error\":{\"message\":{}}}\n\n", "{\"error\":\"\\ud800\",\"usage\":{\"\\u0070rompt_tokens\":1}}",
	} {
		for call := range calls {
			f.Add([]byte(s), uint8(call), uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, call uint8, cuts uint64) {
		p := calls[int(call)%len(calls)]
		before := bytes.Clone(body)
		for _, end := range []dialect.End{dialect.Ended, dialect.Truncated} {
			s := p.scanner("")
			s.Scan(body)
			terminal := s.Terminal()
			want := s.Close(end)
			notNegative(t, want)
			s = p.scanner("")
			r := rand.New(rand.NewPCG(cuts, 1))
			seen := false
			for rest := body; len(rest) > 0; {
				n := 1 + r.IntN(min(len(rest), 1+r.IntN(64)))
				s.Scan(rest[:n])
				rest = rest[n:]
				notNegative(t, s.Snapshot())
				if seen && !s.Terminal() {
					t.Fatal("a terminal event was forgotten")
				}
				seen = s.Terminal()
			}
			if seen != terminal {
				t.Fatalf("terminal is %v cut, %v whole", seen, terminal)
			}
			if got := s.Close(end); !reflect.DeepEqual(got, want) {
				t.Fatalf("%q cut by %d (-whole +cut):\n%s", body, cuts, cmp.Diff(want, got))
			}
		}
		if !bytes.Equal(body, before) {
			t.Fatalf("%q was changed in place", before)
		}
	})
}

// FuzzScanner_compressed: bytes that claim to be compressed never panic, and
// unless they are corrupt read the same however they are cut (S21).
func FuzzScanner_compressed(f *testing.F) {
	all := codings()
	for i, c := range all {
		for _, a := range answers() {
			body := c.compress(f, a.answer)
			f.Add(body, uint8(i))
			f.Add(body[:len(body)/2], uint8(i))
		}
	}
	a := answers()[1]
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		c := all[int(which)%len(all)]
		want := scan(a.scanner(c.name), body, len(body)+1)
		got := scan(a.scanner(c.name), body, 3)
		notNegative(t, want)
		notNegative(t, got)
		if !reflect.DeepEqual(got, want) && !c.corrupt(body) {
			t.Fatalf("%s (-whole +cut):\n%s", c.name, cmp.Diff(want, got))
		}
	})
}

// FuzzInspect: no body panics or is changed, and what is read of it is plausible.
func FuzzInspect(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","stream":true,"n":2,"max_tokens":10}`, `{"model":"a","MODEL":"b"}`, `{"mod\u0065l":"a","model":"a"}`,
		`{"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}`, `{"model":{"a":[]},"stream_options":{"include_usage":true}}`,
		"\xef\xbb\xbf {\"model\":\"\\u0000\"}", `{"model":null,"model":"x"}`, `{"max_tokens":1e400,"n":-1}`,
	} {
		f.Add([]byte(s), "application/json")
	}
	f.Add([]byte("--x\r\n"), "multipart/form-data; boundary=x")
	for _, tt := range forms() {
		f.Add([]byte(tt.body), formType)
	}
	for _, s := range []string{
		`{"input":"d\u00e9 \ud83d","seconds":"8","size":"1x1","duration":1e-400,"quality":{}}`, `{"model_id":"a","model":"b"}`,
		`{"session":{"model":"a"},"version":"v","options":{"num_predict":-1},"parameters":[{}]}`,
	} {
		f.Add([]byte(s), "application/json")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		before := bytes.Clone(body)
		for _, call := range fuzzCalls() {
			q, err := call.dialect.Inspect(call.route, contentType, body)
			if q.OutputCap < 0 || q.Choices < 0 || q.OutputCap > 1e9 || q.Choices > 1e9 || q.BodyBytes != int64(len(body)) {
				t.Fatalf("%q: %+v", body, q)
			}
			if err == nil && len(q.Model) > 512 {
				t.Fatalf("%q: model of %d bytes", body, len(q.Model))
			}
		}
		if !bytes.Equal(body, before) {
			t.Fatalf("%q was changed in place", before)
		}
	})
}

// FuzzCanonicalPath: a canonical path is routed without a panic by every dialect.
func FuzzCanonicalPath(f *testing.F) {
	for _, p := range []string{"/", "/v1/chat/completions", "/v1//x", "/v1/%2e%2e/x", "/v1beta/models/g%3AgenerateContent", "/v1/a/"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, call := range fuzzCalls() {
			r := call.dialect.Route("POST", path)
			if r.Class == dialect.Raw && r.Endpoint != "raw" || r.Class != dialect.Raw && r.Endpoint == "raw" {
				t.Fatalf("%q: %+v", path, r)
			}
		}
		if dialect.CanonicalPath([]byte(path)) && (bytes.Contains([]byte(path), []byte("//")) || path[0] != '/') {
			t.Fatalf("%q is canonical", path)
		}
	})
}
