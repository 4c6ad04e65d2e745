package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering/meteringtest"
)

// transcript is a block of the README: commands and what they print.
type transcript []step

type step struct{ command, output string }

// readTranscript reads the block that follows a marker.
func readTranscript(t *testing.T, marker string) transcript {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), marker)
	if !ok {
		t.Fatalf("the README has no %s", marker)
	}
	_, rest, ok = strings.Cut(rest, "```console\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatalf("no console block follows %s", marker)
	}
	var out transcript
	for line := range strings.Lines(block) {
		switch command, ok := strings.CutPrefix(line, "$ "); {
		case ok:
			out = append(out, step{command: command})
		case len(out) == 0:
			t.Fatalf("the transcript begins with %q and no command", line)
		case strings.HasSuffix(out[len(out)-1].command, "\\\n"):
			out[len(out)-1].command += line
		default:
			out[len(out)-1].output += line
		}
	}
	return out
}

// variable is what differs from run to run, and how it is written when outputs
// are compared.
var variable = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<id>"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`), "<instant>"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}(:[0-9]{2})?)?( UTC)?`), "<instant>"},
	{regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`), "<address>"},
	{regexp.MustCompile(`[0-9a-f]{64}`), "<sha256>"},
	{regexp.MustCompile(`[0-9]+h[0-9]+m[0-9]+s`), "<span>"}, // a month has 28 to 31 days
	{regexp.MustCompile(`\b[01][0-9]/[0-9]{2}\b`), "<expiry>"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(` +\n`), "\n"},
}

func steady(s string) string {
	for _, v := range variable {
		s = v.pattern.ReplaceAllString(s, v.as)
	}
	return strings.TrimSpace(s)
}

// run runs every command in one shell, in the directory of the sandbox, and
// returns what each printed.
func (tr transcript) run(t *testing.T, dir string) []string {
	t.Helper()
	const mark = "\x1e end of command\n"
	var script strings.Builder
	for _, e := range tr {
		fmt.Fprintf(&script, "%s\nprintf '%%s\\n' $'\\x1e end of command'\n", strings.TrimSuffix(e.command, "\n"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(clean(os.Environ()), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("the transcript's shell: %v\n%s", err, out.String())
	}
	parts := strings.Split(out.String(), mark)
	if len(parts) != len(tr)+1 {
		t.Fatalf("%d commands printed %d answers:\n%s", len(tr), len(parts)-1, out.String())
	}
	return parts[:len(tr)]
}

// TestTranscript runs exactly what the README shows, in a fresh sandbox, and
// holds what it prints to what the README says, on either set-up.
func TestTranscript(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]func(t *testing.T) []string{
		"embedded": func(*testing.T) []string { return nil },
		"PostgreSQL and Redis": func(t *testing.T) []string {
			return []string{"--database", meteringtest.Postgres(t), "--redis", meteringtest.Redis(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			start(t, options{data: filepath.Join(dir, "weir-sandbox"), args: append([]string{"sandbox"}, args(t)...)})
			tr := readTranscript(t, "<!-- the first bill -->")
			if len(tr) < 7 {
				t.Fatalf("the transcript has %d commands: call, usage, estimate, clock, invoice, margin and audit are seven", len(tr))
			}
			for i, got := range tr.run(t, dir) {
				if diff := cmp.Diff(steady(tr[i].output), steady(got)); diff != "" {
					t.Errorf("$ %s(-README +printed):\n%s\nprinted:\n%s", tr[i].command, diff, got)
				}
			}
		})
	}
}
