package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// TestUpstream_Malformed covers S12: an answer that two parsers could read
// differently is 502 in our own words, and its connection is not used again.
func TestUpstream_Malformed(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-the-upstream"
	for name, answer := range map[string]string{
		"two lengths":          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\nX: " + canary + "\r\n\r\n{}",
		"differing lengths":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + canary,
		"length and chunks":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + canary,
		"chunks and length":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + canary,
		"unknown coding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + canary,
		"coding of HTTP/1.0":   "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + canary,
		"length that is none":  "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n{}" + canary,
		"negative length":      "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}" + canary,
		"NUL":                  "HTTP/1.1 200 OK\r\nX: a\x00" + canary + "\r\nContent-Length: 2\r\n\r\n{}",
		"CR in a value":        "HTTP/1.1 200 OK\r\nX: a\r" + canary + "\r\nContent-Length: 2\r\n\r\n{}",
		"LF line ends":         "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}" + canary + "\r\n\r\n",
		"folded":               "HTTP/1.1 200 OK\r\nX: a\r\n " + canary + "\r\nContent-Length: 2\r\n\r\n{}",
		"space before a colon": "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}" + canary,
		"no colon":             "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n{}",
		"garbage":              canary + " is not HTTP\r\n\r\n",
		"HTTP/2":               "HTTP/2 200\r\n\r\n" + canary,
		"no status":            "HTTP/1.1 OK\r\n\r\n" + canary,
		"short status":         "HTTP/1.1 20\r\n\r\n" + canary,
		"long status":          "HTTP/1.1 2000 OK\r\n\r\n" + canary,
		"101":                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + canary,
		"endless head":         "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 400),
		"endless 1xx":          strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := true
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
				if first {
					first = false
					write(c, answer)
					return
				}
				write(c, respond("200 OK", "application/json", chatAnswer))
			})
			r := start(t, o, nil)
			c := r.dial()
			b := bufio.NewReader(c)
			write(c, post(chatPath, chatRequest))
			resp, body, err := answerTo(b, "POST")
			for err == nil && resp.StatusCode == 100 {
				resp, body, err = answerTo(b, "POST")
			}
			if err != nil || resp.StatusCode != 502 || code(t, body) != "upstream_malformed" || strings.Contains(fmt.Sprint(resp.Header, string(body)), canary) {
				t.Fatalf("got %v %q %v", resp, body, err)
			}
			if e := r.journal.fact(t, 1); e.Outcome != metering.OutcomeUpstreamError || e.ErrorCode != "upstream_malformed" || e.Status != 502 {
				t.Errorf("fact is %+v", e)
			}
			if strings.Contains(r.log.String(), canary) {
				t.Errorf("the log quotes the upstream: %s", r.log)
			}
			write(c, post(chatPath, chatRequest))
			if resp, body, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
				t.Fatalf("then got %v %q %v", resp, body, err)
			}
			if _, conns := o.seen(); conns != 2 {
				t.Errorf("%d upstream connections", conns)
			}
		})
	}
}

// TestUpstream_BadChunk covers S12 behind the head: the client sees a broken
// body, and no byte behind the fault.
func TestUpstream_BadChunk(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"zz\r\n", "5\nhello", "\r\n", "5\r\nhelloX", "ffffffffffffffff\r\n", "-1\r\n", "5;a=\x00\r\n", "0\r\nno colon\r\n\r\n", "0\r\nContent-Length: 3\r\n\r\n"} {
		t.Run(bad, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) { write(c, eventsHead, chunk(stream()[1]), bad) })
			r := start(t, o, nil)
			resp, body, err := r.ask("POST", post(chatPath, streamRequest))
			if resp == nil || resp.StatusCode != 200 || err == nil {
				t.Fatalf("got %v %q %v", resp, body, err)
			}
			if e := r.journal.fact(t, 1); e.Outcome != metering.OutcomeTruncated || e.ErrorCode != "upstream_truncated" {
				t.Errorf("fact is %+v", e)
			}
		})
	}
}

// TestUpstream_Truncated covers S13 and I7: the upstream ends, cleanly or by a
// reset, at every offset of a stream and of an answer in one piece. The client
// gets what came and never a clean end.
func TestUpstream_Truncated(t *testing.T) {
	t.Parallel()
	var golden strings.Builder
	for _, p := range stream() {
		golden.WriteString(chunk(p))
	}
	golden.WriteString("0\r\n\r\n")
	plain := strings.Join(stream(), "")
	usageAt := strings.Index(golden.String(), "[DONE]") + len("[DONE]\n")
	for _, tt := range []struct {
		name, head, body string
		want             string
	}{
		{"stream", eventsHead, golden.String(), plain},
		{"unary", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(chatAnswer)), chatAnswer, chatAnswer},
	} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %v", tt.name, reset), func(t *testing.T) {
				t.Parallel()
				cuts := make(chan int, 1)
				o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
					write(c, tt.head, tt.body[:<-cuts])
					if tcp, ok := c.(*net.TCPConn); ok && reset {
						if err := tcp.SetLinger(0); err != nil {
							t.Error(err)
						}
					}
					c.Close()
				})
				r := start(t, o, nil)
				for cut := range len(tt.body) {
					cuts <- cut
					resp, body, err := r.ask("POST", post(chatPath, streamRequest))
					e := r.journal.fact(t, cut+1)
					// A reset may overtake the head, as it may on a direct connection.
					if resp == nil {
						t.Fatalf("cut at %d: no answer: %v", cut, err)
					}
					if resp.StatusCode == 502 && reset {
						continue
					}
					if err == nil {
						t.Fatalf("cut at %d: a clean end after %q", cut, body)
					}
					if !strings.HasPrefix(tt.want, string(body)) {
						t.Fatalf("cut at %d: body is %q", cut, body)
					}
					whole := tt.name == "stream" && cut > usageAt && !reset
					if want := map[bool]metering.Outcome{true: metering.OutcomeComplete, false: metering.OutcomeTruncated}[whole]; e.Outcome != want && !(reset && tt.name == "stream") {
						t.Fatalf("cut at %d: outcome is %s, want %s", cut, e.Outcome, want)
					}
				}
			})
		}
	}
}

// TestUpstream_Unreachable and silent ones: each deadline has an answer of its
// own (T17, F15), and the fact says which.
func TestUpstream_Deadlines(t *testing.T) {
	t.Parallel()
	silent := func(*origin, net.Conn, got) {}
	closing := func(_ *origin, c net.Conn, _ got) { c.Close() }
	half := func(_ *origin, c net.Conn, _ got) { write(c, "HTTP/1.1 200 OK\r\nContent-Le") }
	for _, tt := range []struct {
		name    string
		script  func(*origin, net.Conn, got)
		change  func(*proxy.Upstream)
		status  int
		code    string
		outcome metering.Outcome
	}{
		{"silent", silent, func(u *proxy.Upstream) { u.Header = 100 * time.Millisecond }, 504, "upstream_timeout", metering.OutcomeTimeout},
		{"silent, total", silent, func(u *proxy.Upstream) { u.Header, u.Total = 0, 100*time.Millisecond }, 504, "upstream_timeout", metering.OutcomeTimeout},
		{"half a head", half, func(u *proxy.Upstream) { u.Header = 100 * time.Millisecond }, 504, "upstream_timeout", metering.OutcomeTimeout},
		{"closes at once", closing, func(*proxy.Upstream) {}, 502, "upstream_broke_off", metering.OutcomeUpstreamError},
		{"half a head, closes", func(o *origin, c net.Conn, g got) { half(o, c, g); closing(o, c, g) }, func(*proxy.Upstream) {}, 502, "upstream_broke_off", metering.OutcomeUpstreamError},
		{"nobody listens", silent, func(u *proxy.Upstream) { u.BaseURL = "http://127.0.0.1:1" }, 502, "upstream_unreachable", metering.OutcomeUpstreamError},
		{"no TLS there", silent, func(u *proxy.Upstream) {
			u.BaseURL, u.Connect = strings.Replace(u.BaseURL, "http:", "https:", 1), 100*time.Millisecond
		}, 504, "upstream_connect_timeout", metering.OutcomeTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, tt.script)
			r := start(t, o, func(o *proxy.Options) { tt.change(&o.Upstreams[0]) })
			began := time.Now()
			resp, body, err := r.ask("POST", post(chatPath, chatRequest))
			if err != nil || resp.StatusCode != tt.status || code(t, body) != tt.code {
				t.Fatalf("got %v %q %v", resp, body, err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			e := r.journal.fact(t, 1)
			if e.Outcome != tt.outcome || e.ErrorCode != tt.code || e.Usage.State != metering.UsageNone || e.Status != tt.status {
				t.Errorf("fact is %+v", e)
			}
			if requests, _ := o.seen(); len(requests) > 1 {
				t.Errorf("sent %d times", len(requests))
			}
		})
	}
}

// TestUpstream_Idle cuts a stream whose upstream falls silent, and not one that
// goes on slowly for longer than the limit.
func TestUpstream_Idle(t *testing.T) {
	t.Parallel()
	hush := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		write(c, eventsHead)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for range 12 {
			<-tick.C
			write(c, chunk(stream()[1]))
		}
		if strings.Contains(string(g.body), "silent") {
			<-hush
			return
		}
		write(c, chunk(stream()[4]), "0\r\n\r\n")
	})
	t.Cleanup(func() { close(hush) })
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Idle = 900 * time.Millisecond })
	if _, body, err := r.ask("POST", post(chatPath, streamRequest)); err != nil || !strings.HasSuffix(string(body), "[DONE]\n\n") {
		t.Fatalf("a slow stream was cut: %q, %v", body, err)
	}
	_, body, err := r.ask("POST", post(chatPath, strings.Replace(streamRequest, "gpt-x", "silent", 1)))
	if err == nil || len(body) != 12*len(stream()[1]) {
		t.Fatalf("got %q, %v", body, err)
	}
	if e := r.journal.fact(t, 2); e.Outcome != metering.OutcomeTruncated || e.ErrorCode != "upstream_idle" {
		t.Errorf("fact is %+v", e)
	}
}

// TestUpstream_Busy waits for a connection no longer than the connect limit.
func TestUpstream_Busy(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		<-free
		write(c, respond("200 OK", "application/json", chatAnswer))
	})
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].MaxConns, o.Upstreams[0].Connect = 1, 100*time.Millisecond })
	c := r.dial()
	write(c, post(chatPath, chatRequest))
	eventually(t, "first call upstream", 5*time.Second, func() bool { n, _ := o.seen(); return len(n) == 1 })
	resp, body, err := r.ask("POST", post(chatPath, chatRequest))
	if err != nil || resp.StatusCode != 503 || code(t, body) != "upstream_busy" || resp.Header.Get("Retry-After") != "1" {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	close(free)
	if resp, _, err := answerTo(bufio.NewReader(c), "POST"); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v %v", resp, err)
	}
	if resp, _, err := r.ask("POST", post(chatPath, chatRequest)); err != nil || resp.StatusCode != 200 {
		t.Errorf("the slot was not given back: %v %v", resp, err)
	}
}

// TestRetry covers S22, T21 and I8. A kept connection that the upstream has
// closed is noticed before it is written to; one that it closes upon the request
// is 502, and the request is not sent again.
func TestRetry(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"POST", "PUT", "GET"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			drop := make(chan bool, 1)
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
				if <-drop {
					c.Close() // upon the request
					return
				}
				write(c, respond("200 OK", "application/json", chatAnswer))
			})
			r := start(t, o, nil)
			request := strings.Replace(post("/v1/brand/new", chatRequest), "POST", method, 1)
			f := func(dropped bool, status, requests, conns int) {
				t.Helper()
				eventually(t, "idle connection", 5*time.Second, func() bool { return r.s.Stats().Open == 0 })
				drop <- dropped
				resp, body, err := r.ask(method, request)
				if err != nil || resp.StatusCode != status {
					t.Fatalf("got %v %q %v, want %d", resp, body, err, status)
				}
				if n, c := o.seen(); len(n) != requests || c != conns {
					t.Fatalf("%d requests on %d connections, want %d on %d", len(n), c, requests, conns)
				}
			}
			f(false, 200, 1, 1)
			f(false, 200, 2, 1) // kept
			o.hangUp()
			f(false, 200, 3, 2) // the close is seen before the write
			f(true, 502, 4, 2)  // the close crosses the write: never again
			f(false, 200, 5, 3)
		})
	}
}

// hangUp closes all connections, which no request is on, and waits until they
// are.
func (o *origin) hangUp() {
	o.mu.Lock()
	n := len(o.open)
	for c := range o.open {
		c.Close()
		delete(o.open, c)
	}
	o.mu.Unlock()
	for range n {
		<-o.closed
	}
}

// TestRedirect covers S23: a redirect is the client's to follow, and what the
// body says of addresses is nobody's.
func TestRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := newOrigin(t, answering(respond("200 OK", "text/plain", "metadata")))
	o := newOrigin(t, answering("HTTP/1.1 307 Temporary Redirect\r\nLocation: "+elsewhere.url()+"/latest\r\nContent-Length: 0\r\n\r\n"))
	r := start(t, o, nil)
	resp, _, err := r.ask("POST", post(chatPath, `{"model":"m","api_base":"`+elsewhere.url()+`","base_url":"`+elsewhere.url()+`"}`))
	if err != nil || resp.StatusCode != 307 || resp.Header.Get("Location") != elsewhere.url()+"/latest" {
		t.Fatalf("got %v %v", resp, err)
	}
	if n, conns := elsewhere.seen(); len(n) > 0 || conns > 0 {
		t.Errorf("something went there: %v", n)
	}
}

// TestExtraBytes shows that bytes behind an answer are no other answer, and that
// such a connection is not kept.
func TestExtraBytes(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")+respond("200 OK", "application/json", "EVIL")))
	r := start(t, o, nil)
	c := r.dial()
	b := bufio.NewReader(c)
	for range 3 {
		write(c, post(chatPath, chatRequest))
		if _, body, err := answerTo(b, "POST"); err != nil || string(body) != "{}" {
			t.Fatalf("got %q %v", body, err)
		}
	}
	if _, conns := o.seen(); conns != 3 {
		t.Errorf("%d connections", conns)
	}
}

// TestEarlyAnswer passes on what an upstream says that stops reading a request.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		b := bufio.NewReader(c)
		if _, err := b.ReadString('}'); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		write(c, respond("413 Payload Too Large", "application/json", `{"error":"large"}`, "Connection: close"))
		c.Close()
	}()
	t.Cleanup(func() { ln.Close(); <-served })
	r := start(t, nil, func(o *proxy.Options) { o.Upstreams[0].BaseURL = "http://" + ln.Addr().String(); o.Inspect = 1 << 10 })
	body := `{"model":{},"x":"` + strings.Repeat("a", 30<<20) + `"}`
	c := r.dial()
	go write(c, post(chatPath, body)) // the proxy stops reading it, too
	resp, err := readResponse(c)
	if err != nil || resp != "HTTP/1.1 413 Payload Too Large" && !strings.HasPrefix(resp, "HTTP/1.1 502") {
		t.Fatalf("got %q %v", resp, err)
	}
}

func readResponse(c net.Conn) (string, error) {
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}
