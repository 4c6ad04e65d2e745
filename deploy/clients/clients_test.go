// Package clients_test runs the vendors' own SDKs against the simulated provider
// twice, directly and through Weir, and compares what they hand back. Only base
// URL and key differ between the two runs.
//
// Every client of the roster plays every scenario of scenarios.json, and what
// Weir has recorded must be what the SDK reported. test/*.test.js and
// python/test_*.py compare answers to the last byte. Recorded answers of the
// vendors are read by their own SDKs, and what the README shows is run.
package clients_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weirhq/weir/deploy/clients/box"
)

// weir is the built program.
var weir string

func TestMain(m *testing.M) {
	// The programs wait most of the time, so that they run at the same time however
	// few processors there are.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(box.Main(m, &weir))
}

// TestClients: one sandbox serves all clients at the same time.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: needs the built program and the clients; run without -short")
	}
	b := box.Run(t, weir)
	for name, test := range map[string]func(*testing.T, *box.Box){"suite": testSuite, "node": testNode, "python": testPython, "recordings": testRecordings, "readme": testReadme} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// testNode runs test/*.test.js.
func testNode(t *testing.T, b *box.Box) {
	node := box.Node(t, "node_modules")
	files, err := filepath.Glob(filepath.Join("test", "*.test.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in test/: %v", err)
	}
	out := compare(t, b, append([]string{node, "--test", "--test-reporter=tap", "--test-concurrency=1"}, files...)...)
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

// testPython runs python/test_*.py.
func testPython(t *testing.T, b *box.Box) {
	out := compare(t, b, box.Python(t, "python/.venv"), "-W", "ignore", "-m", "unittest", "discover", "-v", "-s", "python")
	summary := ran.FindString(out)
	if summary == "" {
		t.Errorf("not every test ran:\n%s", out)
	}
	t.Log(strings.ReplaceAll(summary, "\n\n", ", "))
}

// compare runs a program that calls both places itself and returns all that it
// printed; it must exit 0.
func compare(t *testing.T, b *box.Box, args ...string) string {
	t.Helper()
	env := []string{"UPSTREAM_URL=" + b.Simulator, "UPSTREAM_KEY=" + b.SimulatorKey, "PROXY_URL=" + b.Proxy, "PROXY_KEY=" + b.Key}
	out, complaint, err := command(t, "", env, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, complaint)
	}
	return out + complaint
}
