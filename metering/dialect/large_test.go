package dialect_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// large is an answer of which most is one piece repeated.
type large struct {
	name, head, piece, tail string
	size                    int
	state                   metering.UsageState
	flag                    metering.Flag
}

const (
	mib      = 1 << 20
	lastText = `data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":5}}` + "\n\n"
)

// lengthy skips a test that takes seconds where the run is to be short.
func lengthy(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED by -short: it reads some hundred MiB")
	}
}

// TestScanner_large: S17, S21, T27. Lines, documents and nests of brackets of up
// to 64 MiB cost bounded memory and time linear in their length; usage behind
// what was too large to keep is still read.
func TestScanner_large(t *testing.T) {
	lengthy(t)
	for _, l := range []large{
		{"a line of 600 KiB", `data: {"b64_json":"`, "iVBORw0K", `"}` + "\n\n" + lastText, 600 << 10, metering.UsageExact, ""},
		{
			"usage behind 5 MiB of one line", `data: {"audio":"`, "UklGRiQA", `","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}` + "\n\n",
			5 * mib, metering.UsageExact, "",
		},
		{"a line of 64 MiB", `data: {"b64_json":"`, "iVBORw0K", `"}` + "\n\n" + lastText, 64 * mib, metering.UsageExact, ""},
		{
			"usage in a line of 64 MiB", `data: {"audio":"`, "UklGRiQA", `","usage":{"prompt_tokens":7}}` + "\n\n",
			64 * mib, metering.UsageUnknown, metering.FlagUnreadable,
		},
		{"a line of 64 MiB without an end", `data: {"audio":"`, "UklGRiQA", "", 64 * mib, metering.UsageUnknown, metering.FlagUnreadable},
		{"an event of many lines", "", "data: [\n", "\n" + lastText, 64 * mib, metering.UsageExact, ""},
		{"an event of empty lines", ":\r", "data\r", "\n\n" + lastText, 64 * mib, metering.UsageExact, ""},
		{"blank lines", ":\n\n", "\r", lastText, 64 * mib, metering.UsageExact, ""},
		{"comments", "", ": ping\r\n\r\n", lastText, 64 * mib, metering.UsageExact, ""},
		{"events of nothing", "", "data:\n\n", lastText, 16 * mib, metering.UsageExact, ""},
		{"unknown fields", "data: {}\n\n", "error: {\n", "\n" + lastText, 16 * mib, metering.UsageExact, ""},
		{"brackets in a line", "data: ", "[", "\n\n" + lastText, 7 * mib, metering.UsageExact, ""},
		{"braces in a line", "data: ", `{"a":`, "\n\n" + lastText, 7 * mib, metering.UsageExact, ""},
		{"usage as a nest of brackets", `data: {"usage":`, "[", "\n\n" + lastText, 7 * mib, metering.UsageExact, ""},
		{"64 MiB of brackets", "", "[", "", 64 * mib, metering.UsageUnknown, metering.FlagUnreadable},
		{"64 MiB of braces", "", `{"choices":`, "", 64 * mib, metering.UsageUnknown, metering.FlagUnreadable},
		{"escapes in a document", `{"choices":"`, `\"`, `"}`, 30 * mib, metering.UsageEstimated, ""},
		{"backslashes in a document", `{"choices":"`, `\`, `"}`, 30 * mib, metering.UsageEstimated, ""},
		{
			"a document of 30 MiB", `{"data":"`, "iVBORw0K", `","usage":{"prompt_tokens":7,"completion_tokens":5}}`,
			30 * mib, metering.UsageExact, "",
		},
		{
			"a document of 64 MiB", `{"b64_json":"`, "iVBORw0K", `","usage":{"prompt_tokens":7,"completion_tokens":5}}`,
			64 * mib, metering.UsageUnknown, metering.FlagUnreadable,
		},
		{
			"64 MiB of vectors", `{"data":[`, "0.123456,", `1],"usage":{"prompt_tokens":7,"completion_tokens":5}}`,
			64 * mib, metering.UsageExact, "",
		},
		{"64 MiB of text that is neither", "<html>", "<p>weir", "", 64 * mib, metering.UsageUnknown, metering.FlagUnreadable},
		{"64 MiB of blanks", "", " \n", "", 64 * mib, metering.UsageEstimated, ""},
	} {
		t.Run(l.name, l.run)
	}
}

func (l large) run(t *testing.T) {
	d, _ := dialect.Named("openai")
	route := d.Route("POST", "/v1/chat/completions")
	if strings.Contains(l.name, "vectors") {
		route = d.Route("POST", "/v1/embeddings")
	}
	s := d.Scanner(route, dialect.Request{BodyBytes: 40}, dialect.Response{Status: 200})
	block := []byte(strings.Repeat(l.piece, 32<<10/len(l.piece)))
	start, before := time.Now(), heap()
	s.Scan([]byte(l.head))
	for sent := 0; sent < l.size; sent += len(block) {
		s.Scan(block)
	}
	// The largest document that is kept, which append may have doubled.
	if grown := heap() - before; grown > 72*mib {
		t.Errorf("%d MiB of heap", grown>>20)
	}
	s.Scan([]byte(l.tail))
	u := s.Close(dialect.Ended)
	notNegative(t, u)
	if u.State != l.state || l.flag != "" && !u.Flagged(l.flag) {
		t.Errorf("%+v, want %s %s", u, l.state, l.flag)
	}
	if u.State == metering.UsageExact && (u.Input != 7 || u.Output != 5) {
		t.Errorf("%d in, %d out", u.Input, u.Output)
	}
	// A hundred times what it takes here: only what is not linear is slower.
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestScanner_largeMedia: what is made is not kept. Images are counted in whatever
// they come, and of the bytes of speech, the lines of a file and subtitles little
// is held.
func TestScanner_largeMedia(t *testing.T) {
	lengthy(t)
	for _, l := range []struct {
		method, path, head, piece, tail string
		want                            metering.Usage
	}{
		{
			"POST", "/v1/images/generations", `{"data":[{"b64_json":"`, "iVBORw0K", `"},{"url":"{[\""}],"usage":{"input_tokens":7,"output_tokens":5}}`,
			metering.Usage{State: metering.UsageExact, Input: 7, Output: 5, Quantities: []metering.Quantity{{Name: "images", Amount: metering.NumberOf(2)}}},
		},
		{
			"POST", "/v1/audio/speech", "ID3", "\x00\n\r{", "",
			metering.Usage{State: metering.UsageEstimated, Quantities: []metering.Quantity{{Name: "requests", Amount: metering.NumberOf(1)}}},
		},
		{
			"POST", "/v1/audio/transcriptions", "WEBVTT\n", "-->", "\n00:01.000 --> 00:02.000\n",
			metering.Usage{State: metering.UsageEstimated, Quantities: []metering.Quantity{{Name: "audio_seconds", Amount: metering.NumberOf(2)}}},
		},
		{
			"GET", "/v1/files/f/content", "", `{"custom_id":"a","response":{"status_code":200,"body":{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":1}}}}` + "\n", "",
			metering.Usage{State: metering.UsageExact},
		},
		{"GET", "/v1/files/f/content", "[", `{"a":1},`, "]", metering.Usage{State: metering.UsageNone}},
		{"GET", "/v1/files/f/content", `{"a":"`, "long text", `"}`, metering.Usage{State: metering.UsageNone}},
	} {
		d, _ := dialect.Named("openai")
		s := d.Scanner(d.Route(l.method, l.path), dialect.Request{BodyBytes: 40}, dialect.Response{Status: 200})
		block := []byte(strings.Repeat(l.piece, 1+32<<10/len(l.piece)))
		start, before := time.Now(), heap()
		s.Scan([]byte(l.head))
		for sent := 0; sent < 48*mib; sent += len(block) {
			s.Scan(block)
		}
		if grown := heap() - before; grown > 72*mib {
			t.Errorf("%s: %d MiB of heap", l.path, grown>>20)
		}
		s.Scan([]byte(l.tail))
		u := s.Close(dialect.Ended)
		notNegative(t, u)
		if u.State != l.want.State || l.want.Input > 0 && (u.Input != l.want.Input || u.Output != l.want.Output) {
			t.Errorf("%s of %.20q: %+v, want %+v", l.path, l.piece, u, l.want)
		}
		if l.want.Quantities != nil && !slices.Equal(u.Quantities, l.want.Quantities) {
			t.Errorf("%s of %.20q: %v, want %v", l.path, l.piece, u.Quantities, l.want.Quantities)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s of %.20q took %v", l.path, l.piece, took)
		}
	}
}

// TestInspect_bombs: S21, T75. Requests that are nothing but depth, keys or names.
func TestInspect_bombs(t *testing.T) {
	lengthy(t)
	t.Parallel()
	fill := func(head, piece, tail string) []byte {
		return append(append([]byte(head), bytes.Repeat([]byte(piece), 64*mib/len(piece))...), tail...)
	}
	for name, body := range map[string][]byte{
		"brackets":           fill("", "[", ""),
		"brackets in value":  fill(`{"model":"m","messages":`, "[", ""),
		"braces":             fill("", `{"a":`, ""),
		"options":            fill(`{"model":"m","stream_options":`, `{"include_usage":`, ""),
		"keys":               fill(`{"model":"m"`, `,"k":1`, "}"),
		"escaped keys":       fill(`{"model":"m"`, `,"\u006b":1`, "}"),
		"text":               fill(`{"model":"m","x":"`, `\"\\`, `"}`),
		"commas":             fill(`{"model":"m"`, ",", "}"),
		"the model, a nest":  fill(`{"model":`, "[", ""),
		"the model, no text": fill(`{"model":"`, "m", `"}`),
	} {
		// One function inspects for all dialects.
		d, _ := dialect.Named("openai")
		start := time.Now()
		q, err := d.Inspect(d.Route("POST", "/v1/chat/completions"), "application/json", body)
		if (err != nil) != (name == "the model, no text") || len(q.Model) > 1 {
			t.Errorf("%s: model %.40q, %v", name, q.Model, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}
