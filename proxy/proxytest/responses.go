package proxytest

import (
	"encoding/base64"
	"net/http"
)

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// response answers the responses API.
func (s *Simulator) response(w http.ResponseWriter, a *asked) {
	var p prompt
	p.add(a.body["instructions"])
	p.add(a.body["input"])
	p.messages = max(1, p.messages)
	tools, _ := a.body["tools"].([]any)
	g := s.generate(a, &p, whole(a.body["max_output_tokens"]), tools, a.body["tool_choice"] == "required")
	name := digest(a.prompted())
	id, item := "resp_"+name[:48], "msg_"+name[8:56]
	output := object{"id": item, "type": "message", "status": "completed", "role": "assistant",
		"content": []any{object{"type": "output_text", "text": g.text(), "annotations": []any{}, "logprobs": []any{}}}}
	if g.tool != "" {
		output = object{"id": "fc_" + name[8:56], "type": "function_call", "status": "completed", "call_id": "call_" + name[:24], "name": g.tool, "arguments": g.arguments}
	}
	frame := func(status string) object {
		r := object{
			"id": id, "object": "response", "created_at": s.opts.Now().Unix(), "status": status, "error": nil, "incomplete_details": nil, "instructions": a.body["instructions"],
			"max_output_tokens": a.body["max_output_tokens"], "model": dated(a.model), "output": []any{}, "parallel_tool_calls": true, "previous_response_id": nil,
			"reasoning": object{"effort": nil, "summary": nil}, "service_tier": "default", "store": true, "temperature": 1, "text": object{"format": object{"type": "text"}},
			"tool_choice": "auto", "tools": []any{}, "top_p": 1, "truncation": "disabled", "usage": nil, "user": nil, "metadata": object{},
		}
		if status == "completed" || status == "incomplete" {
			r["output"] = []any{output}
			r["usage"] = object{
				"input_tokens": g.input, "input_tokens_details": object{"cached_tokens": g.cached}, "output_tokens": g.output,
				"output_tokens_details": object{"reasoning_tokens": g.reasoning}, "total_tokens": g.input + g.output,
			}
		}
		return r
	}
	end := "completed"
	if g.finish == "length" {
		end = "incomplete"
	}
	record := Served{ID: id, Endpoint: "openai.responses", Model: a.model, Input: g.input, Cached: g.cached, Output: g.output, Whole: true}
	if a.body["stream"] != true {
		s.record(record)
		s.write(w, http.StatusOK, frame(end))
		return
	}
	out := s.begin(w, a)
	number := 0
	send := func(kind string, fields object) {
		fields["type"], fields["sequence_number"] = kind, number
		number++
		out.event(kind, fields)
	}
	send("response.created", object{"response": frame("in_progress")})
	send("response.in_progress", object{"response": frame("in_progress")})
	if g.tool != "" {
		s.callEvents(send, g, output)
	} else {
		s.textEvents(send, g, item, output)
	}
	send("response.output_item.done", object{"output_index": 0, "item": output})
	send("response."+end, object{"response": frame(end)})
	record.Whole = !out.gone
	s.record(record)
}

func (s *Simulator) textEvents(send func(string, object), g generation, item string, output object) {
	begun := object{"id": item, "type": "message", "status": "in_progress", "role": "assistant", "content": []any{}}
	send("response.output_item.added", object{"output_index": 0, "item": begun})
	empty := object{"type": "output_text", "text": "", "annotations": []any{}, "logprobs": []any{}}
	send("response.content_part.added", object{"item_id": item, "output_index": 0, "content_index": 0, "part": empty})
	for _, piece := range g.pieces {
		send("response.output_text.delta", object{"item_id": item, "output_index": 0, "content_index": 0, "delta": piece, "logprobs": []any{}})
	}
	send("response.output_text.done", object{"item_id": item, "output_index": 0, "content_index": 0, "text": g.text(), "logprobs": []any{}})
	full, _ := output["content"].([]any)
	send("response.content_part.done", object{"item_id": item, "output_index": 0, "content_index": 0, "part": full[0]})
}

func (s *Simulator) callEvents(send func(string, object), g generation, output object) {
	begun := object{"id": output["id"], "type": "function_call", "status": "in_progress", "call_id": output["call_id"], "name": g.tool, "arguments": ""}
	send("response.output_item.added", object{"output_index": 0, "item": begun})
	for _, piece := range g.pieces {
		send("response.function_call_arguments.delta", object{"item_id": output["id"], "output_index": 0, "delta": piece})
	}
	send("response.function_call_arguments.done", object{"item_id": output["id"], "output_index": 0, "arguments": g.arguments, "name": g.tool})
}
