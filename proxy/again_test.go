package proxy_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

const failedWithUsage = `{"error":{"message":"the worker died","type":"server_error","code":"worker_died"},"usage":{"prompt_tokens":40,"completion_tokens":3,"total_tokens":43}}`

// firstFails answers the first request as told and all others well.
func firstFails(fail func(net.Conn)) func(*origin, net.Conn, got) {
	var later atomic.Bool
	return func(_ *origin, c net.Conn, _ got) {
		if !later.Swap(true) {
			fail(c)
			return
		}
		write(c, respond("200 OK", "application/json", chatAnswer))
	}
}

// TestAgain_AsConfigured covers T52: what may have run is repeated only where
// the configuration says so; then it is one call with an attempt each, billed
// once by the answer that was passed on, and what the failed attempt has used
// stands beside it.
func TestAgain_AsConfigured(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fail  func(net.Conn)
		retry proxy.Retry
		want  metering.Attempt
		code  string // what the client gets where nothing is configured
		plain int
	}{
		{
			"500 with usage", func(c net.Conn) {
				write(c, respond("500 Internal Server Error", "application/json", failedWithUsage, "X-Request-Id: req_1"))
			}, proxy.Retry{Attempts: 2, On: []int{500}},
			metering.Attempt{Status: 500, ErrorCode: "worker_died", ProviderID: "req_1", Usage: &metering.Usage{State: metering.UsageExact, Input: 40, Output: 3}},
			"worker_died", 500,
		},
		{
			"500 without usage", func(c net.Conn) { write(c, respond("500 Internal Server Error", "text/html", "<h1>oops</h1>")) },
			proxy.Retry{Attempts: 2, On: []int{500, 502}},
			metering.Attempt{Status: 500, ErrorCode: "http_500", Usage: &metering.Usage{State: metering.UsageUnknown}},
			"", 500,
		},
		{
			"reset mid-head", func(c net.Conn) {
				write(c, "HTTP/1.1 200 OK\r\nContent-Le")
				if tcp, ok := c.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // then it is a plain end, which is as good
				}
				c.Close()
			}, proxy.Retry{Attempts: 2, Reset: true},
			metering.Attempt{ErrorCode: "upstream_broke_off", Usage: &metering.Usage{State: metering.UsageUnknown}},
			"upstream_broke_off", 502,
		},
		{
			"silent", func(net.Conn) {}, proxy.Retry{Attempts: 2, Timeout: true},
			metering.Attempt{ErrorCode: "upstream_timeout", Usage: &metering.Usage{State: metering.UsageUnknown}},
			"upstream_timeout", 504,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, firstFails(tt.fail))
			configured := start(t, o, func(o *proxy.Options) {
				o.Upstreams[0].Retry, o.Upstreams[0].Header = tt.retry, 150*time.Millisecond
			})
			if body := configured.chat(200); string(body) != chatAnswer {
				t.Fatalf("got %q", body)
			}
			e := configured.journal.fact(t, 1)
			tt.want.Upstream, tt.want.Provider, tt.want.Model = "openai", "openai", "gpt-x"
			want := []metering.Attempt{tt.want, {Upstream: "openai", Provider: "openai", Model: "gpt-x", Status: 200}}
			if diff := cmp.Diff(want, e.Attempts, ignoreTimes()); diff != "" {
				t.Errorf("attempts (-want +got):\n%s", diff)
			}
			if intents, facts := configured.journal.counts(); intents != 1 || facts != 1 || e.Usage.Input != 11 || e.Usage.Output != 7 || e.Status != 200 || e.Outcome != metering.OutcomeComplete {
				t.Errorf("%d intents, %d facts, %+v", intents, facts, e)
			}

			o = newOrigin(t, firstFails(tt.fail))
			plain := start(t, o, func(o *proxy.Options) {
				o.Upstreams[0].Header = 150 * time.Millisecond
				twoKeys(o) // there would be somebody else to ask
			})
			body := plain.chat(tt.plain)
			if tt.code != "" && code(t, body) != tt.code {
				t.Errorf("without a word in the configuration: %s", body)
			}
			if e := plain.journal.fact(t, 1); e.Attempts != nil {
				t.Errorf("it was sent again: %+v", e.Attempts)
			}
		})
	}
}

// TestAgain_LastAnswer passes on what the last attempt got, with its usage.
func TestAgain_LastAnswer(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("500 Internal Server Error", "application/json", failedWithUsage)))
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Retry = proxy.Retry{Attempts: 3, On: []int{500}} })
	if body := r.chat(500); string(body) != failedWithUsage {
		t.Errorf("got %s", body)
	}
	e := r.journal.fact(t, 1)
	if len(e.Attempts) != 3 || e.Usage.Input != 40 || e.Status != 500 || e.Attempts[2].Usage != nil || e.Attempts[0].Usage == nil {
		t.Errorf("the fact is %+v", e)
	}
}

// TestAgain_Never covers S22: once a byte of an answer has passed, and for a body
// that was streamed through, there is no second request.
func TestAgain_Never(t *testing.T) {
	t.Parallel()
	everything := proxy.Retry{Attempts: 3, On: []int{500, 502, 503}, Timeout: true, Reset: true}
	t.Run("after the head", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
			write(c, eventsHead, chunk(stream()[1]))
			c.Close()
		})
		r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Retry = everything; twoKeys(o) })
		if _, _, err := r.ask("POST", post(chatPath, streamRequest)); err == nil {
			t.Error("a stream that was cut ends well")
		}
		if e := r.journal.fact(t, 1); e.Attempts != nil || hits(o)[0] != 1 {
			t.Errorf("%d requests, %+v", hits(o)[0], e)
		}
	})
	t.Run("a large body", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t, answering(respond("429 Too Many Requests", "application/json", "{}", "Retry-After: 1")))
		r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Retry = everything; twoKeys(o); o.Inspect = 1 << 10 })
		body := `{"model":"gpt-x","x":"` + strings.Repeat("a", 10<<10) + `"}`
		if resp, _, err := r.ask("POST", post(chatPath, body)); err != nil || resp.StatusCode != 429 || hits(o)[0] != 1 {
			t.Errorf("got %v %v after %d requests", resp, err, hits(o)[0])
		}
	})
	t.Run("one attempt", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t, refusing(respond("401 Unauthorized", "application/json", "{}")))
		r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Retry = proxy.Retry{Attempts: 1}; twoKeys(o) })
		r.chat(401)
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t, func(*origin, net.Conn, got) {})
		r := start(t, o, func(o *proxy.Options) {
			o.Upstreams[0].Retry = proxy.Retry{Attempts: 3, Timeout: true, Within: 50 * time.Millisecond}
			o.Upstreams[0].Header = 100 * time.Millisecond
		})
		r.chat(504)
		if n := hits(o)[0]; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("no time left", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t, func(*origin, net.Conn, got) {})
		r := start(t, o, func(o *proxy.Options) {
			o.Upstreams[0].Retry = proxy.Retry{Attempts: 3, Timeout: true}
			o.Upstreams[0].Total = 100 * time.Millisecond
		})
		r.chat(504)
		if n := hits(o)[0]; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestAgain_Stream sends a stream again that was refused before it began, with
// the splice in it and out of it.
func TestAgain_Stream(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if g.all("Authorization")[0] == "Bearer "+firstKey {
			write(c, respond("429 Too Many Requests", "application/json", "{}", "Retry-After: 1"))
			return
		}
		write(c, eventsHead)
		for _, p := range stream() {
			write(c, chunk(p))
		}
		write(c, "0\r\n\r\n")
	})
	r := start(t, o, twoKeys)
	_, body, err := r.ask("POST", post(chatPath, unasking))
	if err != nil || !strings.HasSuffix(string(body), "data: [DONE]\n\n") || strings.Contains(string(body), `"usage"`) {
		t.Fatalf("got %q %v", body, err)
	}
	requests, _ := o.seen()
	if len(requests) != 2 || string(requests[0].body) != string(requests[1].body) || !strings.Contains(string(requests[0].body), "include_usage") {
		t.Errorf("the requests are %q and %q", requests[0].body, requests[1].body)
	}
}

// TestAgain_Waits covers the wait that helps: a retry-after within the bound is
// waited for, a longer one is the client's to wait for.
func TestAgain_Waits(t *testing.T) {
	t.Parallel()
	f := func(after string, bound time.Duration, status int) time.Duration {
		t.Helper()
		o := newOrigin(t, firstFails(func(c net.Conn) {
			write(c, respond("429 Too Many Requests", "application/json", "{}", "Retry-After-Ms: "+after))
		}))
		r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Retry = proxy.Retry{Wait: bound} })
		began := time.Now()
		r.chat(status)
		return time.Since(began)
	}
	if took := f("200", time.Second, 200); took < 200*time.Millisecond || took > 3*time.Second {
		t.Errorf("200 ms took %v", took)
	}
	if took := f("60000", time.Second, 429); took > 3*time.Second {
		t.Errorf("what is beyond the bound was waited for: %v", took)
	}
	f("200", 0, 429)
}

// TestAgain_HangUp: a client that hangs up while its call waits ends it, and
// nothing more is sent.
func TestAgain_HangUp(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("429 Too Many Requests", "application/json", "{}", "Retry-After: 30")))
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Retry = proxy.Retry{Wait: time.Minute} })
	c := r.dial()
	write(c, post(chatPath, chatRequest))
	eventually(t, "first attempt", 5*time.Second, func() bool { return hits(o)[0] == 1 })
	c.Close()
	e := r.journal.fact(t, 1)
	if e.Outcome != metering.OutcomeClientGone || e.Status != 0 || len(e.Attempts) != 1 || e.Attempts[0].Status != 429 || hits(o)[0] != 1 {
		t.Errorf("the fact is %+v, after %d requests", e, hits(o)[0])
	}
}

// TestAgain_KeptConnection covers T21 with somebody else to ask: a close that
// crosses the write is 502 all the same, and nothing is sent twice.
func TestAgain_KeptConnection(t *testing.T) {
	t.Parallel()
	var drop atomic.Bool
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		if drop.Load() {
			c.Close()
			return
		}
		write(c, respond("200 OK", "application/json", chatAnswer))
	})
	other := newOrigin(t, well())
	r := start(t, nil, endpoints(o.url(), other.url()))
	r.chat(200)
	r.chat(200)
	drop.Store(true)
	if body := r.chat(502); code(t, body) != "upstream_broke_off" || hits(o)[0] != 2 || hits(other)[0] != 1 {
		t.Errorf("got %s, requests %v", body, hits(o, other))
	}
}

// TestAgain_Pipeline keeps the client's connection through an attempt that
// failed: the next answers are the next requests'.
func TestAgain_Pipeline(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, refusing(respond("429 Too Many Requests", "application/json", "{}", "Retry-After: 1")))
	r := start(t, o, twoKeys)
	c := r.dial()
	b := bufio.NewReader(c)
	for i := range 3 {
		write(c, post(chatPath, fmt.Sprintf(`{"model":"gpt-x","n":%d}`, i+1)))
		if resp, body, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
			t.Fatalf("got %v %q %v", resp, body, err)
		}
	}
}
