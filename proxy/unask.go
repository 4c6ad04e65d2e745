package proxy

import "bytes"

// maxComplaint is how much of a 400 is read to see whether it is about the
// splice.
const maxComplaint = 16 << 10

// minds reports whether a 400 is about what was put into the request. The answer
// can be passed on all the same.
func (x *exchange) minds() bool {
	// The fields must outlive the buffer, which the body is read into.
	if x.answer.parse(x.d, bytes.Clone(x.answer.raw), x.head) != nil {
		return false
	}
	for len(x.early) < maxComplaint {
		p, done, err := x.w.piece()
		x.early = append(x.early, p...)
		if done {
			x.answer.ended = true
			break
		}
		if err != nil || len(p) == 0 && x.receive(x.up.Idle) != nil {
			return false // relay meets the same error
		}
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
	x.spliced, x.early, x.answer = false, nil, answer{}
	x.s.pools.releaseBody(x.body)
	x.body, x.plainly = x.plainly, nil
	x.d.head = x.d.head[:0]
}
