package proxytest

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strings"
)

// openAIUsage frames usage as chat completions have it.
func openAIUsage(input, cached, output, reasoning int64) object {
	return object{
		"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
		"prompt_tokens_details":     object{"cached_tokens": cached, "audio_tokens": 0},
		"completion_tokens_details": object{"reasoning_tokens": reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
	}
}

// reasoningTokens is what a model that thinks spends on it.
func reasoningTokens(model string) int64 {
	if reasons(model) {
		return 64
	}
	return 0
}

// generation is an answer before it is framed.
type generation struct {
	pieces    []string
	finish    string // stop, length, tool_calls
	tool      string // name of the tool that is called
	arguments string
	input     int64
	cached    int64
	output    int64
	reasoning int64
}

// generate answers a chat request.
func (s *Simulator) generate(a *asked, p *prompt, limit int64, tools []any, must bool) generation {
	g := generation{input: p.tokens(), cached: s.cached(a.model, p), reasoning: reasoningTokens(a.model), finish: "stop"}
	if tool := toolOf(tools, p, must); tool != nil {
		g.finish = "tool_calls"
		g.tool, _ = tool["name"].(string)
		schema := tool["parameters"]
		for _, name := range []string{"input_schema", "parametersJsonSchema"} {
			if tool[name] != nil {
				schema = tool[name]
			}
		}
		g.arguments, g.pieces = arguments(schema)
	} else {
		var cut bool
		if schema, ok := schemaOf(a.body); ok {
			_, g.pieces = arguments(schema)
			g.pieces, cut = cutAt(g.pieces, limit)
		} else {
			g.pieces, cut = pieces(a, limit)
		}
		if cut {
			g.finish = "length"
		}
	}
	g.output = int64(len(g.pieces)) + g.reasoning
	return g
}

func (g generation) text() string { return strings.Join(g.pieces, "") }

// toolOf chooses the tool to call: the first, if the request insists or asks
// for the weather.
func toolOf(tools []any, p *prompt, must bool) object {
	if len(tools) == 0 || !must && !strings.Contains(strings.ToLower(p.text.String()), "weather") {
		return nil
	}
	tool, _ := tools[0].(object)
	if f, ok := tool["function"].(object); ok {
		return f
	}
	if all, ok := tool["functionDeclarations"].([]any); ok && len(all) > 0 {
		f, _ := all[0].(object)
		return f
	}
	return tool
}

// schemaOf finds the schema that an answer must have.
func schemaOf(body object) (any, bool) {
	if format, ok := body["response_format"].(object); ok {
		switch format["type"] {
		case "json_schema":
			wrapped, _ := format["json_schema"].(object)
			return wrapped["schema"], true
		case "json_object":
			return object{"type": "object", "properties": object{"answer": object{"type": "string"}}}, true
		}
	}
	if text, ok := body["text"].(object); ok {
		if format, ok := text["format"].(object); ok && format["type"] == "json_schema" {
			return format["schema"], true
		}
	}
	if config, ok := body["generationConfig"].(object); ok && config["responseSchema"] != nil {
		return config["responseSchema"], true
	}
	return nil, false
}

func (s *Simulator) chat(w http.ResponseWriter, a *asked) {
	var p prompt
	p.add(a.body["messages"])
	if p.messages == 0 {
		s.fail(w, openAI, http.StatusBadRequest, "invalid_value", "messages must not be empty")
		return
	}
	limit := max(whole(a.body["max_completion_tokens"]), whole(a.body["max_tokens"]))
	tools, _ := a.body["tools"].([]any)
	g := s.generate(a, &p, limit, tools, a.body["tool_choice"] == "required")
	id := "chatcmpl-" + digest(a.prompted())[:29]
	record := Served{ID: id, Endpoint: "openai.chat", Model: a.model, Input: g.input, Cached: g.cached, Output: g.output}
	if a.body["stream"] == true {
		record.Whole = s.chatStream(w, a, g, id)
		s.record(record)
		return
	}
	if a.model == "sim-reset" {
		reset(w)
	}
	message := object{"role": "assistant", "content": g.text(), "refusal": nil, "annotations": []any{}}
	if g.tool != "" {
		message["content"] = nil
		message["tool_calls"] = []any{object{"id": "call_" + id[9:33], "type": "function", "function": object{"name": g.tool, "arguments": g.arguments}}}
	}
	body := object{
		"id": id, "object": "chat.completion", "created": s.opts.Now().Unix(), "model": dated(a.model), "service_tier": "default", "system_fingerprint": "fp_simulated",
		"choices": []any{object{"index": 0, "message": message, "logprobs": nil, "finish_reason": g.finish}},
	}
	if a.model != "sim-no-usage" {
		body["usage"] = openAIUsage(g.input, g.cached, g.output, g.reasoning)
	}
	record.Whole = true
	s.record(record)
	s.write(w, http.StatusOK, body)
}

// dated is the name that an answer reports.
func dated(model string) string {
	if date := map[string]string{"gpt-4o-mini": "2024-07-18", "gpt-4o": "2024-08-06", "gpt-4.1": "2025-04-14", "gpt-4.1-mini": "2025-04-14", "o4-mini": "2025-04-16", "gpt-5": "2025-08-07", "gpt-5-mini": "2025-08-07"}[model]; date != "" {
		return model + "-" + date
	}
	return model
}

// chatStream streams an answer and reports whether all of it was taken.
func (s *Simulator) chatStream(w http.ResponseWriter, a *asked, g generation, id string) bool {
	options, _ := a.body["stream_options"].(object)
	usage := options["include_usage"] == true && a.model != "sim-no-usage"
	out := s.begin(w, a)
	created := s.opts.Now().Unix()
	send := func(choices []any, numbers any) {
		chunk := object{"id": id, "object": "chat.completion.chunk", "created": created, "model": dated(a.model), "service_tier": "default", "system_fingerprint": "fp_simulated", "choices": choices}
		if usage {
			chunk["usage"] = numbers
		}
		out.data(chunk)
	}
	delta := func(d object, finish any) {
		send([]any{object{"index": 0, "delta": d, "logprobs": nil, "finish_reason": finish}}, nil)
	}
	if g.tool != "" {
		delta(object{"role": "assistant", "content": nil, "tool_calls": []any{object{"index": 0, "id": "call_" + id[9:33], "type": "function", "function": object{"name": g.tool, "arguments": ""}}}}, nil)
		for _, piece := range g.pieces {
			delta(object{"tool_calls": []any{object{"index": 0, "function": object{"arguments": piece}}}}, nil)
		}
	} else {
		delta(object{"role": "assistant", "content": "", "refusal": nil}, nil)
		for _, piece := range g.pieces {
			delta(object{"content": piece}, nil)
		}
	}
	delta(object{}, g.finish)
	if usage {
		send([]any{}, openAIUsage(g.input, g.cached, g.output, g.reasoning))
	}
	out.raw("data: [DONE]\n\n")
	return !out.gone
}

func (s *Simulator) completion(w http.ResponseWriter, a *asked) {
	var p prompt
	p.add(a.body["prompt"])
	g := s.generate(a, &p, max(whole(a.body["max_tokens"]), 16), nil, false)
	id := "cmpl-" + digest(a.prompted())[:29]
	record := Served{ID: id, Endpoint: "openai.completions", Model: a.model, Input: g.input, Cached: g.cached, Output: g.output, Whole: true}
	usage := object{"prompt_tokens": g.input, "completion_tokens": g.output, "total_tokens": g.input + g.output}
	frame := func(text string, finish any) object {
		return object{"id": id, "object": "text_completion", "created": s.opts.Now().Unix(), "model": a.model, "choices": []any{object{"text": text, "index": 0, "logprobs": nil, "finish_reason": finish}}}
	}
	if a.body["stream"] != true {
		body := frame(g.text(), g.finish)
		body["usage"] = usage
		s.record(record)
		s.write(w, http.StatusOK, body)
		return
	}
	options, _ := a.body["stream_options"].(object)
	out := s.begin(w, a)
	for i, piece := range g.pieces {
		var finish any
		if i == len(g.pieces)-1 {
			finish = g.finish
		}
		chunk := frame(piece, finish)
		if options["include_usage"] == true {
			chunk["usage"] = nil
		}
		out.data(chunk)
	}
	if options["include_usage"] == true {
		last := frame("", nil)
		last["choices"], last["usage"] = []any{}, usage
		out.data(last)
	}
	out.raw("data: [DONE]\n\n")
	record.Whole = !out.gone
	s.record(record)
}

func (s *Simulator) embedding(w http.ResponseWriter, a *asked) {
	inputs, ok := a.body["input"].([]any)
	if !ok {
		inputs = []any{a.body["input"]}
	}
	var tokens int64
	data := make([]any, 0, len(inputs))
	for i, in := range inputs {
		var p prompt
		p.add(in)
		tokens += max(1, (int64(p.text.Len())+3)/4)
		data = append(data, object{"object": "embedding", "index": i, "embedding": vector(p.text.String(), a.body["encoding_format"] == "base64")})
	}
	s.record(Served{Endpoint: "openai.embeddings", Model: a.model, Input: tokens, Whole: true})
	s.write(w, http.StatusOK, object{"object": "list", "model": a.model, "data": data, "usage": object{"prompt_tokens": tokens, "total_tokens": tokens}})
}

// vector is a short embedding: numbers in (-1, 1), or their bytes as base64.
func vector(text string, packed bool) any {
	sum := digest(text)
	numbers := make([]float32, 0, 8)
	for i := range 8 {
		numbers = append(numbers, float32(sum[i])/128-0.5)
	}
	if !packed {
		return numbers
	}
	b := make([]byte, 0, 32)
	b, err := binary.Append(b, binary.LittleEndian, numbers)
	if err != nil {
		return numbers
	}
	return json.RawMessage(`"` + encode64(b) + `"`)
}

func (s *Simulator) models(w http.ResponseWriter, r *http.Request) {
	data := make([]any, 0, len(Models()))
	for _, m := range Models() {
		if apiOf(r) == anthropic {
			data = append(data, object{"type": "model", "id": m, "display_name": m, "created_at": "2025-01-01T00:00:00Z"})
		} else {
			data = append(data, object{"id": m, "object": "model", "created": 1735689600, "owned_by": "simulator"})
		}
	}
	s.write(w, http.StatusOK, object{"object": "list", "data": data, "has_more": false, "first_id": Models()[0], "last_id": Models()[len(data)-1]})
}

func (s *Simulator) model(w http.ResponseWriter, r *http.Request) {
	if name := r.PathValue("model"); exists(name) {
		s.write(w, http.StatusOK, object{"id": name, "object": "model", "created": 1735689600, "owned_by": "simulator"})
		return
	}
	s.fail(w, apiOf(r), http.StatusNotFound, "model_not_found", "the model does not exist")
}
