package proxy

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// quietReader reads what a client sends. While the client is silent it holds no
// buffer, where the connection is a plain one.
type quietReader struct {
	k     *client
	pools *pools
	buf   *buffer
	full  bool // the last read filled the buffer
	try   func(fd uintptr) bool
	n     int
	err   error
}

func newQuietReader(k *client, p *pools) *quietReader {
	r := &quietReader{k: k, pools: p}
	r.try = r.attempt
	return r
}

// read returns what has come, which is valid until the next call.
func (r *quietReader) read() ([]byte, error) {
	if r.k.r != nil {
		return r.early()
	}
	r.release()
	// Behind TLS, whoever terminates it, the descriptor has other bytes.
	if _, plain := r.k.c.(syscall.Conn); !plain || r.k.raw == nil {
		r.buf = r.pools.buffer(r.full)
		r.n, r.err = r.k.c.Read(r.buf.b)
	} else if err := r.k.raw.Read(r.try); err != nil {
		return nil, fmt.Errorf("read from the client: %w", err)
	}
	switch {
	case r.n > 0:
		r.full = r.n == len(r.buf.b)
		return r.buf.b[:r.n], nil
	case r.err == nil:
		return nil, io.EOF
	default:
		return nil, fmt.Errorf("read from the client: %w", r.err)
	}
}

// attempt reads if there is something to be read.
func (r *quietReader) attempt(fd uintptr) bool {
	r.release()
	r.buf = r.pools.buffer(r.full)
	for {
		if r.n, r.err = unix.Read(int(fd), r.buf.b); !errors.Is(r.err, unix.EINTR) {
			break
		}
	}
	if errors.Is(r.err, unix.EAGAIN) {
		r.release()
		return false
	}
	return true
}

// early returns what came together with the head.
func (r *quietReader) early() ([]byte, error) {
	have, err := r.k.r.Peek(r.k.r.Buffered())
	if err != nil {
		return nil, fmt.Errorf("read from the client: %w", err)
	}
	if len(have) == 0 {
		r.k.s.pools.releaseReader(r.k.r)
		r.k.r = nil
		return r.read()
	}
	r.release()
	r.buf = r.pools.buffer(len(have) > smallBuffer)
	n := copy(r.buf.b, have)
	if _, err := r.k.r.Discard(n); err != nil {
		return nil, fmt.Errorf("read from the client: %w", err)
	}
	return r.buf.b[:n], nil
}

func (r *quietReader) release() {
	r.pools.release(r.buf)
	r.buf = nil
}
