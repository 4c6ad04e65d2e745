package redis_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// fate is what happens to the reply of a command that the server has run.
type fate int

const (
	delivered  fate = iota
	dropped         // the connection closes instead
	cut             // it closes in the middle of the reply
	swallowed       // nothing comes, and the connection stays
	neverAsked      // it closes before the command reaches the server
)

// lossy stands between a client and Redis and loses what it is told to.
type lossy struct {
	listener net.Listener
	upstream string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	next  func() fate // of each chunk with a script in it; nil: delivered
	lost  int
}

func newLossy(t testing.TB, upstream string) *lossy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossy{listener: listener, upstream: upstream, conns: make(map[net.Conn]struct{})}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *lossy) addr() string { return p.listener.Addr().String() }

func (p *lossy) set(next func() fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = next
}

func (p *lossy) losses() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (p *lossy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *lossy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
}

func (p *lossy) end(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// fate decides about what a client sent at once: a command or a pipeline.
func (p *lossy) fate(chunk []byte) fate {
	if !bytes.Contains(bytes.ToLower(chunk), []byte("\nevalsha\r")) {
		return delivered
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		return delivered
	}
	f := p.next()
	if f != delivered {
		p.lost++
	}
	return f
}

// serve takes turns: what the client sends, then what the server answers. The
// client waits for its reply before it sends more.
func (p *lossy) serve(client net.Conn) {
	p.keep(client)
	defer p.end(client)
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	p.keep(server)
	defer p.end(server)
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		f := p.fate(buf[:n])
		if f == neverAsked {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if n, err = server.Read(buf); err != nil {
			return
		}
		switch f {
		case delivered:
			_, err = client.Write(buf[:n])
		case cut:
			_, _ = client.Write(buf[:n/2]) // it closes either way
			return
		case swallowed:
			_, err = io.Copy(io.Discard, client) // until the client gives up
			return
		default:
			return
		}
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
