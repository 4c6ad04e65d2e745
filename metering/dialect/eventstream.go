package dialect

import (
	"encoding/binary"
	"hash/crc32"
)

// The lengths of the encoding application/vnd.amazon.eventstream
// (https://smithy.io/2.0/aws/amazon-eventstream.html): a prelude of the frame's
// and the headers' lengths with a CRC-32 of its own, headers, payload, and the
// CRC-32 of all before it.
const (
	framePrelude  = 12
	frameOverhead = framePrelude + 4
	maxFrameHead  = 128 << 10 // of headers, as the specification has it
)

// frame is one message of an event stream. The slices are valid during the call.
type frame struct {
	kind    []byte // :message-type: "event", "exception" or "error"
	name    []byte // :event-type, :exception-type or :error-code
	message []byte // :error-message
	payload []byte
}

// frameSink takes the frames of an event stream.
type frameSink interface {
	frame(f *frame)
	// oversize says that a frame, or all that follows, could not be read.
	oversize()
}

// frameReader splits an event stream however its bytes are cut. A frame that
// lies whole in one read is not copied; one larger than maxEvent is passed over.
// A prelude whose checksum is wrong gives no length to go on with: nothing is
// read behind it. A frame whose checksum is wrong is not handed out.
type frameReader struct {
	sink   frameSink
	buf    []byte // the beginning of a frame from earlier reads
	size   int    // of the frame in buf; 0 until its prelude is there
	skip   int    // bytes of a frame that is too large, still to come
	broken bool
}

// feed sees the next bytes.
func (r *frameReader) feed(p []byte) {
	for len(p) > 0 && !r.broken {
		switch {
		case r.skip > 0:
			n := min(r.skip, len(p))
			r.skip -= n
			p = p[n:]
		case len(r.buf) == 0:
			p = r.direct(p)
		default:
			p = r.collect(p)
		}
	}
}

// direct reads a frame that begins with p, and returns what is behind it.
func (r *frameReader) direct(p []byte) []byte {
	if len(p) < framePrelude {
		r.buf = append(r.buf, p...)
		return nil
	}
	size, ok := r.prelude(p)
	switch {
	case !ok:
		return p
	case len(p) < size:
		r.buf, r.size = append(r.buf, p...), size
		return nil
	default:
		r.take(p[:size])
		return p[size:]
	}
}

// collect adds to the frame in buf and returns what is behind it.
func (r *frameReader) collect(p []byte) []byte {
	need := framePrelude
	if r.size > 0 {
		need = r.size
	}
	n := min(need-len(r.buf), len(p))
	r.buf = append(r.buf, p[:n]...)
	p = p[n:]
	if len(r.buf) < need {
		return nil
	}
	if r.size == 0 {
		size, ok := r.prelude(r.buf)
		if !ok {
			r.skip = max(0, r.skip-framePrelude)
			r.buf = nil
		}
		r.size = size
		return p
	}
	r.take(r.buf)
	r.size = 0
	if r.buf = r.buf[:0]; cap(r.buf) > keepBuffer {
		r.buf = nil
	}
	return p
}

// prelude returns the size of the frame that begins with p; false if it is to be
// passed over, or all is.
func (r *frameReader) prelude(p []byte) (size int, ok bool) {
	total, head := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	switch {
	case crc32.ChecksumIEEE(p[:8]) != binary.BigEndian.Uint32(p[8:]),
		total < frameOverhead, head > maxFrameHead, head > total-frameOverhead:
		r.broken = true
		r.sink.oversize()
		return 0, false
	case total > maxEvent:
		r.skip = int(total)
		r.sink.oversize()
		return 0, false
	default:
		return int(total), true
	}
}

// take hands out a whole frame.
func (r *frameReader) take(p []byte) {
	end := len(p) - 4
	head := int(binary.BigEndian.Uint32(p[4:])) + framePrelude
	f := frame{payload: p[head:end]}
	if crc32.ChecksumIEEE(p[:end]) != binary.BigEndian.Uint32(p[end:]) || !f.readHeaders(p[framePrelude:head]) {
		r.sink.oversize()
		return
	}
	r.sink.frame(&f)
}

// readHeaders reads the headers that say what a frame is; false if they are
// malformed.
func (f *frame) readHeaders(p []byte) bool {
	for len(p) > 0 {
		n := int(p[0])
		if n == 0 || len(p) < n+2 {
			return false
		}
		name, kind := p[1:1+n], p[1+n]
		value, rest, ok := headerValue(kind, p[2+n:])
		if !ok {
			return false
		}
		p = rest
		switch string(name) {
		case ":message-type":
			f.kind = value
		case ":event-type", ":exception-type", ":error-code":
			f.name = value
		case ":error-message":
			f.message = value
		}
	}
	return true
}

// headerValue splits a header value of that type off p. Only texts are returned.
func headerValue(kind byte, p []byte) (value, rest []byte, ok bool) {
	size := 0
	switch kind {
	case 0, 1: // true, false
	case 2: // byte
		size = 1
	case 3: // short
		size = 2
	case 4: // integer
		size = 4
	case 5, 8: // long, timestamp
		size = 8
	case 9: // UUID
		size = 16
	case 6, 7: // bytes, text
		if len(p) < 2 {
			return nil, nil, false
		}
		size = int(binary.BigEndian.Uint16(p))
		p = p[2:]
	default:
		return nil, nil, false
	}
	if len(p) < size {
		return nil, nil, false
	}
	if kind == 7 {
		value = p[:size]
	}
	return value, p[size:], true
}
