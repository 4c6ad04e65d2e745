package dialect

import (
	"github.com/weirhq/weir/metering"
)

// bodyShape is whose a body of InvokeModel is, by its members. Of two that are
// found in one object the greater holds.
type bodyShape uint8

const (
	shapeUnknown   bodyShape = iota // nothing tells
	shapeMaker                      // Titan, Llama, Mistral, Cohere, AI21, Stability
	shapeNova                       // Converse's
	shapeOpenAI                     // chat or text completions: Jamba, DeepSeek, Mistral, imported models
	shapeAnthropic                  // messages
)

// shapeOf is what one member of an object says about its maker.
func shapeOf(key string, value []byte) bodyShape {
	switch key {
	case "type":
		switch string(inner(value)) {
		case "message", "message_start", "message_delta", "message_stop", "content_block_start",
			"content_block_delta", "content_block_stop", "ping", "error":
			return shapeAnthropic
		}
	case "choices":
		return shapeOpenAI
	case "output", "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata":
		if len(value) > 0 && value[0] == '{' {
			return shapeNova
		}
	}
	return shapeMaker
}

// reader returns the reader of bodies of that shape.
func (s bodyShape) reader() reader {
	switch s {
	case shapeAnthropic:
		return &messagesReader{}
	case shapeOpenAI:
		return &chatReader{}
	case shapeNova:
		return &converseReader{}
	default:
		return &makerReader{}
	}
}

// makerReader reads the bodies that have no usage object: counts stand among the
// members or not at all. A stream repeats them, growing.
type makerReader struct {
	answer
	usage  bedrockUsage
	merged usageObject // the members that count, for the record
}

func (r *makerReader) event(_, data []byte) {
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	had, output := len(r.merged.names) > 0, r.usage.output
	for key, ok := c.member(); ok; key, ok = c.member() {
		r.member(string(key), c.value())
	}
	if !had && len(r.merged.names) > 0 && !r.stream {
		r.objects++
		r.keepUsage(r.merged.bytes())
	}
	if r.stream && r.usage.output != output {
		r.counted()
	}
	r.failBody(data)
}

// member reads one member of a chunk or of a whole body.
func (r *makerReader) member(key string, value []byte) {
	switch key {
	case "inputTextTokenCount", "prompt_token_count": // Titan, Llama
		r.take(&r.usage.input, key, value)
	case "totalOutputTextTokenCount", "generation_token_count":
		r.take(&r.usage.output, key, value)
	case "outputText", "generation", "text", "completion":
		r.show(value)
	case "completionReason", "stop_reason", "finish_reason":
		r.finish.set(value)
	case "results", "outputs", "generations", "completions":
		r.list(value)
	case "embedding", "embeddings", "embeddingsByType":
		r.usage.output.set = true // there is none
	case "images", "artifacts":
		r.pictures(value)
	case "error":
		r.fail(r.where(), value)
	}
}

// take sets a count that grows in a stream and is null in some chunks.
func (r *makerReader) take(to *count, key string, raw []byte) {
	if n := rawCount(raw); n.set || n.bad {
		*to = n
		r.merged.set([]byte(key), raw)
	}
}

// list reads the alternatives of an answer. Titan counts the tokens of each.
func (r *makerReader) list(raw []byte) {
	c := cursor{b: raw}
	if !c.enter('[') {
		return
	}
	for c.element() {
		if !c.enter('{') {
			c.value()
			continue
		}
		for key, ok := c.member(); ok; key, ok = c.member() {
			value := c.value()
			switch string(key) {
			case "tokenCount":
				n, to := rawCount(value), &r.usage.output
				to.n, to.set, to.bad = to.n+n.n, to.set || n.set, to.bad || n.bad
				r.merged.set(key, value)
			case "outputText", "text":
				r.show(value)
			case "data": // AI21
				r.show(rawMember(value, "text"))
			case "completionReason", "stop_reason", "finish_reason":
				r.finish.set(value)
			case "finishReason":
				r.finish.set(rawMember(value, "reason"))
			}
		}
	}
}

// pictures counts generated images.
func (r *makerReader) pictures(raw []byte) {
	c := cursor{b: raw}
	if !c.enter('[') {
		return
	}
	n := int64(0)
	for c.element() {
		if !isNull(c.value()) {
			n++
		}
	}
	r.counts.add("images", metering.NumberOf(n))
}

func (r *makerReader) unknownField(_, _ []byte) {}

// awaitsFinal reports whether the counts so far are not the last ones.
func (r *makerReader) awaitsFinal() bool { return r.stream && r.terminal == "" }

// bedrockCounts implements countedBody.
func (r *makerReader) bedrockCounts() *bedrockUsage { return &r.usage }

func (r *makerReader) report(u *metering.Usage) reported {
	if len(r.counts) > 0 && !r.usage.given() {
		return reportedAll // images are counted, not tokens
	}
	return r.usage.report(u, !r.awaitsFinal())
}
