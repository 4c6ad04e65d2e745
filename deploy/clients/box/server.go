package box

import (
	"bytes"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a program that serves until its test ends.
type Server struct {
	Dir   string
	Env   []string       // beside Environment
	Args  []string       // the program and its arguments
	Ready *regexp.Regexp // what it prints when it serves; the first group is its URL
}

// Bounds of a server's life. Weir itself drains for 30 s.
const (
	readyWithin = 60 * time.Second
	stopWithin  = 40 * time.Second
)

// Serve starts a server in a process group of its own, waits until it is ready
// and returns its URL. When the test ends, however it does, the server is asked
// to stop, and what is left of its group is killed.
func Serve(t *testing.T, s Server) string {
	t.Helper()
	cmd := exec.Command(s.Args[0], s.Args[1:]...)
	cmd.Dir, cmd.Env = s.Dir, append(Environment(), s.Env...)
	cmd.SysProcAttr = group()
	out := &output{pattern: s.Ready, found: make(chan string, 1)}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // for a child that holds the pipe
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	var ended error
	go func() { // ends with the process, for which the cleanup waits
		ended = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is fine
		select {
		case <-exited:
		case <-time.After(stopWithin):
			t.Errorf("%s did not stop within %s", s.Args[0], stopWithin)
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
		if t.Failed() {
			t.Logf("%v ended with %v and said:\n%s", s.Args, ended, out)
		}
	})
	select {
	case url := <-out.found:
		return url
	case <-exited:
		t.Fatalf("%v ended before it was ready: %v", s.Args, ended)
	case <-time.After(readyWithin):
		t.Fatalf("%v was not ready within %s", s.Args, readyWithin)
	}
	return ""
}

// output keeps what a program prints and looks for its ready line.
type output struct {
	pattern *regexp.Regexp
	found   chan string // has room for the one that is sent

	mu   sync.Mutex
	text bytes.Buffer
	done bool
}

// Write keeps a piece.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if !o.done {
		if m := o.pattern.FindSubmatch(o.text.Bytes()); m != nil {
			o.done = true
			o.found <- string(m[1])
		}
	}
	return len(b), nil
}

// String is the end of what was printed.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 16 << 10
	b := o.text.Bytes()
	return string(b[max(0, len(b)-most):])
}
