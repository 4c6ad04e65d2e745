package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSandbox does what a newcomer does: starts the sandbox, runs the curl line
// it prints, streamed and not, and finds both calls counted, priced and
// attributed within a second.
func TestSandbox(t *testing.T) {
	program(t)
	data := filepath.Join(t.TempDir(), "box")
	box, out := launch(t, options{data: data, args: []string{"sandbox"}})
	var printed strings.Builder
	deadline := time.AfterFunc(30*time.Second, box.kill)
	defer deadline.Stop()
	for !strings.Contains(printed.String(), "Ctrl-C") {
		line, err := out.ReadString('\n')
		printed.WriteString(line)
		if err != nil {
			t.Fatalf("the sandbox ended: %v\n%s%s", err, printed.String(), box.tail(4000))
		}
	}
	if !strings.HasPrefix(printed.String(), "weir ready proxy=http://") {
		t.Errorf("the first line is not the ready line:\n%s", printed.String())
	}
	curl := command(t, printed.String(), "  curl ")
	answer := shell(t, curl)
	if !strings.Contains(answer, `"object":"chat.completion"`) && !strings.Contains(answer, `"object": "chat.completion"`) {
		t.Errorf("the printed line answers %s", answer)
	}
	streamed := shell(t, strings.Replace(curl, `"messages":`, `"stream":true,"messages":`, 1))
	if !strings.HasPrefix(streamed, "data: {") || !strings.HasSuffix(strings.TrimSpace(streamed), "data: [DONE]") || strings.Contains(streamed, `"usage"`) {
		t.Errorf("the printed line, streamed, answers %s", streamed)
	}

	usageLine := strings.TrimPrefix(command(t, printed.String(), "  weir usage "), "weir ")
	if strings.Contains(usageLine, "--data") != true {
		t.Errorf("the printed usage line does not name the data directory: %s", usageLine)
	}
	var got usage
	eventually(t, time.Second, "both calls are in the usage", func() bool {
		b, err := exec.Command(binary, append(strings.Fields(usageLine), "--json")...).Output()
		if err != nil {
			t.Fatalf("weir %s: %v", usageLine, err)
		}
		got = usage{}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("weir %s: %v in %s", usageLine, err, b)
		}
		return got.Totals.Requests == 2
	})
	if got.Totals.Total == 0 || got.Totals.CostUSD == "0" || got.Totals.Unpriced != 0 || got.Totals.Estimated != 0 {
		t.Errorf("usage %+v: want exact tokens with a price", got.Totals)
	}
	if code := box.stop(); code != 0 {
		t.Errorf("Ctrl-C: exit %d\n%s", code, box.tail(4000))
	}
	if _, err := os.Stat(filepath.Join(data, "runtime.json")); err == nil {
		t.Error("runtime.json was left behind")
	}
}

// TestSandbox_again: a second start on the same directory keeps the key and what
// was recorded, and a busy port is no obstacle.
func TestSandbox_again(t *testing.T) {
	program(t)
	data := filepath.Join(t.TempDir(), "box")
	first := start(t, options{data: data, args: []string{"sandbox"}})
	key := demoKey(t, data)
	other := start(t, options{data: filepath.Join(t.TempDir(), "box"), args: []string{"sandbox"}})
	if first.proxy == other.proxy {
		t.Errorf("two sandboxes on %s", first.proxy)
	}
	if code := first.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	again := start(t, options{data: data, args: []string{"sandbox"}})
	if demoKey(t, data) != key {
		t.Error("the demo key changed over a restart")
	}
	if got := status(t, again.proxy+"/v1/models", key); got != 200 {
		t.Errorf("the demo key answers %d after a restart", got)
	}
}

func demoKey(t *testing.T, data string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(data, "runtime.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Key string }
	if err := json.Unmarshal(b, &r); err != nil || r.Key == "" {
		t.Fatalf("runtime.json: %v in %s", err, b)
	}
	return r.Key
}

// command cuts the command that begins with start out of what was printed.
func command(t *testing.T, printed, start string) string {
	t.Helper()
	_, rest, ok := strings.Cut(printed, start)
	if !ok {
		t.Fatalf("nothing printed begins with %q:\n%s", start, printed)
	}
	lines := strings.TrimSpace(start) + " "
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		cut, more := strings.CutSuffix(line, `\`)
		lines += cut
		if !more {
			break
		}
	}
	return lines
}

func shell(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", strings.Replace(line, "curl ", "curl -sS -N --max-time 20 ", 1)).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}
