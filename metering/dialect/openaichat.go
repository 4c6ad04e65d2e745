package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// chatReader reads chat completions, legacy completions and embeddings of OpenAI
// and of the servers compatible with it, streamed or not.
//
// Usage is taken from any chunk, whether it has choices or not, and from
// x_groq.usage; the last one with counts replaces those before it. A chunk
// without choices is not the usage chunk: Azure begins with one.
type chatReader struct {
	answer
	usage  openAIUsage
	split  []modelUsage
	beside chatBeside
}

func (r *chatReader) event(name, data []byte) {
	if isDone(data) {
		r.end("[DONE]")
		return
	}
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	var usage, breakdown, object, timings []byte
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "choices":
			r.choices(&c)
		case "usage":
			usage = c.value()
		case "x_groq":
			r.groq(&c, &breakdown)
		case "usage_breakdown":
			breakdown = c.value()
		case "model":
			r.model.set(c.value())
		case "id":
			r.id.set(c.value())
		case "service_tier":
			r.tier.set(c.value())
		case "object":
			object = c.value()
		case "timings":
			timings = c.value()
		case "error":
			r.fail(r.where(), c.value())
		default:
			c.value()
		}
	}
	r.see(usage)
	r.time(timings)
	r.breakdown(breakdown)
	r.failNamed(name, data)
	if string(object) == `"chat.completion.done"` {
		r.end("eof_after_finish_reason") // Perplexity sends no [DONE]
	}
}

// failNamed records an error that has no member of its own, where the event or
// the status says that it is one.
func (r *chatReader) failNamed(name, data []byte) {
	if string(name) == "error" {
		r.fail("stream", data)
		return
	}
	r.failBody(data)
}

// see takes one usage object.
func (r *chatReader) see(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	r.objects++
	u := readOpenAIUsage(raw, &r.answer)
	if !u.given() && !(len(u.flags) > 0 && !r.usage.given()) {
		return
	}
	r.usage = u
	r.keepUsage(raw)
}

// groq reads the member x_groq, which carries the usage of older streams and the
// split of compound ones.
func (r *chatReader) groq(c *cursor, breakdown *[]byte) {
	if !c.enter('{') {
		c.value()
		return
	}
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		switch string(key) {
		case "usage":
			r.see(c.value())
		case "usage_breakdown":
			*breakdown = c.value()
		case "error":
			r.fail(r.where(), c.value())
		default:
			c.value()
		}
	}
}

// breakdown reads the usage of a compound answer by model.
func (r *chatReader) breakdown(raw []byte) {
	if isNull(raw) {
		return
	}
	var split []modelUsage
	gjson.ParseBytes(raw).Get("models").ForEach(func(_, m gjson.Result) bool {
		var ignored answer
		u := readOpenAIUsage([]byte(m.Get("usage").Raw), &ignored)
		split = addModel(split, scalar(m.Get("model")), u.normal)
		return len(split) < maxQuantities
	})
	r.split = split
}

func (r *chatReader) choices(c *cursor) {
	if !c.enter('[') {
		c.value()
		return
	}
	for r.choice = 0; c.element(); r.choice++ {
		if !c.enter('{') {
			c.value()
			continue
		}
		r.oneChoice(c)
	}
}

// oneChoice reads a choice. Its index says whose text it shows, and in every
// recorded stream stands before it.
func (r *chatReader) oneChoice(c *cursor) {
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		switch string(key) {
		case "index":
			r.choice = int(requested(c.value()))
		case "delta", "message":
			r.message(c)
		case "text":
			r.show(c.value())
		case "finish_reason":
			r.finish.set(c.value())
		case "usage":
			r.beside.keep(&r.beside.choice, c.value())
		case "error":
			r.fail("choice", c.value())
		default:
			c.value()
		}
	}
}

// message counts what a message or a delta shows: content, refusal, reasoning,
// and the arguments of calls.
func (r *chatReader) message(c *cursor) {
	if !c.enter('{') {
		c.value()
		return
	}
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		switch string(key) {
		case "content":
			r.content(c)
		case "refusal", "reasoning_content", "reasoning":
			r.show(c.value())
		case "tool_calls", "function_call":
			r.showCalls(c.value())
		case "audio":
			r.make(KindItem, rawMember(c.value(), "id"))
		default:
			c.value()
		}
	}
}

// content counts a text, or the texts of a list of parts.
func (r *chatReader) content(c *cursor) {
	if c.peek() == '"' {
		r.show(c.value())
		return
	}
	raw := c.value()
	if len(raw) == 0 || raw[0] != '[' {
		return
	}
	gjson.ParseBytes(raw).ForEach(func(_, part gjson.Result) bool {
		r.showText(part.Get("text").String())
		part.Get("thinking").ForEach(func(_, thought gjson.Result) bool {
			r.showText(thought.Get("text").String())
			return true
		})
		return true
	})
}

// showCalls takes the names and arguments of the calls in raw: one call, or a
// list.
func (r *chatReader) showCalls(raw []byte) {
	if len(raw) == 0 || raw[0] != '[' && raw[0] != '{' {
		return
	}
	one := func(call gjson.Result) {
		f := call
		if inner := call.Get("function"); inner.Exists() {
			f = inner
		}
		r.showText(f.Get("name").String())
		r.showText(f.Get("arguments").String())
	}
	v := gjson.ParseBytes(raw)
	if !v.IsArray() {
		one(v)
		return
	}
	v.ForEach(func(_, call gjson.Result) bool {
		one(call)
		return true
	})
}

// unknownField sees GPUStack's "error: {…}" line.
func (r *chatReader) unknownField(name, value []byte) {
	if string(name) != "error" || len(value) == 0 || value[0] != '{' {
		return
	}
	v := gjson.ParseBytes(value)
	if inner := v.Get("error"); inner.Exists() {
		v = inner
	}
	r.fail("stream", []byte(v.Raw))
}

func (r *chatReader) report(u *metering.Usage) reported {
	for _, f := range r.usage.flags {
		u.Flag(f)
	}
	full, got := r.beside.complete(r.usage, r.err != nil)
	switch {
	case got != reportedNothing:
		return r.reportBeside(u, full, got)
	case !full.given():
		return reportedNothing
	}
	full.normal.fill(u)
	if r.stream && r.objects > 1 {
		u.Flag(metering.FlagRepeated)
	}
	r.byModel(u)
	switch {
	case r.usage.output.bad:
		return reportedInput
	case r.usage.input.bad, !r.usage.input.set && !r.usage.total.set:
		return reportedOutput
	case r.stream && r.terminal == "" && r.finish.String() == "":
		return reportedSoFar
	default:
		return reportedAll
	}
}

// byModel adds the split by model where it accounts for all of the usage. The
// streams of Groq's compound systems repeat the total for each model; such a
// split says nothing.
func (r *chatReader) byModel(u *metering.Usage) {
	if len(r.split) == 0 || len(r.split) == 1 && r.split[0].model == u.Model {
		return
	}
	var in, out int64
	for i := range r.split {
		in += r.split[i].normal.input
		out += r.split[i].normal.output
	}
	if in != u.Input || out != u.Output {
		return
	}
	u.ByModel = byModel(r.split)
}
