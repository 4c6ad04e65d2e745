package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is everything a run found, as it is written to a file.
type report struct {
	When    time.Time        `json:"when"`
	Commit  string           `json:"commit"`
	Machine machine          `json:"machine"`
	Options map[string]any   `json:"options"`
	Figures []figure         `json:"figures"`
	Latency map[string]spans `json:"latency"`
	// Sent is how many calls Weir was sent, warm-up and idle streams included;
	// Recorded is how many it has on record.
	Sent     int64 `json:"sent"`
	Recorded int64 `json:"recorded"`
}

// machine is where the figures come from.
type machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Nginx  string `json:"nginx"`
	Load   string `json:"load_before"` // load average before the run: a busy machine shows here
}

func newReport(ctx context.Context, o options) *report {
	commit := command(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if command(ctx, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		commit += "-modified"
	}
	nginx := command(ctx, "/usr/sbin/nginx", "-v")
	if nginx == "" {
		nginx = command(ctx, "nginx", "-v")
	}
	database, counters := "sqlite", "in process"
	if o.postgres != "" {
		database = "postgres"
	}
	if o.redis != "" {
		counters = "redis"
	}
	return &report{
		When:   time.Now().UTC().Truncate(time.Second),
		Commit: commit,
		Machine: machine{
			CPU: field("/proc/cpuinfo", "model name"), CPUs: runtime.NumCPU(), Memory: field("/proc/meminfo", "MemTotal"),
			Kernel: firstLine("/proc/sys/kernel/osrelease"), Go: runtime.Version(), Nginx: nginx, Load: firstLine("/proc/loadavg"),
		},
		Options: map[string]any{
			"rounds": o.rounds, "duration": o.duration.String(), "conns": o.conns, "streams": o.streams, "chunks": o.chunks,
			"gap": o.gap.String(), "idle": o.idle, "timed": o.timed, "crowd": o.crowd, "database": database, "counters": counters, "config": o.config,
		},
	}
}

// command returns what a program prints, "" if it fails: a fact that is missing
// from a report is no reason to lose it.
func command(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func firstLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(line)
}

// field returns the value of "name: value" in a file of such lines.
func field(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// count compares what was sent with what is on record.
func (r *report) count(ctx context.Context, peers []*peer) (err error) {
	for _, p := range peers {
		if p.recorded == nil {
			continue
		}
		r.Sent = p.sent.Load()
		if r.Recorded, err = p.recorded(ctx); err != nil {
			return fmt.Errorf("count the calls of %s: %w", p.name, err)
		}
	}
	return nil
}

// median returns the middle of the values.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// ratios compares round by round, so that what disturbed a round disturbs both
// sides of its ratio.
func ratios(f figure, name, base string) []float64 {
	a, b := f.Peers[name], f.Peers[base]
	out := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		out = append(out, a[i]/b[i])
	}
	return out
}

// print writes the table.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d processors, Go %s, %s, commit %s, %v, load before %s\n\n", r.Machine.CPU, r.Machine.CPUs, r.Machine.Go, r.Machine.Nginx, r.Commit, r.Options["database"], r.Machine.Load)
	fmt.Fprintf(w, "%-26s %12s %12s %12s %18s %10s\n", "", "nginx", "relay", "weir", "weir / nginx", "bar")
	for _, f := range r.Figures {
		fmt.Fprintf(w, "%-26s %12s %12s %12s %18s %10s\n", f.Name, f.show("nginx"), f.show("relay"), f.show("weir"), f.ratio(), f.bar())
	}
	for _, f := range r.Figures {
		if f.Rate != nil {
			fmt.Fprintf(w, "%-26s %12s %12s %12s\n", strings.Replace(f.Name, "CPU per ", "rate of ", 1), f.rate("nginx"), f.rate("relay"), f.rate("weir"))
		}
	}
	direct := r.Latency["direct"]
	fmt.Fprintf(w, "\nadded latency to a direct call of p50 %s, p99 %s (%d calls)\n", round(direct.P50), round(direct.P99), direct.N)
	for _, name := range []string{"nginx", "relay", "weir"} {
		if l, ok := r.Latency[name]; ok {
			fmt.Fprintf(w, "%-26s p50 +%s  p90 +%s  p99 +%s\n", name, round(l.P50-direct.P50), round(l.P90-direct.P90), round(l.P99-direct.P99))
		}
	}
	if r.Sent > 0 {
		fmt.Fprintf(w, "\nweir was sent %d calls and has %d on record\n", r.Sent, r.Recorded)
	}
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// show is the peer's median, "-" if it was not measured.
func (f figure) show(name string) string {
	if len(f.Peers[name]) == 0 {
		return "-"
	}
	if f.Unit == "B" {
		return fmt.Sprintf("%.1f KiB", slices.Max(f.Peers[name])/1024)
	}
	return fmt.Sprintf("%.1f %s", median(f.Peers[name]), f.Unit)
}

// rate is how much was done per second and how busy the processor was with it.
// Work that does not keep it busy costs more each: waking up is shared by less.
func (f figure) rate(name string) string {
	if len(f.Rate[name]) == 0 {
		return "-"
	}
	rate := median(f.Rate[name])
	return fmt.Sprintf("%.0f/s %.0f%%", rate, rate*median(f.Peers[name])/1e4)
}

// ratio is the median ratio to nginx and its range over the rounds.
func (f figure) ratio() string {
	all := ratios(f, "weir", "nginx")
	if len(all) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), slices.Min(all), slices.Max(all))
}

// bar is the most the figure may be, and whether it is met.
func (f figure) bar() string {
	var got float64
	limit, absolute := fmt.Sprintf("≤ %.1f", f.Bar), f.BarOf == "absolute"
	if absolute {
		limit = fmt.Sprintf("≤ %.0f KiB", f.Bar/1024)
	}
	switch {
	case len(f.Peers["weir"]) == 0, !absolute && len(f.Peers["nginx"]) == 0:
		return limit
	case absolute:
		got = slices.Max(f.Peers["weir"])
	default:
		got = median(ratios(f, "weir", "nginx"))
	}
	if got > f.Bar {
		return limit + " MISSED"
	}
	return limit + " met"
}

// write puts the raw figures into a file of their own.
func (r *report) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%s-%v.json", r.When.Format("20060102T150405Z"), r.Commit, r.Options["database"]))
	if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	fmt.Fprintln(os.Stderr, "raw figures in", name)
	return nil
}
