package proxy

import (
	"bytes"

	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/estimate"
)

const (
	// maxHeld is the largest request body that is held until its answer has ended,
	// in case its input must be estimated. Larger ones are estimated by their bytes.
	maxHeld = 256 << 10
	// maxHeldAll bounds what is held of all calls together; beyond it calls are
	// estimated by bytes.
	maxHeldAll = 64 << 20
)

// Two ways to count: while a client waits for its last byte, and while nobody
// does.
type (
	briefly   struct{ *estimate.Tokenizer }
	patiently struct{ *estimate.Tokenizer }
)

// Count implements [dialect.Counter].
func (t briefly) Count(e estimate.Encoding, texts []string) (int64, bool) {
	return t.Tokenizer.Count(e, texts, true)
}

// Count implements [dialect.Counter].
func (t patiently) Count(e estimate.Encoding, texts []string) (int64, bool) {
	return t.Tokenizer.Count(e, texts, false)
}

// text returns memory for what an answer shows.
func (p *pools) text() *estimate.Text {
	if t, ok := p.texts.Get().(*estimate.Text); ok {
		return t
	}
	return new(estimate.Text)
}

// hold keeps the body of the request as the client sent it, or gives it back
// where it will not be needed or there is no room.
func (x *exchange) hold(b *buffer) {
	if b == nil || x.held != nil || x.plainly != nil && b == x.body || x.event == nil || !x.event.Metered || x.opaque() || x.stream != nil || cap(b.b) > maxHeld {
		x.s.pools.releaseBody(b)
		return
	}
	if x.streams() && len(b.b) <= cap(b.b)/2 {
		// A stream holds it for minutes, and buffers are larger than most requests.
		exact := &buffer{bytes.Clone(b.b)}
		x.s.pools.releaseBody(b)
		b = exact
	}
	if size := int64(cap(b.b)); x.s.held.Add(size) > maxHeldAll {
		x.s.held.Add(-size)
		x.s.pools.releaseBody(b)
		return
	}
	x.held = b
}

// holdAnswered keeps what an estimate would need of an answer that has begun, and
// lets go of everything else of the request.
func (x *exchange) holdAnswered() {
	if x.answer.status >= 400 {
		x.dropHeld()
	} else if x.plainly != nil {
		x.hold(x.plainly)
		x.plainly = nil
	} else {
		x.hold(x.body)
		x.body = nil
	}
	x.dropBody()
}

// dropHeld lets go of what only an estimate needed.
func (x *exchange) dropHeld() {
	if x.held != nil {
		x.s.held.Add(-int64(cap(x.held.b)))
		x.s.pools.releaseBody(x.held)
		x.held = nil
	}
	if x.text != nil {
		x.text.Reset()
		x.s.pools.texts.Put(x.text)
		x.text = nil
	}
}

// evidence is what an estimate can be made from now.
func (x *exchange) evidence(end dialect.End) dialect.Evidence {
	e := dialect.Evidence{Provider: x.up.Provider, Body: x.held.bytes(), Counter: x.s.patient}
	if end == dialect.Ended && !x.gone {
		e.Counter = x.s.brief
	}
	return e
}
