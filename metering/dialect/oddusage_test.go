package dialect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// shape is how an API writes a usage object, with places for input and output.
type shape struct {
	name, dialect, path string
	usage               func(in, out string) string
	document, stream    func(usage string) string
}

func member(name, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf("%q:%s", name, value)
}

func object(members ...string) string {
	members = slices.DeleteFunc(members, func(m string) bool { return m == "" })
	return "{" + strings.Join(members, ",") + "}"
}

func shapes() []shape {
	chunk := func(usage string) string {
		return object(`"id":"x"`, `"choices":[{"delta":{"content":"four"},"finish_reason":"stop"}]`, member("usage", usage))
	}
	response := func(usage string) string {
		return object(`"id":"x"`, `"object":"response"`, `"status":"completed"`,
			`"output":[{"type":"message","content":[{"text":"four"}]}]`, member("usage", usage))
	}
	content := func(usage string) string {
		return object(`"responseId":"x"`, `"candidates":[{"content":{"parts":[{"text":"four"}]},"finishReason":"STOP"}]`,
			member("usageMetadata", usage))
	}
	return []shape{
		{
			"chat", "openai", "/v1/chat/completions",
			func(in, out string) string {
				return object(member("prompt_tokens", in), member("completion_tokens", out))
			},
			func(usage string) string {
				return object(`"id":"x"`, `"choices":[{"message":{"content":"four"},"finish_reason":"stop"}]`, member("usage", usage))
			},
			func(usage string) string { return "data: " + chunk(usage) + "\n\ndata: [DONE]\n\n" },
		},
		{
			"responses", "openai", "/v1/responses",
			func(in, out string) string { return object(member("input_tokens", in), member("output_tokens", out)) },
			response,
			func(usage string) string {
				return "data: {\"type\":\"response.output_text.delta\",\"delta\":\"four\"}\n\n" +
					"data: {\"type\":\"response.completed\",\"response\":" + response(usage) + "}\n\n"
			},
		},
		{
			"messages", "anthropic", "/v1/messages",
			func(in, out string) string { return object(member("input_tokens", in), member("output_tokens", out)) },
			func(usage string) string {
				return object(`"type":"message"`, `"content":[{"type":"text","text":"four"}]`, `"stop_reason":"end_turn"`, member("usage", usage))
			},
			func(usage string) string {
				return "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"four\"}}\n\ndata: " +
					object(`"type":"message_delta"`, `"delta":{"stop_reason":"end_turn"}`, member("usage", usage)) +
					"\n\ndata: {\"type\":\"message_stop\"}\n\n"
			},
		},
		{
			"content", "gemini", "/v1beta/models/g:streamGenerateContent",
			func(in, out string) string {
				return object(member("promptTokenCount", in), member("candidatesTokenCount", out))
			},
			content,
			func(usage string) string { return "data: " + content(usage) + "\r\n\r\n" },
		},
	}
}

// oddity is a way in which the counts can be written, and what must be made of it.
type oddity struct {
	name, in, out string // raw values, empty: absent
	state         metering.UsageState
	input, output int64 // where they are exact
	flag          metering.Flag
}

func oddities() []oddity {
	const (
		exact, partial, estimated = metering.UsageExact, metering.UsagePartial, metering.UsageEstimated
		invalid                   = metering.FlagInvalidNumber
	)
	list := []oddity{
		{"as usual", "7", "5", exact, 7, 5, ""},
		{"zero", "0", "0", exact, 0, 0, metering.FlagAllZero}, // T30: no estimate in its place
		{"zero output", "7", "0", exact, 7, 0, ""},
		{"whole floats", "7.0", "5e0", exact, 7, 5, ""},
		{"exponents", "7e1", "5000e-3", exact, 70, 5, ""},
		{"the largest", "1000000000", "5", exact, 1_000_000_000, 5, ""},
		{"twice", `6,"prompt_tokens":7`, "5", exact, 7, 5, ""},
		{"both null", "null", "null", estimated, 0, 0, ""},
		{"both absent", "", "", estimated, 0, 0, ""},
		{"both text", `"7"`, `"5"`, estimated, 0, 0, invalid},
	}
	for _, bad := range []string{
		`"5"`, `"abc"`, `""`, "-1", "-0.5", "5.5", "1e400", "1e18", "1000000001", "99999999999999999999", "1e-400",
		"NaN", "Infinity", "-Infinity", "true", "{}", "[5]", `{"n":5}`, "0x10",
	} {
		list = append(list,
			oddity{"output " + bad, "7", bad, partial, 7, -1, invalid},
			oddity{"input " + bad, bad, "5", partial, -1, 5, invalid})
	}
	return list
}

// TestOddUsage: T29, S19. Odd numbers are never wrong ones: a count that is none
// is estimated and flagged, what is beside it stays exact, nothing is negative.
func TestOddUsage(t *testing.T) {
	t.Parallel()
	for _, s := range shapes() {
		for _, o := range oddities() {
			in := o.in
			if o.name == "twice" {
				in = strings.Split(s.usage(o.in, ""), ":")[0][1:]
				in = "6," + in + ":7"
			}
			for kind, body := range map[string]string{"document": s.document(s.usage(in, o.out)), "stream": s.stream(s.usage(in, o.out))} {
				t.Run(s.name+" "+kind+" "+o.name, func(t *testing.T) {
					o.check(t, s.read(t, body))
				})
			}
		}
	}
}

// read scans a body written in the shape.
func (s shape) read(t *testing.T, body string) metering.Usage {
	t.Helper()
	d, ok := dialect.Named(s.dialect)
	if !ok {
		t.Fatal(s.dialect)
	}
	sc := d.Scanner(d.Route("POST", s.path), dialect.Request{BodyBytes: 40}, dialect.Response{Status: 200})
	return scan(sc, []byte(body), 9)
}

func (o oddity) check(t *testing.T, u metering.Usage) {
	t.Helper()
	notNegative(t, u)
	if u.State != o.state {
		t.Errorf("state is %s, want %s: %+v", u.State, o.state, u)
	}
	if o.state != metering.UsageEstimated {
		if o.input >= 0 && u.Input != o.input || o.output >= 0 && u.Output != o.output {
			t.Errorf("%d in, %d out, want %d, %d", u.Input, u.Output, o.input, o.output)
		}
	}
	if (o.state == metering.UsageExact) != (u.Estimate == nil) {
		t.Errorf("estimate is %+v", u.Estimate)
	}
	if o.flag != "" && !u.Flagged(o.flag) || o.flag == "" && len(u.Flags) > 0 {
		t.Errorf("flags are %v, want %q", u.Flags, o.flag)
	}
}

// TestOddUsage_whole: the usage member itself is odd.
func TestOddUsage_whole(t *testing.T) {
	t.Parallel()
	for _, s := range shapes() {
		for _, usage := range []string{"", "null", "{}", "[]", `""`, "7", "true", `[{"prompt_tokens":7}]`} {
			for kind, body := range map[string]string{"document": s.document(usage), "stream": s.stream(usage)} {
				u := s.read(t, body)
				if notNegative(t, u); u.State != metering.UsageEstimated || u.Output != 1 || u.Input != 10 {
					t.Errorf("%s %s usage %s: %+v", s.name, kind, usage, u)
				}
			}
		}
		good, bad := s.usage("7", "5"), s.usage("900", "900")
		quoted := strings.ReplaceAll(good, `"`, `\"`)
		inContent := strings.Replace(s.document(""), "four", `\",\"usage\":`+quoted+`,\"usageMetadata\":`+quoted, 1)
		if u := s.read(t, inContent); u.State != metering.UsageEstimated {
			t.Errorf("%s usage inside content: %+v", s.name, u)
		}
		nested := strings.Replace(s.document(good), `"four"`, `"four","usage":`+bad+`,"usageMetadata":`+bad, 1)
		if u := s.read(t, nested); u.State != metering.UsageExact || u.Input != 7 || u.Output != 5 {
			t.Errorf("%s usage in a message: %+v", s.name, u)
		}
	}
}

// TestOddUsage_parts: parts above their whole are kept and flagged, and no cell
// is negative (T29).
func TestOddUsage_parts(t *testing.T) {
	t.Parallel()
	chat, messages, content := shapes()[0], shapes()[2], shapes()[3]
	for _, tt := range []struct {
		shape shape
		usage string
		flag  metering.Flag
	}{
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"total_tokens":13}`, metering.FlagTotalMismatch},
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":8}}`, metering.FlagCachedExceedInput},
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":-8}}`, metering.FlagInvalidNumber},
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":6}}`, metering.FlagReasoningExceeds},
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"completion_tokens_details":{"audio_tokens":6}}`, metering.FlagTotalMismatch},
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"prompt_tokens_details":{"image_tokens":9}}`, metering.FlagTotalMismatch},
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"prompt_tokens_details":{"smell_tokens":2}}`, metering.FlagUnknownField},
		{chat, `{"prompt_tokens":7,"completion_tokens":5,"dream_tokens":2}`, metering.FlagUnknownField},
		{messages, `{"input_tokens":7,"output_tokens":5,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":4}}`, metering.FlagTotalMismatch},
		{messages, `{"input_tokens":7,"output_tokens":5,"cache_creation_input_tokens":3}`, metering.FlagTTLNotReported},
		{messages, `{"input_tokens":7,"output_tokens":5,"cache_read_input_tokens":"x"}`, metering.FlagInvalidNumber},
		{content, `{"promptTokenCount":7,"candidatesTokenCount":5,"cachedContentTokenCount":8}`, metering.FlagCachedExceedInput},
		{content, `{"promptTokenCount":7,"candidatesTokenCount":5,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":9}]}`, metering.FlagTotalMismatch},
		{content, `{"promptTokenCount":7,"candidatesTokenCount":5,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":-9}]}`, metering.FlagInvalidNumber},
		{content, `{"promptTokenCount":7,"candidatesTokenCount":5,"dreamTokenCount":9}`, metering.FlagUnknownField},
	} {
		for _, body := range []string{tt.shape.document(tt.usage), tt.shape.stream(tt.usage)} {
			u := tt.shape.read(t, body)
			if notNegative(t, u); u.State != metering.UsageExact || !u.Flagged(tt.flag) || string(u.Raw) != tt.usage {
				t.Errorf("%s: %+v, want flag %s", tt.usage, u, tt.flag)
			}
		}
	}
}
