package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/estimate"
)

// slogError is short for the level of what an operator must see.
const slogError = slog.LevelError

func attr(key string, value any) slog.Attr { return slog.Any(key, value) }

// Server is the data plane. It is safe for concurrent use.
type Server struct {
	o     Options
	log   *slog.Logger
	pools pools
	table atomic.Pointer[table]
	watch watcher

	sockets openSockets

	draining atomic.Bool
	fenced   atomic.Bool   // the journal belongs to another process now
	quiet    chan struct{} // a call ended while draining

	tokens         *estimate.Tokenizer // of estimates
	brief, patient dialect.Counter     // the same, in two ways
	held           atomic.Int64        // bytes of request bodies that are held for estimates

	open, calls, losses, unrecorded, panics, refused, cut, unowned atomic.Int64

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	clients   map[*client]struct{}
}

// Stats are counts since the start, but for Open.
type Stats struct {
	Open       int64 // exchanges that run now
	Clients    int64 // client connections that are open now
	Calls      int64 // exchanges that have begun
	Refused    int64 // of them, answered by us instead of an upstream
	Losses     int64 // calls passed without an intent in the journal
	Unrecorded int64 // facts and checkpoints that the journal did not take at once
	Truncated  int64 // answers that the upstream broke off
	Panics     int64 // recovered
	Unowned    int64 // objects created or deleted that were not recorded at once
}

// New returns a server that serves nothing yet.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, log: o.Logger, quiet: make(chan struct{}, 1),
		listeners: make(map[net.Listener]struct{}), clients: make(map[*client]struct{}), tokens: estimate.New(),
	}
	s.brief, s.patient = briefly{s.tokens}, patiently{s.tokens}
	if err := s.SetUpstreams(o.Upstreams); err != nil {
		return nil, err
	}
	return s, nil
}

// SetUpstreams replaces all upstreams at once: a call sees the old ones or the
// new ones. Calls that run keep theirs. On an error nothing changes.
func (s *Server) SetUpstreams(list []Upstream) error {
	t, err := newTable(list, s.table.Load())
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if old := s.table.Swap(t); old != nil {
		for _, u := range old.byName {
			u.sweep(time.Now(), true)
		}
	}
	return nil
}

// Stats returns what has happened so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	clients := len(s.clients)
	s.mu.Unlock()
	return Stats{
		Open: s.open.Load(), Clients: int64(clients), Calls: s.calls.Load(), Refused: s.refused.Load(), Losses: s.losses.Load(),
		Unrecorded: s.unrecorded.Load(), Truncated: s.cut.Load(), Panics: s.panics.Load(), Unowned: s.unowned.Load(),
	}
}

// Serve accepts connections until [Server.Drain] has ended or ln fails, and
// returns when all of them are closed. After Drain it returns nil.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	var serving sync.WaitGroup
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { s.watch.run(s, stop) })
	err := s.accept(ln, &serving)
	s.mu.Lock()
	delete(s.listeners, ln)
	last := len(s.listeners) == 0
	s.mu.Unlock()
	if err != nil {
		ln.Close()
	}
	serving.Wait()
	close(stop)
	watching.Wait()
	s.tokens.Wait()
	if last {
		for _, u := range s.table.Load().byName {
			u.sweep(time.Now(), true)
		}
	}
	return err
}

// accept starts a goroutine for every connection.
func (s *Server) accept(ln net.Listener, serving *sync.WaitGroup) error {
	pause := time.Duration(0)
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed) && s.draining.Load():
			return nil
		case temporary(err):
			// Out of descriptors: others will be closed soon.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("accept a connection", "error", err, "pause", pause)
			<-time.After(pause)
			continue
		default:
			return fmt.Errorf("accept a connection: %w", err)
		}
		pause = 0
		k := newClient(s, c)
		if !s.admitClient(k) {
			c.Close()
			continue
		}
		serving.Go(func() {
			defer s.forget(k)
			k.serve()
		})
	}
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// admitClient reports whether there is room for another connection.
func (s *Server) admitClient(k *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.clients) >= s.o.MaxConns {
		return false
	}
	s.clients[k] = struct{}{}
	return true
}

func (s *Server) forget(k *client) {
	s.mu.Lock()
	delete(s.clients, k)
	s.mu.Unlock()
}

func (s *Server) enter() {
	s.open.Add(1)
	s.calls.Add(1)
}

func (s *Server) leave() {
	if s.open.Add(-1) == 0 && s.draining.Load() {
		select {
		case s.quiet <- struct{}{}:
		default:
		}
	}
}

// Drain ends serving. From now on a request is answered 503 and /-/ready says
// no; the listeners stay open for that until the calls that run have ended, or
// ctx has: then they are cut, their facts written, and the error is ctx's.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	s.each(func(k *client) {
		if k.idle.Load() {
			k.c.Close()
		}
	})
	var err error
	for s.open.Load() > 0 && err == nil {
		select {
		case <-s.quiet:
		case <-ctx.Done():
			err = fmt.Errorf("drain: %d calls were cut: %w", s.open.Load(), ctx.Err())
		}
	}
	s.mu.Lock()
	for ln := range s.listeners {
		ln.Close()
	}
	s.mu.Unlock()
	s.each(func(k *client) {
		if k.idle.Load() {
			k.c.Close()
			return
		}
		k.raise(signalCut)
		// A client that does not read must not hold the end up.
		_ = k.c.SetDeadline(time.Now().Add(cutLimit))
	})
	return err
}

// cutLimit is how long a call that is cut may take to say so.
const cutLimit = time.Second

func (s *Server) each(do func(*client)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.clients {
		do(k)
	}
}
