// Command bench measures what Weir costs beside a plain reverse proxy that
// meters nothing: nginx. Both stand before the same upstream on this machine and
// take turns in the same run, so that what disturbs one disturbs the other. A
// relay that only copies bytes runs beside them: what the network costs in Go.
//
// It measures processor time per call and per streamed chunk from /proc (user
// and system time of the whole process, for Weir with its journal and shipping),
// memory per open stream, the delay of chunks and of first tokens, and latency
// added to a direct call. Figures go to
// standard output and, raw, to a file in deploy/bench/results.
//
//	go run ./deploy/bench [--quick] [--postgres URL] [--redis URL]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	rounds   int
	duration time.Duration // of one measurement of one peer
	conns    int           // closed loop of calls
	streams  int           // open at once while chunks are counted
	chunks   int           // per stream
	gap      time.Duration // between two chunks
	idle     int           // open streams while memory is measured
	timed    int           // streams open at once while the delay of chunks is measured
	crowd    int           // the same for the delay of first tokens
	quick    bool
	peers    string
	postgres string
	redis    string
	binary   string
	config   string // more configuration of Weir, YAML
	results  string
	relay    string // address to be the relay at, instead of measuring
	relayTo  string
	paces    paces
}

func main() {
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 7, "interleaved rounds per figure; the median counts")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "of one measurement of one peer")
	flag.IntVar(&o.conns, "conns", 64, "connections that call in a closed loop")
	flag.IntVar(&o.streams, "streams", 200, "streams open at once while chunks are counted")
	flag.IntVar(&o.chunks, "chunks", 200, "chunks per stream")
	flag.DurationVar(&o.gap, "gap", 20*time.Millisecond, "between two chunks of a stream")
	flag.IntVar(&o.idle, "idle", 2000, "idle open streams while memory is measured")
	flag.IntVar(&o.timed, "timed", 20, "streams open at once while the delay of chunks is measured (T14)")
	flag.IntVar(&o.crowd, "crowd", 1000, "streams open at once while the delay of first tokens is measured (T15)")
	flag.BoolVar(&o.quick, "quick", false, "a look in under a minute: fewer and shorter rounds, nothing is written")
	flag.StringVar(&o.peers, "peers", "nginx,relay,weir", "what is measured; relay: a program in Go that copies bytes and does nothing else")
	flag.StringVar(&o.postgres, "postgres", "", "URL of Weir's database; empty: SQLite")
	flag.StringVar(&o.redis, "redis", "", "URL of Weir's counters; empty: in process")
	flag.StringVar(&o.binary, "weir", "", "program to measure; empty: build it")
	flag.StringVar(&o.config, "config", "", "lines to add to Weir's configuration")
	flag.StringVar(&o.results, "results", "deploy/bench/results", "directory of the raw figures; empty: none")
	flag.StringVar(&o.relay, "relay", "", "be the relay at this address, as which the benchmark starts itself")
	flag.StringVar(&o.relayTo, "relay-to", "", "where the relay passes on to")
	flag.Parse()
	if o.quick {
		o.rounds, o.duration, o.gap, o.idle, o.results = 3, time.Second, 5*time.Millisecond, 1000, ""
	}
	o.paces = newPaces(o.chunks, o.gap)
	if err := interruptible(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// interruptible runs until it is done or told to stop.
func interruptible(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.relay != "" {
		return relaying(ctx, o)
	}
	return run(ctx, o)
}

// run is the whole measurement.
func run(ctx context.Context, o options) (err error) {
	if err := prepare(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	up, err := startUpstream(o.paces)
	if err != nil {
		return err
	}
	defer up.close()
	direct := &peer{name: "direct", calls: up.addr(), streams: up.addr(), key: upstreamKey}
	peers, err := startPeers(ctx, dir, up.addr(), o)
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	if err != nil {
		return err
	}
	r, err := measure(ctx, o, direct, peers)
	if err != nil {
		return err
	}
	if err := r.count(ctx, peers); err != nil {
		return err
	}
	r.print(os.Stdout)
	if r.Recorded != r.Sent {
		return fmt.Errorf("weir recorded %d calls of %d", r.Recorded, r.Sent)
	}
	if o.results == "" {
		return nil
	}
	return r.write(o.results)
}

// prepare makes this process and machine ready. One processor is the proxies',
// another ours: the load must not push what is measured around. The proxies take
// turns, so one is enough for both.
func prepare() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%s: processor time is read from /proc, which is Linux", runtime.GOOS)
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	return pinSelf()
}

// startPeers starts what is to be measured. What it returns must be stopped,
// with an error too.
func startPeers(ctx context.Context, dir, upstream string, o options) ([]*peer, error) {
	starts := map[string]func(context.Context, string, string, options) (*peer, error){"nginx": startNginx, "relay": startRelay, "weir": startWeir}
	var peers []*peer
	for name := range strings.SplitSeq(o.peers, ",") {
		start, ok := starts[name]
		if !ok {
			return peers, fmt.Errorf("peer %q: want nginx, relay or weir", name)
		}
		p, err := start(ctx, dir, upstream, o)
		if err != nil {
			return peers, fmt.Errorf("start %s: %w", name, err)
		}
		peers = append(peers, p)
	}
	return peers, nil
}
