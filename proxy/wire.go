package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// headroom before what is read has room for the size line of a chunk, tailroom
	// behind it for the end of the chunk and of the body: a piece leaves from the
	// buffer that it came into, with one write.
	headroom = 16
	tailroom = len("\r\n") + len(lastChunk)
)

// framing says where a body ends.
type framing uint8

const (
	noBody framing = iota
	byLength
	byChunks
	byClose
)

// wire is one connection to an upstream.
type wire struct {
	c         net.Conn
	raw       syscall.RawConn
	from      *endpoint
	pools     *pools
	idleSince time.Time
	reused    bool // it has served a call before this one
	dead      bool // it cannot serve another one

	buf  *buffer // nil between calls
	r, w int     // buf.b[r:w] has been read and not been used
	at   int     // where the last piece begins

	framing framing
	left    int64 // of a body byLength
	chunks  chunked
	full    bool // the last read filled the buffer
	slack   int  // reads in a row that a small buffer would have held

	timer rolling // of reads; it goes on from call to call
	slow  rolling // of writes, likewise

	probe func(fd uintptr) // sets calm; made once, for a call must not allocate
	calm  bool             // nothing is to be read and nobody has closed
}

func newWire(c net.Conn, e *endpoint, p *pools) *wire {
	w := &wire{c: c, raw: rawConn(c), from: e, pools: p}
	w.probe = func(fd uintptr) {
		polls := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
		n, err := unix.Poll(polls[:], 0)
		w.calm = n == 0 && err == nil
	}
	return w
}

// begin makes a wire ready for a call.
func (w *wire) begin() {
	w.buf = w.pools.buffer(false)
	w.r, w.w = headroom, headroom
	w.framing, w.left, w.full, w.slack = noBody, 0, false, 0
	w.chunks = chunked{}
}

// settle gives back what a call needed.
func (w *wire) settle() {
	w.pools.release(w.buf)
	w.buf = nil
}

// fill reads what has come, behind what is there. It returns io.EOF only if
// nothing more came.
func (w *wire) fill() error {
	if w.r == w.w {
		w.r, w.w = headroom, headroom
		w.fit()
	}
	end := len(w.buf.b) - tailroom
	n, err := w.c.Read(w.buf.b[w.w:end])
	w.w += n
	w.full = w.w == end
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case err == nil:
		return io.ErrNoProgress
	default:
		return err
	}
}

// fit gives bulk a large buffer and returns it when reads have become small.
func (w *wire) fit() {
	large := len(w.buf.b) > smallBuffer
	switch {
	case w.full && !large:
		w.slack = 0
		w.swap(true)
	case large && !w.full:
		if w.slack++; w.slack > 4 {
			w.slack = 0
			w.swap(false)
		}
	}
}

func (w *wire) swap(large bool) {
	w.pools.release(w.buf)
	w.buf = w.pools.buffer(large)
}

// frame starts a body.
func (w *wire) frame(f framing, length int64) {
	w.framing, w.left = f, length
	if f == byLength && length == 0 {
		w.framing = noBody
	}
}

// piece returns body bytes that have been read, and whether the body has ended.
// An empty piece that does not end the body asks for fill.
func (w *wire) piece() (p []byte, done bool, err error) {
	got := w.buf.b[w.r:w.w]
	w.at = w.r
	switch w.framing {
	case noBody:
		return nil, true, nil
	case byLength:
		n := int(min(w.left, int64(len(got))))
		w.left -= int64(n)
		w.r += n
		return got[:n], w.left == 0, nil
	case byChunks:
		data, used, err := w.chunks.decode(got)
		w.r += used
		return got[:data], w.chunks.finished, err
	default:
		w.r = w.w
		return got, false, nil
	}
}

// reusable reports whether another call can follow: the body was read to its
// end and nothing came behind it.
func (w *wire) reusable() bool {
	return !w.dead && w.framing != byClose && w.r == w.w
}

// send writes to the upstream and reports how much of it was written.
func (w *wire) send(p []byte, limit time.Duration, now time.Time) (int, error) {
	if until, due := w.slow.next(now, limit); due {
		if err := w.c.SetWriteDeadline(until); err != nil {
			return 0, fmt.Errorf("send: %w", err)
		}
	}
	n, err := w.c.Write(p)
	if err != nil {
		return n, fmt.Errorf("send: %w", err)
	}
	return n, nil
}

// isTimeout reports whether an error is a deadline's.
func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// rolling is a deadline that moves on with every piece. Arming a timer is the
// costliest thing after the two system calls, so it is armed with a sixteenth
// to spare and again only when that has passed.
type rolling struct {
	armed time.Time
	limit time.Duration
}

// next returns what the deadline must be now, and whether it must be set.
func (r *rolling) next(now time.Time, limit time.Duration) (until time.Time, due bool) {
	if limit <= 0 {
		due = r.limit > 0 || r.armed.IsZero()
		r.limit, r.armed = 0, now
		return time.Time{}, due
	}
	spare := limit / 16
	if r.limit == limit && now.Sub(r.armed) < spare {
		return time.Time{}, false
	}
	r.armed, r.limit = now, limit
	return now.Add(limit + spare), true
}

// reset makes next set a deadline whatever it was.
func (r *rolling) reset() { *r = rolling{} }

// enlarge makes room for more of a head that fills the buffer.
func (w *wire) enlarge() {
	big := &buffer{make([]byte, 2*len(w.buf.b))}
	if len(w.buf.b) == smallBuffer {
		big = w.pools.buffer(true)
	}
	n := copy(big.b[headroom:], w.buf.b[w.r:w.w])
	w.pools.release(w.buf)
	w.buf, w.r, w.w = big, headroom, headroom+n
}

// quiet reports whether the connection is open with nothing to be read from it.
func (w *wire) quiet() bool {
	if w.raw == nil {
		return true
	}
	w.calm = false
	return w.raw.Control(w.probe) == nil && w.calm
}
