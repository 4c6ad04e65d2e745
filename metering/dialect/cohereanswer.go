package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// cohereAnswer reads Cohere's answers, which have one usage object for all its
// models: version 2 of chat calls it "usage", everything else "meta". A stream
// of version 2 is server-sent events and ends with "message-end", behind which
// newer servers send [DONE]; one of version 1 is an object a line and ends with
// "stream-end", which has the whole answer.
type cohereAnswer struct {
	answer
	usage cohereUsage
}

// cohereEvent are the members of an event or of a whole answer, raw.
type cohereEvent struct {
	kind, id, generation, usage, meta, delta, response, message []byte
	finish, text, generations, summary, failure                 []byte
}

// readCohereEvent reads an event; ok is false if data is no object.
func readCohereEvent(data []byte) (e cohereEvent, ok bool) {
	c := cursor{b: data}
	if !c.enter('{') {
		return e, false
	}
	for {
		key, ok := c.member()
		if !ok {
			return e, true
		}
		value := c.value()
		switch string(key) {
		case "type", "event_type":
			e.kind = value
		case "id":
			e.id = value
		case "generation_id":
			e.generation = value
		case "usage":
			e.usage = value
		case "meta":
			e.meta = value
		case "delta":
			e.delta = value
		case "response":
			e.response = value
		case "message":
			e.message = value
		case "finish_reason":
			e.finish = value
		case "text":
			e.text = value
		case "generations":
			e.generations = value
		case "summary":
			e.summary = value
		case "error":
			e.failure = value
		}
	}
}

func (r *cohereAnswer) event(_, data []byte) {
	if isDone(data) {
		r.terminal = "[DONE]"
		return
	}
	e, ok := readCohereEvent(data)
	if !ok {
		return
	}
	if r.status < 400 {
		r.take(&e)
	}
	switch string(inner(e.kind)) {
	case "message-end":
		r.end("message-end")
	case "stream-end":
		whole, _ := readCohereEvent(e.response)
		whole.text, whole.generations = nil, nil // it repeats the pieces
		r.take(&whole)
		r.end("stream-end")
	}
	r.fail(r.where(), e.failure)
	r.failBody(data)
}

// take reads the members of one event.
func (r *cohereAnswer) take(e *cohereEvent) {
	r.id.set(e.id)
	r.id.set(e.generation)
	r.finish.set(e.finish)
	r.finish.set(rawMember(e.delta, "finish_reason"))
	r.show(e.text)
	r.show(e.summary)
	if r.stream {
		r.fail("stream", rawMember(e.delta, "error"))
		r.showMessage(rawMember(e.delta, "message"), messageDepth)
	} else {
		r.showMessage(e.message, messageDepth)
		r.showMessage(e.generations, 2)
	}
	r.see(rawMember(e.delta, "usage"))
	r.see(e.usage)
	r.see(e.meta)
}

// messageDepth is how deep text lies in a message: message.tool_calls[].function.arguments.
const messageDepth = 5

// showMessage takes what a model wrote: text, plans, thoughts and calls.
// Citations repeat what stands elsewhere.
func (r *cohereAnswer) showMessage(raw []byte, depth int) {
	c := cursor{b: raw}
	switch {
	case depth == 0:
	case c.enter('['):
		for c.element() {
			r.showMessage(c.value(), depth-1)
		}
	case c.enter('{'):
		for key, ok := c.member(); ok; key, ok = c.member() {
			value := c.value()
			switch string(key) {
			case "text", "thinking", "tool_plan", "name", "arguments":
				r.show(value)
			case "content", "tool_calls", "function":
				r.showMessage(value, depth-1)
			}
		}
	}
}

// see takes one usage object. A meta without billed units is none.
func (r *cohereAnswer) see(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	v := gjson.ParseBytes(raw)
	if !v.Get("billed_units").Exists() && !v.Get("tokens").Exists() {
		return
	}
	r.objects++
	if u := readCohereUsage(v, &r.answer); u.given() || !r.usage.given() {
		r.usage = u
		r.keepUsage(raw)
	}
}

func (r *cohereAnswer) unknownField(_, _ []byte) {}

// awaitsFinal reports whether the usage, which ends every stream, has not come.
func (r *cohereAnswer) awaitsFinal() bool { return r.stream && r.terminal == "" }

func (r *cohereAnswer) report(u *metering.Usage) reported {
	if r.stream && r.objects > 1 {
		u.Flag(metering.FlagRepeated)
	}
	return r.usage.report(u)
}
