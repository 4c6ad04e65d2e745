package dialect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/estimate"
)

// benchStreams are chunks as the providers write them, by endpoint.
var benchStreams = []struct{ name, dialect, path, chunk string }{
	{
		"openai.chat", "openai", "/v1/chat/completions",
		`data: {"id":"chatcmpl-9aB3","object":"chat.completion.chunk","created":1784728648,"model":"gpt-5-2025-08-07",` +
			`"service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" flows"},` +
			`"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"mGq1c"}` + "\n\n",
	},
	{
		"openai.responses", "openai", "/v1/responses",
		"event: response.output_text.delta\n" + `data: {"type":"response.output_text.delta","sequence_number":12,` +
			`"item_id":"msg_0742d30c1d27","output_index":0,"content_index":0,"delta":" flows","logprobs":[],` +
			`"obfuscation":"mGq1c"}` + "\n\n",
	},
	{
		"anthropic.messages", "anthropic", "/v1/messages",
		"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,` +
			`"delta":{"type":"text_delta","text":" flows over the weir"}   }` + "\n\n",
	},
	{
		"gemini.stream_generate_content", "gemini", "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
		`data: {"candidates": [{"content": {"parts": [{"text": " flows over"}],"role": "model"},"index": 0}],` +
			`"usageMetadata": {"promptTokenCount": 87,"totalTokenCount": 165,"promptTokensDetails": [{"modality": "TEXT",` +
			`"tokenCount": 87}],"thoughtsTokenCount": 78},"modelVersion": "gemini-2.5-flash","responseId": "hlP6ae3uJuqG"}` + "\r\n\r\n",
	},
}

// benchScanner returns a scanner of a stream that has begun.
func benchScanner(tb testing.TB, name, path string) dialect.Scanner {
	tb.Helper()
	d, ok := dialect.Named(name)
	if !ok {
		tb.Fatalf("no dialect %q", name)
	}
	return d.Scanner(d.Route("POST", path), dialect.Request{Stream: true}, dialect.Response{
		Status: 200, ContentType: "text/event-stream", Text: new(estimate.Text),
	})
}

// BenchmarkScanner_chunk is the cost of one chunk that came in one read.
func BenchmarkScanner_chunk(b *testing.B) {
	for _, s := range benchStreams {
		b.Run(s.name, func(b *testing.B) {
			scanner := benchScanner(b, s.dialect, s.path)
			chunk := []byte(s.chunk)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				scanner.Scan(chunk)
			}
		})
	}
}

// TestScanner_allocates: a chunk that came in one read allocates nothing, cut in
// two neither.
func TestScanner_allocates(t *testing.T) {
	for _, s := range benchStreams {
		scanner := benchScanner(t, s.dialect, s.path)
		chunk := []byte(s.chunk)
		if n := testing.AllocsPerRun(100, func() { scanner.Scan(chunk) }); n != 0 {
			t.Errorf("%s: %v allocations a chunk", s.name, n)
		}
		if n := testing.AllocsPerRun(100, func() {
			scanner.Scan(chunk[:len(chunk)/2])
			scanner.Scan(chunk[len(chunk)/2:])
		}); n != 0 {
			t.Errorf("%s: %v allocations a chunk in two reads", s.name, n)
		}
	}
}

// BenchmarkUnsplicer_chunk is the cost of taking "usage":null out of one chunk.
func BenchmarkUnsplicer_chunk(b *testing.B) {
	u := dialect.NewUnsplicer()
	chunk := []byte(benchStreams[0].chunk)
	out := make([]byte, 0, 2*len(chunk))
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		out = u.Filter(out[:0], chunk)
	}
}

func TestUnsplicer_allocates(t *testing.T) {
	u := dialect.NewUnsplicer()
	chunk := []byte(benchStreams[0].chunk)
	out := make([]byte, 0, 2*len(chunk))
	if n := testing.AllocsPerRun(100, func() {
		out = u.Filter(out[:0], chunk)
		out = u.Filter(out[:0], chunk[:100])
		out = u.Filter(out[:0], chunk[100:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// benchRequest is a chat request of about that many bytes.
func benchRequest(size int) []byte {
	return fmt.Appendf(nil, `{"model":"gpt-5","messages":[{"role":"user","content":%q}],"stream":true,"max_tokens":400}`,
		strings.Repeat("a weir measures a stream ", size/25))
}

func BenchmarkInspect(b *testing.B) {
	for _, size := range []int{1 << 10, 400 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, _ := dialect.Named("openai")
			route, body := d.Route("POST", "/v1/chat/completions"), benchRequest(size)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Inspect(route, "application/json", body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSplice(b *testing.B) {
	for _, size := range []int{1 << 10, 400 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			body := benchRequest(size)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := dialect.Splice(body); !ok {
					b.Fatal("not spliced")
				}
			}
		})
	}
}

// BenchmarkSession is one message of a socket: a delta of text, and one of audio
// of the length that OpenAI sends.
func BenchmarkSession(b *testing.B) {
	audio := strings.Repeat("UklGRgAA", 1000)
	for _, c := range []struct{ name, dialect, path, begin, message string }{
		{"text", "openai", "/v1/realtime", `{"type":"response.created","response":{"id":"r"}}`,
			`{"type":"response.output_audio_transcript.delta","event_id":"event_1","response_id":"r","item_id":"i","output_index":0,"content_index":0,"delta":"Hello"}`},
		{"audio", "openai", "/v1/realtime", `{"type":"response.created","response":{"id":"r"}}`,
			`{"type":"response.output_audio.delta","event_id":"event_1","response_id":"r","item_id":"i","output_index":0,"content_index":0,"delta":"` + audio + `"}`},
		{"live", "gemini", "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", `{"setupComplete":{}}`,
			`{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"` + audio + `"}}]}}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := openSocket(b, c.dialect, c.path)
			s.Received([]byte(c.begin), false)
			p := []byte(c.message)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				s.Received(p, false)
			}
		})
	}
}
