package proxytest

import (
	"net/http"
	"strconv"
)

// chat answers a chat completion.
// https://platform.openai.com/docs/api-reference/chat
func chat(x *exchange) {
	p := newPrompt(openAI)
	p.definitions(list(x.body["tools"]))
	p.conversation(x.body["messages"])
	if len(list(x.body["messages"])) == 0 {
		x.fail(http.StatusBadRequest, "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
		return
	}
	w := wishes{
		limit: max(whole(x.body["max_completion_tokens"]), whole(x.body["max_tokens"])), choices: max(1, min(whole(x.body["n"]), 128)),
		reasoning: effort(x.model, x.body["reasoning_effort"]), stops: stops(x.body["stop"]), single: x.body["parallel_tool_calls"] == false,
	}
	w.functions(list(x.body["tools"]), x.body["tool_choice"])
	w.format(x.body["response_format"])
	g := x.generate(p, w)
	x.record.Object = "chatcmpl-" + x.seed[:29]
	if x.body["stream"] == true {
		x.chatStream(g)
		return
	}
	choices := make([]object, 0, len(g.choices))
	for i, c := range g.choices {
		m := object{{"role", "assistant"}, {"content", nil}}
		if len(c.calls) == 0 {
			m[1].value = c.text()
		} else {
			var calls []object
			for j, made := range c.calls {
				calls = append(calls, object{{"id", x.callID(i, j)}, {"type", "function"}, {"function", object{{"name", made.name}, {"arguments", made.arguments}}}})
			}
			m = m.with("tool_calls", calls)
		}
		m = m.with("refusal", nil).with("annotations", []any{})
		choices = append(choices, object{{"index", i}, {"message", m}, {"logprobs", nil}, {"finish_reason", openAIEnd(c.end)}})
	}
	body := object{
		{"id", x.record.Object}, {"object", "chat.completion"}, {"created", x.at.Unix()}, {"model", dated(x.model)}, {"choices", choices},
	}
	if !x.fault.noUsage {
		body = body.with("usage", chatUsage(g))
	}
	x.answer(body.with("service_tier", "default").with("system_fingerprint", "fp_simulated"), g)
}

// chatUsage is usage as chat completions frame it.
func chatUsage(g *generation) object {
	return object{
		{"prompt_tokens", g.input}, {"completion_tokens", g.output()}, {"total_tokens", g.input + g.output()},
		{"prompt_tokens_details", object{{"cached_tokens", g.read}, {"audio_tokens", g.sound}}},
		{"completion_tokens_details", object{{"reasoning_tokens", g.reasoning}, {"audio_tokens", 0}, {"accepted_prediction_tokens", 0}, {"rejected_prediction_tokens", 0}}},
	}
}

// callID is the id of call j of choice i.
func (x *exchange) callID(i, j int) string {
	return "call_" + digest(x.seed, strconv.Itoa(i), strconv.Itoa(j))[:24]
}

func openAIEnd(e ending) string {
	return map[ending]string{ended: "stop", stopped: "stop", limited: "length", calling: "tool_calls"}[e]
}

// stops are stop sequences, one or several.
func stops(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var out []string
	for _, s := range list(v) {
		out = append(out, text(s))
	}
	return out
}

// functions reads tools and tool_choice of OpenAI's APIs: responses have the
// members of a function beside its type, chat completions one level down.
func (w *wishes) functions(tools []any, choice any) {
	for _, t := range tools {
		d, _ := t.(document)
		if d["type"] != "function" {
			continue
		}
		if f, ok := d["function"].(document); ok {
			d = f
		}
		parameters, _ := d["parameters"].(document)
		w.tools = append(w.tools, tool{text(d["name"]), parameters})
	}
	w.force, w.never = choice == "required", choice == "none"
	if d, ok := choice.(document); ok {
		w.only = text(d["name"]) + text(inside(d, "function", "name"))
		w.force = w.only != ""
	}
}

// format reads response_format, or text.format of responses, where the schema is
// one level up.
func (w *wishes) format(v any) {
	switch inside(v, "type") {
	case "json_schema":
		w.json = true
		w.schema, _ = inside(v, "json_schema", "schema").(document)
		if d, ok := inside(v, "schema").(document); ok {
			w.schema = d
		}
	case "json_object":
		w.json, w.schema = true, anyObject()
	}
}

// anyObject is the schema of an answer that only has to be an object.
func anyObject() document {
	return document{"type": "object", "properties": document{"answer": document{"type": "string"}}}
}

// chatChunks frames the chunks of a streamed completion.
type chatChunks struct {
	*stream
	head    object
	usage   bool // was asked for: each chunk has it, null but in the last
	padding bool
}

func (x *exchange) chatStream(g *generation) {
	s := &chatChunks{
		stream: x.begin("text/event-stream; charset=utf-8", g),
		head: object{
			{"id", x.record.Object}, {"object", "chat.completion.chunk"}, {"created", x.at.Unix()}, {"model", dated(x.model)},
			{"service_tier", "default"}, {"system_fingerprint", "fp_simulated"},
		},
		usage:   inside(x.body, "stream_options", "include_usage") == true && !x.fault.noUsage,
		padding: inside(x.body, "stream_options", "include_obfuscation") != false,
	}
	for i, c := range g.choices {
		s.opening(i, c)
	}
	for step, left := 0, true; left; step++ { // choices take turns
		left = false
		for i, c := range g.choices {
			if step < len(c.pieces) {
				s.delta(1, i, object{{"content", c.pieces[step]}}, nil)
				left = true
			}
		}
	}
	for i, c := range g.choices {
		for j, made := range c.calls {
			s.call(i, j, made)
		}
		s.delta(0, i, object{}, openAIEnd(c.end))
	}
	if s.usage {
		s.chunk(0, []any{}, chatUsage(g))
	}
	s.raw("data: [DONE]\n\n")
	s.end()
}

// opening is the first chunk of a choice. A call begins with it, too.
func (s *chatChunks) opening(i int, c choice) {
	if len(c.calls) == 0 {
		s.delta(0, i, object{{"role", "assistant"}, {"content", ""}, {"refusal", nil}}, nil)
		return
	}
	first := []object{s.begun(i, 0, c.calls[0])}
	s.delta(Tokens(c.calls[0].name), i, object{{"role", "assistant"}, {"content", nil}, {"tool_calls", first}, {"refusal", nil}}, nil)
}

func (s *chatChunks) begun(i, j int, made call) object {
	return object{{"index", j}, {"id", s.x.callID(i, j)}, {"type", "function"}, {"function", object{{"name", made.name}, {"arguments", ""}}}}
}

// call streams call j of choice i.
func (s *chatChunks) call(i, j int, made call) {
	if j > 0 {
		s.delta(Tokens(made.name), i, object{{"tool_calls", []object{s.begun(i, j, made)}}}, nil)
	}
	for _, piece := range made.pieces {
		s.delta(1, i, object{{"tool_calls", []object{{{"index", j}, {"function", object{{"arguments", piece}}}}}}}, nil)
	}
}

func (s *chatChunks) delta(tokens int64, i int, delta object, end any) {
	s.chunk(tokens, []object{{{"index", i}, {"delta", delta}, {"logprobs", nil}, {"finish_reason", end}}}, nil)
}

func (s *chatChunks) chunk(tokens int64, choices, usage any) {
	c := s.head.with("choices", choices)
	if s.usage {
		c = c.with("usage", usage)
	}
	if s.padding {
		c = c.with("obfuscation", s.x.padding(s.events))
	}
	s.piece("", tokens, c)
}

// padding is OpenAI's obfuscation of event number n: as random as the request.
func (x *exchange) padding(n int) string {
	h := digest(x.seed, "padding", strconv.Itoa(n))
	return h[:int(h[63])%16]
}
