package proxy_test

import (
	"bufio"
	"net"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// oneAtATime serves a call for each word on next, and says which models came.
func oneAtATime(t *testing.T) (o *origin, next chan struct{}) {
	t.Helper()
	next = make(chan struct{})
	o = newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		<-next
		write(c, respond("200 OK", "application/json", chatAnswer))
	})
	return o, next
}

// waiting waits until n calls wait for a connection.
func (r *rig) waiting(n int) {
	r.t.Helper()
	eventually(r.t, "calls wait", 5*time.Second, func() bool { return r.s.Upstreams()[0].Waiting == n })
}

// TestQueue: as many calls wait as may, in the order in which they came; the next
// one is refused at once, and who hangs up gives its place to others.
func TestQueue(t *testing.T) {
	t.Parallel()
	o, next := oneAtATime(t)
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].MaxConns, o.Upstreams[0].Queue = 1, 3 })
	send := func(model string) net.Conn {
		c := r.dial()
		write(c, post(chatPath, `{"model":"`+model+`"}`))
		return c
	}
	first := send("0")
	eventually(t, "the first is served", 5*time.Second, func() bool { return hits(o)[0] == 1 })
	var conns []net.Conn
	for i := range 3 {
		conns = append(conns, send(string(rune('a'+i))))
		r.waiting(i + 1)
	}
	began := time.Now()
	resp, body, err := r.ask("POST", post(chatPath, chatRequest))
	if err != nil || resp.StatusCode != 503 || code(t, body) != "upstream_busy" || resp.Header.Get("Retry-After") != "1" || time.Since(began) > 2*time.Second {
		t.Fatalf("got %v %q %v after %v", resp, body, err, time.Since(began))
	}
	conns[1].Close() // b leaves
	r.waiting(2)
	if e := r.journal.fact(t, 2); e.Outcome != metering.OutcomeClientGone || e.Model != "b" || e.Status != 0 {
		t.Errorf("the fact of who left is %+v", e)
	}
	conns = append(conns, send("d"))
	r.waiting(3)
	for _, c := range []net.Conn{first, conns[0], conns[2], conns[3]} {
		next <- struct{}{}
		if resp, body, err := answerTo(bufio.NewReader(c), "POST"); err != nil || resp.StatusCode != 200 {
			t.Fatalf("got %v %q %v", resp, body, err)
		}
	}
	requests, conns2 := o.seen()
	order := ""
	for _, g := range requests {
		order += string(g.body[10])
	}
	if order != "0acd" || conns2 != 1 {
		t.Errorf("served in the order %s on %d connections", order, conns2)
	}
	eventually(t, "all is given back", 5*time.Second, func() bool {
		s := r.s.Upstreams()[0]
		return s.Waiting == 0 && s.InUse == 0 && s.Endpoints[0].Requests == 4
	})
}

// TestQueue_None: nobody waits where nobody may.
func TestQueue_None(t *testing.T) {
	t.Parallel()
	o, next := oneAtATime(t)
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].MaxConns, o.Upstreams[0].Queue = 1, -1 })
	c := r.dial()
	write(c, post(chatPath, chatRequest))
	eventually(t, "the first is served", 5*time.Second, func() bool { return hits(o)[0] == 1 })
	if body := r.chat(503); code(t, body) != "upstream_busy" {
		t.Errorf("got %s", body)
	}
	next <- struct{}{}
	if resp, _, err := answerTo(bufio.NewReader(c), "POST"); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v %v", resp, err)
	}
}

// TestQueue_FallsBack: a full upstream has been sent nothing.
func TestQueue_FallsBack(t *testing.T) {
	t.Parallel()
	a, next := oneAtATime(t)
	b := newOrigin(t, well())
	r := start(t, nil, fallback(t, a.url(), b.url(), func(first, _ *proxy.Upstream) { first.MaxConns, first.Queue = 1, -1 }))
	c := r.dial()
	write(c, post(chatPath, chatRequest))
	eventually(t, "the first is served", 5*time.Second, func() bool { return hits(a)[0] == 1 })
	r.chat(200)
	if e := r.journal.fact(t, 1); e.Upstream != "azure" || len(e.Attempts) != 2 || e.Attempts[0].ErrorCode != "upstream_busy" {
		t.Errorf("the fact is %+v", e)
	}
	next <- struct{}{}
	if resp, _, err := answerTo(bufio.NewReader(c), "POST"); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v %v", resp, err)
	}
}

// TestDial_HangUp: a client that hangs up while its upstream is dialled ends the
// call, whose upstream does not answer at all.
func TestDial_HangUp(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		defer close(accepted)
		if c, err := ln.Accept(); err == nil {
			accepted <- c
		}
	}()
	r := start(t, nil, func(o *proxy.Options) {
		o.Upstreams[0].BaseURL, o.Upstreams[0].Connect = "https://"+ln.Addr().String(), time.Minute
	})
	c := r.dial()
	write(c, post(chatPath, chatRequest))
	silent := <-accepted // the handshake is never answered
	c.Close()
	began := time.Now()
	if e := r.journal.fact(t, 1); e.Outcome != metering.OutcomeClientGone || time.Since(began) > 3*time.Second {
		t.Errorf("after %v the fact is %+v", time.Since(began), e)
	}
	silent.Close()
	ln.Close()
}
