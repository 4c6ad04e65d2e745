package proxy

import (
	"time"
)

// stallLimit is how long a client may not read where the upstream has no idle
// limit.
const stallLimit = 10 * time.Minute

// outlet is the client's side of an answer.
type outlet struct {
	begun   bool // a byte of an answer may have been written
	over    bool // an answer has been written, or its writing has failed
	framing framing
	pending *buffer // the head, until the first piece or the wait for it
}

// open writes the head of the answer for the client, to be sent with the first
// piece or when there is none yet.
func (x *exchange) open() {
	a := &x.answer
	x.out.framing = a.framing
	if x.unsplit != nil || a.framing == byClose {
		x.out.framing = byChunks
	}
	if x.req.old && x.out.framing == byChunks {
		x.out.framing = byClose
	}
	if x.out.framing == byClose {
		x.keepOpen = false
	}
	x.out.pending = x.s.pools.buffer(true)
	b := append(x.out.pending.b[:0], "HTTP/1.1 "...)
	b = append(append(b, a.line...), "\r\n"...)
	for _, f := range a.fields {
		if passed(f) || f.kind == length && (a.bodyless || x.out.framing == byLength) || f.kind == trailer && !f.named && x.out.framing == byChunks {
			b = appendField(b, f)
		}
	}
	if x.out.framing == byChunks {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	x.out.pending.b = x.common(b)
}

// common writes what every answer to a call carries, and ends the head.
func (x *exchange) common(b []byte) []byte {
	b = x.appendEventID(b)
	if !x.keepOpen || x.s.draining.Load() {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, "\r\n"...)
}

func (x *exchange) appendEventID(b []byte) []byte {
	if x.s.o.EventIDHeader && x.event != nil && x.begun {
		b = append(b, "X-Weir-Event-Id: "...)
		b = appendID(b, x.event.ID)
		b = append(b, "\r\n"...)
	}
	return b
}

// deliver sends one piece, and the end if done.
// p lies in lent, or where that is nil in the buffer it was read into.
func (x *exchange) deliver(p []byte, lent *buffer, done bool) {
	if x.out.pending == nil && len(p) == 0 && !(done && x.out.framing == byChunks) {
		return
	}
	b := p
	switch {
	case x.out.pending != nil:
		b = x.withHead(p, done)
	case x.out.framing == byChunks && len(p) == 0:
		b = appendLast(nil, x.w.chunks.kept)
	case x.out.framing == byChunks && lent != nil:
		b = x.chunkAt(lent.b, headroom, len(p), done)
	case x.out.framing == byChunks:
		b = x.chunkAt(x.w.buf.b, x.w.at, len(p), done)
	}
	x.put(b)
	if !x.gone {
		x.sent += int64(len(p))
	}
	if x.out.pending != nil {
		x.s.pools.release(x.out.pending)
		x.out.pending = nil
	}
}

// withHead puts a first piece behind the head that has waited for it.
func (x *exchange) withHead(p []byte, done bool) []byte {
	b := x.out.pending.b
	switch x.out.framing {
	case byChunks:
		b = appendChunk(b, p)
		if done {
			b = appendLast(b, x.w.chunks.kept)
		}
	case noBody:
	default:
		b = append(b, p...)
	}
	return b
}

// chunkAt makes a chunk of the n bytes at start where they lie, see [headroom].
func (x *exchange) chunkAt(b []byte, start, n int, done bool) []byte {
	at := sizeBefore(b, start, n)
	b = append(b[:start+n], "\r\n"...)
	if done {
		b = appendLast(b, x.w.chunks.kept)
	}
	return b[at:]
}

// flush sends the head alone: the body is not there yet.
func (x *exchange) flush() {
	if !x.gone {
		x.put(x.out.pending.b)
	}
	x.s.pools.release(x.out.pending)
	x.out.pending = nil
}

// put writes to the client. One that cannot be written to has gone, one that
// does not read for the idle limit too.
func (x *exchange) put(b []byte) {
	x.out.begun = true
	limit := x.up.Idle
	if limit <= 0 {
		limit = stallLimit
	}
	if _, err := x.k.write(b, limit, time.Now()); err != nil {
		x.leave()
	}
}

// unsplice takes out of the answer what the splice has caused.
func (x *exchange) unsplice(p []byte, done bool) ([]byte, *buffer) {
	lent := x.s.pools.buffer(len(p) > smallBuffer/2)
	lent.b = x.unsplit.Filter(lent.b[:headroom], p)
	if done {
		lent.b = x.unsplit.Flush(lent.b)
	}
	return lent.b[headroom:], lent
}
