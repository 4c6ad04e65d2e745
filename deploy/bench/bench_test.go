package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStatTime(t *testing.T) {
	t.Parallel()
	// The name may hold spaces and parentheses, proc_pid_stat(5).
	stat := "42 (we (ir) x) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 7 7 20 0 9 0 100 1 1"
	got, err := statTime([]byte(stat))
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("got %v, %v, want 1.75s", got, err)
	}
	for _, bad := range []string{"", "42 (weir) S 1", "42 (weir) S 1 42 42 0 -1 4194560 100 0 0 0 x 25 7"} {
		if _, err := statTime([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	at := started.Add(1234567 * time.Microsecond)
	data := []byte("data: {\"obfuscation\":\"" + stampPlace + "\"}")
	putStamp(data[bytes.Index(data, []byte(stampPlace)):], at)
	if got, err := delay(data, at.Add(70*time.Microsecond)); err != nil || got != 70*time.Microsecond {
		t.Errorf("%s: %v, %v, want 70µs", data, got, err)
	}
	for _, bad := range []string{"", "data: x", "sent-12", "sent-x234567890"} {
		if _, err := delay([]byte(bad), at); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestAdded takes what a direct stream has off the peers' slowest hundredth,
// round by round.
func TestAdded(t *testing.T) {
	t.Parallel()
	takes := map[string]time.Duration{"direct": 10, "nginx": 30, "weir": 35}
	f, err := added(context.Background(), options{rounds: 2}, &peer{name: "direct"}, []*peer{{name: "nginx"}, {name: "weir"}}, "delay",
		func(p *peer) ([]time.Duration, error) {
			out := []time.Duration{time.Hour} // the slowest of 200 is not in the hundredth
			for range 199 {
				out = append(out, takes[p.name]*time.Microsecond)
			}
			return out, nil
		})
	if err != nil || !slices.Equal(f.Peers["nginx"], []float64{20, 20}) || !slices.Equal(f.Peers["weir"], []float64{25, 25}) || f.bar() != "≤ 1.5 met" {
		t.Errorf("%+v, %s, %v", f, f.bar(), err)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(tt.in); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
}

func TestFigure_Bar(t *testing.T) {
	t.Parallel()
	relative := func(nginx, weir float64) figure {
		return figure{Peers: map[string][]float64{"nginx": {nginx}, "weir": {weir}}, Bar: 2, BarOf: "nginx"}
	}
	for _, tt := range []struct {
		name string
		f    figure
		want string
	}{
		{"within", relative(10, 20), "≤ 2.0 met"},
		{"beyond", relative(10, 20.1), "≤ 2.0 MISSED"},
		{"absolute within", figure{Peers: map[string][]float64{"weir": {1, 40960}}, Bar: 40960, BarOf: "absolute"}, "≤ 40 KiB met"},
		{"absolute beyond, the worst counts", figure{Peers: map[string][]float64{"weir": {40961, 1}}, Bar: 40960, BarOf: "absolute"}, "≤ 40 KiB MISSED"},
		{"not measured", figure{Bar: 2, BarOf: "nginx"}, "≤ 2.0"},
	} {
		if got := tt.f.bar(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// byteConn gives what it has one byte per read.
type byteConn struct {
	net.Conn
	r io.Reader
}

func (c byteConn) Read(p []byte) (int, error) { return c.r.Read(p[:1]) }

// TestCountEvents cuts streams where a proxy might, and the bytes everywhere.
func TestCountEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		chunks []string
		want   int
	}{
		{"one each", []string{"data: a\n\n", "data: b\n\n"}, 2},
		{"two in one", []string{"data: a\n\ndata: b\n\n"}, 2},
		{"cut between the line ends", []string{"data: a\n", "\ndata: b\n\n"}, 2},
		{"cut inside", []string{"da", "ta: a\n\nda", "ta: b\n", "\n"}, 2},
		{"none", nil, 0},
	} {
		var body strings.Builder
		for _, c := range tt.chunks {
			body.WriteString(framed(c))
		}
		body.WriteString("0\r\n\r\n")
		got, err := countEvents(newWire(byteConn{r: strings.NewReader(body.String())}))
		if err != nil || got != tt.want {
			t.Errorf("%s: got %d, %v, want %d", tt.name, got, err, tt.want)
		}
	}
	if _, err := countEvents(newWire(byteConn{r: strings.NewReader(framed("data: a\n\n"))})); err == nil {
		t.Error("a stream that breaks off is no error")
	}
}

// TestLoad_AgainstUpstream runs every kind of load against the upstream itself.
func TestLoad_AgainstUpstream(t *testing.T) {
	t.Parallel()
	short := pace{chunks: 5, gap: time.Millisecond, stamped: true}
	early := short
	early.at = true
	up, err := startUpstream(paces{plain: pace{chunks: 5, gap: time.Millisecond}, timed: short, crowd: early})
	if err != nil {
		t.Fatal(err)
	}
	defer up.close()
	ctx := context.Background()
	p := &peer{name: "direct", calls: up.addr(), streams: up.addr(), key: upstreamKey, pids: []int{os.Getpid()}}

	if n, err := p.callLoop(ctx, 2, 200*time.Millisecond); err != nil || n == 0 || n != p.sent.Load() {
		t.Errorf("calls: %d answered, %d sent, %v", n, p.sent.Load(), err)
	}
	for _, asks := range []bool{true, false} {
		if n, err := p.streamLoop(ctx, 3, 5, asks, 200*time.Millisecond); err != nil || n < 15 || n%5 != 0 {
			t.Errorf("streams that ask for usage: %v: %d chunks, %v", asks, n, err)
		}
	}
	if _, err := p.streamLoop(ctx, 1, 6, true, 10*time.Second); err == nil {
		t.Error("a chunk too few is no error")
	}
	if _, err := p.memory(ctx, 3); err != nil {
		t.Errorf("memory: %v", err)
	}
	if l, err := p.latencies(ctx, 2, 2*time.Millisecond, 20*time.Millisecond); err != nil || len(l) == 0 {
		t.Errorf("latencies: %d, %v", len(l), err)
	}
	for model, pc := range map[string]pace{modelTimed: short, modelCrowd: early} {
		d, err := p.timedStreams(ctx, 2, model, pc, 20*time.Millisecond)
		if err != nil || len(d.first) == 0 || len(d.events) != 5*len(d.first) {
			t.Errorf("timed streams of %s: %d first events, %d events, %v", model, len(d.first), len(d.events), err)
		}
		if len(d.events) > 0 && (slices.Min(d.events) < 0 || slices.Max(d.events) > time.Minute || slices.Min(d.first) < slices.Min(d.events)) {
			t.Errorf("timed streams of %s: events %v, first %v", model, d.events, d.first)
		}
		pc.chunks++
		if _, err := p.timedStreams(ctx, 1, model, pc, 20*time.Millisecond); err == nil {
			t.Errorf("timed streams of %s: an event too few is no error", model)
		}
	}
	if used, err := cpu(p.pids); err != nil || used < 0 {
		t.Errorf("cpu: %v, %v", used, err)
	}
	p.key = "wrong"
	if _, err := p.callLoop(ctx, 1, time.Second); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a refused call is the error %v, want 401", err)
	}
}

// TestRelay: what passes the relay is answered as by the upstream, and the relay
// ends when it is told to.
func TestRelay(t *testing.T) {
	t.Parallel()
	up, err := startUpstream(paces{plain: pace{chunks: 5, gap: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer up.close()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- relay(ctx, addr, up.addr()) }()
	p := &peer{name: "relay", calls: addr, streams: addr, key: upstreamKey}
	if err := p.await(ctx, addr); err != nil {
		t.Fatal(err)
	}
	if n, err := p.callLoop(ctx, 2, 200*time.Millisecond); err != nil || n == 0 || n != p.sent.Load() {
		t.Errorf("calls: %d answered, %d sent, %v", n, p.sent.Load(), err)
	}
	if n, err := p.streamLoop(ctx, 3, 5, true, 200*time.Millisecond); err != nil || n < 15 || n%5 != 0 {
		t.Errorf("%d chunks, %v", n, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the relay ended with %v", err)
	}
	if err := relaying(context.Background(), options{relay: addr}); err == nil {
		t.Error("a relay without an upstream is no error")
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newReport(context.Background(), options{rounds: 3})
	r.Figures = []figure{{
		Name: "CPU per call", Unit: "µs", Bar: 2, BarOf: "nginx", Count: map[string]int64{"nginx": 1},
		Peers: map[string][]float64{"nginx": {10, 20, 10}, "weir": {15, 30, 18}},
		Rate:  map[string][]float64{"nginx": {100_000}, "weir": {50_000}},
	}}
	r.Latency = map[string]spans{"direct": {P50: time.Millisecond}, "weir": {P50: 3 * time.Millisecond}}
	r.Sent, r.Recorded = 7, 7
	var out bytes.Buffer
	r.print(&out)
	for _, want := range []string{"1.50 (1.50–1.80)", "≤ 2.0 met", "p50 +2ms", "50000/s 90%", "sent 7 calls and has 7"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*-sqlite.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(b, &back); err != nil || back.Figures[0].Peers["weir"][1] != 30 {
		t.Errorf("read back %+v, %v", back, err)
	}
}
