package proxy

import (
	"bytes"
	"errors"
)

// errFraming says that a body's framing is broken. It quotes nothing.
var errFraming = errors.New("broken chunked framing")

// errTrailer says that a trailer carries what may only be in a head.
var errTrailer = errors.New("forbidden trailer field")

const (
	maxChunkDigits = 15      // hexadecimal: no size overflows
	maxChunkLine   = 256     // extensions are skipped, but not without end
	maxTrailers    = 8 << 10 // bytes
)

// chunked decodes a chunked body (RFC 9112, 7.1) however it is cut. It is
// strict: where two parsers could see different chunks there is an error.
// Extensions are dropped; trailers are kept, to be sent on behind the body.
type chunked struct {
	state    chunkState
	left     uint64 // of the size that is being read, or of the chunk's data
	digits   int
	line     int    // bytes of extension, or of all trailers
	trailer  []byte // the line so far
	kept     []byte // the lines before it, as they are sent on
	finished bool
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
	chunkTrailerLF
)

// decode moves the data in p to its front. It returns how many bytes of data
// there are and how much of p belonged to the body: all of it, unless the body
// ended.
func (d *chunked) decode(p []byte) (data, used int, err error) {
	for used < len(p) && !d.finished {
		if d.state == chunkData {
			n := int(min(d.left, uint64(len(p)-used)))
			if used != data {
				copy(p[data:], p[used:used+n])
			}
			data, used = data+n, used+n
			if d.left -= uint64(n); d.left == 0 {
				d.state = chunkDataCR
			}
			continue
		}
		if err := d.frame(p[used]); err != nil {
			return data, used, err
		}
		used++
	}
	return data, used, nil
}

// frame sees one byte that is not data.
func (d *chunked) frame(c byte) error {
	switch d.state {
	case chunkSize:
		return d.size(c)
	case chunkExtension:
		switch d.line++; {
		case c == '\r':
			d.state = chunkSizeLF
		case c < ' ' && c != '\t', c == 0x7f, d.line > maxChunkLine:
			return errFraming
		}
	case chunkSizeLF:
		if c != '\n' {
			return errFraming
		}
		d.state = chunkData
		if d.left == 0 {
			d.state, d.line = chunkTrailer, 0
		}
		d.digits = 0
	case chunkDataCR:
		if c != '\r' {
			return errFraming
		}
		d.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return errFraming
		}
		d.state = chunkSize
	default:
		return d.trailers(c)
	}
	return nil
}

func (d *chunked) size(c byte) error {
	low := c | 0x20
	switch {
	case c >= '0' && c <= '9':
		d.left = d.left<<4 | uint64(c-'0')
	case low >= 'a' && low <= 'f':
		d.left = d.left<<4 | uint64(low-'a'+10)
	case d.digits == 0:
		return errFraming
	case c == '\r':
		d.state = chunkSizeLF
		return nil
	case c == ';':
		d.state, d.line = chunkExtension, 0
		return nil
	default:
		return errFraming
	}
	if d.digits++; d.digits > maxChunkDigits {
		return errFraming
	}
	return nil
}

func (d *chunked) trailers(c byte) error {
	if d.line++; d.line > maxTrailers {
		return errFraming
	}
	if d.state == chunkTrailer {
		switch {
		case c == '\r':
			d.state = chunkTrailerLF
		case c < ' ' && c != '\t', c == 0x7f:
			return errFraming
		default:
			d.trailer = append(d.trailer, c)
		}
		return nil
	}
	if c != '\n' {
		return errFraming
	}
	d.state = chunkTrailer
	if len(d.trailer) == 0 {
		d.finished = true
		return nil
	}
	name, value, ok := bytes.Cut(d.trailer, []byte(":"))
	if !ok || !isToken(name) {
		return errFraming
	}
	if forbiddenTrailer(name) {
		return errTrailer
	}
	d.kept = appendField(d.kept, field{name: name, value: trim(value)})
	d.trailer = d.trailer[:0]
	return nil
}

// forbiddenTrailer reports whether a field means something only in a head
// (RFC 9110, 6.5.1): framing, routing, authentication, content.
func forbiddenTrailer(name []byte) bool {
	switch classify(name) {
	case plain, requestID:
	default:
		return true
	}
	for _, prefix := range [...]string{"content-", "cookie", "set-cookie", "cache-control", "max-forwards", "range", "if-"} {
		if len(name) >= len(prefix) && bytes.EqualFold(name[:len(prefix)], []byte(prefix)) {
			return true
		}
	}
	return false
}

const hexDigits = "0123456789abcdef"

// sizeLine is the longest line that sizeBefore writes.
const sizeLine = 10

// sizeBefore writes the size line of a chunk of n bytes so that it ends at
// b[end], and returns where it begins. There must be sizeLine bytes before end.
func sizeBefore(b []byte, end, n int) int {
	at := end - 2
	b[at], b[at+1] = '\r', '\n'
	for {
		at--
		b[at] = hexDigits[n&15]
		if n >>= 4; n == 0 {
			return at
		}
	}
}

// appendChunk appends data as one chunk; an empty one would end the body and is
// left out.
func appendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	var line [sizeLine]byte
	dst = append(dst, line[sizeBefore(line[:], sizeLine, len(data)):]...)
	return append(append(dst, data...), '\r', '\n')
}

// lastChunk ends a chunked body that has no trailers.
const lastChunk = "0\r\n\r\n"

// appendLast ends a chunked body with the trailers that came with it.
func appendLast(dst, trailers []byte) []byte {
	if len(trailers) == 0 {
		return append(dst, lastChunk...)
	}
	return append(append(append(dst, "0\r\n"...), trailers...), "\r\n"...)
}
