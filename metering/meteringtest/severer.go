package meteringtest

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// commit is the simple query by which the driver ends a transaction.
const commit = "Q\x00\x00\x00\x0bcommit\x00"

// severer forwards connections to a server. While it is armed it lets one COMMIT
// through, waits for the answer, keeps that to itself and closes.
type severer struct {
	listener net.Listener
	server   string
	armed    atomic.Int32
	cut      atomic.Int32
	wg       sync.WaitGroup
}

// Sever returns the URL of the same database behind a connection that can lose
// replies. twice runs something that writes there and loses the replies to its first
// two commits, of which the second is of another attempt; it fails if the something
// does, or if no two replies were lost, which would show nothing.
func Sever(t testing.TB, address string) (twice func(what string, do func() error), severed string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &severer{server: u.Host}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		s.listener.Close()
		s.wg.Wait()
	})
	u.Host = s.listener.Addr().String()
	return func(what string, do func() error) {
		t.Helper()
		before := s.cut.Load()
		s.armed.Store(2)
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if n := s.cut.Load() - before; n != 2 {
			t.Errorf("%s: %d replies were lost, want 2: the test shows nothing", what, n)
		}
		s.armed.Store(0)
	}, u.String()
}

func (s *severer) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", s.server)
	if err != nil {
		return
	}
	defer server.Close()
	var mute atomic.Bool
	var answers sync.WaitGroup
	answers.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if mute.Load() {
				s.cut.Add(1)
				client.Close()
				return
			}
			if n > 0 {
				_, _ = client.Write(buf[:n]) // it may have gone
			}
			if err != nil {
				client.Close()
				return
			}
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if bytes.Contains(buf[:n], []byte(commit)) && s.armed.Add(-1) >= 0 {
			mute.Store(true)
		}
		if n > 0 {
			_, _ = server.Write(buf[:n]) // the reader of answers notices
		}
		if err != nil {
			break
		}
	}
	if !mute.Load() {
		server.Close()
	}
	answers.Wait()
}
