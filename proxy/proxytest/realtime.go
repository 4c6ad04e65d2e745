package proxytest

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// realtime answers the realtime API: text alone, over a WebSocket.
// https://platform.openai.com/docs/api-reference/realtime
func realtime(x *exchange) {
	x.model = x.r.URL.Query().Get("model")
	x.record.Model = x.model
	x.fault = faultOf(x.model)
	key := x.r.Header.Get("Sec-WebSocket-Key")
	switch {
	case !strings.EqualFold(x.r.Header.Get("Upgrade"), "websocket") || key == "":
		x.fail(http.StatusUpgradeRequired, "", "this is the path of a WebSocket")
		return
	case x.model == "":
		x.fail(http.StatusBadRequest, "", "you must provide a model")
		return
	case x.fault.whole:
		x.misbehave()
		return
	case x.fault == (fault{}) && !exists(x.model) && !strings.HasPrefix(x.model, "gpt-realtime"):
		x.failModel()
		return
	}
	// What RFC 6455, 4.2.2 asks for, which is no secret.
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	h := x.w.Header()
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	if strings.Contains(x.r.Header.Get("Sec-WebSocket-Protocol"), "realtime") {
		h.Set("Sec-WebSocket-Protocol", "realtime")
	}
	x.w.WriteHeader(http.StatusSwitchingProtocols)
	x.record.Status = http.StatusSwitchingProtocols
	c, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return
	}
	if !x.sim.keep(c) {
		return
	}
	defer x.sim.drop(c)
	t := &talking{exchange: x, frames: frames{c, rw.Reader}, id: "sess_" + digest(x.record.Request)[:20]}
	x.record.Delivered = t.run()
}

// talking is an open socket of the realtime API.
type talking struct {
	*exchange
	frames       frames
	id           string
	instructions string
	items        []any // of the conversation
	number       int   // of events
	responses    int
}

// run answers events until the client closes, and reports whether it did.
func (t *talking) run() bool {
	if t.send("session.created", object{{"session", t.session()}}) != nil {
		return false
	}
	for {
		p, err := t.frames.read()
		if err != nil {
			return errors.Is(err, errClosed)
		}
		var event document
		if json.Unmarshal(p, &event) != nil {
			event = nil
		}
		if t.hear(event) != nil {
			return false
		}
	}
}

// hear does what an event asks for.
func (t *talking) hear(event document) error {
	switch text(event["type"]) {
	case "session.update":
		if s := text(inside(event, "session", "instructions")); s != "" {
			t.instructions = s
		}
		return t.send("session.updated", object{{"session", t.session()}})
	case "conversation.item.create":
		item, ok := event["item"].(map[string]any)
		if !ok {
			return t.refuse("Missing required parameter: 'item'.")
		}
		t.items = append(t.items, item)
		return t.send("conversation.item.added", object{{"previous_item_id", nil}, {"item", item}})
	case "response.create":
		return t.respond()
	default:
		return t.refuse("Invalid value: the type of the event is not supported.")
	}
}

func (t *talking) session() object {
	return object{{"type", "realtime"}, {"object", "realtime.session"}, {"id", t.id}, {"model", t.model}, {"output_modalities", []any{"text"}}, {"instructions", t.instructions}}
}

func (t *talking) refuse(why string) error {
	return t.send("error", object{{"error", object{{"type", "invalid_request_error"}, {"code", "invalid_value"}, {"message", why}, {"param", nil}, {"event_id", nil}}}})
}

// send sends an event.
func (t *talking) send(kind string, members object) error {
	t.number++
	b, err := encode(append(object{{"type", kind}, {"event_id", "event_" + digest(t.id, strconv.Itoa(t.number))[:20]}}, members...))
	if err != nil {
		return err
	}
	return t.frames.write(frameText, b)
}

// respond makes a response. It is a request of its own to the recorder.
func (t *talking) respond() error {
	t.responses++
	one := *t.exchange
	one.at = t.sim.opts.Now()
	one.seed = digest(t.model, t.id, strconv.Itoa(t.responses))
	one.record = Served{Endpoint: "openai.realtime", Model: t.model, Object: "resp_" + one.seed[:20], Status: http.StatusSwitchingProtocols}
	entry := t.sim.recorder.begin(one.record)
	defer func() { t.sim.recorder.finish(entry, one.record) }()
	p := newPrompt(openAI)
	if t.instructions != "" {
		p.conversation([]any{document{"role": "system", "content": t.instructions}})
	}
	p.conversation(t.items)
	g := one.generate(p, wishes{choices: 1, reasoning: thoughts(t.model)})
	id, said := "item_"+digest(one.seed, "item")[:20], g.choices[0].text()
	at := object{{"response_id", one.record.Object}, {"item_id", id}, {"output_index", 0}, {"content_index", 0}}
	if err := t.send("response.created", object{{"response", t.response(&one, g, "in_progress", nil)}}); err != nil {
		return err
	}
	one.record.Output, one.record.Reasoning = g.reasoning, g.reasoning
	one.pause(one.first())
	for _, piece := range g.choices[0].pieces {
		if err := t.send("response.output_text.delta", append(at[:len(at):len(at)], member{"delta", piece})); err != nil {
			return err
		}
		one.record.Output++
		one.pause(one.gap())
	}
	if err := t.send("response.output_text.done", append(at[:len(at):len(at)], member{"text", said})); err != nil {
		return err
	}
	item := object{{"id", id}, {"object", "realtime.item"}, {"type", "message"}, {"status", "completed"}, {"role", "assistant"}, {"content", []any{object{{"type", "output_text"}, {"text", said}}}}}
	t.items = append(t.items, map[string]any{"role": "assistant", "content": said})
	err := t.send("response.done", object{{"response", t.response(&one, g, "completed", []object{item})}})
	one.record.Delivered = err == nil
	return err
}

// response is the response object. Its members are those of a recorded one.
func (t *talking) response(one *exchange, g *generation, status string, output []object) object {
	var usage any
	if status == "completed" && !one.fault.noUsage {
		usage = object{
			{"total_tokens", g.input + g.output()}, {"input_tokens", g.input}, {"output_tokens", g.output()},
			{"input_token_details", object{
				{"text_tokens", g.input}, {"audio_tokens", 0}, {"image_tokens", 0}, {"cached_tokens", g.read},
				{"cached_tokens_details", object{{"text_tokens", g.read}, {"audio_tokens", 0}, {"image_tokens", 0}}},
			}},
			{"output_token_details", object{{"text_tokens", g.output()}, {"audio_tokens", 0}}},
		}
	}
	if output == nil {
		output = []object{}
	}
	return object{
		{"object", "realtime.response"}, {"id", one.record.Object}, {"status", status}, {"status_details", nil}, {"output", output},
		{"conversation_id", "conv_" + t.id[5:]}, {"output_modalities", []any{"text"}}, {"max_output_tokens", "inf"}, {"usage", usage}, {"metadata", nil},
	}
}
