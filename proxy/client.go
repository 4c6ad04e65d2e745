package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// headLimit is how long a request head may take once it has begun, and the
	// first one of a connection to begin.
	headLimit = 30 * time.Second
	// waitLimit is how long a connection may wait for its next request.
	waitLimit = 3 * time.Minute
	// bodyLimit is the longest silence within a request body.
	bodyLimit = time.Minute
	// lingerLimit and lingerBytes bound what is read of a body that was refused, so
	// that the refusal is not lost in the reset that closing at once would cause.
	lingerLimit = time.Second
	lingerBytes = 256 << 10
)

// What another goroutine has to say to the one that serves a connection.
const (
	signalGone    = 1 << iota // the client has hung up
	signalCut                 // the server ends now
	signalRevoked             // the key of an open socket is none any more
	signalLeft                // the other direction of an open socket has ended
)

// client is one connection of a client. One goroutine serves it.
type client struct {
	s    *Server
	c    net.Conn
	raw  syscall.RawConn
	fd   int
	r    *bufio.Reader // nil while nothing is to be read
	slow rolling       // of writes
	wait rolling       // of reads

	idle   atomic.Bool // no exchange runs: it may be closed at any time
	signal atomic.Uint32

	mu     sync.Mutex
	target net.Conn // the upstream's connection that a signal must wake; nil: none
	wake   func()   // what else a signal must do; nil: nothing
	place  int      // in the watcher's list; -1: none
	since  uint64   // the watcher's round in which it was put there
}

func newClient(s *Server, c net.Conn) *client {
	k := &client{s: s, c: c, raw: rawConn(c), fd: -1, place: -1}
	if k.raw != nil {
		if err := k.raw.Control(func(fd uintptr) { k.fd = int(fd) }); err != nil {
			k.fd = -1
		}
	}
	return k
}

// serve answers requests until the connection ends.
func (k *client) serve() {
	defer k.c.Close()
	for first := true; k.next(first); first = false {
	}
	if k.r != nil {
		k.s.pools.releaseReader(k.r)
	}
}

// next serves one request and reports whether another may follow.
func (k *client) next(first bool) bool {
	if !k.await(first) {
		return false
	}
	k.idle.Store(false)
	k.s.enter()
	defer k.s.leave()
	x := k.s.pools.exchange()
	x.s, x.k, x.d = k.s, k, k.s.pools.draft()
	again := x.readHead() && x.serve()
	if x.d != nil {
		k.s.pools.releaseDraft(x.d)
	}
	k.s.pools.releaseExchange(x)
	return again && !k.s.draining.Load()
}

// await waits for the first byte of a request.
func (k *client) await(first bool) bool {
	if k.r == nil {
		k.r = k.s.pools.reader(k.c)
	}
	if k.r.Buffered() > 0 {
		return true
	}
	limit := waitLimit
	if first {
		limit = headLimit
	}
	k.idle.Store(true)
	if k.s.draining.Load() && !first {
		return false
	}
	if k.arm(limit) != nil {
		return false
	}
	_, err := k.r.Peek(1)
	return err == nil
}

// arm moves the deadline of reads on.
func (k *client) arm(limit time.Duration) error {
	if until, due := k.wait.next(time.Now(), limit); due {
		return k.c.SetReadDeadline(until)
	}
	return nil
}

// parse reads a request head into d. nil, false: there is nobody to answer.
func (k *client) parse(d *draft) (f *refusal, ok bool) {
	if buffered, err := k.r.Peek(k.r.Buffered()); err != nil || !bytes.Contains(buffered, []byte("\r\n\r\n")) {
		if k.arm(headLimit) != nil {
			return nil, false
		}
	}
	err := d.parsed.Read(k.r)
	if isSmall(err) && k.r.Size() < k.s.o.MaxHeader {
		k.enlarge()
		err = d.parsed.Read(k.r)
	}
	switch {
	case err == nil:
		return nil, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET):
		return nil, false
	}
	buffered, _ := k.r.Peek(k.r.Buffered())
	return unreadable(err, bytes.IndexByte(buffered, '\n') < 0), true
}

// enlarge puts what has been read of a head into a buffer for the largest one.
func (k *client) enlarge() {
	have, _ := k.r.Peek(k.r.Buffered())
	big := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(have)), k.c), k.s.o.MaxHeader)
	k.s.pools.releaseReader(k.r)
	k.r = big
}

// isSmall reports whether a head is larger than the buffer it is read into.
func isSmall(err error) bool {
	if err == nil {
		return false
	}
	var small *fasthttp.ErrSmallBuffer
	return errors.As(err, &small)
}

// rest gives the reader back if nothing is in it, for the time of an answer.
func (k *client) rest() {
	if k.r != nil && k.r.Buffered() == 0 {
		k.s.pools.releaseReader(k.r)
		k.r = nil
	}
}

// write sends to the client; a client that does not read for limit is cut.
func (k *client) write(p []byte, limit time.Duration, now time.Time) (int, error) {
	if until, due := k.slow.next(now, limit); due {
		if err := k.c.SetWriteDeadline(until); err != nil {
			return 0, err
		}
	}
	return k.c.Write(p)
}

// linger reads on for a while, so that the client can read a refusal.
func (k *client) linger() {
	if half, ok := k.c.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	if k.c.SetReadDeadline(time.Now().Add(lingerLimit)) != nil {
		return
	}
	// Whatever comes or does not come: the connection is closed afterwards.
	_, _ = io.CopyN(io.Discard, k.c, lingerBytes)
}

// breakOff makes the end of the connection visible as a broken one, where the
// end of an answer is the end of the connection.
func (k *client) breakOff() {
	if t, ok := k.c.(*net.TCPConn); ok {
		if err := t.SetLinger(0); err != nil {
			k.s.log.Debug("reset a client's connection", "error", err)
		}
	}
}

// attach names the upstream's connection that a signal must wake.
func (k *client) attach(c net.Conn) {
	k.mu.Lock()
	k.target = c
	k.mu.Unlock()
}

// raise tells the goroutine of the connection something, and wakes it if it
// waits for the upstream.
func (k *client) raise(signal uint32) {
	k.signal.Or(signal)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.target != nil {
		// A deadline on a connection that has just been closed cannot be set, and need not.
		_ = k.target.SetReadDeadline(time.Unix(1, 0))
	}
	if k.wake != nil {
		k.wake()
	}
}

// awaken sets what a signal does while no upstream is connected. A signal that
// has been raised before does it now.
func (k *client) awaken(wake func()) {
	k.mu.Lock()
	k.wake = wake
	k.mu.Unlock()
	if wake != nil && k.signal.Load() != 0 {
		wake()
	}
}

// recovered logs a panic and counts it.
func (s *Server) recovered(what string, cause any) {
	s.panics.Add(1)
	s.log.LogAttrs(context.Background(), slogError, "panic in the data plane",
		attr("where", what), attr("cause", cause), attr("stack", string(debug.Stack())))
}
