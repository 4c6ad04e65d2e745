package dialect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxDecoded is the most that is decompressed of one answer: a bomb costs at
	// most this much work and a buffer.
	maxDecoded = 64 << 20
	// maxZstdWindow is what RFC 8878 section 3.1.1.1.2 asks a decoder to support.
	maxZstdWindow = 8 << 20
	// maxCodings is how many codings may lie over each other.
	maxCodings = 2
	// decodeBuffer holds what is decompressed until it has been read.
	decodeBuffer = 16 << 10
)

var (
	errCoding   = errors.New("unknown content coding")
	errTooLarge = errors.New("decompressed answer is too large to be read")
	errStopped  = errors.New("decoder was stopped")
)

// decoder decompresses a copy of an answer beside the relay. The decompressors
// pull and bytes are pushed, so they run as a coroutine: push resumes it and
// returns when it asks for more. No two sides ever run at the same time.
type decoder struct {
	in    []byte // not read yet; only set during push
	ended bool   // there will be no more
	yield func(struct{}) bool
	next  func() (struct{}, bool)
	stop  func()
	err   error // why the rest of the answer was not read
	done  bool
}

// newDecoder returns a decoder that gives what it decompresses to sink. coding
// is the Content-Encoding.
func newDecoder(coding string, sink func(p []byte)) *decoder {
	d := &decoder{}
	d.next, d.stop = iter.Pull(func(yield func(struct{}) bool) {
		d.yield = yield
		d.err = d.run(coding, sink)
		d.done = true
	})
	return d
}

// push decompresses as much as p allows; p is not kept.
func (d *decoder) push(p []byte) {
	if d.done || len(p) == 0 {
		return
	}
	d.in = p
	d.next()
	d.in = nil
}

// close decompresses to the end and ends the coroutine.
func (d *decoder) close() error {
	d.ended = true
	if !d.done {
		d.next()
	}
	d.stop()
	return d.err
}

// run is the coroutine. A decompressor that panics on hostile bytes must not
// take the process with it: the answer is only unreadable.
func (d *decoder) run(coding string, sink func(p []byte)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decompress: %v", r)
		}
	}()
	r, err := decompressor(coding, d)
	if err != nil {
		return err
	}
	buf := make([]byte, decodeBuffer)
	for total := 0; ; {
		n, err := r.Read(buf)
		if total += n; total > maxDecoded {
			return errTooLarge
		}
		sink(buf[:n])
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("decompress: %w", err)
		}
	}
}

// Read gives the decompressor what was pushed and waits for more.
func (d *decoder) Read(p []byte) (int, error) {
	for len(d.in) == 0 {
		if d.ended {
			return 0, io.EOF
		}
		if !d.yield(struct{}{}) {
			return 0, errStopped
		}
	}
	n := copy(p, d.in)
	d.in = d.in[n:]
	return n, nil
}

// decompressor stacks the readers that undo coding, the last applied first.
func decompressor(coding string, r io.Reader) (io.Reader, error) {
	names := strings.Split(coding, ",")
	if len(names) > maxCodings {
		return nil, errCoding
	}
	for i := len(names) - 1; i >= 0; i-- {
		var err error
		switch strings.ToLower(strings.TrimSpace(names[i])) {
		case "", "identity":
		case "gzip", "x-gzip":
			r, err = gzip.NewReader(r)
		case "deflate":
			r, err = inflate(r)
		case "br":
			r = brotli.NewReader(r)
		case "zstd":
			r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderMaxMemory(maxDecoded))
		default:
			err = errCoding
		}
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
	}
	return r, nil
}

// inflate reads deflate, which servers send with (RFC 9110) and without the
// zlib wrapping.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return flate.NewReader(b), nil
}

// compressed reports whether a Content-Encoding means that bytes must be decoded.
func compressed(coding string) bool {
	for name := range strings.SplitSeq(coding, ",") {
		if name = strings.TrimSpace(name); name != "" && !strings.EqualFold(name, "identity") {
			return true
		}
	}
	return false
}
