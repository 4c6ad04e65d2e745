package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

// windowSize is how far back deflate may refer (RFC 1951, 2).
const windowSize = 32 << 10

// deflateTail is what senders leave out at the end of a message (RFC 7692,
// 7.2.1), and an empty last block, so that the reader sees an end.
const deflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// maxStreams is how many deflate streams a message may consist of: senders make
// one, and each costs a window.
const maxStreams = 16

// errInflated says that a message is too large once it is decompressed.
var errInflated = errors.New("message is too large to be read")

// window is the end of what a direction has said so far. It is kept instead of a
// decompressor, which is needed only while a message is read.
type window struct{ b []byte }

// slide moves the window on. A nil one keeps nothing.
func (w *window) slide(p []byte) {
	if w == nil {
		return
	}
	if len(p) >= windowSize {
		w.b = append(w.b[:0], p[len(p)-windowSize:]...)
		return
	}
	if over := len(w.b) + len(p) - windowSize; over > 0 {
		w.b = w.b[:copy(w.b, w.b[over:])]
	}
	w.b = append(w.b, p...)
}

// inflater is a decompressor with what it reads from.
type inflater struct {
	from bytes.Reader
	tail bytes.Reader
	r    io.ReadCloser
}

// Read and ReadByte give the message and then the tail. ReadByte makes flate
// read no further than the block that it is in.
func (f *inflater) Read(p []byte) (int, error) {
	if n, err := f.from.Read(p); n > 0 || len(p) == 0 {
		return n, err
	}
	return f.tail.Read(p)
}

// ReadByte implements [io.ByteReader].
func (f *inflater) ReadByte() (byte, error) {
	if c, err := f.from.ReadByte(); err == nil {
		return c, nil
	}
	return f.tail.ReadByte()
}

// inflate decompresses a message into out. The window is not moved.
func (p *pools) inflate(out *buffer, message []byte, w *window) error {
	f, ok := p.inflaters.Get().(*inflater)
	if !ok {
		f = new(inflater)
		f.r = flate.NewReader(f)
	}
	defer func() {
		f.from.Reset(nil)
		p.inflaters.Put(f)
	}()
	f.from.Reset(message)
	f.tail.Reset([]byte(deflateTail))
	var before []byte
	if w != nil {
		before = w.b
	}
	for range maxStreams {
		if err := f.r.(flate.Resetter).Reset(f, before); err != nil {
			return fmt.Errorf("inflate a message: %w", err)
		}
		err := out.fill(f.r)
		if err != nil || f.from.Len() == 0 {
			return err
		}
		// The sender has ended the stream within the message, and begun another that
		// may refer to it (RFC 7692, 7.2.3.4).
		before = lastWindow(before, out.b)
	}
	return errInflated
}

// lastWindow is the end of a and then b.
func lastWindow(a, b []byte) []byte {
	joined := window{bytes.Clone(a)}
	joined.slide(b)
	return joined.b
}

// fill reads r to its end, behind what is there.
func (b *buffer) fill(r io.Reader) error {
	for {
		if len(b.b) == cap(b.b) {
			grown := make([]byte, len(b.b), max(2*cap(b.b), smallBuffer))
			copy(grown, b.b)
			b.b = grown
		}
		n, err := r.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case len(b.b) > maxMessage:
			return errInflated
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("inflate a message: %w", err)
		}
	}
}
