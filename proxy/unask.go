package proxy

import "bytes"

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
// the other one before doing anything, so sending this one is no repetition; it
// is not asked again by any call.
func (x *exchange) unask() {
	if x.up.deaf.CompareAndSwap(false, true) {
		x.s.log.Warn("the upstream refuses stream_options: usage of its streams will be estimated", "upstream", x.up.Name)
	}
	x.detach()
	x.sentAll = false
	x.early, x.answer = nil, answer{}
	x.d.head = x.d.head[:0]
	// It is the same wording but for the splice: what made it once makes it again.
	if w, f := x.word(x.up); f == nil {
		x.adopt(w)
	}
}
