package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	prompt  = `"messages":[{"role":"system","content":"You are a hydrologist. Answer in one paragraph."},{"role":"user","content":"How does a weir measure the flow of a stream without holding it up?"}],"temperature":0.2,"max_completion_tokens":400`
	ask     = `,"stream_options":{"include_usage":true}`
	timeout = 60 * time.Second // for one answer; the machine may be busy
)

// request is a whole request as a client would send it.
func request(p *peer, addr, body string) []byte {
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nUser-Agent: bench/1\r\nContent-Length: %d\r\n\r\n%s", addr, p.key, len(body), body)
}

func callBody() string { return fmt.Sprintf(`{"model":"%s",%s}`, modelCall, prompt) }

// streamBody asks for usage, or leaves it to the proxy to do so.
func streamBody(model string, asks bool) string {
	extra := ""
	if asks {
		extra = ask
	}
	return fmt.Sprintf(`{"model":"%s","stream":true%s,%s}`, model, extra, prompt)
}

// dial opens a connection to one of the peer's addresses.
func dial(ctx context.Context, addr string) (*wire, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return newWire(c), nil
}

// exchange makes one call on c and returns how many events a stream had.
func (p *peer) exchange(c *wire, req []byte) (events int, err error) {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	p.sent.Add(1)
	if _, err := c.Write(req); err != nil {
		return 0, err
	}
	h, err := c.head()
	if err != nil {
		return 0, fmt.Errorf("read head: %w", err)
	}
	if !strings.HasPrefix(h.first, "HTTP/1.1 200 ") {
		body, _ := c.body(h) // for the message only
		return 0, fmt.Errorf("%s answered %s: %s", p.name, h.first, body)
	}
	if !h.chunked {
		_, err := c.body(h)
		return 0, err
	}
	return countEvents(c)
}

// countEvents reads a chunked stream to its end. Events are told by the blank
// line behind them; a chunk may hold several, or a part of one.
func countEvents(c *wire) (events int, err error) {
	var last byte
	for {
		data, err := c.chunk()
		if err != nil {
			return events, fmt.Errorf("read chunk: %w", err)
		}
		if len(data) == 0 {
			return events, nil
		}
		if last == '\n' && data[0] == '\n' {
			events++
		}
		events += bytes.Count(data, []byte("\n\n"))
		last = data[len(data)-1]
	}
}

// spread runs n workers, each with a connection of its own to addr, until ctx
// ends or one fails.
func spread(ctx context.Context, addr string, n int, work func(ctx context.Context, i int, c *wire) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c, err := dial(ctx, addr)
			if err == nil {
				defer c.Close()
				err = work(ctx, i, c)
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// calls runs a closed loop for d and returns how many calls were answered.
func (p *peer) callLoop(ctx context.Context, conns int, d time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	req := request(p, p.calls, callBody())
	done := make([]int64, conns)
	err := spread(ctx, p.calls, conns, func(ctx context.Context, i int, c *wire) error {
		for ctx.Err() == nil {
			if _, err := p.exchange(c, req); err != nil {
				return err
			}
			done[i]++
		}
		return nil
	})
	var sum int64
	for _, n := range done {
		sum += n
	}
	return sum, err
}

// streamLoop keeps n streams open for d and returns how many chunks came. Only
// whole streams count; the loop ends with the stream that d ends in.
func (p *peer) streamLoop(ctx context.Context, n, chunks int, asks bool, d time.Duration) (int64, error) {
	req := request(p, p.streams, streamBody(modelStream, asks))
	want := chunks + 1 // [DONE]
	if asks {
		want++
	}
	done := make([]int64, n)
	end := time.Now().Add(d)
	err := spread(ctx, p.streams, n, func(ctx context.Context, i int, c *wire) error {
		for ctx.Err() == nil && time.Now().Before(end) {
			events, err := p.exchange(c, req)
			if err != nil {
				return err
			}
			if events != want {
				return fmt.Errorf("%s delivered %d events of %d", p.name, events, want)
			}
			done[i] += int64(chunks)
		}
		return ctx.Err()
	})
	var sum int64
	for _, c := range done {
		sum += c
	}
	return sum, err
}

// hold opens n idle streams, the first event of each having come, and calls
// while they are open.
func (p *peer) hold(ctx context.Context, n int, while func() error) error {
	req := request(p, p.streams, streamBody(modelIdle, true))
	var open []*wire
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range n {
		c, err := dial(ctx, p.streams)
		if err != nil {
			return err
		}
		open = append(open, c)
		p.sent.Add(1)
		if _, err := c.Write(req); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		if _, err := c.head(); err != nil {
			return fmt.Errorf("idle stream %d: %w", len(open), err)
		}
		if data, err := c.chunk(); err != nil || len(data) == 0 {
			return fmt.Errorf("idle stream %d has no first event: %w", len(open), err)
		}
	}
	return while()
}

// latencies makes a call every interval on each of n connections for d.
func (p *peer) latencies(ctx context.Context, n int, interval, d time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	req := request(p, p.calls, callBody())
	all := make([][]time.Duration, n)
	err := spread(ctx, p.calls, n, func(ctx context.Context, i int, c *wire) error {
		if !sleep(ctx, interval*time.Duration(i)/time.Duration(n)) { // spread over the interval
			return nil
		}
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			start := time.Now()
			if _, err := p.exchange(c, req); err != nil {
				return err
			}
			all[i] = append(all[i], time.Since(start))
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	return slices.Concat(all...), err
}

// sleep waits for d unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
