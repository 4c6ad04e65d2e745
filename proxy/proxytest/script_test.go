package proxytest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/proxy/proxytest"
)

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// dial connects to a script and sends a request.
func dial(t *testing.T, s *proxytest.Script, request string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

// read reads exactly n bytes.
func read(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

func TestScript_Receive(t *testing.T) {
	t.Parallel()
	s := proxytest.ListenScript(t, proxytest.Receive(), proxytest.Send(hello), proxytest.Receive(), proxytest.Send(hello))
	first := "POST /a HTTP/1.1\r\nhost: x\r\nX-oDd:  value\r\nContent-Length: 3\r\n\r\n"
	second := "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	c := dial(t, s, first+"abc"+second+"2\r\nde\r\n0\r\n\r\n")
	answers, err := io.ReadAll(c)
	if err != nil || string(answers) != hello+hello {
		t.Fatalf("read %q: %v", answers, err)
	}
	var got [][2]string
	for _, r := range s.Received() {
		got = append(got, [2]string{r.Head, string(r.Body)})
	}
	if diff := cmp.Diff([][2]string{{first, "abc"}, {second, "de"}}, got); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if n := s.Accepted(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestScript_expectContinue(t *testing.T) {
	t.Parallel()
	s := proxytest.ListenScript(t, proxytest.Receive(), proxytest.Send(hello))
	c := dial(t, s, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	const interim = "HTTP/1.1 100 Continue\r\n\r\n"
	if got := read(t, c, len(interim)); got != interim {
		t.Fatalf("before the body: %q", got)
	}
	if _, err := io.WriteString(c, "abc"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c, len(hello)); got != hello {
		t.Errorf("answer %q", got)
	}
}

// TestScript_pauses: what comes after Await comes when the test says so.
func TestScript_pauses(t *testing.T) {
	t.Parallel()
	here, proceed := make(chan struct{}), make(chan struct{})
	s := proxytest.ListenScript(t, proxytest.Receive(), proxytest.Send(hello[:20]), proxytest.Signal(here), proxytest.Await(proceed), proxytest.Send(hello[20:], ""))
	c := dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-here
	if got := read(t, c, 20); got != hello[:20] {
		t.Fatalf("first half %q", got)
	}
	close(proceed)
	rest, err := io.ReadAll(c)
	if err != nil || string(rest) != hello[20:] {
		t.Errorf("rest %q: %v", rest, err)
	}
}

func TestScript_Reset(t *testing.T) {
	t.Parallel()
	read1 := make(chan struct{})
	s := proxytest.ListenScript(t, proxytest.Receive(), proxytest.Send("HTTP/1.1 200 OK\r\n"), proxytest.Await(read1), proxytest.Reset())
	c := dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	read(t, c, len("HTTP/1.1 200 OK\r\n"))
	close(read1)
	if rest, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %q and %v, want a reset", rest, err)
	}
}

func TestScript_HalfClose(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{})
	s := proxytest.ListenScript(t, proxytest.Receive(), proxytest.Send(hello), proxytest.HalfClose(), proxytest.Receive(), proxytest.Signal(heard))
	c := dial(t, s, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := io.ReadAll(c); err != nil || string(got) != hello {
		t.Fatalf("read %q: %v", got, err)
	}
	if _, err := io.WriteString(c, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-heard
	if got := s.Received(); len(got) != 2 || got[1].URL.Path != "/b" {
		t.Errorf("received %+v", got)
	}
}

// TestScript_close: waiting steps end with the test, and so do the connections.
func TestScript_close(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]proxytest.Step{
		"stall": proxytest.Stall(), "await": proxytest.Await(nil), "signal": proxytest.Signal(nil), "receive": proxytest.Receive(),
	} {
		h := new(harness)
		s := proxytest.ListenScript(h, proxytest.Receive(), proxytest.Send(hello), step)
		c := dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		read(t, c, len(hello))
		h.end()
		if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: read %q: %v", name, rest, err)
		}
		if len(h.failed) > 0 {
			t.Errorf("%s: failed with %q", name, h.failed)
		}
		if _, err := net.Dial("tcp", s.Addr()); err == nil {
			t.Errorf("%s: it still listens", name)
		}
	}
}

// TestScript_failure: what the script cannot read fails the test, a peer that
// goes does not.
func TestScript_failure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, request, want string }{
		{"no HTTP", "nonsense\r\n\r\n", "malformed"},
		{"peer goes", "GET / HTTP/1.1\r\nHo", ""}, // in the middle of a line
	} {
		h := new(harness)
		read := make(chan struct{})
		s := proxytest.ListenScript(h, func(l *proxytest.Line) error {
			defer close(read)
			return proxytest.Receive()(l)
		})
		c := dial(t, s, tt.request)
		if tt.want == "" {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		} else if _, err := io.ReadAll(c); err != nil {
			t.Fatal(err)
		}
		<-read
		h.end()
		if got := strings.Join(h.failed, ""); (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: failed with %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestScript_ReceiveHead: an answer may come before the body is read.
func TestScript_ReceiveHead(t *testing.T) {
	t.Parallel()
	s := proxytest.ListenScript(t, proxytest.ReceiveHead(), proxytest.Send(hello), proxytest.Stall())
	c := dial(t, s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := s.Received(); len(got) != 1 || got[0].ContentLength != 1000 || got[0].Body != nil {
		t.Errorf("received %+v", got)
	}
}

// harness is a test whose end and failures are seen.
type harness struct {
	cleanups []func()
	failed   []string
}

func (h *harness) Helper()          {}
func (h *harness) Cleanup(f func()) { h.cleanups = append(h.cleanups, f) }
func (h *harness) Errorf(f string, args ...any) {
	h.failed = append(h.failed, fmt.Sprintf(f, args...))
}
func (h *harness) Fatalf(f string, args ...any) { h.Errorf(f, args...) }
func (h *harness) end() {
	for _, f := range h.cleanups {
		f()
	}
}
