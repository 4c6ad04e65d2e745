package dialect_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// coding is a content coding with its compressor and its decompressor.
type coding struct {
	name string
	to   func(io.Writer) (io.WriteCloser, error)
	from func(io.Reader) (io.Reader, error)
}

func codings() []coding {
	toGzip := func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
	fromGzip := func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	return []coding{
		{"gzip", toGzip, fromGzip},
		{"x-gzip", toGzip, fromGzip},
		{
			"deflate", func(w io.Writer) (io.WriteCloser, error) { return zlib.NewWriter(w), nil },
			func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
		},
		{
			"Deflate", func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 5) }, // without zlib
			func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil },
		},
		{
			"br", func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriterLevel(w, 4), nil },
			func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		},
		{
			"zstd", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) },
			func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
		},
	}
}

// corrupt reports whether body is neither whole in the coding nor the beginning
// of what is.
func (c coding) corrupt(body []byte) bool {
	r, err := c.from(bytes.NewReader(body))
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
	}
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// compress returns body in the coding. Each part of it is flushed, as servers do
// with the events of a stream.
func (c coding) compress(tb testing.TB, parts ...[]byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := c.to(&out)
	if err != nil {
		tb.Fatal(err)
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			tb.Fatal(err)
		}
		if f, ok := w.(interface{ Flush() error }); ok {
			if err := f.Flush(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// answers are one of each kind, built here so that these tests need no corpus.
func answers() []prepared {
	build := func(name, path, body string) prepared {
		d, _ := dialect.Named(name)
		e := exchange{ID: path, Status: 200, Headers: map[string]string{"content-type": "application/json"}}
		if strings.HasPrefix(body, "data:") || strings.HasPrefix(body, "event:") {
			e.Headers["content-type"] = "text/event-stream"
		}
		return prepared{e, d, d.Route("POST", path), dialect.Request{BodyBytes: 400}, []byte(body)}
	}
	return []prepared{
		build("openai", "/v1/chat/completions", `{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop",`+
			`"message":{"content":"`+strings.Repeat("hello ", 900)+`"}}],"usage":{"prompt_tokens":3,"completion_tokens":900,"total_tokens":903}}`),
		build("openai", "/v1/chat/completions", strings.Repeat("data: "+asked+"\n\n", 300)+"data: "+frame+"\n\ndata: [DONE]\n\n"),
		build("anthropic", "/v1/messages", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"usage\":"+
			"{\"input_tokens\":9,\"output_tokens\":1}}}\n\n"+strings.Repeat("event: content_block_delta\ndata: {\"type\":\"content_block_delta\","+
			"\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n", 40)+"event: message_delta\ndata: {\"type\":\"message_delta\","+
			"\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":44}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
		build("gemini", "/v1beta/models/g:streamGenerateContent", `[{"candidates":[{"content":{"parts":[{"text":"hi"}]}}]}`+"\r\n,"+
			`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":6,"totalTokenCount":11}}]`),
	}
}

// TestScanner_compressed: T07, T27. A compressed answer reads as a plain one,
// in one read, in two at every offset, and byte by byte.
func TestScanner_compressed(t *testing.T) {
	t.Parallel()
	for _, a := range answers() {
		want := a.read(len(a.answer))
		if want.State != metering.UsageExact {
			t.Fatalf("%s: %+v", a.ID, want)
		}
		half := len(a.answer) / 2
		for _, c := range codings() {
			body := c.compress(t, a.answer[:half], a.answer[half:])
			for cut := 0; cut <= len(body); cut += 1 + len(body)/256 {
				s := a.scanner(c.name)
				s.Scan(body[:cut])
				s.Scan(body[cut:])
				if got := s.Close(dialect.Ended); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s in %s cut at %d (-plain +compressed):\n%s", a.ID, c.name, cut, cmp.Diff(want, got))
				}
			}
			if got := scan(a.scanner(c.name), body, 1); !reflect.DeepEqual(got, want) {
				t.Errorf("%s in %s byte by byte (-plain +compressed):\n%s", a.ID, c.name, cmp.Diff(want, got))
			}
		}
	}
}

// TestScanner_stacked: codings lie over each other in the order they are named.
func TestScanner_stacked(t *testing.T) {
	t.Parallel()
	a, all := answers()[0], codings()
	want := a.read(len(a.answer))
	body := all[4].compress(t, all[0].compress(t, a.answer))
	for coding, exact := range map[string]bool{"gzip, br": true, "gzip , identity, br": false, "br, gzip": false, "identity": false} {
		got := scan(a.scanner(coding), body, len(body))
		if (got.State == metering.UsageExact) != exact || exact && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", coding, got)
		}
	}
	if got := scan(a.scanner("identity"), a.answer, 7); !reflect.DeepEqual(got, want) {
		t.Errorf("identity: %+v", got)
	}
}

// TestScanner_terminal: the terminal event is seen in the read that completes it,
// compressed or not, so that the fact can be written before it is passed on.
func TestScanner_terminal(t *testing.T) {
	t.Parallel()
	for _, a := range answers() {
		at := len(a.answer) - 20
		for _, c := range append(codings(), coding{name: ""}) {
			first, last := a.answer[:at], a.answer[at:]
			if c.name != "" {
				whole := c.compress(t, a.answer[:at], a.answer[at:])
				first = c.compress(t, a.answer[:at])
				for first = first[:len(first)-1]; !bytes.HasPrefix(whole, first); {
					first = first[:len(first)-1]
				}
				last = whole[len(first):]
			}
			s := a.scanner(c.name)
			s.Scan(first)
			before := s.Terminal()
			s.Scan(last)
			if before || !s.Terminal() {
				t.Errorf("%s in %q: terminal %v, then %v", a.ID, c.name, before, s.Terminal())
			}
			s.Close(dialect.Ended)
		}
	}
}

// TestScanner_torn: what ends inside its coding is no less than what it had
// given, and never exact unless the final numbers had come; no panic, no
// negative number.
func TestScanner_torn(t *testing.T) {
	t.Parallel()
	for _, a := range answers() {
		want := a.read(len(a.answer))
		for _, c := range codings() {
			body := c.compress(t, a.answer)
			for cut := 0; cut < len(body); cut += 1 + len(body)/200 {
				for _, end := range []dialect.End{dialect.Ended, dialect.Truncated, dialect.Abandoned} {
					s := a.scanner(c.name)
					s.Scan(body[:cut])
					got := s.Close(end)
					if got.State == metering.UsageExact && (got.Input != want.Input || got.Output != want.Output) {
						t.Fatalf("%s in %s cut at %d: exact, but %+v", a.ID, c.name, cut, got)
					}
					if got.State == metering.UsageNone {
						t.Fatalf("%s in %s cut at %d: none", a.ID, c.name, cut)
					}
					notNegative(t, got)
				}
			}
			for at := 0; at < len(body); at += 1 + len(body)/200 {
				broken := bytes.Clone(body)
				broken[at] ^= 0x55
				notNegative(t, scan(a.scanner(c.name), broken, 100))
			}
		}
	}
}

func notNegative(t *testing.T, u metering.Usage) {
	t.Helper()
	for c, v := range u.Tokens {
		if v < 0 {
			t.Fatalf("%s is %d in %+v", metering.Cell(c), v, u)
		}
	}
	if u.Input < 0 || u.Output < 0 || u.Total < 0 || u.Estimate != nil && (u.Estimate.Low < 0 || u.Estimate.High < u.Estimate.Low) {
		t.Fatalf("negative, or bounds reversed: %+v, %+v", u, u.Estimate)
	}
}

// TestScanner_unknownCoding: a coding that is not known ends as usage that is not
// known, never as a number.
func TestScanner_unknownCoding(t *testing.T) {
	t.Parallel()
	a := answers()[0]
	for _, name := range []string{"compress", "gzip, gzip, gzip", "dcz", "gzip;q=1"} {
		u := scan(a.scanner(name), codings()[0].compress(t, a.answer), 100)
		if u.State != metering.UsageUnknown || !u.Flagged(metering.FlagUnreadable) {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

// TestScanner_bomb: S21. A bomb costs bounded memory and time in every coding,
// and what it hides is not known.
func TestScanner_bomb(t *testing.T) {
	lengthy(t)
	a := answers()[1]
	zeros := bytes.Repeat([]byte(" "), 1<<20)
	for _, c := range codings() {
		parts := [][]byte{[]byte("data: {\"choices\":[]")}
		for range 256 {
			parts = append(parts, zeros)
		}
		bomb := c.compress(t, append(parts, a.answer)...)
		start, before := time.Now(), heap()
		s := a.scanner(c.name)
		for rest := bomb; len(rest) > 0; {
			n := min(32<<10, len(rest))
			s.Scan(rest[:n])
			rest = rest[n:]
		}
		// The event that is held, the decoder's window, and what is not collected yet.
		if grown := heap() - before; grown > 48<<20 {
			t.Errorf("%s: %d MiB of heap", c.name, grown>>20)
		}
		u := s.Close(dialect.Ended)
		if u.State != metering.UsageUnknown || !u.Flagged(metering.FlagUnreadable) {
			t.Errorf("%s: %+v", c.name, u)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", c.name, took)
		}
		t.Logf("%-8s %7d bytes for 256 MiB, read in %v", c.name, len(bomb), time.Since(start).Round(time.Millisecond))
	}
}

// heap is what is in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCorpus_gzip reads the recorded compressed bytes where the corpus has them.
func TestCorpus_gzip(t *testing.T) {
	t.Parallel()
	n := 0
	for _, e := range exchanges(t) {
		if e.Gzip == "" {
			continue
		}
		n++
		p := prepare(t, e)
		body, err := base64.StdEncoding.DecodeString(e.Gzip)
		if err != nil {
			t.Fatal(err)
		}
		want := p.read(len(p.answer))
		for _, piece := range []int{len(body), 1, 100} {
			if got := scan(p.scanner("gzip"), body, piece); !reflect.DeepEqual(got, want) {
				t.Errorf("%s in pieces of %d (-plain +gzip):\n%s", e.ID, piece, cmp.Diff(want, got))
			}
		}
	}
	if t.Logf("%d recorded gzip bodies", n); n == 0 {
		t.Error("no recorded gzip body: the corpus is not what this test is about")
	}
}
