// Package browser_test walks through the console and the portal of a real
// sandbox in a real browser: light, dark, on a narrow screen and without script.
// The walk itself is in test/*.test.js.
package browser_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
	"github.com/weirhq/weir/metering/sqlstore"
)

// missing skips with one loud line, and fails where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED: " + what)
}

func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: needs the built program, Node and Chromium; run without -short")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed: deploy/test/install")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		missing(t, "what drives the browser is not installed: make browser")
	}
	s := start(t)
	s.alert(t)
	files, err := filepath.Glob(filepath.Join("test", "*.test.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in test/: %v", err)
	}
	shots, err := os.MkdirTemp("", "weir-browser-")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{"--test", "--test-reporter=tap", "--test-concurrency=1"}, files...)...)
	cmd.Env = append(environment(), "WEIR="+s.program, "DATA="+s.data, "PROXY="+s.proxy, "CONSOLE="+s.console, "LOGIN="+s.login,
		"CHROMIUM="+chromium, "SHOTS="+shots)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v; screenshots are in %s\n%s", err, shots, out)
	}
	if err := os.RemoveAll(shots); err != nil {
		t.Error(err)
	}
	var summary []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "# pass ") || strings.HasPrefix(line, "# fail ") || strings.HasPrefix(line, "# skipped ") {
			summary = append(summary, strings.TrimSpace(line[2:]))
		}
	}
	t.Log(strings.Join(summary, ", "))
	if len(summary) != 3 || summary[0] == "pass 0" || summary[2] != "skipped 0" {
		t.Errorf("not every test ran:\n%s", out)
	}
}

// environment is ours without what would lead Weir or Node elsewhere.
func environment() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "WEIR_"), strings.HasPrefix(name, "OPENAI_"), strings.HasPrefix(name, "ANTHROPIC_"), strings.HasPrefix(name, "GEMINI_"),
			name == "PORT", name == "REDIS_URL", name == "DATABASE_URL", name == "NODE_OPTIONS":
		default:
			out = append(out, kv)
		}
	}
	return out
}

// sandbox is a running `weir sandbox`, as it told about itself.
type sandbox struct {
	program, data         string
	proxy, console, login string // URLs
}

// start builds the program and runs its sandbox until the test ends.
func start(t *testing.T) sandbox {
	t.Helper()
	dir := t.TempDir()
	s := sandbox{program: filepath.Join(dir, "weir"), data: filepath.Join(dir, "data")}
	build := exec.Command("go", "build", "-o", s.program, "github.com/weirhq/weir")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(s.program, "sandbox", "--data", s.data)
	cmd.Dir, cmd.Env = dir, environment()
	log := new(output)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, drained := make(chan error, 1), make(chan struct{})
	go func() { // ends with the process
		defer close(drained)
		lines := bufio.NewReader(stdout)
		ready <- s.read(lines)
		_, _ = io.Copy(io.Discard, lines)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is fine
		kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		<-drained
		err := cmd.Wait()
		if t.Failed() || err != nil {
			t.Errorf("the sandbox ended with %v and said:\n%s", err, log)
		}
	})
	select {
	case err := <-ready:
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("the sandbox was not ready within 60 s\n%s", log)
	}
	return s
}

// alert makes a price wait for a person beside the sandbox, and opens the alert of
// it. The sandbox looks for itself as it starts and ends what it does not find: the
// price is there first, so that the alert stands whoever is faster.
func (s *sandbox) alert(t *testing.T) {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(s.data, "weir.db"))
	if err != nil {
		t.Fatal(err)
	}
	feed, now := "https://prices.example/"+strings.Repeat("a-long-address/", 8)+"api.json", metering.MicrosOf(time.Now())
	was, is := "1", "9"
	err = store.KeepSync(t.Context(), metering.DefaultOrg, pricesync.Result{
		At: now, Feed: pricesync.Feed{URL: feed, Shape: pricesync.ModelsDev, Asked: now, Read: now},
		Held: []pricesync.Held{{
			ID: "walk", Feed: feed, Provider: "openai", SKU: "gpt-4o", Meter: "input", Old: &was, New: &is, Per: 1_000_000, Reason: "nine times as much",
			State: pricesync.StateOpen, FirstSeen: now, LastSeen: now,
		}},
	})
	if err == nil {
		_, err = store.RaiseAlert(t.Context(), metering.Alert{
			Org: metering.DefaultOrg, Kind: metering.AlertPriceHeld, Subject: feed, Severity: metering.SeverityWarning,
			Detail: "1 changes of prices wait for a person: weir pricebook held", At: now,
		})
	}
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
}

// read reads what the sandbox prints until it has said everything.
func (s *sandbox) read(lines *bufio.Reader) error {
	link := regexp.MustCompile(`https?://\S+/console/login/\S+`)
	for s.proxy == "" || s.login == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("the sandbox ended before it had printed its URLs and a link to sign in: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		if found := link.FindString(line); found != "" {
			s.login = found
		}
		if !strings.HasPrefix(line, "weir ready ") {
			continue
		}
		for _, field := range strings.Fields(line) {
			switch name, value, _ := strings.Cut(field, "="); name {
			case "proxy":
				s.proxy = value
			case "console":
				s.console = value
			}
		}
	}
	return nil
}

// output keeps what a process says, for whoever asks meanwhile.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
