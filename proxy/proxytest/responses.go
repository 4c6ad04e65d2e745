package proxytest

import (
	"net/http"
	"strconv"
)

// response answers the responses API.
// https://platform.openai.com/docs/api-reference/responses
func response(x *exchange) {
	p := newPrompt(openAI)
	p.definitions(list(x.body["tools"]))
	if x.body["instructions"] != nil {
		p.conversation([]any{document{"role": "system", "content": x.body["instructions"]}})
	}
	p.conversation(x.body["input"])
	switch {
	case x.body["input"] == nil:
		x.fail(http.StatusBadRequest, "missing_required_parameter", "Missing required parameter: 'input'.")
		return
	case !x.continues():
		x.fail(http.StatusBadRequest, "previous_response_not_found", "Previous response with id '"+text(x.body["previous_response_id"])+"' not found.")
		return
	case x.body["background"] == true:
		x.fail(http.StatusBadRequest, "unsupported_parameter", "Unsupported parameter: 'background' is not supported with this model.")
		return
	}
	w := wishes{
		limit: whole(x.body["max_output_tokens"]), choices: 1, reasoning: effort(x.model, inside(x.body, "reasoning", "effort")),
		single: x.body["parallel_tool_calls"] == false,
	}
	w.functions(list(x.body["tools"]), x.body["tool_choice"])
	w.format(inside(x.body, "text", "format"))
	r := &responding{exchange: x, g: x.generate(p, w)}
	x.record.Object = "resp_" + x.seed[:50]
	r.collect()
	if x.body["store"] != false {
		x.sim.shelf.put(x.record.Object, stored{object: r.frame(r.status())})
	}
	if x.body["stream"] == true {
		r.stream()
		return
	}
	x.answer(r.frame(r.status()), r.g)
}

// continues reports whether the response that the request goes on from is there,
// if it names one. What was said in it does not matter here.
func (x *exchange) continues() bool {
	before := text(x.body["previous_response_id"])
	if before == "" {
		return true
	}
	_, ok := x.sim.shelf.get(before)
	return ok
}

// responding is a response on its way.
type responding struct {
	*exchange
	g      *generation
	output []object // finished items
	out    *stream
	number int
}

func (r *responding) choice() choice { return r.g.choices[0] }

func (r *responding) status() string {
	if r.choice().end == limited {
		return "incomplete"
	}
	return "completed"
}

// item is the id of output item number i.
func (r *responding) item(kind string, i int) string {
	return kind + digest(r.seed, "item", strconv.Itoa(i))[:50]
}

// collect makes the items of the output.
func (r *responding) collect() {
	c := r.choice()
	if r.g.reasoning > 0 {
		r.output = append(r.output, object{{"id", r.item("rs_", 0)}, {"type", "reasoning"}, {"summary", []any{}}})
	}
	for j, made := range c.calls {
		r.output = append(r.output, object{
			{"id", r.item("fc_", len(r.output))}, {"type", "function_call"}, {"status", r.status()}, {"arguments", made.arguments}, {"call_id", r.callID(0, j)}, {"name", made.name},
		})
	}
	if len(c.calls) == 0 && (len(c.pieces) > 0 || c.end != limited) {
		r.output = append(r.output, object{
			{"id", r.item("msg_", len(r.output))}, {"type", "message"}, {"status", r.status()}, {"content", []any{part(c.text())}}, {"role", "assistant"},
		})
	}
}

func part(said string) object {
	return object{{"type", "output_text"}, {"annotations", []any{}}, {"logprobs", []any{}}, {"text", said}}
}

// or is a value of the request, or what the API puts in its place.
func (r *responding) or(name string, instead any) any {
	if v := r.body[name]; v != nil {
		return v
	}
	return instead
}

// frame is the response object. Its members are those of a recorded one.
func (r *responding) frame(status string) object {
	var usage, details, completed any
	output, tier := []object{}, "auto"
	if status == "completed" || status == "incomplete" {
		output, tier = r.output, "default"
		usage = object{
			{"input_tokens", r.g.input}, {"input_tokens_details", object{{"cached_tokens", r.g.read}}}, {"output_tokens", r.g.output()},
			{"output_tokens_details", object{{"reasoning_tokens", r.g.reasoning}}}, {"total_tokens", r.g.input + r.g.output()},
		}
		if status == "incomplete" {
			details = object{{"reason", "max_output_tokens"}}
		} else {
			completed = r.at.Unix()
		}
	}
	if r.fault.noUsage {
		usage = nil
	}
	if output == nil {
		output = []object{}
	}
	format := inside(r.body, "text", "format")
	if format == nil {
		format = object{{"type", "text"}}
	}
	return object{
		{"id", r.record.Object}, {"object", "response"}, {"created_at", r.at.Unix()}, {"status", status}, {"background", false}, {"completed_at", completed},
		{"error", nil}, {"frequency_penalty", 0}, {"incomplete_details", details}, {"instructions", r.body["instructions"]}, {"max_output_tokens", r.body["max_output_tokens"]},
		{"max_tool_calls", nil}, {"model", dated(r.model)}, {"output", output}, {"parallel_tool_calls", r.or("parallel_tool_calls", true)}, {"presence_penalty", 0},
		{"previous_response_id", nil}, {"prompt_cache_key", r.body["prompt_cache_key"]}, {"reasoning", object{{"effort", inside(r.body, "reasoning", "effort")}, {"summary", nil}}},
		{"safety_identifier", nil}, {"service_tier", tier}, {"store", r.or("store", true)}, {"temperature", r.or("temperature", 1)},
		{"text", object{{"format", format}, {"verbosity", "medium"}}}, {"tool_choice", r.or("tool_choice", "auto")}, {"tools", r.or("tools", []any{})}, {"top_logprobs", 0},
		{"top_p", r.or("top_p", 1)}, {"truncation", "disabled"}, {"usage", usage}, {"user", nil}, {"metadata", r.or("metadata", object{})},
	}
}

// send sends an event of n tokens.
func (r *responding) send(n int64, kind string, fields object) {
	fields = append(object{{"type", kind}}, fields...).with("sequence_number", r.number)
	r.number++
	if n > 0 {
		r.out.piece(kind, n, fields)
		return
	}
	r.out.event(kind, fields)
}

func (r *responding) stream() {
	r.out = r.begin("text/event-stream; charset=utf-8", r.g)
	r.send(0, "response.created", object{{"response", r.frame("in_progress")}})
	r.send(0, "response.in_progress", object{{"response", r.frame("in_progress")}})
	called := 0
	for i, item := range r.output {
		switch text(item.first("type")) {
		case "reasoning":
			r.send(0, "response.output_item.added", object{{"item", item}, {"output_index", i}})
		case "function_call":
			r.call(i, item, r.choice().calls[called])
			called++
		default:
			r.text(i, item)
		}
		r.send(0, "response.output_item.done", object{{"item", item}, {"output_index", i}})
	}
	r.send(0, "response."+r.status(), object{{"response", r.frame(r.status())}})
	r.out.end()
}

// text streams a message.
func (r *responding) text(i int, item object) {
	id := item.first("id")
	at := func(fields ...member) object {
		return append(object{{"content_index", 0}, {"item_id", id}, {"output_index", i}}, fields...)
	}
	begun := object{{"id", id}, {"type", "message"}, {"status", "in_progress"}, {"content", []any{}}, {"role", "assistant"}}
	r.send(0, "response.output_item.added", object{{"item", begun}, {"output_index", i}})
	r.send(0, "response.content_part.added", at(member{"part", part("")}))
	for _, piece := range r.choice().pieces {
		r.send(1, "response.output_text.delta", r.padded(at(member{"delta", piece}, member{"logprobs", []any{}})))
	}
	said := r.choice().text()
	r.send(0, "response.output_text.done", at(member{"logprobs", []any{}}, member{"text", said}))
	r.send(0, "response.content_part.done", at(member{"part", part(said)}))
}

// padded is a delta with OpenAI's obfuscation, unless that is switched off.
func (r *responding) padded(delta object) object {
	if inside(r.body, "stream_options", "include_obfuscation") == false {
		return delta
	}
	return delta.with("obfuscation", r.padding(r.number))
}

// call streams a function call.
func (r *responding) call(i int, item object, made call) {
	id := item.first("id")
	begun := object{
		{"id", id}, {"type", "function_call"}, {"status", "in_progress"}, {"arguments", ""}, {"call_id", item.first("call_id")}, {"name", made.name},
	}
	r.send(Tokens(made.name), "response.output_item.added", object{{"item", begun}, {"output_index", i}})
	for _, piece := range made.pieces {
		r.send(1, "response.function_call_arguments.delta", r.padded(object{{"delta", piece}, {"item_id", id}, {"output_index", i}}))
	}
	r.send(0, "response.function_call_arguments.done", object{{"arguments", made.arguments}, {"item_id", id}, {"name", made.name}, {"output_index", i}})
}
