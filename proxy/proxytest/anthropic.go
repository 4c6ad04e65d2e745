package proxytest

import "net/http"

func anthropicUsage(g generation) object {
	return object{
		"input_tokens": g.input - g.cached, "cache_creation_input_tokens": 0, "cache_read_input_tokens": g.cached,
		"cache_creation": object{"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, "output_tokens": g.output, "service_tier": "standard",
	}
}

// message answers the messages API.
func (s *Simulator) message(w http.ResponseWriter, a *asked) {
	limit := whole(a.body["max_tokens"])
	var p prompt
	p.add(a.body["system"])
	p.add(a.body["messages"])
	if limit == 0 || p.messages == 0 {
		s.fail(w, anthropic, http.StatusBadRequest, "invalid_request_error", "max_tokens and messages are required")
		return
	}
	tools, _ := a.body["tools"].([]any)
	choice, _ := a.body["tool_choice"].(object)
	g := s.generate(a, &p, limit, tools, choice["type"] == "any" || choice["type"] == "tool")
	g.reasoning, g.output = 0, int64(len(g.pieces))
	name := digest(a.prompted())
	id, tool := "msg_"+name[:24], "toolu_"+name[:24]
	reason := map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}[g.finish]
	record := Served{ID: id, Endpoint: "anthropic.messages", Model: a.model, Input: g.input, Cached: g.cached, Output: g.output, Whole: true}
	if a.body["stream"] == true {
		record.Whole = s.messageStream(w, a, g, id, tool, reason)
		s.record(record)
		return
	}
	content := []any{object{"type": "text", "text": g.text()}}
	if g.tool != "" {
		content = []any{object{"type": "tool_use", "id": tool, "name": g.tool, "input": example(toolOf(tools, &p, true)["input_schema"])}}
	}
	body := object{"id": id, "type": "message", "role": "assistant", "model": a.model, "content": content, "stop_reason": reason, "stop_sequence": nil}
	if a.model != "sim-no-usage" {
		body["usage"] = anthropicUsage(g)
	}
	s.record(record)
	s.write(w, http.StatusOK, body)
}

func (s *Simulator) messageStream(w http.ResponseWriter, a *asked, g generation, id, tool, reason string) bool {
	out := s.begin(w, a)
	first := anthropicUsage(g)
	first["output_tokens"] = min(1, g.output)
	start := object{"id": id, "type": "message", "role": "assistant", "model": a.model, "content": []any{}, "stop_reason": nil, "stop_sequence": nil, "usage": first}
	end := object{"type": "message_delta", "delta": object{"stop_reason": reason, "stop_sequence": nil},
		"usage": object{"input_tokens": g.input - g.cached, "cache_creation_input_tokens": 0, "cache_read_input_tokens": g.cached, "output_tokens": g.output}}
	if a.model == "sim-no-usage" {
		delete(start, "usage")
		delete(end, "usage")
	}
	out.event("message_start", object{"type": "message_start", "message": start})
	block, kind, field := object{"type": "text", "text": ""}, "text_delta", "text"
	if g.tool != "" {
		block, kind, field = object{"type": "tool_use", "id": tool, "name": g.tool, "input": object{}}, "input_json_delta", "partial_json"
	}
	out.event("content_block_start", object{"type": "content_block_start", "index": 0, "content_block": block})
	out.event("ping", object{"type": "ping"})
	for _, piece := range g.pieces {
		out.event("content_block_delta", object{"type": "content_block_delta", "index": 0, "delta": object{"type": kind, field: piece}})
	}
	out.event("content_block_stop", object{"type": "content_block_stop", "index": 0})
	out.event("message_delta", end)
	out.event("message_stop", object{"type": "message_stop"})
	return !out.gone
}

func (s *Simulator) countTokens(w http.ResponseWriter, a *asked) {
	var p prompt
	p.add(a.body["system"])
	p.add(a.body["messages"])
	s.write(w, http.StatusOK, object{"input_tokens": p.tokens()})
}
