package proxytest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
)

// TB is what a script needs of a test; a *testing.T is one.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Script is an upstream on a bare TCP connection, for what no HTTP server would
// send: answers that are cut anywhere, framed wrongly, late, or never there.
// Every connection plays the same steps from the first, each in its turn.
type Script struct {
	t     TB
	ln    net.Listener
	steps []Step
	done  chan struct{} // closed when the script is being closed

	mu       sync.Mutex
	open     map[net.Conn]bool
	accepted int
	received []Received
	running  sync.WaitGroup
}

// Received is a request that a script read.
type Received struct {
	Head string // as it came, up to the blank line and with it
	Body []byte // without its framing
	*http.Request
}

// Step is one step of a script. An error ends the connection and the test fails,
// unless it only says that the peer or the test is done.
type Step func(*Line) error

// Line is a connection on which a script plays.
type Line struct {
	net.Conn
	script *Script
	read   *bufio.Reader
	taken  *tap
}

// tap keeps what is read through it, and why no more is.
type tap struct {
	net.Conn
	seen bytes.Buffer // since the last request
	end  error
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.seen.Write(p[:n])
	if err != nil {
		t.end = err
	}
	return n, err
}

// ListenScript starts a script and closes it when the test ends: waiting steps
// end then, and all connections.
func ListenScript(t TB, steps ...Step) *Script {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for a script: %v", err)
		return nil
	}
	s := &Script{t: t, ln: ln, steps: steps, done: make(chan struct{}), open: make(map[net.Conn]bool)}
	s.running.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

// Addr is where the script listens, host:port.
func (s *Script) Addr() string { return s.ln.Addr().String() }

// URL is its base URL.
func (s *Script) URL() string { return "http://" + s.Addr() }

// Received are the requests that were read so far, of all connections.
func (s *Script) Received() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.received...)
}

// Accepted is how many connections there were so far.
func (s *Script) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *Script) close() {
	close(s.done)
	_ = s.ln.Close() // it is not used again
	s.mu.Lock()
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Script) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		s.accepted++
		s.open[c] = true
		s.mu.Unlock()
		select {
		case <-s.done: // close may have been before this one was in open
			_ = c.Close()
		default:
		}
		s.running.Go(func() { s.play(c) })
	}
}

// play plays the steps on one connection and closes it.
func (s *Script) play(c net.Conn) {
	taken := &tap{Conn: c}
	l := &Line{Conn: c, script: s, taken: taken, read: bufio.NewReader(taken)}
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
	}()
	for i, step := range s.steps {
		err := step(l)
		if err == nil {
			continue
		}
		if !done(err) {
			s.t.Errorf("step %d of the script: %v", i, err)
		}
		return
	}
}

// done reports whether an error says no more than that an end has gone.
func done(err error) bool {
	for _, gone := range []error{net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// Receive reads one request, whole. Chunks are undone; an Expect is answered
// with 100 Continue.
func Receive() Step { return func(l *Line) error { return l.receive(true) } }

// ReceiveHead reads the head of a request and leaves its body where it is. A
// connection that ends with bytes unread is reset, as TCP has it.
func ReceiveHead() Step { return func(l *Line) error { return l.receive(false) } }

// receive reads a request and notes it.
func (l *Line) receive(whole bool) error {
	l.taken.seen.Next(l.taken.seen.Len() - l.read.Buffered()) // of earlier requests
	r, err := http.ReadRequest(l.read)
	if err != nil && l.taken.end != nil {
		err = l.taken.end // half a line is no malformed one
	}
	if err != nil {
		return fmt.Errorf("receive a request: %w", err)
	}
	head, _, _ := strings.Cut(l.taken.seen.String(), "\r\n\r\n")
	got := Received{Head: head + "\r\n\r\n", Request: r}
	if whole {
		if r.Header.Get("Expect") == "100-continue" {
			if _, err := io.WriteString(l, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return fmt.Errorf("continue: %w", err)
			}
		}
		if got.Body, err = io.ReadAll(r.Body); err != nil {
			return fmt.Errorf("receive a body: %w", err)
		}
	}
	l.script.mu.Lock()
	defer l.script.mu.Unlock()
	l.script.received = append(l.script.received, got)
	return nil
}

// Send sends bytes, each piece in a write of its own.
func Send(pieces ...string) Step {
	return func(l *Line) error {
		for _, p := range pieces {
			if _, err := io.WriteString(l, p); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		return nil
	}
}

// Await waits until go is closed or says something.
func Await(signal <-chan struct{}) Step {
	return func(l *Line) error {
		select {
		case <-signal:
			return nil
		case <-l.script.done:
			return net.ErrClosed
		}
	}
}

// Signal tells the test that the script is here.
func Signal(signal chan<- struct{}) Step {
	return func(l *Line) error {
		select {
		case signal <- struct{}{}:
			return nil
		case <-l.script.done:
			return net.ErrClosed
		}
	}
}

// Stall says nothing until the peer has gone or the test ends.
func Stall() Step {
	return func(l *Line) error {
		_, err := io.Copy(io.Discard, l.read)
		if err == nil {
			err = io.EOF
		}
		return err
	}
}

// HalfClose ends the side that sends; what comes is still read.
func HalfClose() Step {
	return func(l *Line) error {
		tcp, ok := l.Conn.(*net.TCPConn)
		if !ok {
			return errors.New("half-close: no TCP connection")
		}
		if err := tcp.CloseWrite(); err != nil {
			return fmt.Errorf("half-close: %w", err)
		}
		return nil
	}
}

// Reset resets the connection. Bytes that the peer has not read may be lost, as
// TCP has it.
func Reset() Step {
	return func(l *Line) error {
		tcp, ok := l.Conn.(*net.TCPConn)
		if !ok {
			return errors.New("reset: no TCP connection")
		}
		if err := tcp.SetLinger(0); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
		return net.ErrClosed // play closes, and closing resets
	}
}
