package proxytest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/proxy/proxytest"
)

// TestSimulator_SDKs runs the tests of deploy/clients with the simulator on both
// sides: the vendors' own SDKs must be content with what it answers.
func TestSimulator_SDKs(t *testing.T) {
	t.Parallel()
	missing := func(what string) {
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip("SKIPPED: " + what)
	}
	if testing.Short() {
		t.Skip("SKIPPED: needs node; run without -short")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("node is not installed")
	}
	dir := filepath.Join("..", "..", "deploy", "clients")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		missing("the npm clients are not installed: make clients")
	}
	sim := proxytest.NewSimulator(proxytest.SimulatorOptions{Keys: []string{"sk-test"}})
	mux := http.NewServeMux()
	for _, name := range []string{"/anthropic", "/gemini"} { // as Weir names them
		mux.Handle(name+"/", http.StripPrefix(name, sim))
	}
	mux.Handle("/", sim)
	server := httptest.NewServer(mux)
	defer server.Close()
	files, err := filepath.Glob(filepath.Join(dir, "test", "*.test.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", dir, err)
	}
	args := []string{"--test", "--test-reporter=tap", "--test-concurrency=1"}
	for _, f := range files {
		args = append(args, filepath.Join("test", filepath.Base(f)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "UPSTREAM_URL="+server.URL, "UPSTREAM_KEY=sk-test", "PROXY_URL="+server.URL, "PROXY_KEY=sk-test", "NODE_OPTIONS=")
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
	if len(summary) != 3 || summary[0] == "pass 0" || summary[1] != "fail 0" || summary[2] != "skipped 0" {
		t.Errorf("not every test ran:\n%s", out)
	}
}
