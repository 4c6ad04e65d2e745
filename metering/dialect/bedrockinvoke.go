package dialect

import (
	"bytes"
	"encoding/base64"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// invokeReader reads InvokeModel, whose bodies are those of the models' makers.
// Which one it is shows in the first object: the path may name an ARN that says
// nothing of it. Where a body has no counts those of Bedrock's own stand: in the
// header of an answer, in the invocation metrics of a stream's last chunk.
type invokeReader struct {
	answer               // until the maker is known
	body   reader        // of the maker; nil: not known yet
	own    *bedrockUsage // Bedrock's own counts; nil: none

	chunks     int
	intervened bool // by a guardrail
	generated  bool // its trace has output of the model
	traced     bool
	decoded    []byte // buffer of a chunk
}

// countedBody is a reader of a body that counts as Bedrock does, but not always
// both sides.
type countedBody interface {
	reader
	bedrockCounts() *bedrockUsage // nil: none
}

// newInvokeReader returns a reader of the answer with that head.
func newInvokeReader(resp Response) *invokeReader {
	r := &invokeReader{}
	if resp.Header == nil {
		return r
	}
	u := &bedrockUsage{}
	for name, to := range map[string]*count{
		"input": &u.input, "output": &u.output, "cache-read-input": &u.cacheRead, "cache-write-input": &u.cacheWrite,
	} {
		if text := resp.Header("x-amzn-bedrock-" + name + "-token-count"); text != "" {
			*to = rawCount([]byte(text))
		}
	}
	if u.given() {
		r.own = u
	}
	return r
}

// state implements reader: that of the maker's reader once there is one.
func (r *invokeReader) state() *answer {
	if r.body != nil {
		return r.body.state()
	}
	return &r.answer
}

// frame implements framedReader: a chunk is an object in base64, with padding
// beside it.
func (r *invokeReader) frame(f *frame) {
	if r.state().failFrame(f) {
		return
	}
	raw := rawMember(f.payload, "bytes")
	text := inner(raw)
	if bytes.IndexByte(text, '\\') >= 0 {
		text = []byte(unquote(raw))
	}
	if n := base64.StdEncoding.DecodedLen(len(text)); cap(r.decoded) < n {
		r.decoded = make([]byte, n)
	}
	n, err := base64.StdEncoding.Decode(r.decoded[:cap(r.decoded)], text)
	if err != nil {
		r.state().flags = append(r.state().flags, metering.FlagUnreadable)
		return
	}
	r.event(nil, r.decoded[:n])
}

// event sees one object: a chunk, or the whole answer.
func (r *invokeReader) event(name, data []byte) {
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	r.chunks++
	var metrics, trace []byte
	shape := shapeUnknown
	for key, ok := c.member(); ok; key, ok = c.member() {
		value := c.value()
		switch string(key) {
		case "amazon-bedrock-invocationMetrics":
			metrics = value
		case "amazon-bedrock-trace":
			trace = value
		case "amazon-bedrock-guardrailAction":
			r.intervened = r.intervened || string(inner(value)) == "INTERVENED"
		default:
			shape = max(shape, shapeOf(string(key), value))
		}
	}
	r.choose(shape)
	a := r.state()
	objects := a.objects
	if r.body != nil {
		r.body.event(name, data)
	} else {
		a.failBody(data)
	}
	r.trace(trace)
	r.metrics(metrics, objects)
	if keep := cap(r.decoded); keep > keepBuffer {
		r.decoded = nil
	}
}

// choose takes the reader of the maker, once there is one to be known by.
func (r *invokeReader) choose(s bodyShape) {
	if r.body != nil || s == shapeUnknown || r.status >= 400 {
		return
	}
	r.body = s.reader()
	*r.body.state() = r.answer
}

// trace reads what a guardrail did. With no output of the model in its trace, it
// has blocked the request.
func (r *invokeReader) trace(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	guardrail := gjson.GetBytes(raw, "guardrail")
	r.traced = r.traced || guardrail.Exists()
	r.generated = r.generated || guardrail.Get("modelOutput").Exists() || guardrail.Get("outputs").Exists()
	r.state().readTrace(raw)
}

// metrics reads the counts in the last chunk of a stream. objects is how many
// usage objects there were before it: one with both counts once.
func (r *invokeReader) metrics(raw []byte, objects int) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	a := r.state()
	if a.objects == objects {
		a.objects++
	}
	u := readBedrockUsage(gjson.ParseBytes(raw), a)
	if u.given() {
		r.own = u
		if a.raw == nil {
			a.keepUsage(raw)
		}
	}
	a.end("invocation_metrics")
}

func (r *invokeReader) unknownField(_, _ []byte) {}

// awaitsFinal reports whether the counts so far are not the last ones.
func (r *invokeReader) awaitsFinal() bool { return r.state().stream && r.state().terminal == "" }

// blocked reports whether a guardrail has blocked the request: the model was not
// called, Bedrock counts nothing and bills the guardrail alone. The counts that a
// body then has are of the message that stands in for an answer.
func (r *invokeReader) blocked() bool {
	return r.intervened && !r.own.given() && !r.generated && (r.traced || r.chunks == 1)
}

func (r *invokeReader) report(u *metering.Usage) reported {
	blocked := r.blocked()
	r.state().deferred = blocked
	if blocked {
		return reportedNothing
	}
	if r.body == nil {
		return r.own.report(u, true)
	}
	// The maker's own counts come first: they know of caches and reasoning.
	own := *u
	own.Flags, own.Quantities = slices.Clone(u.Flags), slices.Clone(u.Quantities)
	got := r.body.report(&own)
	if m, ok := r.body.(*messagesReader); ok && m.stream && !m.final && got == reportedAll {
		got = reportedSoFar // the output count of message_start is a placeholder
	}
	switch {
	case got == reportedAll && r.own.given():
		*u = own
		if !r.own.agrees(u.Input, u.Output) {
			u.Flag(metering.FlagTotalMismatch)
		}
		return got
	case got == reportedAll || !r.own.given():
		*u = own
		return got
	}
	counted := *r.own
	if b, ok := r.body.(countedBody); ok && b.bedrockCounts() != nil {
		counted = *b.bedrockCounts()
		counted.fill(r.own)
	}
	return counted.report(u, true)
}
