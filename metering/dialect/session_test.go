package dialect_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// script is a socket written for these tests.
type script struct {
	name, dialect, path string
	lines               [][]byte
	want                string
}

// scripts reads testdata/sockets/*.txtar. The file "call" says dialect and path;
// each line of "messages" is one, behind ">" if it was sent and "<" if it was
// received, and "b" if it is binary.
func scripts(tb testing.TB) []script {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "sockets", "*.txtar"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no scripts: %v", err)
	}
	var all []script
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		s := script{name: strings.TrimSuffix(filepath.Base(f), ".txtar")}
		for _, part := range txtar.Parse(raw).Files {
			switch part.Name {
			case "call":
				if _, err := fmt.Sscan(string(part.Data), &s.dialect, &s.path); err != nil {
					tb.Fatalf("%s: %v", f, err)
				}
			case "messages":
				s.lines = bytes.Split(bytes.TrimSuffix(part.Data, []byte("\n")), []byte("\n"))
			case "turns":
				s.want = string(part.Data)
			}
		}
		all = append(all, s)
	}
	return all
}

// play gives a session one line of a script.
func play(tb testing.TB, s dialect.Session, line []byte) []dialect.Turn {
	tb.Helper()
	head, data, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(head) == 0 {
		tb.Fatalf("line %q", line)
	}
	binary := bytes.HasSuffix(head, []byte("b"))
	if head[0] == '>' {
		s.Sent(data, binary)
		return nil
	}
	return s.Received(data, binary)
}

// TestSession replays scripts: T22.
func TestSession(t *testing.T) {
	t.Parallel()
	for _, sc := range scripts(t) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			s := openSocket(t, sc.dialect, sc.path)
			var got strings.Builder
			write := func(what, model string, u metering.Usage) {
				fmt.Fprintf(&got, "%s\n%s\n", strings.TrimSuffix(what+" "+model, " \n"), text(u))
			}
			for _, line := range sc.lines {
				before := bytes.Clone(line)
				for _, turn := range play(t, s, line) {
					write("turn", turn.Model, turn.Usage)
				}
				if !bytes.Equal(before, line) {
					t.Errorf("%q was changed in place", before)
				}
				notNegative(t, s.Snapshot())
			}
			open, rest := s.Close(dialect.Truncated)
			for _, turn := range open {
				write("open", turn.Model, turn.Usage)
			}
			fmt.Fprintf(&got, "rest\n%s", text(rest))
			if diff := cmp.Diff(sc.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSession_snapshot: a checkpoint is the sum of what is open, by model.
func TestSession_snapshot(t *testing.T) {
	t.Parallel()
	s := openSocket(t, "openai", "/v1/responses")
	s.Sent([]byte(`{"type":"response.create","stream_id":"a","model":"weir-1","input":"0123456789"}`), false)
	s.Received([]byte(`{"type":"response.created","stream_id":"a","response":{"id":"a","model":"weir-1"}}`), false)
	s.Received([]byte(`{"type":"response.created","stream_id":"b","response":{"id":"b","model":"weir-2"}}`), false)
	one := s.Snapshot()
	s.Received([]byte(`{"type":"response.output_text.delta","stream_id":"b","delta":"12345678"}`), false)
	two := s.Snapshot()
	if len(one.ByModel) != 2 || one.State != metering.UsageEstimated || one.Output != 0 || one.Input == 0 {
		t.Errorf("snapshot of two turns: %+v", one)
	}
	if two.Output != 2 || two.Input != one.Input || two.ByModel[1].Model != "weir-2" || two.ByModel[1].Output != 2 {
		t.Errorf("snapshot after text: %+v", two)
	}
}

// TestSession_bounds: more turns than are followed are known from their end, and
// one that never ends shows in the rest.
func TestSession_bounds(t *testing.T) {
	t.Parallel()
	s := openSocket(t, "openai", "/v1/realtime")
	const many = 1000
	for i := range many {
		s.Received(fmt.Appendf(nil, `{"type":"response.created","response":{"id":"r%d"}}`, i), false)
	}
	ended := 0
	for i := range many - 1 {
		for _, turn := range s.Received(fmt.Appendf(nil,
			`{"type":"response.done","response":{"id":"r%d","status":"completed","usage":{"input_tokens":1,"output_tokens":2}}}`, i), false) {
			if turn.Usage.State != metering.UsageExact || turn.Usage.Input != 1 {
				t.Fatalf("turn %d: %+v", i, turn)
			}
			ended++
		}
	}
	open, rest := s.Close(dialect.Ended)
	if ended != many-1 || len(open) != 0 || rest.State != metering.UsageUnknown || amount(rest, "untracked_turns") != "1" {
		t.Errorf("%d ended, %d open, rest %+v", ended, len(open), rest)
	}
}

// TestSession_large: a message of 32 MiB of audio is passed over.
func TestSession_large(t *testing.T) {
	t.Parallel()
	audio := bytes.Repeat([]byte("A"), 32<<20)
	message := func(head, tail string) []byte {
		return append(append([]byte(head), audio...), tail...)
	}
	s := openSocket(t, "openai", "/v1/realtime")
	s.Sent(message(`{"type":"input_audio_buffer.append","audio":"`, `"}`), false)
	s.Received([]byte(`{"type":"response.created","response":{"id":"r"}}`), false)
	s.Received(message(`{"type":"response.audio.delta","response_id":"r","delta":"`, `"}`), false)
	if open, _ := s.Close(dialect.Ended); len(open) != 1 || open[0].Usage.Output != 0 {
		t.Errorf("audio was taken for text: %+v", open)
	}
	s = openSocket(t, "gemini", "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent")
	s.Received(message(`{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm","data":"`, `"}}]}}}`), true)
	if open, _ := s.Close(dialect.Ended); len(open) != 1 || open[0].Usage.Output != 0 {
		t.Errorf("audio was taken for text: %+v", open)
	}
}

// TestSockets: which paths become sockets.
func TestSockets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dialect, path, want string }{
		{"openai", "/v1/realtime", "openai.realtime"}, {"openai", "/openai/v1/realtime", "openai.realtime"},
		{"openai", "/openai/realtime", "openai.realtime"}, {"openai", "/v1/responses", "openai.responses"},
		{"openai", "/v1/responses/resp_1", ""}, {"openai", "/v1/files/responses", ""}, {"openai", "/v1/realtime/calls", ""},
		{"openai", "/v1/chat/completions", ""}, {"openai", "/", ""},
		{"gemini", "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", "gemini.live"},
		{"gemini", "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained", "gemini.live"},
		{"gemini", "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent", "gemini.live"},
		{"gemini", "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateMusic", ""},
		{"gemini", "/v1/BidiGenerateContent", ""},
	} {
		d, _ := dialect.Named(c.dialect)
		r, ok := d.(dialect.Sockets).Socket(c.path)
		if string(r.Endpoint) != c.want || ok != (c.want != "") || ok && r.Class != dialect.Metered {
			t.Errorf("%s %s: %+v, %v, want %q", c.dialect, c.path, r, ok, c.want)
		}
	}
}

// FuzzSession: whatever comes in whatever order, nothing panics, nothing is
// negative, and no byte is changed (S19, T22).
func FuzzSession(f *testing.F) {
	all := scripts(f)
	for i, s := range all {
		f.Add(bytes.Join(s.lines, []byte("\n")), uint8(i))
	}
	f.Add([]byte("<b \n< {\n> {\"type\":\"response.create\"\n< {\"type\":\"response.done\",\"response\":[],\"usage\":{\"input_tokens\":-1}}"), uint8(0))
	f.Add([]byte("<b {\"serverContent\":{\"turnComplete\":true},\"usageMetadata\":{\"totalTokenCount\":1e400}}"), uint8(len(all)-1))
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		sc := all[int(which)%len(all)]
		s := openSocket(t, sc.dialect, sc.path)
		before := bytes.Clone(body)
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if len(line) == 0 || !bytes.Contains(line, []byte(" ")) || line[0] == ' ' {
				continue
			}
			for _, turn := range play(t, s, line) {
				notNegative(t, turn.Usage)
			}
			notNegative(t, s.Snapshot())
		}
		open, rest := s.Close(dialect.Ended)
		for _, turn := range open {
			notNegative(t, turn.Usage)
			if turn.Usage.State == metering.UsageExact {
				t.Errorf("a turn that did not end is exact: %+v", turn)
			}
		}
		notNegative(t, rest)
		if !bytes.Equal(before, body) {
			t.Fatal("a message was changed in place")
		}
	})
}
