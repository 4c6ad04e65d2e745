package proxy_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// TestTLS speaks HTTP/1.1 over TLS, keeps the connection, and takes an end
// without a close_notify for what it may be: a cut.
func TestTLS(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.ProtoMajor != 1 {
			t.Errorf("protocol %s", req.Proto)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		switch {
		case strings.Contains(string(body), "cut"):
			hijacked, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			write(hijacked, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", stream()[1])
			if c, ok := hijacked.(*tls.Conn); ok {
				c.NetConn().Close()
			}
		case strings.Contains(string(body), "stream"):
			w.Header().Set("Content-Type", "text/event-stream")
			for _, p := range stream() {
				if _, err := io.WriteString(w, p); err != nil {
					return
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
		default:
			w.Header().Set("Content-Type", "application/json")
			if _, err := io.WriteString(w, chatAnswer); err != nil {
				t.Error(err)
			}
		}
	}))
	s.EnableHTTP2 = true
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	r := start(t, nil, func(o *proxy.Options) { o.Upstreams[0].BaseURL = s.URL })
	c := r.dial()
	b := bufio.NewReader(c)
	for call, request := range []string{chatRequest, streamRequest, chatRequest, strings.Repeat(" ", 200<<10) + chatRequest} {
		write(c, post(chatPath, request))
		want := chatAnswer
		if strings.Contains(request, "stream") {
			want = strings.Join(stream(), "")
		}
		if resp, body, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 200 || string(body) != want {
			t.Fatalf("call %d: got %v %q %v", call, resp, body, err)
		}
		if e := r.journal.fact(t, call+1); e.Usage.State != metering.UsageExact {
			t.Errorf("fact is %+v", e)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if _, body, err := r.ask("POST", post(chatPath, `{"model":"cut","stream":true,"stream_options":{"include_usage":true}}`)); err == nil {
		t.Errorf("a clean end after %q", body)
	}
	if e := r.journal.fact(t, 5); e.Outcome != metering.OutcomeTruncated {
		t.Errorf("fact is %+v", e)
	}
}

// TestForwardProxy goes through a forward proxy with its password, which the
// upstream does not see.
func TestForwardProxy(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tunnels sync.WaitGroup
	tunnels.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			tunnels.Go(func() { defer c.Close(); forwardOne(t, c) })
		}
	})
	t.Cleanup(func() { ln.Close(); o.close(); tunnels.Wait() })
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].ForwardProxy = "http://user:pass@" + ln.Addr().String() })
	for range 2 {
		if resp, body, err := r.ask("POST", post(chatPath, chatRequest)); err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
			t.Fatalf("got %v %q %v", resp, body, err)
		}
	}
	requests, _ := o.seen()
	for _, g := range requests {
		if len(g.all("Proxy-Authorization")) > 0 {
			t.Errorf("upstream got %q", g.raw)
		}
	}
	if err := r.s.SetUpstreams([]proxy.Upstream{func() proxy.Upstream {
		u := upstreamAt(t, "openai", o)
		u.ForwardProxy = "http://user:wrong@" + ln.Addr().String()
		return u
	}()}); err != nil {
		t.Fatal(err)
	}
	if resp, body, err := r.ask("POST", post(chatPath, chatRequest)); err != nil || resp.StatusCode != 502 || code(t, body) != "upstream_unreachable" {
		t.Errorf("got %v %q %v", resp, body, err)
	}
	if strings.Contains(r.log.String(), "wrong") {
		t.Errorf("the log has the password: %s", r.log)
	}
}

func forwardOne(t *testing.T, c net.Conn) {
	b := bufio.NewReader(c)
	req, err := http.ReadRequest(b)
	if err != nil {
		return
	}
	if req.Method != "CONNECT" || req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("user:pass")) {
		write(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return
	}
	up, err := net.Dial("tcp", req.RequestURI)
	if err != nil {
		t.Error(err)
		return
	}
	defer up.Close()
	write(c, "HTTP/1.1 200 OK\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.Copy(up, b); err != nil {
			return // the proxy has closed
		}
	}()
	if _, err := io.Copy(c, up); err != nil {
		t.Log(err)
	}
	c.Close()
	<-done
}
