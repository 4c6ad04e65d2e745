package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// messagesReader reads Anthropic's messages. In a stream message_start carries
// the input side and message_delta cumulative counts, of which the newer ones
// repeat the input side and may have grown: per field the last value that is not
// null stands. Only message_start has the cache breakdown by TTL.
type messagesReader struct {
	answer
	usage   messageUsage
	merged  usageObject // of start and delta, for the record
	started bool
	final   bool // a message_delta or a whole message has come
}

// messageUsage is a usage object of the messages API, or one of its iterations.
type messageUsage struct {
	input, output, cacheRead, cacheWrite, write5m, write1h, thinking count

	kind, model string         // of an iteration
	iterations  []messageUsage // nil: not reported
	flags       []metering.Flag
}

// messageEvent are the members of an event, or of a message that was not
// streamed, raw.
type messageEvent struct {
	kind, message, usage, delta, failure []byte
	id, model, stop, content, block      []byte
	container                            []byte
}

// readMessageEvent reads an event; ok is false if data is no object.
func readMessageEvent(data []byte) (e messageEvent, ok bool) {
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
		case "type":
			e.kind = value
		case "message":
			e.message = value
		case "usage":
			e.usage = value
		case "delta":
			e.delta = value
		case "error":
			e.failure = value
		case "id":
			e.id = value
		case "model":
			e.model = value
		case "stop_reason":
			e.stop = value
		case "content":
			e.content = value
		case "content_block":
			e.block = value
		case "container":
			e.container = value
		}
	}
}

func (r *messagesReader) event(name, data []byte) {
	e, ok := readMessageEvent(data)
	if !ok {
		return
	}
	switch string(inner(e.kind)) {
	case "message_start":
		r.start(e.message)
	case "content_block_delta":
		r.showDelta(e.delta)
	case "content_block_start":
		r.show(rawMember(e.block, "name")) // of a tool
		r.madeBlock(e.block)
	case "message_delta":
		r.finish.set(rawMember(e.delta, "stop_reason"))
		r.ranIn(rawMember(e.delta, "container"))
		r.see(e.usage)
		r.final = r.final || len(e.usage) > 0
	case "message_stop":
		r.end("message_stop")
	default:
		if !r.stream {
			r.whole(&e)
		}
	}
	r.fail(r.where(), e.failure)
	if string(name) == "error" && isNull(e.failure) {
		r.fail("stream", data)
	}
	r.failBody(data)
}

// rawMember is the raw value of one member of a raw object.
func rawMember(object []byte, name string) []byte {
	c := cursor{b: object}
	if !c.enter('{') {
		return nil
	}
	var found []byte
	for {
		key, ok := c.member()
		if !ok {
			return found
		}
		if v := c.value(); string(key) == name {
			found = v
		}
	}
}

// start reads the message inside message_start.
func (r *messagesReader) start(message []byte) {
	r.started = true
	r.id.set(rawMember(message, "id"))
	r.model.set(rawMember(message, "model"))
	r.see(rawMember(message, "usage"))
}

// whole reads a message that was not streamed.
func (r *messagesReader) whole(e *messageEvent) {
	r.id.set(e.id)
	r.model.set(e.model)
	r.finish.set(e.stop)
	r.madeBy(e)
	gjson.ParseBytes(e.content).ForEach(func(_, block gjson.Result) bool {
		for _, member := range [...]string{"text", "thinking", "name"} {
			r.showText(block.Get(member).String())
		}
		r.showText(block.Get("input").Raw)
		return true
	})
	r.see(e.usage)
	r.final = r.final || len(e.usage) > 0
}

// showDelta takes the text, the thinking or the arguments in a delta.
func (r *messagesReader) showDelta(delta []byte) {
	c := cursor{b: delta}
	if !c.enter('{') {
		return
	}
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		switch string(key) {
		case "text", "thinking", "partial_json":
			r.show(c.value())
		default:
			c.value()
		}
	}
}

// see merges one usage object into what is known.
func (r *messagesReader) see(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	r.objects++
	r.usage.read(gjson.ParseBytes(raw), &r.answer)
	r.merged.merge(raw)
	r.keepUsage(r.merged.bytes())
}

// read takes the members of v that are not null.
func (u *messageUsage) read(v gjson.Result, a *answer) {
	take := func(c *count, v gjson.Result) {
		if n := readCount(v); n.set || n.bad {
			*c = n
		}
	}
	v.ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "input_tokens":
			take(&u.input, v)
		case "output_tokens":
			take(&u.output, v)
		case "cache_read_input_tokens":
			take(&u.cacheRead, v)
		case "cache_creation_input_tokens":
			take(&u.cacheWrite, v)
		case "cache_creation":
			take(&u.write5m, v.Get("ephemeral_5m_input_tokens"))
			take(&u.write1h, v.Get("ephemeral_1h_input_tokens"))
		case "output_tokens_details":
			take(&u.thinking, v.Get("thinking_tokens"))
		default:
			u.readMore(k, v, a)
		}
		return true
	})
}

// readMore reads the member k if it is no count.
func (u *messageUsage) readMore(k string, v gjson.Result, a *answer) {
	switch k {
	case "server_tool_use":
		a.counts.setAll("", v)
	case "service_tier":
		a.tier.set([]byte(v.Raw))
	case "speed":
		a.served.speed.set([]byte(v.Raw))
	case "inference_geo":
		a.region.set([]byte(v.Raw))
	case "pydantic_ai_gateway":
		a.gatewayCost(v)
	case "type":
		u.kind = scalar(v)
	case "model":
		u.model = scalar(v)
	case "iterations":
		u.readIterations(v)
	default:
		if isTokenCount(k, v) {
			u.flags = append(u.flags, metering.FlagUnknownField)
		}
	}
}

// maxIterations bounds what is kept of one answer.
const maxIterations = 256

func (u *messageUsage) readIterations(v gjson.Result) {
	if !v.IsArray() {
		return
	}
	u.iterations = nil
	v.ForEach(func(_, entry gjson.Result) bool {
		var it messageUsage
		var ignored answer
		it.read(entry, &ignored)
		u.iterations = append(u.iterations, it)
		return len(u.iterations) < maxIterations
	})
}

// given reports whether the object had any count at all.
func (u *messageUsage) given() bool {
	return u.input.set || u.output.set || u.cacheRead.set || u.cacheWrite.set
}

// normal brings the additive counts of the API into the common form: the whole
// input is what was read at full price, read from the cache and written to it.
func (u *messageUsage) normal() (n normal, flags []metering.Flag) {
	flags = u.flags
	for _, c := range []count{u.input, u.output, u.cacheRead, u.cacheWrite, u.write5m, u.write1h, u.thinking} {
		if c.bad {
			flags = append(flags, metering.FlagInvalidNumber)
		}
	}
	n.output, n.reasoning = u.output.n, u.thinking.n
	return n, append(flags, n.additive(u.input, u.cacheRead, u.cacheWrite, u.write5m, u.write1h)...)
}
