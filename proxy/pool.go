package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// idleLimit is how long an unused connection is kept: less than the 60 s and
// more after which the usual load balancers close theirs.
const idleLimit = 45 * time.Second

// errBusy says that all connections to an upstream stayed in use.
var errBusy = errors.New("all connections are in use")

// acquire returns a connection that nobody else uses, and takes a slot that
// release or discard gives back. fresh insists on a new one.
func (u *upstream) acquire(ctx context.Context, p *pools, fresh bool) (*wire, error) {
	if w, ok := u.quick(fresh); ok {
		return w, nil
	}
	if u.Connect > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, u.Connect)
		defer cancel()
	}
	select {
	case u.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errBusy, ctx.Err())
	}
	if !fresh {
		if w := u.takeIdle(); w != nil {
			return w, nil
		}
	}
	c, err := u.dial(ctx)
	if err != nil {
		<-u.slots
		return nil, err
	}
	return newWire(c, u, p), nil
}

// quick is acquire without a context, for the usual case that an idle
// connection is there.
func (u *upstream) quick(fresh bool) (*wire, bool) {
	if fresh {
		return nil, false
	}
	select {
	case u.slots <- struct{}{}:
	default:
		return nil, false
	}
	if w := u.takeIdle(); w != nil {
		return w, true
	}
	<-u.slots
	return nil, false
}

// takeIdle returns an idle connection on which the upstream has neither closed
// nor said anything unasked; nil if there is none.
func (u *upstream) takeIdle() *wire {
	for {
		u.mu.Lock()
		n := len(u.idle)
		if n == 0 {
			u.mu.Unlock()
			return nil
		}
		w := u.idle[n-1]
		u.idle[n-1] = nil
		u.idle = u.idle[:n-1]
		u.mu.Unlock()
		if time.Since(w.idleSince) < idleLimit && w.quiet() {
			w.reused = true
			return w
		}
		w.c.Close()
	}
}

// release gives a connection back for the next call.
func (u *upstream) release(w *wire) {
	w.settle()
	w.idleSince = time.Now()
	u.mu.Lock()
	keep := !u.closed
	if keep {
		u.idle = append(u.idle, w)
	}
	u.mu.Unlock()
	if !keep {
		w.c.Close()
	}
	<-u.slots
}

// discard closes a connection that cannot serve another call.
func (u *upstream) discard(w *wire) {
	w.settle()
	w.c.Close()
	<-u.slots
}

// sweep closes the connections that have been idle for too long, or all.
func (u *upstream) sweep(now time.Time, all bool) {
	var old []*wire
	u.mu.Lock()
	u.closed = u.closed || all
	kept := u.idle[:0]
	for _, w := range u.idle {
		if all || now.Sub(w.idleSince) >= idleLimit {
			old = append(old, w)
		} else {
			kept = append(kept, w)
		}
	}
	clear(u.idle[len(kept):])
	u.idle = kept
	u.mu.Unlock()
	for _, w := range old {
		w.c.Close()
	}
}

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
