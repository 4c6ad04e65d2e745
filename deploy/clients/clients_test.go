// Package clients_test runs the vendors' own SDKs against the simulated provider
// twice, directly and through Weir, and compares what they hand back. The tests
// are in test/*.test.js and python/test_*.py; only base URL and key differ
// between the two runs.
package clients_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/clients/box"
)

// weir is the built program.
var weir string

func TestMain(m *testing.M) { os.Exit(box.Main(m, &weir)) }

func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: needs the built program and the npm clients; run without -short")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		box.Missing(t, "node is not installed")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		box.Missing(t, "the npm clients are not installed: make clients")
	}
	files, err := filepath.Glob(filepath.Join("test", "*.test.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in test/: %v", err)
	}
	out := run(t, append([]string{node, "--test", "--test-reporter=tap", "--test-concurrency=1"}, files...)...)
	var summary []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "# pass ") || strings.HasPrefix(line, "# fail ") || strings.HasPrefix(line, "# skipped ") {
			summary = append(summary, strings.TrimSpace(line[2:]))
		}
	}
	t.Log(strings.Join(summary, ", "))
	if len(summary) != 3 || summary[0] == "pass 0" || summary[2] != "skipped 0" {
		t.Errorf("not every test ran:\n%s", out)
	}
}

// ran is how unittest ends when every test ran and passed; with skips it adds
// their number to OK.
var ran = regexp.MustCompile(`(?m)^Ran [1-9][0-9]* tests? in .*\n\nOK$`)

func TestPython(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: needs the built program and the Python clients; run without -short")
	}
	python := box.Python(t)
	out := run(t, python, "-B", "-m", "unittest", "discover", "-v", "-s", "python")
	summary := ran.FindString(out)
	if summary == "" {
		t.Errorf("not every test ran:\n%s", out)
	}
	t.Log(strings.ReplaceAll(summary, "\n\n", ", "))
}

// run runs a program that compares clients of a fresh sandbox and returns what it
// printed; it must exit 0.
func run(t *testing.T, args ...string) string {
	t.Helper()
	b := box.Run(t, weir)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(box.Environment(), "UPSTREAM_URL="+b.Simulator, "UPSTREAM_KEY="+b.SimulatorKey, "PROXY_URL="+b.Proxy, "PROXY_KEY="+b.Key)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
