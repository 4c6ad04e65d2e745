package proxytest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/proxy/proxytest"
)

const chatPath = "POST /v1/chat/completions"

// chatAnswer is what the tests read of a chat completion.
type chatAnswer struct {
	Choices []struct {
		Message struct {
			Content   *string
			ToolCalls []struct {
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Finish string `json:"finish_reason"`
	}
	Usage struct {
		Input   int64 `json:"prompt_tokens"`
		Output  int64 `json:"completion_tokens"`
		Details struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

func chat(t *testing.T, h http.Handler, members string) chatAnswer {
	t.Helper()
	w := ask(t, h, chatPath, `{"model":"gpt-4o",`+members+`}`)
	var a chatAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || len(a.Choices) == 0 {
		t.Fatalf("%d %v in %s", w.Code, err, w.Body)
	}
	return a
}

// TestSimulator_functions: when a model calls what it was given.
func TestSimulator_functions(t *testing.T) {
	t.Parallel()
	const (
		tools  = `"tools":[{"type":"function","function":{"name":"tide","parameters":{}}},{"type":"function","function":{"name":"weather","parameters":{}}}],`
		result = `"messages":[{"role":"user","content":"weather?"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"rain"}]`
	)
	says := func(s string) string { return `"messages":[{"role":"user","content":"` + s + `"}]` }
	for _, tt := range []struct {
		name, members, finish string
		want                  []string
	}{
		{"none given", says("weather?"), "stop", nil},
		{"one is named", tools + says("The weather, please"), "tool_calls", []string{"weather"}},
		{"both are named", tools + says("Tide and weather"), "tool_calls", []string{"tide", "weather"}},
		{"both are named, one at a time", `"parallel_tool_calls":false,` + tools + says("Weather and tide"), "tool_calls", []string{"tide"}},
		{"a question", tools + says("Where am I?"), "tool_calls", []string{"tide"}},
		{"no question", tools + says("Hello."), "stop", nil},
		{"one is demanded", `"tool_choice":"required",` + tools + says("Hello."), "tool_calls", []string{"tide"}},
		{"a certain one is demanded", `"tool_choice":{"type":"function","function":{"name":"weather"}},` + tools + says("tide?"), "tool_calls", []string{"weather"}},
		{"none is wanted", `"tool_choice":"none",` + tools + says("weather?"), "stop", nil},
		{"the result has come", tools + result, "stop", nil},
	} {
		a := chat(t, newSimulator(), tt.members)
		var got []string
		for _, c := range a.Choices[0].Message.ToolCalls {
			got = append(got, c.Function.Name)
			if !json.Valid([]byte(c.Function.Arguments)) {
				t.Errorf("%s: arguments %q", tt.name, c.Function.Arguments)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || a.Choices[0].Finish != tt.finish {
			t.Errorf("%s: finish %s, calls (-want +got):\n%s", tt.name, a.Choices[0].Finish, diff)
		}
		if (a.Choices[0].Message.Content == nil) != (len(tt.want) > 0) {
			t.Errorf("%s: content %v beside calls %q", tt.name, a.Choices[0].Message.Content, got)
		}
	}
}

// TestSimulator_schema: an answer is what the schema allows.
func TestSimulator_schema(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, schema, want string }{
		{"members", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["integer","null"]},"c":{"type":"boolean"}}}`, `{"a":"weir","b":21,"c":true}`},
		{"choices", `{"type":"object","properties":{"a":{"enum":["x","y"]},"b":{"const":7},"c":{"anyOf":[{"type":"null"},{"type":"string"}]}}}`, `{"a":"x","b":7,"c":null}`},
		{"bounds", `{"type":"object","properties":{"a":{"type":"number","minimum":50.5},"b":{"type":"integer","maximum":3},"c":{"type":"string","maxLength":2},"d":{"type":"string","minLength":6},"e":{"type":"array","minItems":2,"items":{"type":"integer"}}}}`,
			`{"a":50.5,"b":3,"c":"we","d":"weirwe","e":[21,21]}`},
		{"formats", `{"type":"object","properties":{"a":{"type":"string","format":"date"},"b":{"type":"string","format":"email"}}}`, `{"a":"2026-01-02","b":"weir@example.com"}`},
		{"references", `{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"type":"object","properties":{"c":{"type":"string"}}}}}`, `{"a":{"c":"weir"}}`},
	} {
		body := `"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":` + tt.schema + `}},"messages":[{"role":"user","content":"go"}]`
		if got := *chat(t, newSimulator(), body).Choices[0].Message.Content; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	endless := `"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"l":{"$ref":"#/$defs/a"},"r":{"type":"array","items":{"$ref":"#/$defs/a"}}}}}}}},"messages":[{"role":"user","content":"go"}]`
	if got := *chat(t, newSimulator(), endless).Choices[0].Message.Content; len(got) > 4096 || !json.Valid([]byte(got)) {
		t.Errorf("a schema that refers to itself makes %d bytes", len(got))
	}
	if got := *chat(t, newSimulator(), `"response_format":{"type":"json_object"},"messages":[{"role":"user","content":"go"}]`).Choices[0].Message.Content; got != `{"answer":"weir"}` {
		t.Errorf("any object is %s", got)
	}
}

// TestSimulator_answers: length, limit, stop and choices are as asked for, and
// the same request gets the same.
func TestSimulator_answers(t *testing.T) {
	t.Parallel()
	sim := newSimulator()
	long := chat(t, sim, `"messages":[{"role":"user","content":"Hold it in 200 words."}]`)
	if got := len(strings.Fields(*long.Choices[0].Message.Content)); got != 200 || long.Choices[0].Finish != "stop" {
		t.Errorf("%d words, finish %s", got, long.Choices[0].Finish)
	}
	cut := chat(t, sim, `"max_tokens":10,"messages":[{"role":"user","content":"Hold it in 200 words."}]`)
	if cut.Usage.Output != 10 || cut.Choices[0].Finish != "length" {
		t.Errorf("limit 10: %d tokens, finish %s", cut.Usage.Output, cut.Choices[0].Finish)
	}
	stopped := chat(t, sim, `"stop":["weir"],"messages":[{"role":"user","content":"Hold it in 200 words."}]`)
	if s := *stopped.Choices[0].Message.Content; strings.Contains(s, "weir") || stopped.Choices[0].Finish != "stop" || proxytest.Tokens(s) != stopped.Usage.Output {
		t.Errorf("stopped at weir: finish %s after %q", stopped.Choices[0].Finish, s)
	}
	three := chat(t, sim, `"n":3,"messages":[{"role":"user","content":"Hold it."}]`)
	if len(three.Choices) != 3 || *three.Choices[0].Message.Content == *three.Choices[1].Message.Content {
		t.Errorf("three choices: %+v", three.Choices)
	}
	if diff := cmp.Diff(three, chat(t, newSimulator(), `"n":3,"messages":[{"role":"user","content":"Hold it."}]`)); diff != "" {
		t.Errorf("the same request, another answer:\n%s", diff)
	}
}

// TestSimulator_cache: a long prompt that begins alike is read from the cache in
// blocks of 128, for five minutes and with the same model.
func TestSimulator_cache(t *testing.T) {
	t.Parallel()
	now := instant()
	sim := proxytest.NewSimulator(proxytest.SimulatorOptions{Now: func() time.Time { return now }})
	common := strings.Repeat("word ", 1500)
	says := func(tail string) string { return `"messages":[{"role":"user","content":"` + common + tail + `"}]` }
	cached := func(members string) int64 { return chat(t, sim, members).Usage.Details.Cached }

	first := chat(t, sim, says("one")).Usage
	if first.Details.Cached != 0 || first.Input < 1500 {
		t.Errorf("first: %+v", first)
	}
	if got, want := cached(says("two, longer")), (first.Input-2)/128*128; got != want {
		t.Errorf("the same beginning: %d cached, want %d", got, want)
	}
	if got := cached(`"messages":[{"role":"user","content":"No. ` + common + `"}]`); got != 0 {
		t.Errorf("another beginning: %d cached", got)
	}
	if got := cached(`"messages":[{"role":"user","content":"` + strings.Repeat("word ", 900) + `"}]`); got != 0 {
		t.Errorf("a short prompt: %d cached", got)
	}
	other := ask(t, sim, chatPath, `{"model":"gpt-4.1",`+says("one")+`}`).Body.String()
	if !strings.Contains(other, `"cached_tokens":0`) {
		t.Errorf("another model: %s", other)
	}
	now = now.Add(5 * time.Minute)
	if got := cached(says("one")); got != 0 {
		t.Errorf("after five minutes: %d cached", got)
	}
}

// TestSimulator_cacheControl: Anthropic caches where it is told to, and for how
// long.
func TestSimulator_cacheControl(t *testing.T) {
	t.Parallel()
	now := instant()
	sim := proxytest.NewSimulator(proxytest.SimulatorOptions{Now: func() time.Time { return now }})
	block := func(word, ttl string) string {
		control := ""
		if ttl != "" {
			control = `,"cache_control":{"type":"ephemeral","ttl":"` + ttl + `"}`
		}
		return `{"type":"text","text":"` + strings.Repeat(word+" ", 1100) + `"` + control + `}`
	}
	usage := func(blocks ...string) (input, read, minutes, hour int64) {
		t.Helper()
		w := ask(t, sim, "POST /v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":4,"system":[`+strings.Join(blocks, ",")+`],"messages":[{"role":"user","content":"go"}]}`)
		var a struct {
			Usage struct {
				Input    int64 `json:"input_tokens"`
				Written  int64 `json:"cache_creation_input_tokens"`
				Read     int64 `json:"cache_read_input_tokens"`
				Creation struct {
					Minutes int64 `json:"ephemeral_5m_input_tokens"`
					Hour    int64 `json:"ephemeral_1h_input_tokens"`
				} `json:"cache_creation"`
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %v in %s", w.Code, err, w.Body)
		}
		if a.Usage.Written != a.Usage.Creation.Minutes+a.Usage.Creation.Hour {
			t.Errorf("%d written, of which %d and %d", a.Usage.Written, a.Usage.Creation.Minutes, a.Usage.Creation.Hour)
		}
		return a.Usage.Input, a.Usage.Read, a.Usage.Creation.Minutes, a.Usage.Creation.Hour
	}
	check := func(what string, want [4]int64, blocks ...string) {
		t.Helper()
		input, read, minutes, hour := usage(blocks...)
		if got := [4]int64{input, read, minutes, hour}; got != want {
			t.Errorf("%s: input, read, 5m, 1h are %v, want %v", what, got, want)
		}
	}
	const rest = 4 + 1 // a message and its word
	// 1100 words and the space at the end; the prompt's three come before all.
	const one = 1101 + 3
	check("without marks", [4]int64{one + rest, 0, 0, 0}, block("a", ""))
	check("again, without marks", [4]int64{one + rest, 0, 0, 0}, block("a", ""))
	check("one mark for an hour", [4]int64{rest, 0, 0, one}, block("a", "1h"))
	check("read back", [4]int64{rest, one, 0, 0}, block("a", "1h"))
	check("longer, the rest for five minutes", [4]int64{rest, one, 1101, 0}, block("a", "1h"), block("b", "5m"))
	check("all read back", [4]int64{rest, one + 1101, 0, 0}, block("a", "1h"), block("b", "5m"))
	now = now.Add(10 * time.Minute)
	check("ten minutes later", [4]int64{rest, one, 1101, 0}, block("a", "1h"), block("b", "5m"))
	now = now.Add(time.Hour)
	check("an hour later", [4]int64{rest, 0, 1101, one}, block("a", "1h"), block("b", "5m"))

	five := strings.Repeat(`{"type":"text","text":"x","cache_control":{"type":"ephemeral"}},`, 5)
	w := ask(t, sim, "POST /v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":4,"messages":[{"role":"user","content":[`+strings.TrimSuffix(five, ",")+`]}]}`)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Found 5") {
		t.Errorf("five marks: %d %s", w.Code, w.Body)
	}
}

// TestSimulator_counting: the free endpoints count what a call then costs, and
// break off for no model.
func TestSimulator_counting(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"claude-sonnet-4-5", "sim-reset", "sim-no-usage"} {
		body := fmt.Sprintf(`{"model":%q,"max_tokens":9,"messages":[{"role":"user","content":"How many?"}]}`, model)
		if w := ask(t, newSimulator(), "POST /v1/messages/count_tokens", body); w.Body.String() != `{"input_tokens":10}` {
			t.Errorf("%s: %d %s", model, w.Code, w.Body)
		}
	}
	if got := input(t, "POST /v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"How many?"}]}`); got != 10 {
		t.Errorf("the call costs %d", got)
	}
}
