package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

// TestFact_BeforeTheEnd proves that the fact is in the journal before the client
// has the end of its answer: while Finish waits, everything but the end has come,
// and the end has not.
func TestFact_BeforeTheEnd(t *testing.T) {
	t.Parallel()
	whole := strings.Join(stream(), "")
	before := strings.Join(stream()[:4], "")
	for name, tt := range map[string]struct {
		pieces []string // of the answer, each sent when the client has the one before
		held   int      // how many of them the client must have before the fact
	}{
		"terminal event": {[]string{eventsHead, chunk(before), chunk(stream()[4])}, 2},
		"final chunk":    {[]string{strings.Replace(eventsHead, "text/event-stream", "application/json", 1), chunk(chatAnswer[:50]), chunk(chatAnswer[50:100]), chunk(chatAnswer[100:]) + "0\r\n\r\n"}, 3},
		"last bytes":     {[]string{fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(chatAnswer)), chatAnswer[:100], chatAnswer[100:]}, 2},
		"no body":        {[]string{"HTTP/1.1 204 No Content\r\n\r\n"}, 0},
		"all at once":    {[]string{eventsHead + chunk(whole) + "0\r\n\r\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := make(chan struct{})
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
				for _, p := range tt.pieces {
					<-next
					write(c, p)
				}
			})
			r := start(t, o, func(o *proxy.Options) { o.EventIDHeader = false })
			r.journal.hold = make(chan struct{})
			c := r.dial()
			write(c, post(chatPath, streamRequest))
			for i, p := range tt.pieces {
				next <- struct{}{}
				if i == tt.held {
					break
				}
				have := make([]byte, len(p))
				if _, err := io.ReadFull(c, have); err != nil || i > 0 && string(have) != p {
					t.Fatalf("piece %d: got %q, want %q, %v", i, have, p, err)
				}
			}
			<-r.journal.held
			// Nothing can come while Finish is held; a moment shows that nothing does.
			if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			rest := make([]byte, 1)
			if n, err := c.Read(rest); n > 0 || err == nil {
				t.Fatalf("a byte came before the fact: %q", rest)
			}
			close(r.journal.hold)
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(rest); err != nil {
				t.Fatalf("the end did not come: %v", err)
			}
		})
	}
}

// TestFact_Parked releases the answer and says so loudly.
func TestFact_Parked(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	r.journal.finishErr = errors.New("no space left on device")
	if resp, body, err := r.ask("POST", post(chatPath, chatRequest)); err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	if n := r.s.Stats().Unrecorded; n != 1 || !strings.Contains(r.log.String(), "a fact was not written") {
		t.Errorf("%d, log %q", n, r.log)
	}
}

// TestClientGone covers T18 and S14: the client leaves before the head, at every
// event, and in silence. It is noticed within a second, the upstream is closed
// when its grace is over, the fact says what happened, and nothing leaks.
func TestClientGone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		events int // sent before the client leaves; -1: not even a head
		reset  bool
	}{
		"before the head": {-1, false}, "before the head, reset": {-1, true},
		"after the head": {0, false}, "after an event": {1, false}, "after an event, reset": {2, true}, "before the end": {4, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
				if tt.events < 0 {
					return
				}
				write(c, eventsHead)
				for _, p := range stream()[:tt.events] {
					write(c, chunk(p))
				}
				// and then silence: only the watcher can notice
			})
			r := start(t, o, nil)
			c := r.dialTCP()
			write(c, post(chatPath, streamRequest))
			eventually(t, "request upstream", 5*time.Second, func() bool { n, _ := o.seen(); return len(n) == 1 })
			b := bufio.NewReader(c)
			if tt.events >= 0 {
				readHead(t, b)
				have := make([]byte, len(strings.Join(stream()[:tt.events], "")))
				if _, err := io.ReadFull(httputil.NewChunkedReader(b), have); err != nil {
					t.Fatal(err)
				}
			}
			left := time.Now()
			if tt.reset {
				if err := c.SetLinger(0); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
			<-o.closed // the upstream's connection
			if took := time.Since(left); took < 1900*time.Millisecond || took > 3500*time.Millisecond {
				t.Errorf("the upstream was closed after %v, want two seconds of grace from within one", took)
			}
			e := r.journal.fact(t, 1)
			if e.Outcome != metering.OutcomeClientGone || !e.Metered {
				t.Errorf("fact is %+v", e)
			}
			switch want := map[bool]metering.UsageState{true: metering.UsageExact}[tt.events == 4]; {
			case want != "" && e.Usage.Input != 9:
				t.Errorf("usage is %+v", e.Usage)
			case tt.events == 2 && (e.Usage.State != metering.UsageEstimated || e.Usage.Estimate == nil):
				t.Errorf("usage is %+v", e.Usage)
			}
			eventually(t, "no exchange is open", time.Second, func() bool { return r.s.Stats().Open == 0 })
		})
	}
}

// TestClientGone_Grace takes the exact usage when the upstream gives it within
// the grace, and reads a unary answer and a drained stream to the end.
func TestClientGone_Grace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request string
		drain   bool
		wait    time.Duration
	}{
		"stream within two seconds": {streamRequest, false, time.Second},
		"unary after three":         {chatRequest, false, 3 * time.Second},
		"drained after three":       {streamRequest, true, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
				<-gone
				<-time.After(tt.wait)
				if tt.request == chatRequest {
					write(c, respond("200 OK", "application/json", strings.Replace(chatAnswer, `"prompt_tokens":11`, `"prompt_tokens":9`, 1)))
					return
				}
				write(c, eventsHead, chunk(strings.Join(stream(), "")), "0\r\n\r\n")
			})
			r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Drain = tt.drain })
			c := r.dial()
			write(c, post(chatPath, tt.request))
			eventually(t, "request upstream", 5*time.Second, func() bool { n, _ := o.seen(); return len(n) == 1 })
			c.Close()
			close(gone)
			e := r.journal.fact(t, 1)
			if e.Outcome != metering.OutcomeClientGone || e.Usage.State != metering.UsageExact || e.Usage.Input != 9 || e.BytesOut != 0 || e.Status != 0 {
				t.Errorf("fact is %+v", e)
			}
		})
	}
}

// TestStalledReader covers S15: a client that does not read is cut after the
// idle limit, and the upstream meets back-pressure instead of memory.
func TestStalledReader(t *testing.T) {
	t.Parallel()
	var sent int
	stopped := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		defer close(stopped)
		event := strings.Repeat("data: {\"choices\":[]}\n\n", 1000)
		for write(c, map[bool]string{true: eventsHead}[sent == 0], chunk(event)) {
			sent += len(event)
		}
		c.Close()
	})
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Idle = 300 * time.Millisecond })
	c := r.dialTCP()
	if err := c.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	write(c, post(chatPath, streamRequest))
	e := r.journal.fact(t, 1)
	<-stopped
	if e.Outcome != metering.OutcomeClientGone {
		t.Errorf("fact is %+v", e)
	}
	t.Logf("%d bytes were taken before the cut", sent)
}

// TestDrain answers new requests 503, finishes those that run, and ends.
func TestDrain(t *testing.T) {
	t.Parallel()
	finish := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, eventsHead, chunk(stream()[0]))
		<-finish
		write(c, chunk(strings.Join(stream()[1:], "")), "0\r\n\r\n")
	})
	r := start(t, o, nil)
	c := r.dial()
	write(c, post(chatPath, streamRequest))
	b := bufio.NewReader(c)
	readHead(t, b)
	idle := r.dial()
	eventually(t, "idle connection", 5*time.Second, func() bool { return r.s.Stats().Clients == 2 })
	drained := make(chan error, 1)
	go func() { drained <- r.s.Drain(context.Background()) }()
	if rest, err := io.ReadAll(idle); len(rest) > 0 {
		t.Errorf("an idle connection got %q, %v", rest, err)
	}
	resp, body, err := r.ask("POST", post(chatPath, chatRequest))
	if err != nil || resp.StatusCode != 503 || code(t, body) != "draining" || !resp.Close {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	if resp, _, err := r.ask("GET", "GET /-/ready HTTP/1.1\r\nHost: w\r\n\r\n"); err != nil || resp.StatusCode != 503 {
		t.Errorf("ready: %v %v", resp, err)
	}
	select {
	case err := <-drained:
		t.Fatalf("drained while a call runs: %v", err)
	default:
	}
	close(finish)
	if rest, err := io.ReadAll(b); err != nil || !bytes.HasSuffix(rest, []byte("0\r\n\r\n")) {
		t.Errorf("the stream ended %q, %v", rest, err)
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	if e := r.journal.fact(t, 1); e.Outcome != metering.OutcomeComplete || e.Usage.Input != 9 {
		t.Errorf("fact is %+v", e)
	}
}

// TestDrain_Cut cuts what does not end in time: a broken body and a fact.
func TestDrain_Cut(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if !bytes.Contains(g.body, []byte("silent")) {
			write(c, eventsHead, chunk(stream()[1]))
		}
	})
	r := start(t, o, nil)
	c, silent := r.dial(), r.dial()
	write(c, post(chatPath, streamRequest))
	b := bufio.NewReader(c)
	readHead(t, b)
	write(silent, post(chatPath, `{"model":"silent"}`))
	eventually(t, "requests upstream", 5*time.Second, func() bool { n, _ := o.seen(); return len(n) == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain: %v", err)
	}
	if rest, err := io.ReadAll(b); bytes.HasSuffix(rest, []byte("0\r\n\r\n")) {
		t.Errorf("a clean end: %q %v", rest, err)
	}
	if resp, _, err := answerTo(bufio.NewReader(silent), "POST"); err != nil || resp.StatusCode != 503 {
		t.Errorf("got %v %v", resp, err)
	}
	for n := 1; n <= 2; n++ {
		if e := r.journal.fact(t, n); e.Outcome != metering.OutcomeTruncated || e.ErrorCode != "draining" {
			t.Errorf("fact is %+v", e)
		}
	}
}

// faulty is a dialect that panics where its model says so.
type faulty struct{ dialect.Dialect }

func (f faulty) Inspect(r dialect.Route, contentType string, body []byte) (dialect.Request, error) {
	if bytes.Contains(body, []byte("inspect")) {
		panic("inspect")
	}
	return f.Dialect.Inspect(r, contentType, body)
}

func (f faulty) Scanner(r dialect.Route, q dialect.Request, resp dialect.Response) dialect.Scanner {
	if q.Model == "scanner" {
		panic("scanner")
	}
	return faultyScanner{f.Dialect.Scanner(r, q, resp), q.Model}
}

type faultyScanner struct {
	dialect.Scanner
	where string
}

func (s faultyScanner) Scan(p []byte) {
	if s.where == "scan" {
		panic("scan")
	}
	s.Scanner.Scan(p)
}

func (s faultyScanner) Close(e dialect.End) metering.Usage {
	if s.where == "close" {
		panic("close")
	}
	return s.Scanner.Close(e)
}

// TestPanics covers F27: wherever it panics, the server goes on, the client
// gets an answer or its stream, and the call its fact.
func TestPanics(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, eventsHead)
		for _, p := range stream() {
			write(c, chunk(p))
		}
		write(c, "0\r\n\r\n")
	})
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Dialect = faulty{o.Upstreams[0].Dialect} })
	facts := 0
	for where, status := range map[string]int{"inspect": 500, "scanner": 500, "scan": 200, "close": 200, "none": 200} {
		resp, body, err := r.ask("POST", post(chatPath, strings.Replace(streamRequest, "gpt-x", where, 1)))
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s: got %v %q %v", where, resp, body, err)
		}
		if status == 200 && string(body) != strings.Join(stream(), "") {
			t.Errorf("%s: the stream changed: %q", where, body)
		}
		if where == "inspect" {
			continue // not authorised yet
		}
		facts++
		e := r.journal.fact(t, facts)
		switch {
		case where == "none" && e.Usage.State != metering.UsageExact,
			(where == "scan" || where == "close") && (e.Usage.State != metering.UsageUnknown || !e.Usage.Flagged(metering.FlagUnreadable) || e.Outcome != metering.OutcomeComplete),
			where == "scanner" && (e.Outcome != metering.OutcomeUpstreamError || e.ErrorCode != "internal_error"):
			t.Errorf("%s: fact is %+v", where, e)
		}
	}
	if resp, _, err := r.ask("POST", post(chatPath, streamRequest, "Authorization: Bearer "+panicKey)); err != nil || resp.StatusCode != 500 {
		t.Errorf("got %v %v", resp, err)
	}
	if n := r.s.Stats().Panics; n != 5 {
		t.Errorf("%d panics", n)
	}
}

// TestSetUpstreams swaps upstreams under load: no call fails (T81).
func TestSetUpstreams(t *testing.T) {
	t.Parallel()
	a := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	b := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, a, nil)
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			for range 100 {
				if resp, body, err := r.ask("POST", post(chatPath, chatRequest)); err != nil || resp.StatusCode != 200 {
					t.Errorf("got %v %q %v", resp, body, err)
					return
				}
			}
		})
	}
	for i := range 50 {
		o := []*origin{a, b}[i%2]
		if err := r.s.SetUpstreams([]proxy.Upstream{upstreamAt(t, "openai", o)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.s.SetUpstreams([]proxy.Upstream{{Name: "x"}}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	calls.Wait()
}

// TestCheckpoint writes down every five seconds what a long stream has used.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED by -short: it waits for the five seconds between two checkpoints")
	}
	next := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, eventsHead, chunk(stream()[1]))
		<-time.After(5200 * time.Millisecond)
		write(c, chunk(stream()[1]))
		<-next
		write(c, chunk(strings.Join(stream(), "")), "0\r\n\r\n")
	})
	r := start(t, o, nil)
	c := r.dial()
	write(c, post(chatPath, streamRequest))
	b := bufio.NewReader(c)
	readHead(t, b)
	if _, err := io.ReadFull(b, make([]byte, 2*len(chunk(stream()[1])))); err != nil {
		t.Fatal(err)
	}
	close(next)
	if body, err := io.ReadAll(httputil.NewChunkedReader(b)); err != nil || !bytes.HasSuffix(body, []byte("[DONE]\n\n")) {
		t.Fatalf("got %q %v", body, err)
	}
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	if r.journal.checkpoints != 1 {
		t.Errorf("%d checkpoints", r.journal.checkpoints)
	}
}
