package proxytest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// mostMarks is how many blocks may have cache_control.
const mostMarks = 4

// messagePrompt counts the prompt of a messages request.
func messagePrompt(x *exchange) *prompt {
	p := newPrompt(anthropic)
	p.definitions(list(x.body["tools"]))
	p.content(x.body["system"], false)
	p.conversation(x.body["messages"])
	return p
}

// messageCount answers count_tokens.
// https://docs.claude.com/en/api/messages-count-tokens
func messageCount(x *exchange) {
	if len(list(x.body["messages"])) == 0 {
		x.fail(http.StatusBadRequest, "", "messages: at least one message is required")
		return
	}
	p := messagePrompt(x)
	if x.fault.amid != nowhere || x.fault.noUsage {
		x.fault = fault{} // nothing is generated that could break off
	}
	x.send(http.StatusOK, object{{"input_tokens", p.count}})
}

// message answers the messages API. https://docs.claude.com/en/api/messages
func message(x *exchange) {
	limit := whole(x.body["max_tokens"])
	p := messagePrompt(x)
	switch {
	case limit == 0:
		x.fail(http.StatusBadRequest, "", "max_tokens: Field required")
		return
	case len(list(x.body["messages"])) == 0:
		x.fail(http.StatusBadRequest, "", "messages: at least one message is required")
		return
	case len(p.marks) > mostMarks:
		x.fail(http.StatusBadRequest, "", "A maximum of 4 blocks with cache_control may be provided. Found "+strconv.Itoa(len(p.marks))+".")
		return
	}
	w := wishes{limit: limit, choices: 1, stops: stops(x.body["stop_sequences"]), single: inside(x.body, "tool_choice", "disable_parallel_tool_use") == true}
	switch inside(x.body, "thinking", "type") {
	case "enabled":
		w.reasoning = min(64, whole(inside(x.body, "thinking", "budget_tokens")))
	case "adaptive":
		w.reasoning = 64
	}
	for _, t := range list(x.body["tools"]) {
		if in, ok := inside(t, "input_schema").(document); ok { // others run on the vendor's side
			w.tools = append(w.tools, tool{text(inside(t, "name")), in})
		}
	}
	w.only = text(inside(x.body, "tool_choice", "name"))
	w.force = w.only != "" || inside(x.body, "tool_choice", "type") == "any"
	w.never = inside(x.body, "tool_choice", "type") == "none"
	for _, format := range []any{x.body["output_format"], inside(x.body, "output_config", "format")} {
		if format != nil {
			w.format(format)
		}
	}
	m := &messaging{exchange: x, g: x.generate(p, w)}
	x.record.Object = "msg_" + x.seed[:24]
	if x.body["stream"] == true {
		m.stream()
		return
	}
	c := m.g.choices[0]
	x.answer(m.frame(m.content(c), reasonOf(c), stopOf(c), m.g.output()), m.g)
}

// messaging is a message on its way.
type messaging struct {
	*exchange
	g *generation
}

func reasonOf(c choice) any {
	return map[ending]string{ended: "end_turn", limited: "max_tokens", stopped: "stop_sequence", calling: "tool_use"}[c.end]
}

func stopOf(c choice) any {
	if c.end == stopped {
		return c.stop
	}
	return nil
}

// thought is what the model says to itself, as long as the tokens it costs.
func (m *messaging) thought() []string {
	pieces := split(prose(m.seed+"thought", int(m.g.reasoning), m.g.reasoning))
	return pieces[:m.g.reasoning] // a word has a token at least
}

func (m *messaging) signature() string { return digest(m.seed, "signature") }

func (m *messaging) toolID(i int) string { return "toolu_" + m.callID(0, i)[5:] }

// content are the blocks of a whole message.
func (m *messaging) content(c choice) []object {
	blocks := []object{}
	if m.g.reasoning > 0 {
		blocks = append(blocks, object{{"type", "thinking"}, {"thinking", strings.Join(m.thought(), "")}, {"signature", m.signature()}})
	}
	if len(c.pieces) > 0 {
		blocks = append(blocks, object{{"type", "text"}, {"text", c.text()}})
	}
	for i, made := range c.calls {
		arguments := json.RawMessage(made.arguments)
		if !json.Valid(arguments) { // cut by the limit
			arguments = json.RawMessage("{}")
		}
		blocks = append(blocks, object{{"type", "tool_use"}, {"id", m.toolID(i)}, {"name", made.name}, {"input", arguments}})
	}
	return blocks
}

// frame is the message object; output are the tokens it says it has.
func (m *messaging) frame(content []object, reason, stop any, output int64) object {
	f := object{
		{"model", dated(m.model)}, {"id", m.record.Object}, {"type", "message"}, {"role", "assistant"}, {"content", content}, {"stop_reason", reason}, {"stop_sequence", stop},
	}
	if m.fault.noUsage {
		return f
	}
	usage := m.counts().with("cache_creation", object{{"ephemeral_5m_input_tokens", m.g.minutes}, {"ephemeral_1h_input_tokens", m.g.hour}})
	usage = m.generated(usage, output)
	return f.with("usage", usage.with("service_tier", "standard").with("inference_geo", "not_available"))
}

// counts is the side of the input: what was read from the cache or written to it
// is not within input_tokens.
func (m *messaging) counts() object {
	return object{
		{"input_tokens", m.g.input - m.g.read - m.g.minutes - m.g.hour}, {"cache_creation_input_tokens", m.g.minutes + m.g.hour}, {"cache_read_input_tokens", m.g.read},
	}
}

// generated is the side of the output, thoughts within it.
func (m *messaging) generated(usage object, output int64) object {
	usage = usage.with("output_tokens", output)
	if m.g.reasoning > 0 && output > 1 {
		usage = usage.with("output_tokens_details", object{{"thinking_tokens", m.g.reasoning}})
	}
	return usage
}

// stream sends the events of a message. The counts of message_start are a
// placeholder for the output; those of message_delta are cumulative.
func (m *messaging) stream() {
	out := m.begin("text/event-stream; charset=utf-8", &generation{})
	m.record.Reasoning = m.g.reasoning
	c := m.g.choices[0]
	out.event("message_start", object{{"type", "message_start"}, {"message", m.frame([]object{}, nil, nil, min(1, m.g.output()))}})
	index := 0
	block := func(begun object, n int64, pieces func(delta func(n int64, kind, name, text string))) {
		out.piece("content_block_start", n, object{{"type", "content_block_start"}, {"index", index}, {"content_block", begun}})
		if index == 0 {
			out.raw("event: ping\ndata: {\"type\": \"ping\"}\n\n")
		}
		pieces(func(n int64, kind, name, text string) {
			out.piece("content_block_delta", n, object{{"type", "content_block_delta"}, {"index", index}, {"delta", object{{"type", kind}, {name, text}}}})
		})
		out.event("content_block_stop", object{{"type", "content_block_stop"}, {"index", index}})
		index++
	}
	if m.g.reasoning > 0 {
		block(object{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, 0, func(delta func(int64, string, string, string)) {
			for _, piece := range m.thought() {
				delta(1, "thinking_delta", "thinking", piece)
			}
			delta(0, "signature_delta", "signature", m.signature())
		})
	}
	if len(c.pieces) > 0 {
		block(object{{"type", "text"}, {"text", ""}}, 0, func(delta func(int64, string, string, string)) {
			for _, piece := range c.pieces {
				delta(1, "text_delta", "text", piece)
			}
		})
	}
	for i, made := range c.calls {
		begun := object{{"type", "tool_use"}, {"id", m.toolID(i)}, {"name", made.name}, {"input", object{}}}
		block(begun, Tokens(made.name), func(delta func(int64, string, string, string)) {
			delta(0, "input_json_delta", "partial_json", "")
			for _, piece := range made.pieces {
				delta(1, "input_json_delta", "partial_json", piece)
			}
		})
	}
	end := object{{"type", "message_delta"}, {"delta", object{{"stop_reason", reasonOf(c)}, {"stop_sequence", stopOf(c)}}}}
	if !m.fault.noUsage {
		end = end.with("usage", m.generated(m.counts(), m.g.output()))
	}
	out.event("message_delta", end)
	out.event("message_stop", object{{"type", "message_stop"}})
	out.end()
}
