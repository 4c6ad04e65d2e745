package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/proxy"
)

// pipes is a listener whose connections exist in this process alone, so that
// time can be what a test says.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.IPAddr{} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// drip writes text a byte at a time, every so often, until the connection is closed.
func drip(c net.Conn, text string, every time.Duration) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		<-time.After(every)
	}
}

// TestSlowloris covers S16 for clients that send slowly; TestStalledReader and
// TestSlowReader are of those that read slowly. A head has half a minute, however
// it drips; a body may be slow but not silent for a minute; a connection that
// sends nothing is closed; and no more of them are held than may be.
func TestSlowloris(t *testing.T) {
	head := post(chatPath, chatRequest)
	head = head[:strings.Index(head, "\r\n\r\n")]
	for name, tt := range map[string]struct {
		send        string // at once
		slowly      string // a byte at a time
		every       time.Duration
		least, most time.Duration
	}{
		"nothing":              {"", "", 0, 30 * time.Second, 32 * time.Second},
		"a head that drips":    {"", head + strings.Repeat(" ", 1000), time.Second, 29 * time.Second, 33 * time.Second},
		"a head that stops":    {head[:40], "", 0, 30 * time.Second, 32 * time.Second},
		"a later head":         {"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n", head, 5 * time.Second, 30 * time.Second, 32 * time.Second},
		"a field that drips":   {head + "\r\nX-A: ", strings.Repeat("a", 1000), 5 * time.Second, 29 * time.Second, 37 * time.Second},
		"a body that stops":    {head + "\r\n\r\n{", "", 0, time.Minute, 65 * time.Second},
		"a body that may drip": {head + "\r\n\r\n{", strings.Repeat(" ", 10), 50 * time.Second, 510 * time.Second, 515 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const conns = 8
				p, journal := newPipes(), newBook()
				s, err := proxy.New(proxy.Options{
					Keyring: ring{}, Journal: journal, MaxConns: conns, Logger: slog.New(slog.DiscardHandler),
					Upstreams: []proxy.Upstream{upstreamAt(t, "openai", nil)},
				})
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan error, 1)
				go func() { served <- s.Serve(p) }()
				began := time.Now()
				var all sync.WaitGroup
				for range conns {
					all.Go(func() {
						c := p.dial()
						defer c.Close()
						if _, err := io.WriteString(c, tt.send); err != nil {
							t.Errorf("send: %v", err)
						}
						all.Go(func() { drip(c, tt.slowly, tt.every) })
						// Whatever is answered, the end is what is waited for.
						_, _ = io.Copy(io.Discard, c)
						if took := time.Since(began); took < tt.least || took > tt.most {
							t.Errorf("closed after %v, want %v to %v", took, tt.least, tt.most)
						}
					})
				}
				synctest.Wait()
				if got := s.Stats().Clients; got != conns {
					t.Errorf("%d connections are held, want %d", got, conns)
				}
				extra := p.dial()
				if _, err := extra.Read(make([]byte, 1)); err != io.EOF || time.Now() != began {
					t.Errorf("one connection too many: %v after %v", err, time.Since(began))
				}
				all.Wait()
				synctest.Wait()
				if got := s.Stats(); got.Clients != 0 || got.Open != 0 {
					t.Errorf("afterwards are %+v", got)
				}
				if intents, facts := journal.counts(); intents != facts {
					t.Errorf("%d intents, %d facts", intents, facts)
				}
				if err := s.Drain(context.Background()); err != nil {
					t.Error(err)
				}
				if err := <-served; err != nil {
					t.Error(fmt.Errorf("serve: %w", err))
				}
			})
		})
	}
}
