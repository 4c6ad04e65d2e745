// Command bench measures what Weir costs beside a plain reverse proxy that
// meters nothing: nginx. Both stand before the same upstream on this machine and
// take turns in the same run, so that what disturbs one disturbs the other.
//
// It measures processor time per call and per streamed chunk from /proc (user
// and system time of the whole process, for Weir with its journal and shipping),
// memory per open stream, and latency added to a direct call. Figures go to
// standard output and, raw, to a file in deploy/bench/results.
//
//	go run ./deploy/bench [--quick] [--postgres URL] [--redis URL]
package main

import (
	"context"
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
	quick    bool
	peers    string
	postgres string
	redis    string
	binary   string
	config   string // more configuration of Weir, YAML
	results  string
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
	flag.BoolVar(&o.quick, "quick", false, "a look in under a minute: fewer and shorter rounds, nothing is written")
	flag.StringVar(&o.peers, "peers", "nginx,weir", "what is measured")
	flag.StringVar(&o.postgres, "postgres", "", "URL of Weir's database; empty: SQLite")
	flag.StringVar(&o.redis, "redis", "", "URL of Weir's counters; empty: in process")
	flag.StringVar(&o.binary, "weir", "", "program to measure; empty: build it")
	flag.StringVar(&o.config, "config", "", "lines to add to Weir's configuration")
	flag.StringVar(&o.results, "results", "deploy/bench/results", "directory of the raw figures; empty: none")
	flag.Parse()
	if o.quick {
		o.rounds, o.duration, o.gap, o.idle, o.results = 3, time.Second, 5*time.Millisecond, 1000, ""
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the whole measurement.
func run(ctx context.Context, o options) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%s: processor time is read from /proc, which is Linux", runtime.GOOS)
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	// One processor is the proxies', another ours: the load must not push what is
	// measured around. The proxies take turns, so one is enough for both.
	if err := pinSelf(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	up, err := startUpstream(o.chunks, o.gap)
	if err != nil {
		return err
	}
	defer up.close()

	direct := &peer{name: "direct", calls: up.addr(), streams: up.addr(), key: upstreamKey}
	var peers []*peer
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	for name := range strings.SplitSeq(o.peers, ",") {
		start, ok := map[string]func(context.Context, string, string, options) (*peer, error){"nginx": startNginx, "weir": startWeir}[name]
		if !ok {
			return fmt.Errorf("peer %q: want nginx or weir", name)
		}
		p, err := start(ctx, dir, up.addr(), o)
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		peers = append(peers, p)
	}
	r, err := measure(ctx, o, direct, peers)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if p.recorded == nil {
			continue
		}
		if r.Recorded, err = p.recorded(ctx); err != nil {
			return err
		}
		r.Sent = p.sent.Load()
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
