package examples_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/weirhq/weir/deploy/clients/box"
)

// A page mentions a command in a block of shell or between backticks.
var (
	spans    = regexp.MustCompile("`(weir [^`\n]+)`")
	mentions = regexp.MustCompile(`(?m)(?:^|[|(=]\s*|\$\()(weir [^|\n)>]+)`)
	flags    = regexp.MustCompile(`(?:^|\s)(--[a-z][a-z-]*)`)
	words    = regexp.MustCompile(`^[a-z]+$`)
)

// TestCommands: every command and flag that a page mentions is one that exists,
// whether the page has it run or not.
func TestCommands(t *testing.T) {
	program(t)
	asked := map[string]string{} // what --help says, by command
	for name, page := range pages(t) {
		for _, line := range commands(page) {
			command := verb(line)
			help, known := asked[command]
			if !known {
				cmd := exec.Command(weir, append(strings.Fields(command)[1:], "--help")...)
				cmd.Env = box.Environment()
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.HasPrefix(string(out), "Usage: "+command) {
					t.Errorf("%s: `%s`: there is no `%s`: %v", name, line, command, err)
				}
				help = string(out)
				asked[command] = help
			}
			for _, flag := range flags.FindAllStringSubmatch(line, -1) {
				if !regexp.MustCompile(regexp.QuoteMeta(flag[1]) + `\b`).MatchString(help) {
					t.Errorf("%s: `%s`: %s has no %s", name, line, command, flag[1])
				}
			}
		}
	}
	if len(asked) < 15 {
		t.Errorf("only %d commands were found", len(asked))
	}
}

// commands are those that a page mentions, one line each.
func commands(page string) []string {
	var out []string
	for _, b := range blocks(page) {
		if strings.HasPrefix(b.info, "sh") {
			for _, m := range mentions.FindAllStringSubmatch(strings.ReplaceAll(b.text, "\\\n", " "), -1) {
				out = append(out, strings.TrimSpace(m[1]))
			}
		}
	}
	for _, m := range spans.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
		if m[1] != "weir COMMAND --help" {
			out = append(out, m[1])
		}
	}
	return out
}

// verb is the command without its arguments: those of two words are the nouns
// whose help lists them.
func verb(line string) string {
	fields := strings.Fields(line)
	single := []string{"serve", "sandbox", "check", "usage", "margin", "cost", "doctor", "env", "login", "reconcile", "backtest"}
	n := 2
	for _, s := range single {
		if fields[1] == s {
			return strings.Join(fields[:n], " ")
		}
	}
	if len(fields) > 2 && words.MatchString(fields[2]) {
		n = 3
	}
	return strings.Join(fields[:n], " ")
}
