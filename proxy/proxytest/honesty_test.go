package proxytest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy/proxytest"
)

// spoken are requests to each API that generate something, without what only
// makes them streams.
func spoken() map[string]struct{ dialect, head, body string } {
	const (
		chat, responses, messages = "POST /v1/chat/completions", "POST /v1/responses", "POST /v1/messages\nAnthropic-Version: 2023-06-01"
		flash, pro                = "POST /v1beta/models/gemini-2.5-flash:generateContent", "POST /v1beta/models/gemini-2.5-pro:generateContent"
		said                      = `[{"role":"system","content":"Größe, 漢字, 🌊"},{"role":"user","content":[{"type":"text","text":"Hold it in 120 words"}]}]`
		asked                     = `[{"role":"user","content":"What does weather say, and tide?"}]`
		schema                    = `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"array","items":{"type":"integer"}}}}`
		functions                 = `[{"type":"function","function":{"name":"weather","parameters":` + schema + `}},{"type":"function","function":{"name":"tide","parameters":` + schema + `}}]`
		contents                  = `[{"role":"user","parts":[{"text":"Hold it in 120 words"}]}]`
	)
	return map[string]struct{ dialect, head, body string }{
		"chat":                       {"openai", chat, `{"model":"gpt-4o-mini","messages":` + said + `}`},
		"chat, three choices":        {"openai", chat, `{"model":"gpt-4.1","n":3,"messages":` + said + `}`},
		"chat that reasons":          {"openai", chat, `{"model":"gpt-5","reasoning_effort":"high","messages":` + said + `}`},
		"chat, limited":              {"openai", chat, `{"model":"gpt-4o","max_tokens":7,"messages":` + said + `}`},
		"chat, limit in the thought": {"openai", chat, `{"model":"o4-mini","max_completion_tokens":30,"messages":` + said + `}`},
		"chat, stopped":              {"openai", chat, `{"model":"gpt-4o","stop":["law","weir"],"messages":` + said + `}`},
		"chat, functions":            {"openai", chat, `{"model":"gpt-4o","tools":` + functions + `,"messages":` + asked + `}`},
		"chat, functions limited":    {"openai", chat, `{"model":"gpt-4o","max_tokens":9,"tools":` + functions + `,"messages":` + asked + `}`},
		"chat, schema":               {"openai", chat, `{"model":"gpt-4o","response_format":{"type":"json_schema","json_schema":{"name":"a","schema":` + schema + `}},"messages":` + asked + `}`},
		"completion":                 {"openai", "POST /v1/completions", `{"model":"gpt-3.5-turbo-instruct","prompt":["a weir","a stream"],"n":2,"max_tokens":40}`},
		"completion, best of":        {"openai", "POST /v1/completions", `{"model":"gpt-3.5-turbo-instruct","prompt":"a weir","best_of":3,"max_tokens":40}`},
		"response":                   {"openai", responses, `{"model":"gpt-4o-mini","instructions":"Be brief.","input":"Hold it in 120 words"}`},
		"response that reasons":      {"openai", responses, `{"model":"gpt-5-mini","input":` + asked + `,"tools":[{"type":"function","name":"tide","parameters":` + schema + `}]}`},
		"response, limited":          {"openai", responses, `{"model":"gpt-4o-mini","max_output_tokens":4,"input":"Hold it in 120 words"}`},
		"message":                    {"anthropic", messages, `{"model":"claude-sonnet-4-5","max_tokens":1000,"system":[{"type":"text","text":"漢字"}],"messages":[{"role":"user","content":"Hold it in 120 words"}]}`},
		"message, limited":           {"anthropic", messages, `{"model":"claude-sonnet-4-5","max_tokens":5,"messages":[{"role":"user","content":"Hold it in 120 words"}]}`},
		"message that thinks":        {"anthropic", messages, `{"model":"claude-opus-4-1","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"hm"}]}`},
		"message, functions":         {"anthropic", messages, `{"model":"claude-haiku-4-5","max_tokens":500,"messages":` + asked + `,"tools":[{"name":"weather","input_schema":` + schema + `},{"name":"tide","input_schema":` + schema + `}]}`},
		"content":                    {"gemini", flash, `{"contents":` + contents + `}`},
		"content, two candidates":    {"gemini", flash, `{"contents":` + contents + `,"generationConfig":{"candidateCount":2,"maxOutputTokens":20}}`},
		"content that thinks":        {"gemini", pro, `{"contents":` + contents + `,"systemInstruction":{"parts":[{"text":"Be brief."}]}}`},
		"content, limit in thought":  {"gemini", pro, `{"contents":` + contents + `,"generationConfig":{"maxOutputTokens":20}}`},
		"content, functions":         {"gemini", flash, `{"contents":[{"parts":[{"text":"weather"}]}],"tools":[{"functionDeclarations":[{"name":"weather","parameters":` + schema + `}]}]}`},
		"content, schema":            {"gemini", flash, `{"contents":` + contents + `,"generationConfig":{"responseMimeType":"application/json","responseSchema":` + schema + `}}`},
	}
}

// streamed are the ways to ask for the same as a stream.
func streamed(which, head, body string) map[string][2]string {
	switch which {
	case "gemini":
		return map[string][2]string{
			"events": {strings.Replace(head, ":generateContent", ":streamGenerateContent?alt=sse", 1), body},
			"array":  {strings.Replace(head, ":generateContent", ":streamGenerateContent", 1), body},
		}
	case "openai":
		if !strings.Contains(head, "responses") {
			return map[string][2]string{"events": {head, strings.Replace(body, "{", `{"stream":true,"stream_options":{"include_usage":true},`, 1)}}
		}
	}
	return map[string][2]string{"events": {head, strings.Replace(body, "{", `{"stream":true,`, 1)}}
}

// scan reads the usage of an answer as Weir does.
func scan(t *testing.T, which, head, body, contentType, answer string) metering.Usage {
	t.Helper()
	d, ok := dialect.Named(which)
	if !ok {
		t.Fatalf("no dialect %q", which)
	}
	line, _, _ := strings.Cut(head, "\n")
	method, path, _ := strings.Cut(line, " ")
	path, _, _ = strings.Cut(path, "?")
	route := d.Route(method, path)
	q, err := d.Inspect(route, "application/json", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	s := d.Scanner(route, q, dialect.Response{Status: http.StatusOK, ContentType: contentType})
	s.Scan([]byte(answer))
	return s.Close(dialect.Ended)
}

// TestSimulator_countsWhatItSays: the usage of an answer is that of its text; a
// stream has the usage of the same answer whole; the recorder says the same.
func TestSimulator_countsWhatItSays(t *testing.T) {
	t.Parallel()
	for name, c := range spoken() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := exact(t, c.dialect, c.head, c.body)
			for way, as := range streamed(c.dialect, c.head, c.body) {
				got := exact(t, c.dialect, as[0], as[1])
				ignore := cmpopts.IgnoreFields(metering.Usage{}, "Raw", "Objects", "Terminal", "Finish", "Flags", "ServiceTier", "Region")
				if diff := cmp.Diff(whole, got, ignore); diff != "" {
					t.Errorf("%s has another usage than the answer as a whole (-whole +stream):\n%s", way, diff)
				}
			}
		})
	}
}

// exact makes a request and checks that its usage is exact and its own.
func exact(t *testing.T, which, head, body string) metering.Usage {
	t.Helper()
	sim := newSimulator()
	w := ask(t, sim, head, body)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	u := scan(t, which, head, body, w.Header().Get("Content-Type"), w.Body.String())
	if u.State != metering.UsageExact || u.Input == 0 || u.HasTotal && u.Total != u.Input+u.Output {
		t.Errorf("usage %+v is not exact, in %s", u, w.Body)
	}
	for _, f := range u.Flags {
		if f != metering.FlagRepeated {
			t.Errorf("flag %s in %s", f, w.Body)
		}
	}
	visible := said(t, w.Body.String())
	want := u.Output
	if which != "anthropic" { // whose thoughts can be read
		want -= u.Tokens[metering.OutputCell(true, metering.Text)]
	}
	if strings.Contains(body, "best_of") {
		want = visible // of which two thirds are not returned
		if u.Output <= visible {
			t.Errorf("best_of costs %d, one choice alone %d", u.Output, visible)
		}
	}
	if visible != want {
		t.Errorf("%d tokens can be read, usage says %d, in %s", visible, want, w.Body)
	}
	served := sim.Recorder().Select(nil)
	if len(served) != 1 {
		t.Fatalf("recorded %+v", served)
	}
	s := served[0]
	if s.Input != u.Input || s.Output != u.Output || s.Reasoning != u.Tokens[metering.OutputCell(true, metering.Text)] || !s.Delivered ||
		s.Status != http.StatusOK || s.Bytes != int64(w.Body.Len()) || s.Object != u.ObjectID {
		t.Errorf("recorded %+v, the answer has %+v and %d bytes", s, u, w.Body.Len())
	}
	return u
}

// said counts the tokens of the text in an answer of any API, whole or streamed,
// without looking at its usage.
func said(t *testing.T, answer string) int64 {
	t.Helper()
	var documents []string
	for line := range strings.Lines(answer) {
		if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok && data != "[DONE]" {
			documents = append(documents, data)
		}
	}
	if documents == nil {
		documents = []string{answer}
	}
	var n int64
	for _, d := range documents {
		var v any
		if err := json.Unmarshal([]byte(d), &v); err != nil {
			t.Fatalf("%v in %s", err, d)
		}
		event, _ := v.(map[string]any)
		kind, _ := event["type"].(string)
		switch {
		case kind == "response.output_item.added":
			item, _ := event["item"].(map[string]any)
			n += readable(map[string]any{"name": item["name"]})
		case strings.HasPrefix(kind, "response.") && !strings.HasSuffix(kind, ".delta"):
			// says again what the deltas have said
		default:
			n += readable(v)
		}
	}
	return n
}

// readable counts what a reader of a JSON value can read.
func readable(v any) int64 {
	var n int64
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			n += readable(item)
		}
	case map[string]any:
		for name, m := range v {
			s, isText := m.(string)
			switch name {
			case "content", "text", "thinking", "arguments", "partial_json", "name", "delta":
				if isText {
					n += proxytest.Tokens(s)
					continue
				}
			case "args", "input":
				if b, err := json.Marshal(m); err == nil && string(b) != "{}" { // a block of a stream begins empty
					n += proxytest.Tokens(string(b))
				}
				continue
			case "tools", "tool_choice", "reasoning", "usage", "usageMetadata":
				continue // what was asked, and what it cost
			}
			n += readable(m)
		}
	}
	return n
}
