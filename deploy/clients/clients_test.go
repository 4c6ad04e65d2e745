// Package clients_test runs the vendors' own SDKs against the simulated provider
// twice, directly and through Weir, and compares what they hand back. The tests
// are in test/*.test.js; only base URL and key differ between the two runs.
package clients_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// missing skips with one loud line, and fails where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED: " + what)
}

// runtime is what the sandbox writes about itself.
type runtime struct {
	Proxy        string `json:"proxy"`
	Key          string `json:"key"`
	Simulator    string `json:"simulator"`
	SimulatorKey string `json:"simulator_key"`
}

func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: needs the built program and the npm clients; run without -short")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		missing(t, "the npm clients are not installed: make clients")
	}
	r := sandbox(t)
	files, err := filepath.Glob(filepath.Join("test", "*.test.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in test/: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{"--test", "--test-reporter=tap", "--test-concurrency=1"}, files...)...)
	cmd.Env = append(environment(), "UPSTREAM_URL="+r.Simulator, "UPSTREAM_KEY="+r.SimulatorKey, "PROXY_URL="+r.Proxy, "PROXY_KEY="+r.Key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
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

// environment is ours without what would lead a client or Weir elsewhere.
func environment() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "WEIR_"), strings.HasPrefix(name, "OPENAI_"), strings.HasPrefix(name, "ANTHROPIC_"),
			strings.HasPrefix(name, "GEMINI_"), strings.HasPrefix(name, "GOOGLE_"),
			name == "PORT", name == "REDIS_URL", name == "DATABASE_URL", name == "NODE_OPTIONS":
		default:
			out = append(out, kv)
		}
	}
	return out
}

// sandbox builds the program and runs its sandbox until the test ends.
func sandbox(t *testing.T) runtime {
	t.Helper()
	dir := t.TempDir()
	program, data := filepath.Join(dir, "weir"), filepath.Join(dir, "data")
	build := exec.Command("go", "build", "-o", program, "github.com/weirhq/weir")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "sandbox", "--data", data)
	cmd.Dir, cmd.Env = dir, environment()
	log := new(strings.Builder)
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
		ready <- awaitReady(stdout)
		_, _ = io.Copy(io.Discard, stdout)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is fine
		kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		<-drained
		err := cmd.Wait()
		if t.Failed() {
			t.Logf("the sandbox ended with %v and said:\n%s", err, log)
		}
	})
	select {
	case err := <-ready:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("the sandbox was not ready within 60 s")
	}
	b, err := os.ReadFile(filepath.Join(data, "runtime.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r runtime
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("runtime.json: %v", err)
	}
	if r.Proxy == "" || r.Key == "" || r.Simulator == "" || r.SimulatorKey == "" {
		t.Fatalf("runtime.json does not name proxy, key, simulator and simulator_key: %s", b)
	}
	return r
}

// awaitReady reads up to the ready line.
func awaitReady(out io.Reader) error {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "weir ready ") {
			return nil
		}
	}
	return errors.Join(errors.New("the sandbox ended before it was ready"), lines.Err())
}
