package proxy

import (
	"bytes"
	"time"
)

// minds reports whether a 400 is about what was put into the request. The answer
// can be passed on all the same.
func (x *exchange) minds() bool {
	if !x.readAhead() {
		return false
	}
	return x.answer.ended && x.answer.contentEncoding == "" &&
		(bytes.Contains(x.early, []byte("stream_options")) || bytes.Contains(x.early, []byte("include_usage")))
}

// unask goes back to the request as the client sent it. The upstream has refused
// the other one before doing anything, so sending this one is no repetition.
func (x *exchange) unask() {
	x.detach()
	x.sentAll = false
	x.early, x.answer = nil, answer{}
	x.d.head = x.d.head[:0]
	// It is the same wording but for the splice: what made it once makes it again.
	x.deaf = true
	if w, f := x.word(x.up); f == nil {
		x.adopt(w)
	}
}

// unasked looks at the answer to the request without the splice. If that passed
// it was the splice that the upstream minded, and the model is not asked for a
// while; a text that only named the option teaches nothing.
func (x *exchange) unasked() {
	if x.answer.status >= 400 {
		return
	}
	if x.up.deaf.learn(x.asked.Model, time.Now()) {
		x.s.log.Warn("the upstream refuses stream_options: usage of the model's streams will be estimated for a while",
			"upstream", x.up.Name, "model", x.asked.Model, "for", deafFor)
	}
}
