package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one running weir.
type process struct {
	t       testing.TB
	cmd     *exec.Cmd
	data    string
	proxy   string // URL of the data plane
	console string // URL of the admin API
	exited  chan struct{}
	err     error // of Wait, once exited is closed

	mu  sync.Mutex
	log bytes.Buffer
}

// options of a process. Empty fields are left to the program's defaults.
type options struct {
	data   string
	config string // YAML text; written beside the data
	env    []string
	args   []string // instead of "serve"
}

// launch starts weir without waiting for the ready line.
func launch(t testing.TB, o options) (*process, *bufio.Reader) {
	t.Helper()
	if o.data == "" {
		o.data = t.TempDir()
	}
	args := o.args
	if args == nil {
		args = []string{"serve"}
	}
	args = append(args, "--data", o.data)
	if o.config != "" {
		file := filepath.Join(t.TempDir(), "weir.yaml")
		if err := os.WriteFile(file, []byte(o.config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", file)
	}
	p := &process{t: t, data: o.data, exited: make(chan struct{})}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = append(clean(os.Environ()), o.env...)
	p.cmd.Dir = t.TempDir()
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of weir:\n%s", p.tail(8000))
		}
	})
	return p, bufio.NewReader(stdout)
}

// clean removes what would change the program's configuration.
func clean(env []string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "WEIR_LISTEN", "PORT", "REDIS_URL", "DATABASE_URL", "WEIR_URL", "WEIR_TOKEN", "WEIR_FAULT", "OPENAI_API_KEY", "OPENAI_BASE_URL":
		default:
			out = append(out, kv)
		}
	}
	return out
}

// start starts weir and waits for its ready line.
func start(t testing.TB, o options) *process {
	t.Helper()
	p, err := tryStart(t, o)
	if err != nil {
		t.Fatalf("start weir: %v\n%s", err, p.tail(8000))
	}
	return p
}

// tryStart is start for a program that may die before it is ready.
func tryStart(t testing.TB, o options) (*process, error) {
	t.Helper()
	p, out := launch(t, o)
	ready := make(chan string, 1)
	go func() {
		for {
			line, err := out.ReadString('\n')
			if strings.HasPrefix(line, "weir ready ") {
				ready <- line
				_, _ = io.Copy(io.Discard, out) // ends when the process does
				return
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case line := <-ready:
		for _, field := range strings.Fields(line) {
			name, value, _ := strings.Cut(field, "=")
			switch name {
			case "proxy":
				p.proxy = value
			case "console":
				p.console = value
			}
		}
		return p, nil
	case <-p.exited:
		return p, fmt.Errorf("exited before it was ready: %w", p.err)
	case <-time.After(30 * time.Second):
		return p, errors.New("not ready within 30 s")
	}
}

// Write keeps the program's log.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// tail returns the end of the log.
func (p *process) tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.log.String()
	if len(s) > n {
		s = s[len(s)-n:]
	}
	return s
}

// kill ends the process at once, as kill -9 does, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // already gone is fine
	<-p.exited
}

// stop asks the process to end and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	return p.wait(40 * time.Second)
}

// wait waits for the process to end by itself and returns its exit code.
func (p *process) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(limit):
		p.t.Fatalf("weir did not exit within %s\n%s", limit, p.tail(4000))
	}
	return p.cmd.ProcessState.ExitCode()
}

// weir runs a command against the process and returns its stdout; it must exit 0.
func (p *process) weir(args ...string) string {
	p.t.Helper()
	out, errOut, code := p.command(args...)
	if code != 0 {
		p.t.Fatalf("weir %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

// command runs a command against the process.
func (p *process) command(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	token, err := os.ReadFile(filepath.Join(p.data, "admin-token"))
	if err != nil {
		p.t.Fatal(err)
	}
	cmd.Env = append(clean(os.Environ()), "WEIR_URL="+p.console, "WEIR_TOKEN="+strings.TrimSpace(string(token)))
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			p.t.Fatalf("weir %s: %v", strings.Join(args, " "), err)
		}
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// decode runs a command with --json and decodes its answer.
func (p *process) decode(into any, args ...string) {
	p.t.Helper()
	out := p.weir(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		p.t.Fatalf("weir %s: %v in %q", strings.Join(args, " "), err, out)
	}
}

// customer makes a customer with a key and returns the key.
func (p *process) customer(external string, flags ...string) string {
	p.t.Helper()
	p.weir("customer", "add", "--external-id", external, "--name", "Customer "+external)
	out := p.weir(append([]string{"key", "add", "--customer", external}, flags...)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}
