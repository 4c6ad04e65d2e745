package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// peer is one thing to measure.
type peer struct {
	name    string
	calls   string // address for whole answers
	streams string // address for streams
	key     string // that its clients send
	console string
	cmd     *exec.Cmd
	pids    []int // whose time and memory count
	sent    atomic.Int64
	// recorded returns how many calls the peer has on record; nil: it keeps none.
	recorded func(context.Context) (int64, error)

	log tail
}

// tail keeps the end of what a process says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write keeps the last bytes.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > 64<<10 {
		t.buf.Reset()
	}
	return t.buf.Write(p)
}

// String returns them.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// stop ends the process and waits for it.
func (p *peer) stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // gone already is fine
	kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait() // its exit code has no meaning here
}

// freeAddr returns an address that nothing listens on.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// nginxConfig is a reverse proxy with kept connections, one worker, no access
// log. Streams have a server of their own without buffering, as its
// documentation advises for server-sent events.
const nginxConfig = `
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
error_log stderr warn;
pid %[1]s/nginx.pid;
events { worker_connections 10000; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  proxy_read_timeout 600s;
  upstream provider {
    server %[2]s;
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Authorization "Bearer %[3]s";
  server { listen %[4]s; location / { proxy_pass http://provider; } }
  server { listen %[5]s; location / { proxy_pass http://provider; proxy_buffering off; } }
}
`

func startNginx(ctx context.Context, dir, upstream string, _ options) (*peer, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // Debian's place, not on every user's path
	}
	p := &peer{name: "nginx", key: "client-key"}
	for _, addr := range []*string{&p.calls, &p.streams} {
		if *addr, err = freeAddr(); err != nil {
			return nil, err
		}
	}
	dir = filepath.Join(dir, "nginx")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, dir, upstream, upstreamKey, p.calls, p.streams)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, "-e", "stderr", "-p", dir, "-c", file)
	p.cmd.Stderr = &p.log
	if err := startPinned(p.cmd, proxyCPU); err != nil {
		p.stop()
		return nil, err
	}
	if err := p.await(ctx, p.streams); err != nil {
		p.stop()
		return nil, err
	}
	// The master only waits, and counts all the same.
	workers, err := children(p.cmd.Process.Pid)
	if err != nil || len(workers) != 1 {
		p.stop()
		return nil, fmt.Errorf("nginx has %d workers, want one: %w", len(workers), err)
	}
	p.pids = []int{workers[0], p.cmd.Process.Pid}
	return p, nil
}

// await waits until something accepts connections at addr.
func (p *peer) await(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		c, err := dial(ctx, addr)
		if err == nil {
			return c.Close()
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return fmt.Errorf("nothing listens: %w\n%s", err, p.log.String())
		}
	}
}

// weirConfig gives Weir the same upstream. Everything it does by default it
// does here: journal, metering, shipping, prices.
const weirConfig = `
listen: 127.0.0.1:0
console: {listen: "127.0.0.1:0"}
data: %[1]s
redis: %[4]q
database: %[5]q
upstreams:
  openai: {base_url: "http://%[2]s", credentials: [{key: %[3]s}], default: true}
%[6]s
`

func startWeir(ctx context.Context, dir, upstream string, o options) (*peer, error) {
	program := o.binary
	if program == "" {
		program = filepath.Join(dir, "weir")
		build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("go build (run this in the root of the repository): %w", err)
		}
	}
	dir = filepath.Join(dir, "weir-run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	file, data := filepath.Join(dir, "weir.yaml"), filepath.Join(dir, "data")
	text := fmt.Sprintf(weirConfig, data, upstream, upstreamKey, o.redis, o.postgres, o.config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p := &peer{name: "weir"}
	p.cmd = exec.Command(program, "serve", "--config", file, "--data", data)
	p.cmd.Env = withoutWeir(os.Environ())
	p.cmd.Dir = dir
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startPinned(p.cmd, proxyCPU); err != nil {
		p.stop()
		return nil, err
	}
	p.pids = []int{p.cmd.Process.Pid}
	if err := errors.Join(p.ready(ctx, out), p.account(ctx, program, data)); err != nil {
		p.stop()
		return nil, fmt.Errorf("%w\n%s", err, p.log.String())
	}
	return p, nil
}

// withoutWeir drops the variables that would change Weir's configuration.
func withoutWeir(env []string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "WEIR_LISTEN", "PORT", "REDIS_URL", "DATABASE_URL", "WEIR_URL", "WEIR_TOKEN", "GOMAXPROCS", "GOGC", "GOMEMLIMIT":
		default:
			out = append(out, kv)
		}
	}
	return out
}

// ready reads the ready line and goes on reading what follows.
func (p *peer) ready(ctx context.Context, out io.Reader) error {
	line := make(chan string, 1)
	go func() { // ends with the process, which stop waits for
		r := bufio.NewReader(out)
		for {
			s, err := r.ReadString('\n')
			if strings.HasPrefix(s, "weir ready ") {
				line <- s
				_, _ = io.Copy(io.Discard, r)
				return
			}
			if err != nil {
				close(line)
				return
			}
		}
	}()
	select {
	case s, ok := <-line:
		if !ok {
			return errors.New("weir ended before it was ready")
		}
		for f := range strings.FieldsSeq(s) {
			if url, ok := strings.CutPrefix(f, "proxy="); ok {
				p.calls = strings.TrimPrefix(url, "http://")
				p.streams = p.calls
			}
			if url, ok := strings.CutPrefix(f, "console="); ok {
				p.console = url
			}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(30 * time.Second):
		return errors.New("weir was not ready within 30 s")
	}
}

// account makes the customer whose key makes the calls, and says how its calls
// are counted.
func (p *peer) account(ctx context.Context, program, data string) error {
	if p.console == "" {
		return errors.New("no ready line")
	}
	command := func(ctx context.Context, args ...string) ([]byte, error) {
		token, err := os.ReadFile(filepath.Join(data, "admin-token"))
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(withoutWeir(os.Environ()), "WEIR_URL="+p.console, "WEIR_TOKEN="+strings.TrimSpace(string(token)))
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("weir %s: %w: %s", strings.Join(args, " "), err, errOut.String())
		}
		return out, nil
	}
	if _, err := command(ctx, "customer", "add", "--external-id", "bench", "--name", "Benchmark"); err != nil {
		return err
	}
	out, err := command(ctx, "key", "add", "--customer", "bench")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	p.key = lines[len(lines)-1]
	p.recorded = func(ctx context.Context) (int64, error) {
		out, err := command(ctx, "usage", "--customer", "bench", "--sync", "--json")
		if err != nil {
			return 0, err
		}
		var usage struct {
			Totals struct {
				Requests int64 `json:"requests"`
			} `json:"totals"`
		}
		if err := json.Unmarshal(out, &usage); err != nil {
			return 0, fmt.Errorf("weir usage: %w", err)
		}
		return usage.Totals.Requests, nil
	}
	return nil
}
