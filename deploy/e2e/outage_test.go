package e2e_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/metering/meteringtest"
)

// gate is a TCP proxy that can be closed: connections are cut, and new ones are
// accepted and cut at once, as behind a balancer without a backend.
type gate struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{ln: ln, target: target, conns: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	serving.Go(g.serve)
	t.Cleanup(func() {
		ln.Close()
		g.close(true)
		serving.Wait()
	})
	return g
}

func (g *gate) serve() {
	var open sync.WaitGroup
	defer open.Wait()
	for {
		client, err := g.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", g.target)
		if err != nil || !g.keep(client, server) {
			client.Close()
			if server != nil {
				server.Close()
			}
			continue
		}
		for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
			open.Go(func() {
				_, _ = io.Copy(pair[0], pair[1]) // cut or ended, both are over
				g.drop(client, server)
			})
		}
	}
}

func (g *gate) keep(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
	return !g.shut
}

func (g *gate) drop(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(g.conns, c)
	}
}

// close cuts every connection and, until it is called with false, every new one.
func (g *gate) close(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	for c := range g.conns {
		c.Close()
		delete(g.conns, c)
	}
}

// through returns a URL that leads through the gate.
func through(t *testing.T, address string) (string, *gate) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, u.Host)
	u.Host = g.ln.Addr().String()
	return u.String(), g
}

// TestOutage takes database and Redis away under load, one after the other and
// together: no call fails for that, nothing is lost or counted twice, and what
// was held back is there soon after. F5, F9, F10, T48, T49.
func TestOutage(t *testing.T) {
	program(t)
	database, db := through(t, meteringtest.Postgres(t))
	counters, redis := through(t, meteringtest.Redis(t))
	o := newOracle(t)
	p := start(t, options{config: oracleConfig(o.URL), env: []string{"DATABASE_URL=" + database, "REDIS_URL=" + counters}})
	l := &load{key: p.customer("acme"), answered: make(map[string]answer)}
	l.target.Store(&p.proxy)
	ctx, cancel := context.WithCancel(t.Context())
	wait := l.run(ctx, 4)
	pause := func(d time.Duration) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.exited:
			t.Fatalf("died: %v\n%s", p.err, p.tail(4000))
		}
	}
	answered := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.answered)
	}
	for _, gates := range [][]*gate{{db}, {redis}, {db, redis}} {
		pause(300 * time.Millisecond)
		for _, g := range gates {
			g.close(true)
		}
		before := answered()
		pause(1500 * time.Millisecond)
		if answered() == before {
			t.Error("no call was answered while the database or Redis was away")
		}
		for _, g := range gates {
			g.close(false)
		}
	}
	for range 10 { // commits whose replies are lost
		pause(50 * time.Millisecond)
		db.close(false)
	}
	cancel()
	wait()
	// A connection that has been idle for a second is asked whether it is there
	// before it is used again; until then one that was cut may still be tried.
	pause(1500 * time.Millisecond)
	if failed := l.next.Load() - int64(answered()); failed > 4 { // those that were cut at the end
		t.Errorf("%d calls were not answered", failed)
	}
	audit(t, p, l, o)
}
