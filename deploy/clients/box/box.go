// Package box runs `weir sandbox` and other programs for tests that hold clients
// of Weir against it.
package box

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Box is a running sandbox of its own data directory and ports.
type Box struct {
	Proxy        string `json:"proxy"`         // URL of the data plane
	Console      string `json:"console"`       // URL of the console and the admin API
	Key          string `json:"key"`           // of the demo customer
	Simulator    string `json:"simulator"`     // URL of the provider behind it
	SimulatorKey string `json:"simulator_key"` // what the provider itself takes

	// Program is the built weir, and Dir where its commands are run: they find
	// the sandbox's data beneath it as they do for a user.
	Program, Dir string
}

// ready is the line that Weir prints when it can serve. The URLs are read from
// runtime.json, which has more of them.
var ready = regexp.MustCompile(`(?m)^weir ready proxy=(\S+) `)

// Main builds Weir, says where, and runs the tests. In a short run, which has no
// use for the program, it only runs them.
func Main(m *testing.M, program *string) (code int) {
	flag.Parse()
	if testing.Short() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "weir-clients-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	*program = filepath.Join(dir, "weir")
	build := exec.Command("go", "build", "-o", *program, "github.com/weirhq/weir")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build weir:", err)
		return 1
	}
	return m.Run()
}

// Run runs the sandbox of a built program until the test ends.
func Run(t *testing.T, program string) *Box {
	t.Helper()
	b := &Box{Program: program, Dir: t.TempDir()}
	data := filepath.Join(b.Dir, "weir-sandbox") // where commands look by themselves
	Serve(t, Server{Dir: b.Dir, Ready: ready, Args: []string{b.Program, "sandbox", "--data", data}})
	raw, err := os.ReadFile(filepath.Join(data, "runtime.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, b); err != nil {
		t.Fatalf("runtime.json: %v", err)
	}
	if b.Proxy == "" || b.Console == "" || b.Key == "" || b.Simulator == "" || b.SimulatorKey == "" {
		t.Fatalf("runtime.json does not name proxy, console, key, simulator and simulator_key: %s", raw)
	}
	return b
}

// Weir runs a command against the sandbox and returns what it printed; it must
// exit 0.
func (b *Box) Weir(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.Program, args...)
	cmd.Dir, cmd.Env = b.Dir, Environment()
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("weir %s: %v\n%s%s", strings.Join(args, " "), err, &out, &complaint)
	}
	return out.String()
}

// Usage is what `weir usage --json` says of a customer.
type Usage struct {
	Requests     int64 `json:"requests"`
	Total        int64 `json:"total"`
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
	Estimated    int64 `json:"estimated"`
	Unpriced     int64 `json:"unpriced"`
}

// Usage asks what a customer used, once everything answered before is counted.
func (b *Box) Usage(t *testing.T, customer string) Usage {
	t.Helper()
	var answer struct {
		Totals *Usage `json:"totals"`
	}
	out := b.Weir(t, "usage", "--customer", customer, "--sync", "--json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Totals == nil {
		t.Fatalf("weir usage: %v in %s", err, out)
	}
	return *answer.Totals
}

// NewKey makes a key of a customer and returns it.
func (b *Box) NewKey(t *testing.T, customer string, flags ...string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(b.Weir(t, append([]string{"key", "add", "--customer", customer}, flags...)...)), "\n")
	return lines[len(lines)-1]
}

// Environment is ours without what would lead a client or Weir elsewhere.
func Environment() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "WEIR_"), strings.HasPrefix(name, "OPENAI_"), strings.HasPrefix(name, "ANTHROPIC_"),
			strings.HasPrefix(name, "GEMINI_"), strings.HasPrefix(name, "GOOGLE_"),
			name == "PORT", name == "REDIS_URL", name == "DATABASE_URL", name == "NODE_OPTIONS", name == "NODE_ENV", name == "PYTHONPATH":
		default:
			out = append(out, kv)
		}
	}
	return out
}

// Missing skips with one loud line, and fails where everything must be there.
func Missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED: " + what)
}

// Python is the interpreter of a virtual environment with Python clients, which
// deploy/clients/python/install makes.
func Python(t *testing.T, venv string) string {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(filepath.FromSlash(venv), "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(python, "--version").CombinedOutput(); err != nil {
		Missing(t, fmt.Sprintf("the Python clients are not installed (make clients): %v %s", err, out))
	}
	return python
}

// Node is the interpreter for npm packages that are installed in a directory.
func Node(t *testing.T, modules string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "node is not installed")
	}
	if _, err := os.Stat(filepath.FromSlash(modules)); err != nil {
		Missing(t, modules+" is not there, the npm packages are not installed: make clients")
	}
	return node
}
