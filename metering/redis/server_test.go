package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// server is a redis-server of a test's own, which can be stopped, filled and
// flushed without harm to others.
type server struct {
	t      testing.TB
	dir    string
	args   []string
	cmd    *exec.Cmd
	output bytes.Buffer
}

// newServer starts a server on a socket, with further settings.
func newServer(t testing.TB, settings ...string) *server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("redis-server is not installed and CI=true forbids skipping: %v", err)
		}
		t.Skip("SKIPPED, NOT TESTED: install redis-server to run this")
	}
	// Not t.TempDir, whose path may be too long for a socket.
	dir, err := os.MkdirTemp("", "weir-redis-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := &server{t: t, dir: dir, args: append([]string{binary,
		"--port", "0", "--unixsocket", filepath.Join(dir, "s"), "--dir", dir, "--save", "", "--appendonly", "no"}, settings...)}
	t.Cleanup(s.stop)
	s.start()
	return s
}

func (s *server) url() string { return "unix://" + filepath.Join(s.dir, "s") }

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.output.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := goredis.NewClient(&goredis.Options{Network: "unix", Addr: filepath.Join(s.dir, "s")})
	defer func() {
		if err := client.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	eventually(s.t, func() error { return client.Ping(s.t.Context()).Err() })
}

func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Errorf("stop redis-server: %v", err)
	}
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
	if s.t.Failed() {
		s.t.Log(s.output.String())
	}
}

// freeze stops the server without its connections noticing; thaw goes on.
func (s *server) freeze() { s.signal(syscall.SIGSTOP) }
func (s *server) thaw()   { s.signal(syscall.SIGCONT) }

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// eventually polls a real process.
func eventually(t testing.TB, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// freePort is of a TCP port that was free a moment ago, and the one 10,000
// above it, which a cluster node takes for its bus.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if port < 50_000 {
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no free port below 50,000 in a hundred attempts")
	return ""
}
