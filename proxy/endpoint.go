package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// endpoint is one address of an upstream, with its connections.
type endpoint struct {
	*health
	up       *upstream
	base     string      // its base URL, without a last slash
	secure   *tls.Config // nil: plain
	address  string      // host:port
	hostName string      // value of Host
	basePath string      // before the client's path, without a last slash
	guard    *guard      // nil: every address may be dialled
	region   string
	location string // the region that the base URL names
	weight   int
	keys     *keys

	mu     sync.Mutex
	idle   []*wire // the latest last
	closed bool    // replaced: nothing is kept any more
}

// newEndpoint checks one address of u. Its health and its keys are to be set.
func newEndpoint(u *upstream, e Endpoint) (*endpoint, error) {
	base, err := url.Parse(e.BaseURL)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("base URL is not http(s)://host[/path]: %w", metering.ErrInvalid)
	}
	port := map[string]string{"http": "80", "https": "443"}[base.Scheme]
	if port == "" {
		return nil, fmt.Errorf("base URL is not http(s)://host[/path]: %w", metering.ErrInvalid)
	}
	if base.Port() != "" {
		port = base.Port()
	}
	if e.Weight < 0 || e.Weight > maxWeight {
		return nil, fmt.Errorf("weight is not 1 to %d: %w", maxWeight, metering.ErrInvalid)
	}
	out := &endpoint{
		health: new(health), up: u, base: strings.TrimRight(e.BaseURL, "/"), hostName: base.Host, basePath: strings.TrimRight(base.EscapedPath(), "/"),
		address: net.JoinHostPort(base.Hostname(), port), region: e.Region, location: dialect.Location(e.BaseURL), weight: max(e.Weight, 1),
	}
	if !u.AllowPrivate {
		out.guard = newGuard(base.Hostname())
	}
	if base.Scheme == "https" {
		if out.secure, err = u.TLS.config(base.Hostname()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// quick returns an idle connection, for the usual case that one is there.
func (e *endpoint) quick() (*wire, bool) {
	if !e.up.queue.enter() {
		return nil, false
	}
	if w := e.takeIdle(); w != nil {
		return w, true
	}
	e.up.queue.leave()
	return nil, false
}

// acquire returns a connection that nobody else uses, and takes a slot that
// release or discard gives back. fresh insists on a new one.
func (e *endpoint) acquire(ctx context.Context, p *pools, fresh bool) (*wire, error) {
	if err := e.up.queue.wait(ctx); err != nil {
		return nil, err
	}
	if !fresh {
		if w := e.takeIdle(); w != nil {
			return w, nil
		}
	}
	c, err := e.dial(ctx)
	if err != nil {
		e.up.queue.leave()
		return nil, err
	}
	return newWire(c, e, p), nil
}

// takeIdle returns an idle connection on which the upstream has neither closed
// nor said anything unasked; nil if there is none.
func (e *endpoint) takeIdle() *wire {
	for {
		e.mu.Lock()
		n := len(e.idle)
		if n == 0 {
			e.mu.Unlock()
			return nil
		}
		w := e.idle[n-1]
		e.idle[n-1] = nil
		e.idle = e.idle[:n-1]
		e.mu.Unlock()
		if time.Since(w.idleSince) < idleLimit && w.quiet() {
			w.reused = true
			return w
		}
		w.c.Close()
	}
}

// release gives a connection back for the next call.
func (e *endpoint) release(w *wire) {
	w.settle()
	w.idleSince = time.Now()
	e.mu.Lock()
	keep := !e.closed
	if keep {
		e.idle = append(e.idle, w)
	}
	e.mu.Unlock()
	if !keep {
		w.c.Close()
	}
	e.up.queue.leave()
}

// discard closes a connection that cannot serve another call.
func (e *endpoint) discard(w *wire) {
	w.settle()
	w.c.Close()
	e.up.queue.leave()
}

// sweep closes the connections that have been idle for too long, or all.
func (e *endpoint) sweep(now time.Time, all bool) {
	var old []*wire
	e.mu.Lock()
	e.closed = e.closed || all
	kept := e.idle[:0]
	for _, w := range e.idle {
		if all || now.Sub(w.idleSince) >= idleLimit {
			old = append(old, w)
		} else {
			kept = append(kept, w)
		}
	}
	clear(e.idle[len(kept):])
	e.idle = kept
	e.mu.Unlock()
	for _, w := range old {
		w.c.Close()
	}
}

// idleLimit is how long an unused connection is kept: less than the 60 s and
// more after which the usual load balancers close theirs.
const idleLimit = 45 * time.Second

// rawConn returns the file behind a connection; nil if there is none.
func rawConn(c net.Conn) syscall.RawConn {
	for {
		t, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = t.NetConn()
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// rest counts a failure of the endpoint, and says so once when it is ejected.
func (e *endpoint) rest(x *exchange, f failure) {
	now := time.Now()
	if was := e.rests(now); e.failed(f, now) && !was {
		x.s.log.Warn("an endpoint rests", "upstream", e.up.Name, "endpoint", e.hostName, "error", f.code)
	}
}

// errBusy says that all connections to an upstream stayed in use.
var errBusy = errors.New("all connections are in use")
