package dialect

import "github.com/weirhq/weir/metering"

// liveReader reads one turn of the Live API: the parts of generateContent in
// messages of another shape, and the same usage with one name changed.
type liveReader struct{ contentReader }

func (r *liveReader) event(_, data []byte) {
	if m, ok := readLive(data); ok {
		r.take(&m)
	}
}

// take reads a message of the turn.
func (r *liveReader) take(m *liveMessage) {
	if !isNull(m.turn) {
		c := cursor{b: m.turn}
		r.content(&c)
	}
	r.show(rawMember(m.spoken, "text"))
	if !isNull(m.call) {
		r.showRaw(m.call)
	}
	if !isNull(m.grounding) && !isEmptyObject(m.grounding) {
		r.grounding(m.grounding)
	}
	if m.interrupted {
		r.finish.set([]byte(`"interrupted"`))
	}
	r.finish.set(m.reason)
	r.see(m.usage)
	if m.complete {
		r.end("turnComplete")
	}
}

// report gives the numbers as they came. The Live API leaves thoughts out of its
// total and of the response's count; they are generated all the same and have
// their cell, so that the cells add up to more than the total.
func (r *liveReader) report(u *metering.Usage) reported {
	got := r.contentReader.report(u)
	x := &r.usage
	if x.thoughts.n > 0 && x.total.set && x.total.n == x.prompt.n+x.tools.n+x.candidates.n {
		u.Output = x.candidates.n
	}
	switch {
	case got != reportedAll && got != reportedSoFar:
		return got
	case r.terminal == "":
		return reportedSoFar
	default:
		return reportedAll
	}
}
