package examples_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/clients/box"
)

// fence is a block of code of a page: what stands behind its opening fence, and
// its text.
type fence struct{ info, text string }

var fences = regexp.MustCompile("(?ms)^```([^\n`]*)\n(.*?)^```$")

// pages reads the documentation: each page's text and its blocks.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages in docs/: %v", err)
	}
	texts := make(map[string]string, len(files))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(name)] = string(b)
	}
	return texts
}

func blocks(page string) []fence {
	var out []fence
	for _, m := range fences.FindAllStringSubmatch(page, -1) {
		out = append(out, fence{strings.TrimSpace(m[1]), m[2]})
	}
	return out
}

// step is a block that is run, and what it must print, if the page says.
type step struct {
	script, want string
	printed      bool // the page says what it prints
}

// steps are the blocks marked `sh run`; a text block that follows one is what it
// prints.
func steps(page string) []step {
	var out []step
	all := blocks(page)
	for i, b := range all {
		if b.info != "sh run" {
			continue
		}
		s := step{script: b.text}
		if i+1 < len(all) && all[i+1].info == "text" {
			s.want, s.printed = all[i+1].text, true
		}
		out = append(out, s)
	}
	return out
}

// TestGuide runs what each page says to run, in order and in one shell, against a
// sandbox of its own.
func TestGuide(t *testing.T) {
	program(t)
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			box.Missing(t, tool+" is not installed")
		}
	}
	ran := 0
	for name, page := range pages(t) {
		todo := steps(page)
		ran += len(todo)
		if len(todo) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for i, printed := range runSteps(t, box.Run(t, weir), todo) {
				if s := todo[i]; s.printed && !wanted(s.want).MatchString(printed) {
					t.Errorf("%s\nprinted:\n%s\nand the page says:\n%s", s.script, printed, s.want)
				}
			}
		})
	}
	if ran < 20 {
		t.Errorf("only %d blocks were found to run", ran)
	}
}

// runSteps runs the scripts in one shell, in which every command must succeed,
// and returns what each printed.
func runSteps(t *testing.T, b *box.Box, todo []step) []string {
	t.Helper()
	const end = "\x1e" // between what two scripts print
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\n")
	for _, s := range todo {
		fmt.Fprintf(&script, "%s\nprintf '%s'\n", s.script, end)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir = b.Dir
	cmd.Env = append(box.Environment(), "PATH="+filepath.Dir(b.Program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.WaitDelay = 5 * time.Second
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	printed := strings.Split(out.String(), end)
	if err != nil || len(printed) != len(todo)+1 {
		t.Fatalf("%v in:\n%s%s%s", err, todo[min(len(printed), len(todo))-1].script, printed[len(printed)-1], &complaint)
	}
	return printed[:len(todo)]
}

// wanted is what an output must match: "…" alone in a line stands for any lines,
// in a line for any text, and the width of a column is no matter.
func wanted(text string) *regexp.Regexp {
	var pattern strings.Builder
	pattern.WriteString(`\A\s*`)
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case len(fields) == 1 && fields[0] == "…":
			pattern.WriteString(`(?:.*\n)*?\s*`)
			continue
		}
		for i, field := range fields {
			fields[i] = strings.ReplaceAll(regexp.QuoteMeta(field), "…", `.*`)
		}
		pattern.WriteString(strings.Join(fields, `[ \t]+`) + `[ \t]*(?:\n\s*|\z)`)
	}
	pattern.WriteString(`\z`)
	return regexp.MustCompile(pattern.String())
}

func TestWanted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want, printed string
		match         bool
	}{
		{"a  b\n", "a b\n", true},
		{"a  b\n", "a c\n", false},
		{"a\n", "a\nb\n", false},
		{"a\n…\n", "a\nb\nc\n", true},
		{"…\nc\n", "a\nb\nc\n", true},
		{"…\nc\n", "c\n", true},
		{"id …\nc\n", "id 7 8\n\nc\n", true},
		{"id …x\n", "id 7y\n", false},
		{"(1.5)\n", "(1x5)\n", false},
	} {
		if got := wanted(tt.want).MatchString(tt.printed); got != tt.match {
			t.Errorf("%q for %q: %t", tt.printed, tt.want, got)
		}
	}
}

// TestExcerpts: a block that names a file is a piece of it, word for word.
func TestExcerpts(t *testing.T) {
	t.Parallel()
	found := 0
	for name, page := range pages(t) {
		for _, b := range blocks(page) {
			_, file, ok := strings.Cut(b.info, "file=")
			if !ok {
				continue
			}
			found++
			source, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if !strings.Contains(string(source), b.text) {
				t.Errorf("%s: not in %s:\n%s", name, file, b.text)
			}
		}
	}
	if found == 0 {
		t.Error("no page shows a piece of the examples")
	}
}

// links are those to other pages and files, with the heading they lead to.
var links = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]+))?\)`)

func TestLinks(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for name, page := range all {
		for _, m := range links.FindAllStringSubmatch(page, -1) {
			to := m[1]
			if to == "" {
				to = name
			}
			if _, err := os.Stat(filepath.Join("..", "..", "docs", filepath.FromSlash(to))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if m[2] != "" && !slices.Contains(headings(all[to]), m[2]) {
				t.Errorf("%s: %s has no heading for #%s", name, to, m[2])
			}
		}
	}
}

// headings are the anchors of a page, as GitHub makes them.
func headings(page string) []string {
	var out []string
	for line := range strings.Lines(fences.ReplaceAllString(page, "")) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && line[0] == '#' {
			kept := regexp.MustCompile(`[^\pL\pN \-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			out = append(out, strings.ReplaceAll(kept, " ", "-"))
		}
	}
	return out
}
