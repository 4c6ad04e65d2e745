package dialect

import "bytes"

// maxDocument is the most that is kept of one JSON document. Data of embeddings
// does not count: it is passed over.
const maxDocument = 32 << 20

// startBuffer holds most answers; half of the recorded ones are below 2 KiB.
const startBuffer = 4 << 10

// documentReader reads a JSON answer as it comes: one object, handed to the sink
// when its last brace has come, or an array, each element handed over when it is
// whole (a Gemini stream without alt=sse).
type documentReader struct {
	sink eventSink
	buf  []byte
	// omit names a member of the outermost object whose array is not kept; omitted
	// counts the objects in it.
	omit    string
	omitted int64
	// many: one document follows another, as in JSON lines.
	many  bool
	whole int64 // documents that were whole

	depth    int
	inText   bool
	slash    bool // in a text, behind an odd number of backslashes
	array    bool // the outermost value is an array
	ended    bool // the outermost value is whole
	lost     bool // too large
	omitting bool
	keyAt    int // in buf, of the latest text at depth one, behind its quote; -1 if none
	keyEnd   int
}

// feed sees the next bytes; the first of all is the opening bracket.
func (d *documentReader) feed(p []byte) {
	for at := 0; at < len(p) && !d.ended; {
		if d.inText {
			at += d.text(p[at:])
			continue
		}
		n := structural(p[at:])
		d.keep(p[at : at+n])
		if at += n; at < len(p) {
			d.bracket(p[at])
			at++
		}
	}
}

// structural returns the index of the first bracket or quote, len(p) if none.
func structural(p []byte) int {
	for i, c := range p {
		switch c {
		case '"', '{', '}', '[', ']':
			return i
		}
	}
	return len(p)
}

// text reads on in a text and returns how many bytes belong to it.
func (d *documentReader) text(p []byte) int {
	for at := 0; at < len(p); {
		n := bytes.IndexByte(p[at:], '"')
		if n < 0 {
			d.slash = d.odd(p[at:])
			d.keep(p)
			return len(p)
		}
		escaped := d.odd(p[at : at+n])
		d.slash = false
		at += n + 1
		if !escaped {
			d.inText = false
			d.keep(p[:at])
			d.keyEnd = len(d.buf) - 1
			return at
		}
	}
	d.keep(p)
	return len(p)
}

// odd reports whether what follows p is escaped.
func (d *documentReader) odd(p []byte) bool {
	n := trailingSlashes(p)
	return (n%2 == 1) != (n == len(p) && d.slash)
}

// bracket sees one of the five structural bytes outside a text.
func (d *documentReader) bracket(c byte) {
	switch c {
	case '"':
		d.inText = true
		if d.depth == 1 {
			d.keyAt = len(d.buf) + 1
		}
		d.keep([]byte{c})
	case '{', '[':
		d.open(c)
	default:
		d.shut(c)
	}
}

// open sees an opening bracket.
func (d *documentReader) open(c byte) {
	if d.depth == 0 {
		d.array = c == '['
	}
	if c == '[' && d.depth == 1 && d.omit != "" && d.keyIs(d.omit) {
		d.keep([]byte("[]"))
		d.omitting = true
	}
	if c == '{' && d.omitting && d.depth == 2 {
		d.omitted++
	}
	if d.depth++; !d.array || d.depth > 1 {
		d.keep([]byte{c})
	}
}

// shut sees a closing bracket.
func (d *documentReader) shut(c byte) {
	d.depth--
	switch {
	case d.depth == 1 && d.omitting:
		d.omitting = false
	case d.array && d.depth == 0:
		d.ended = true
	case d.depth <= 0:
		d.keep([]byte{c})
		d.ended = !d.many
		d.depth = 0
		d.whole++
		d.flush()
	default:
		d.keep([]byte{c})
		if d.array && d.depth == 1 {
			d.flush()
		}
	}
}

// keyIs reports whether the member whose value begins here has that key.
func (d *documentReader) keyIs(key string) bool {
	return !d.lost && d.keyAt > 0 && d.keyAt <= d.keyEnd && d.keyEnd < len(d.buf) &&
		string(d.buf[d.keyAt:d.keyEnd]) == key && string(bytes.TrimSpace(d.buf[d.keyEnd+1:])) == ":"
}

func (d *documentReader) keep(p []byte) {
	switch {
	case d.lost || d.omitting:
	case len(d.buf)+len(p) > maxDocument:
		d.lost = true
		d.buf = nil
	default:
		if d.buf == nil {
			d.buf = make([]byte, 0, max(len(p), startBuffer))
		}
		d.buf = append(d.buf, p...)
	}
}

// flush hands over what is kept.
func (d *documentReader) flush() {
	if d.lost {
		d.lost = false
		d.sink.oversize()
		return
	}
	if data := bytes.TrimLeft(d.buf, ", \t\r\n"); len(data) > 0 || !d.many {
		d.sink.event(nil, data)
	}
	d.buf, d.keyAt, d.keyEnd = d.buf[:0], 0, 0
}

// close hands over what the end of the answer has left incomplete.
func (d *documentReader) close() {
	if !d.ended && (len(bytes.TrimSpace(d.buf)) > 0 || d.lost) {
		d.flush()
	}
	d.buf = nil
}
