package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// delays are what was seen of streams whose events say when they were sent.
type delays struct {
	events []time.Duration // from the upstream's write to the client's read
	first  []time.Duration // from the client's request to the first event
}

// timedStreams keeps n streams of a model open until d after all have begun, and
// returns the delays of those that began then. They begin spread over the length
// of a stream: n at once would be a load of their own.
func (p *peer) timedStreams(ctx context.Context, n int, model string, pc pace, d time.Duration) (delays, error) {
	req := request(p, p.streams, streamBody(model, true))
	length := pc.length()
	begin := time.Now()
	seen := make([]delays, n)
	err := spread(ctx, p.streams, n, func(ctx context.Context, i int, c *wire) error {
		if !sleep(ctx, length*time.Duration(i)/time.Duration(n)) {
			return ctx.Err()
		}
		for time.Since(begin) < length+d {
			into := &seen[i]
			if time.Since(begin) < length {
				into = new(delays) // not all are open yet
			}
			if err := p.timedStream(c, req, pc.chunks, into); err != nil {
				return err
			}
		}
		return nil
	})
	var all delays
	for _, s := range seen {
		all.events, all.first = append(all.events, s.events...), append(all.first, s.first...)
	}
	return all, err
}

// timedStream makes one call and notes when its events came.
func (p *peer) timedStream(c *wire, req []byte, want int, into *delays) error {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	p.sent.Add(1)
	asked := time.Now()
	if _, err := c.Write(req); err != nil {
		return err
	}
	h, err := c.head()
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	if !strings.HasPrefix(h.first, "HTTP/1.1 200 ") || !h.chunked {
		return fmt.Errorf("%s answered %s", p.name, h.first)
	}
	got := 0
	for {
		data, err := c.chunk()
		if err != nil {
			return fmt.Errorf("read chunk: %w", err)
		}
		if len(data) == 0 {
			break
		}
		now := time.Now()
		for rest := data; bytes.Contains(rest, []byte("sent-")); got++ {
			rest = rest[bytes.Index(rest, []byte("sent-")):]
			took, err := delay(rest, now)
			if err != nil {
				return err
			}
			rest = rest[len(stampPlace):]
			if got == 0 {
				into.first = append(into.first, now.Sub(asked))
			}
			into.events = append(into.events, took)
		}
	}
	if got != want {
		return fmt.Errorf("%s delivered %d events of %d", p.name, got, want)
	}
	return nil
}

// added measures a delay of the peers beside a direct one and returns what the
// slowest hundredth of each round had more than the direct one's.
func added(ctx context.Context, o options, direct *peer, peers []*peer, name string, work func(*peer) ([]time.Duration, error)) (figure, error) {
	f := figure{Name: name, Unit: "µs", Peers: map[string][]float64{}, Count: map[string]int64{}, Bar: barDelay, BarOf: "nginx"}
	for round := range o.rounds {
		turn := append([]*peer{direct}, peers...)
		if round%2 == 1 {
			slices.Reverse(turn)
		}
		slowest := map[string]time.Duration{}
		for _, p := range turn {
			got, err := work(p)
			if err != nil {
				return f, fmt.Errorf("%s of %s: %w", name, p.name, err)
			}
			if len(got) == 0 {
				return f, fmt.Errorf("%s of %s: nothing came", name, p.name)
			}
			slices.Sort(got)
			slowest[p.name] = got[(len(got)-1)*99/100]
			f.Count[p.name] += int64(len(got))
		}
		f.Peers[direct.name] = append(f.Peers[direct.name], float64(slowest[direct.name].Nanoseconds())/1e3)
		for _, p := range peers {
			f.Peers[p.name] = append(f.Peers[p.name], float64((slowest[p.name]-slowest[direct.name]).Nanoseconds())/1e3)
		}
	}
	return f, nil
}
