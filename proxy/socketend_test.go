package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// TestSocket_Drain holds that sockets get until the drain's deadline, and are
// then cut and settled.
func TestSocket_Drain(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	d := newTalks(t)
	journal := newBook()
	u := upstreamAt(t, "openai", o)
	u.Dialect = d
	s, err := proxy.New(proxy.Options{Keyring: ring{}, Journal: journal, Upstreams: []proxy.Upstream{u}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	r := &rig{t: t, s: s, addr: ln.Addr().String(), journal: journal}
	c := r.open(socketPath)
	end := f.end(t)
	ctx, cut := context.WithCancel(context.Background())
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(ctx) }()
	eventually(t, "draining", 5*time.Second, func() bool {
		return len(r.raw("GET /-/ready HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")) > 0 && s.Stats().Open == 1
	})
	said := append(text(done(3, 4)), text(`{"type":"begin"}`)...)
	write(end, string(said))
	expect(t, c, said) // it goes on
	cut()
	if rest, err := ended(t, c); err == nil || len(rest) > 0 {
		t.Errorf("the client got %x, %v", rest, err)
	}
	if err := <-drained; !errors.Is(err, context.Canceled) {
		t.Errorf("drain: %v", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	own, turns := journal.factsOf(t, 3)
	if own.Outcome != metering.OutcomeTruncated || own.ErrorCode != "draining" || turns[0].Usage.Input != 3 || turns[1].Outcome != metering.OutcomeTruncated {
		t.Errorf("facts are %+v and %+v", own, turns)
	}
	if s.Stats().Open != 0 {
		t.Errorf("%d exchanges are open", s.Stats().Open)
	}
}

// turned is a keyring that forgets all keys at some time.
type turned struct {
	ring
	off atomic.Bool
}

func (k *turned) Lookup(secret []byte) (*metering.Principal, error) {
	if k.off.Load() {
		return nil, metering.ErrNotFound
	}
	return k.ring.Lookup(secret)
}

// TestSocket_Revoked holds that the socket of a key that is revoked is cut within
// a second, though nothing is said on it.
func TestSocket_Revoked(t *testing.T) {
	t.Parallel()
	keys := new(turned)
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), func(o *proxy.Options) { o.Keyring = keys })
	c := r.open(socketPath)
	end := f.end(t)
	write(end, string(text(done(3, 4))))
	expect(t, c, text(done(3, 4)))
	began := time.Now()
	keys.off.Store(true)
	rest, err := ended(t, c)
	if took := time.Since(began); took > time.Second || err == nil || len(rest) > 0 {
		t.Errorf("after %v the client got %x, %v", took, rest, err)
	}
	if _, err := io.ReadAll(end); err != nil {
		t.Errorf("the upstream's connection: %v", err)
	}
	own, turns := r.journal.factsOf(t, 2)
	if own.Outcome != metering.OutcomeTruncated || own.ErrorCode != "invalid_api_key" || len(turns) != 1 {
		t.Errorf("fact is %+v", own)
	}
}

// TestSocket_Idle holds that traffic of either side, pings too, keeps a socket
// open, and silence of both ends it.
func TestSocket_Idle(t *testing.T) {
	t.Parallel()
	const idle = 300 * time.Millisecond
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), func(o *proxy.Options) { o.Upstreams[0].Idle = idle })
	c := r.open(socketPath)
	end := f.end(t)
	began := time.Now()
	tick := time.NewTicker(idle / 4)
	defer tick.Stop()
	for time.Since(began) < 3*idle { // the client alone
		ping := framed(0x89, []byte{1, 2, 3, 4}, nil)
		write(c, string(ping))
		expect(t, end, ping)
		<-tick.C
	}
	for time.Since(began) < 6*idle { // the upstream alone
		pong := framed(0x8a, nil, nil)
		write(end, string(pong))
		expect(t, c, pong)
		<-tick.C
	}
	quiet := time.Now()
	if rest, err := ended(t, c); err == nil || len(rest) > 0 {
		t.Errorf("the client got %x, %v", rest, err)
	}
	if took := time.Since(quiet); took < idle/2 || took > 3*idle {
		t.Errorf("silence was noticed after %v", took)
	}
	if own, _ := r.journal.factsOf(t, 1); own.Outcome != metering.OutcomeTruncated || own.ErrorCode != "socket_idle" {
		t.Errorf("fact is %+v", own)
	}
}

// TestSocket_Total holds the limit of the whole call, whatever the traffic is.
func TestSocket_Total(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), func(o *proxy.Options) { o.Upstreams[0].Total = 400 * time.Millisecond })
	c := r.open(socketPath)
	end := f.end(t)
	began := time.Now()
	for write(end, string(framed(0x8a, nil, nil))) {
		if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
			break
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it ended after %v", took)
	}
	if own, _ := r.journal.factsOf(t, 1); own.Outcome != metering.OutcomeTruncated || own.ErrorCode != "socket_total" {
		t.Errorf("fact is %+v", own)
	}
}

// TestSocket_Stalled covers S15: whoever does not read is waited for as long as
// the idle limit says, with no more held than the connections themselves do.
func TestSocket_Stalled(t *testing.T) {
	t.Parallel()
	for _, client := range []bool{true, false} {
		o, f := newFar(t)
		r, _ := startSocket(t, o.url(), func(o *proxy.Options) { o.Upstreams[0].Idle = 400 * time.Millisecond })
		c := r.open(socketPath)
		end := f.end(t)
		from, frame := net.Conn(c), framed(0x82, []byte{1, 2, 3, 4}, make([]byte, 60_000))
		// Of an upstream that neither reads nor speaks, either may be noticed first.
		codes := []string{"upstream_stalled", "socket_idle"}
		if client {
			from, frame, codes = end, framed(0x82, nil, make([]byte, 60_000)), []string{""}
		}
		began := time.Now()
		written := 0
		for write(from, string(frame)) && written < 1<<30 {
			written += len(frame)
		}
		if took := time.Since(began); took > 10*time.Second || written > 256<<20 {
			t.Errorf("it was cut after %v and %d bytes", took, written)
		}
		own, _ := r.journal.factsOf(t, 1)
		if !slices.Contains(codes, own.ErrorCode) || client != (own.Outcome == metering.OutcomeClientGone) {
			t.Errorf("fact is %+v", own)
		}
	}
}

// TestSocket_Checkpoint holds that a long socket is checkpointed like a stream,
// and that what a turn takes with it leaves the checkpoint first.
func TestSocket_Checkpoint(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes as long as a checkpoint does")
	}
	o, f := newFar(t)
	notes := &noting{book: newBook()}
	r, _ := startSocket(t, o.url(), func(o *proxy.Options) { o.Journal = notes })
	c := r.open(socketPath)
	end := f.end(t)
	write(end, string(text(`{"type":"begin"}`)))
	expect(t, c, text(`{"type":"begin"}`))
	beat := framed(0x8a, nil, nil)
	eventually(t, "a checkpoint", 10*time.Second, func() bool {
		write(end, string(beat))
		expect(t, c, beat)
		return len(notes.list()) > 1
	})
	write(end, string(text(done(3, 4))), string(closing.down))
	expect(t, c, append(text(done(3, 4)), closing.down...))
	notes.fact(t, 2)
	list := notes.list()
	if want := []string{"begin socket", "checkpoint socket partial", "begin turn", "checkpoint socket none", "finish turn", "finish socket"}; len(list) != len(want) {
		t.Errorf("the journal was told %q", list)
	} else {
		for i := range want {
			if list[i] != want[i] {
				t.Errorf("the journal was told %q", list)
				break
			}
		}
	}
}

// noting is a journal that remembers what it was told, in order.
type noting struct {
	*book
	told []string
}

func (n *noting) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.told...)
}

func (n *noting) note(what string, c *metering.Call, more string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.Session.IsZero() {
		what += " socket"
	} else {
		what += " turn"
	}
	n.told = append(n.told, what+more)
}

func (n *noting) Begin(c *metering.Call) error {
	n.note("begin", c, "")
	return n.book.Begin(c)
}

func (n *noting) Checkpoint(c *metering.Call, u *metering.Usage) error {
	n.note("checkpoint", c, " "+string(u.State))
	return n.book.Checkpoint(c, u)
}

func (n *noting) Finish(e *metering.Event) error {
	n.note("finish", &e.Call, "")
	return n.book.Finish(e)
}

// TestSocket_Leak covers I10: after many sockets, ended by either side, no slot,
// no connection and no exchange is left.
func TestSocket_Leak(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), func(o *proxy.Options) { o.Upstreams[0].MaxConns = 2 })
	const n = 40
	for i := range n {
		c := r.open(socketPath)
		end := f.end(t)
		write(end, string(text(done(1, 1))))
		expect(t, c, text(done(1, 1)))
		first, second := net.Conn(c), end
		if i%2 == 0 {
			first, second = second, first
		}
		first.Close()
		if _, err := io.ReadAll(second); i%2 != 0 && err != nil {
			t.Errorf("the upstream's connection: %v", err)
		}
		second.Close()
	}
	eventually(t, "all ended", 5*time.Second, func() bool {
		s := r.s.Stats()
		return s.Open == 0 && s.Clients == 0
	})
	if begun, facts := r.journal.counts(); begun != 2*n || facts != 2*n {
		t.Errorf("%d intents, %d facts", begun, facts)
	}
}

// TestSocket_Observed holds that an upstream that is only watched opens every
// socket that its client asks for, with the client's own key.
func TestSocket_Observed(t *testing.T) {
	t.Parallel()
	for path, endpoint := range map[string]string{socketPath: "openai.realtime", socketPath + "&call_id=x": "openai.realtime", "/v1/models": "openai.models", "/v1/other": "raw"} {
		o, f := newFar(t)
		r, _ := startSocket(t, o.url(), func(o *proxy.Options) {
			u := &o.Upstreams[0]
			u.ClientAuth, u.Credentials, u.Observer = true, nil, key
		})
		c := r.open(path, "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-own", "X-Weir-Key: weir_live_wrong")
		end := f.end(t)
		r.journal.mu.Lock()
		r.journal.beginErr = metering.ErrFenced
		r.journal.mu.Unlock()
		said := append(text(done(3, 4)), closing.down...)
		write(end, string(said))
		expect(t, c, said)
		own := r.journal.fact(t, 1)
		if endpoint == "openai.realtime" {
			own, _ = r.journal.factsOf(t, 2)
		}
		requests, _ := o.seen()
		if own.Endpoint != endpoint || own.Outcome != metering.OutcomeComplete || requests[0].all("Sec-WebSocket-Protocol")[0] != "realtime, openai-insecure-api-key.sk-own" {
			t.Errorf("%s: fact is %+v", path, own)
		}
	}
}
