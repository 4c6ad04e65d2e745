package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// figure is one thing measured for every peer in interleaved rounds.
type figure struct {
	Name  string               `json:"name"`
	Unit  string               `json:"unit"`
	Peers map[string][]float64 `json:"peers"`          // per round
	Count map[string]int64     `json:"count"`          // of calls or chunks, all rounds
	Rate  map[string][]float64 `json:"rate,omitempty"` // per second, per round
	Bar   float64              `json:"bar,omitempty"`  // most that Weir may be, see BarOf
	BarOf string               `json:"bar_of,omitempty"`
}

// The bars of the design.
const (
	barCall   = 2.0       // times nginx
	barChunk  = 2.5       // times nginx
	barDelay  = 1.5       // times nginx's
	barMemory = 40 * 1024 // bytes per open stream
)

// measure takes all figures.
func measure(ctx context.Context, o options, direct *peer, peers []*peer) (*report, error) {
	r := newReport(ctx, o)
	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

	say("warming up")
	for _, p := range append([]*peer{direct}, peers...) {
		if _, err := p.callLoop(ctx, 8, o.duration/4); err != nil {
			return nil, fmt.Errorf("warm up %s: %w", p.name, err)
		}
	}
	// Memory first: later a process has room from earlier work to hide it in.
	say("memory of %d idle open streams", o.idle)
	memory := figure{Name: "memory per open stream", Unit: "B", Peers: map[string][]float64{}, Count: map[string]int64{}, Bar: barMemory, BarOf: "absolute"}
	for _, p := range peers {
		for _, n := range []int{o.idle / 2, o.idle} {
			per, err := p.memory(ctx, n)
			if err != nil {
				return nil, fmt.Errorf("memory of %s: %w", p.name, err)
			}
			memory.Peers[p.name] = append(memory.Peers[p.name], per)
			memory.Count[p.name] += int64(n)
		}
	}

	say("processor time per call, %d rounds of %s", o.rounds, o.duration)
	call, err := rounds(ctx, o, peers, "CPU per call", barCall, func(p *peer) (int64, error) { return p.callLoop(ctx, o.conns, o.duration) })
	if err != nil {
		return nil, err
	}
	say("processor time per chunk, %d rounds of streams that ask for usage", o.rounds)
	asked, err := rounds(ctx, o, peers, "CPU per chunk", barChunk, func(p *peer) (int64, error) { return p.streamLoop(ctx, o.streams, o.chunks, true, o.duration) })
	if err != nil {
		return nil, err
	}
	say("processor time per chunk, %d rounds of streams that do not ask", o.rounds)
	spliced, err := rounds(ctx, o, peers, "CPU per chunk, spliced", barChunk, func(p *peer) (int64, error) { return p.streamLoop(ctx, o.streams, o.chunks, false, o.duration) })
	if err != nil {
		return nil, err
	}
	say("delay of chunks and of first tokens")
	chunk, err := added(ctx, o, direct, peers, "p99 delay of a chunk", func(p *peer) ([]time.Duration, error) {
		d, err := p.timedStreams(ctx, o.timed, modelTimed, o.paces.timed, o.duration)
		return d.events, err
	})
	if err != nil {
		return nil, err
	}
	first, err := added(ctx, o, direct, peers, "p99 delay of first token", func(p *peer) ([]time.Duration, error) {
		d, err := p.timedStreams(ctx, o.crowd, modelCrowd, o.paces.crowd, o.duration)
		return d.first, err
	})
	if err != nil {
		return nil, err
	}
	say("latency")
	r.Figures = append(r.Figures, call, asked, spliced, memory, chunk, first)
	if r.Latency, err = latency(ctx, o, append([]*peer{direct}, peers...)); err != nil {
		return nil, err
	}
	return r, nil
}

// rounds measures the processor time of a unit of work for the peers in turn.
func rounds(ctx context.Context, o options, peers []*peer, name string, bar float64, work func(*peer) (int64, error)) (figure, error) {
	f := figure{Name: name, Unit: "µs", Peers: map[string][]float64{}, Count: map[string]int64{}, Rate: map[string][]float64{}, Bar: bar, BarOf: "nginx"}
	for round := range o.rounds {
		turn := slices.Clone(peers)
		if round%2 == 1 {
			slices.Reverse(turn) // neither is always the one who finds the caches cold
		}
		for _, p := range turn {
			before, err := cpu(p.pids)
			if err != nil {
				return f, err
			}
			start := time.Now()
			n, err := work(p)
			if err != nil {
				return f, fmt.Errorf("%s of %s: %w", name, p.name, err)
			}
			elapsed := time.Since(start)
			// What a process does for these calls after the last answer, shipping
			// above all, is part of what they cost.
			if !sleep(ctx, settle) {
				return f, ctx.Err()
			}
			after, err := cpu(p.pids)
			if err != nil {
				return f, err
			}
			if n == 0 {
				return f, fmt.Errorf("%s of %s: nothing was answered", name, p.name)
			}
			f.Peers[p.name] = append(f.Peers[p.name], float64((after-before).Nanoseconds())/1e3/float64(n))
			f.Rate[p.name] = append(f.Rate[p.name], float64(n)/elapsed.Seconds())
			f.Count[p.name] += n
		}
	}
	return f, nil
}

// settle is how long a peer may finish what it does behind the calls.
const settle = 1500 * time.Millisecond

// memory returns by how much n idle open streams grow the peer, each.
func (p *peer) memory(ctx context.Context, n int) (float64, error) {
	before, err := rss(p.pids)
	if err != nil {
		return 0, err
	}
	var during int64
	err = p.hold(ctx, n, func() error {
		if !sleep(ctx, settle) {
			return ctx.Err()
		}
		during, err = rss(p.pids)
		return err
	})
	if err != nil {
		return 0, err
	}
	if !sleep(ctx, settle) {
		return 0, ctx.Err()
	}
	return float64(during-before) / float64(n), nil
}

// spans are percentiles of the time a call took.
type spans struct {
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	N   int           `json:"n"`
}

// latency measures calls at a modest fixed rate: what a call takes longer than
// a direct one when nothing is saturated.
func latency(ctx context.Context, o options, peers []*peer) (map[string]spans, error) {
	const conns, interval = 8, 20 * time.Millisecond
	all := map[string][]time.Duration{}
	for range o.rounds {
		for _, p := range peers {
			got, err := p.latencies(ctx, conns, interval, o.duration)
			if err != nil {
				return nil, fmt.Errorf("latency of %s: %w", p.name, err)
			}
			all[p.name] = append(all[p.name], got...)
		}
	}
	out := map[string]spans{}
	for name, l := range all {
		slices.Sort(l)
		at := func(q int) time.Duration { return l[(len(l)-1)*q/100] }
		out[name] = spans{P50: at(50), P90: at(90), P99: at(99), N: len(l)}
	}
	return out, nil
}
