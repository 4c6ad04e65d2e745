package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// quietBook is a journal that keeps nothing: its own cost is measured elsewhere.
type quietBook struct{}

func (quietBook) Begin(c *metering.Call) error                     { c.Seq, c.At = 1, 1; return nil }
func (quietBook) Checkpoint(*metering.Call, *metering.Usage) error { return nil }
func (quietBook) Finish(*metering.Event) error                     { return nil }

// quietRing answers without allocating, as the product's own keyring does.
type quietRing struct{ ring }

var quietPrincipal = &metering.Principal{Key: metering.Key{ID: "k", Org: "default"}, Customer: metering.Customer{ID: "c"}}

func (quietRing) Lookup([]byte) (*metering.Principal, error) { return quietPrincipal, nil }

// rawOrigin serves one connection by itself, with as little work as can be.
func rawOrigin(b *testing.B, serve func(net.Conn)) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c)
	}()
	b.Cleanup(func() { ln.Close(); <-done })
	return "http://" + ln.Addr().String()
}

func quiet(b *testing.B, url string) *rig {
	return start(b, nil, func(o *proxy.Options) {
		o.Journal, o.Keyring = quietBook{}, quietRing{}
		o.Upstreams[0].BaseURL = url
	})
}

// BenchmarkJSON is one call of a small body with a small answer on connections
// that are kept, both ends of the test included.
func BenchmarkJSON(b *testing.B) {
	url := rawOrigin(b, func(c net.Conn) {
		buf := make([]byte, 64<<10)
		answer := []byte(respond("200 OK", "application/json", chatAnswer))
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	r := quiet(b, url)
	c := r.dial()
	request := []byte(post(chatPath, chatRequest, "User-Agent: OpenAI/Python 1.50.0", "Accept: application/json", "X-Stainless-Lang: python", "X-Stainless-Runtime: CPython"))
	buf := make([]byte, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSSEChunk is one event of a stream, from one read of the proxy to one
// of the client.
func BenchmarkSSEChunk(b *testing.B) {
	next := make(chan struct{}, 1)
	event := chunk(stream()[1])
	url := rawOrigin(b, func(c net.Conn) {
		buf := make([]byte, 64<<10)
		if _, err := c.Read(buf); err != nil {
			return
		}
		write(c, eventsHead)
		for range next {
			if _, err := io.WriteString(c, event); err != nil {
				return
			}
		}
		write(c, "0\r\n\r\n")
	})
	r := quiet(b, url)
	c := r.dial()
	write(c, post(chatPath, streamRequest))
	br := bufio.NewReader(c)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	buf := make([]byte, len(event))
	b.ReportAllocs()
	for b.Loop() {
		next <- struct{}{}
		if _, err := io.ReadFull(br, buf); err != nil {
			b.Fatal(err)
		}
	}
	close(next)
}
