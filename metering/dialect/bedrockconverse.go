package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// converseReader reads Converse, and Nova's own bodies, which have its shape. A
// stream ends with the event "metadata", which has the usage; Nova's streams
// inside InvokeModel name each event by the one member of a chunk.
type converseReader struct {
	answer
	usage *bedrockUsage // nil: none has come
}

// converseEvent are the members of an event or of a whole answer, raw.
type converseEvent struct {
	usage, trace, tier, performance, stop, delta, start, output, failure []byte
}

func (r *converseReader) event(name, data []byte) {
	e := r.read(data, true)
	r.take(&e)
	if r.stream && string(name) == "metadata" {
		r.end("metadata")
	}
	r.fail(r.where(), e.failure)
	r.failBody(data)
}

// read takes an event apart; outer if it may be a chunk of Nova's.
func (r *converseReader) read(data []byte, outer bool) (e converseEvent) {
	c := cursor{b: data}
	if !c.enter('{') {
		return e
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		value := c.value()
		switch string(key) {
		case "usage":
			e.usage = value
		case "trace":
			e.trace = value
		case "serviceTier":
			e.tier = value
		case "performanceConfig":
			e.performance = value
		case "stopReason":
			e.stop = value
		case "delta":
			e.delta = value
		case "start":
			e.start = value
		case "output":
			e.output = value
		case "error":
			e.failure = value
		case "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata":
			if outer {
				inside := r.read(value, false)
				r.take(&inside)
			}
		}
	}
	return e
}

// take reads the members of one event.
func (r *converseReader) take(e *converseEvent) {
	r.finish.set(e.stop)
	r.tier.set(rawMember(e.tier, "type"))
	r.served.speed.set(rawMember(e.performance, "latency"))
	r.readTrace(e.trace)
	r.showBlock(e.delta, maxBlockDepth)
	r.showBlock(e.start, maxBlockDepth)
	r.content(rawMember(rawMember(e.output, "message"), "content"))
	if len(e.usage) == 0 || e.usage[0] != '{' {
		return
	}
	r.objects++
	u := readBedrockUsage(gjson.ParseBytes(e.usage), &r.answer)
	if u.given() || !r.usage.given() {
		r.usage = u
		r.keepUsage(e.usage)
	}
}

// content takes the blocks of a whole message.
func (r *converseReader) content(raw []byte) {
	c := cursor{b: raw}
	if !c.enter('[') {
		return
	}
	for c.element() {
		r.showBlock(c.value(), maxBlockDepth)
	}
}

// maxBlockDepth is how deep text lies in a block: reasoningContent.reasoningText.
const maxBlockDepth = 2

// showBlock takes what a model wrote in a content block or in a delta of one:
// text, calls with their names and arguments, and reasoning.
func (a *answer) showBlock(block []byte, depth int) {
	c := cursor{b: block}
	if !c.enter('{') {
		return
	}
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		value := c.value()
		switch string(key) {
		case "text", "name":
			a.show(value)
		case "input":
			if len(value) > 0 && value[0] == '{' {
				a.showRaw(value)
				continue
			}
			a.show(value)
		case "toolUse", "reasoningContent", "reasoningText":
			if depth > 0 {
				a.showBlock(value, depth-1)
			}
		}
	}
}

// frame implements framedReader.
func (r *converseReader) frame(f *frame) {
	if r.failFrame(f) {
		return
	}
	r.event(f.name, f.payload)
}

// failFrame reads a frame that is an exception or an error: nothing comes behind
// it. It reports whether f is one.
func (a *answer) failFrame(f *frame) bool {
	kind := string(f.kind)
	if kind != "exception" && kind != "error" {
		return false
	}
	if a.err == nil {
		message := scalar(gjson.ParseBytes(rawMember(f.payload, "message")))
		if message == "" {
			message = clean(string(f.message), maxLabel)
		}
		a.err = &metering.UpstreamError{Where: "stream", Type: clean(string(f.name), maxLabel), Message: message}
	}
	a.end(kind)
	return true
}

func (r *converseReader) unknownField(_, _ []byte) {}

// awaitsFinal reports whether the counts so far are not the last ones.
func (r *converseReader) awaitsFinal() bool { return r.stream && r.terminal == "" }

// bedrockCounts implements countedBody.
func (r *converseReader) bedrockCounts() *bedrockUsage { return r.usage }

func (r *converseReader) report(u *metering.Usage) reported {
	if r.stream && r.objects > 1 {
		u.Flag(metering.FlagRepeated)
	}
	return r.usage.report(u, true)
}
