package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// canary is what only the stream of one request has in it.
var canary = regexp.MustCompile(`canary-[0-9]+-`)

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestStorm covers T18, T19 and I10: streams of which clients hang up and
// upstreams reset at random never show a byte of another one, each leaves one
// event, and afterwards nothing is left open. It runs alone.
func TestStorm(t *testing.T) {
	streams, workers := 10_000, 32
	if testing.Short() {
		streams = 1_000
	}
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		id := canary.FindString(string(g.body))
		if !write(c, eventsHead) {
			return
		}
		for i := range 8 {
			if i == 5 && strings.Contains(string(g.body), "reset") {
				if tcp, ok := c.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // the close that follows is a reset
				}
				c.Close()
				return
			}
			if !write(c, chunk(fmt.Sprintf("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s%d\"}}]}\n\n", id, i))) {
				return
			}
		}
		write(c, chunk("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\ndata: [DONE]\n\n"), "0\r\n\r\n")
	})
	r := start(t, o, nil)
	if resp, _, err := r.ask("GET", "GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	eventually(t, "nobody is connected", 5*time.Second, func() bool { return r.s.Stats().Clients == 0 })
	before, open := runtime.NumGoroutine(), descriptors(t)
	var next, complete atomic.Int64
	var all sync.WaitGroup
	for w := range workers {
		random := rand.New(rand.NewPCG(19, uint64(w)))
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(streams) {
					return
				}
				what := []string{"whole", "reset", "abort"}[random.IntN(3)]
				if err := r.streamOf(n, what, random.IntN(600)); err != nil {
					t.Errorf("stream %d, %s: %v", n, what, err)
					return
				}
				if what == "whole" {
					complete.Add(1)
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	eventually(t, "every event", 30*time.Second, func() bool { _, facts := r.journal.counts(); return facts == streams })
	if intents, facts := r.journal.counts(); intents != streams {
		t.Errorf("%d intents, %d facts of %d streams", intents, facts, streams)
	}
	exact := int64(0)
	for n := range streams {
		e := r.journal.fact(t, n+1)
		if e.Outcome == metering.OutcomeComplete && e.Usage.State == metering.UsageExact {
			exact++
		}
	}
	if exact < complete.Load() {
		t.Errorf("%d events are complete and exact, %d streams were read to their end", exact, complete.Load())
	}
	eventually(t, "baseline", 15*time.Second, func() bool {
		return r.s.Stats().Open == 0 && runtime.NumGoroutine() <= before+workers
	})
	// The connections that are kept for later calls end with their upstream.
	if err := r.s.SetUpstreams([]proxy.Upstream{upstreamAt(t, "openai", o)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "as many descriptors and goroutines as before", 15*time.Second, func() bool {
		return descriptors(t) <= open && runtime.NumGoroutine() <= before
	})
	if s := r.s.Stats(); s.Panics != 0 {
		t.Errorf("%d panics", s.Panics)
	}
}

// streamOf reads one stream, or as much of it as what says.
func (r *rig) streamOf(n int64, what string, most int) error {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	id := fmt.Sprintf("canary-%d-", n)
	body := `{"model":"gpt-x","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"` + id + what + `"}]}`
	if _, err := io.WriteString(c, post(chatPath, body)); err != nil {
		return err
	}
	b := bufio.NewReader(c)
	resp, err := http.ReadResponse(b, nil)
	if err != nil {
		return err
	}
	var text []byte
	if what == "abort" {
		text, err = io.ReadAll(io.LimitReader(resp.Body, int64(most)))
	} else {
		text, err = io.ReadAll(resp.Body)
	}
	for _, found := range canary.FindAllString(string(text), -1) {
		if found != id {
			return fmt.Errorf("has %s of another stream", found)
		}
	}
	switch {
	case what == "whole" && (err != nil || !strings.HasSuffix(string(text), "[DONE]\n\n")):
		return fmt.Errorf("ended with %v behind %q", err, text)
	case what == "reset" && err == nil:
		return fmt.Errorf("a reset was a clean end behind %q", text)
	}
	return nil
}

// TestSilence covers T16: an upstream that is silent for a while, head sent or
// not, costs nothing but time, and not a byte is made up.
func TestSilence(t *testing.T) {
	t.Parallel()
	// The watcher looks every 250 ms; a silence of several of its rounds is as any.
	quiet := func() { <-time.After(1200 * time.Millisecond) }
	want := strings.Join(stream(), "")
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		quiet()
		write(c, eventsHead)
		quiet()
		for _, frame := range stream() {
			write(c, chunk(frame))
		}
		write(c, "0\r\n\r\n")
	})
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Idle, o.Upstreams[0].Header = 0, 0 })
	resp, body, err := r.ask("POST", post(chatPath, streamRequest))
	if err != nil || resp.StatusCode != 200 || string(body) != want {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	if e := r.journal.fact(t, 1); e.Outcome != metering.OutcomeComplete || e.Usage.State != metering.UsageExact {
		t.Errorf("fact is %+v", e)
	}
}

// TestSlowReader covers T20: a client that reads slowly holds a fast upstream
// back, and its usage is exact when it has read all.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const frames = 4_000
	frame := chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + strings.Repeat("x", 8<<10) + "\"}}]}\n\n")
	var sent atomic.Int64
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, eventsHead)
		for range frames {
			if !write(c, frame) {
				return
			}
			sent.Add(int64(len(frame)))
		}
		write(c, chunk(strings.Join(stream(), "")), "0\r\n\r\n")
	})
	r := start(t, o, nil)
	c := r.dial()
	if tcp, ok := c.(*net.TCPConn); ok {
		if err := tcp.SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	write(c, post(chatPath, streamRequest))
	// Nobody reads: what the upstream could send is what fits into the kernel's
	// buffers of two connections, and stays so.
	settled := int64(-1)
	eventually(t, "the upstream is held back", 20*time.Second, func() bool {
		now := sent.Load()
		still := now == settled && now > 0
		settled = now
		if !still {
			<-time.After(100 * time.Millisecond)
		}
		return still
	})
	if most := int64(len(frame)) * frames / 2; settled > most {
		t.Errorf("the upstream could send %d bytes to a client that reads nothing", settled)
	}
	resp, body, err := answerTo(bufio.NewReaderSize(c, 16<<10), "POST")
	if err != nil || resp.StatusCode != 200 || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Fatalf("got %v, %d bytes, %v", resp, len(body), err)
	}
	if e := r.journal.fact(t, 1); e.Usage.State != metering.UsageExact || e.Usage.Input != 9 {
		t.Errorf("usage is %+v", e.Usage)
	}
}

// TestRepeatedIDs covers T51: a client that sends one id twice has made two
// calls, whatever else is in them.
func TestRepeatedIDs(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	ids := map[string]bool{}
	for i := range 3 {
		resp, _, err := r.ask("POST", post(chatPath, chatRequest, "X-Request-Id: same", "Idempotency-Key: same"))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("got %v %v", resp, err)
		}
		e := r.journal.fact(t, i+1)
		ids[e.ID.String()] = true
		if e.ClientID != "same" || e.Usage.Input != 11 || e.Usage.State != metering.UsageExact {
			t.Errorf("fact is %+v", e)
		}
	}
	if requests, _ := o.seen(); len(ids) != 3 || len(requests) != 3 {
		t.Errorf("%d events of %d requests", len(ids), len(requests))
	}
}
