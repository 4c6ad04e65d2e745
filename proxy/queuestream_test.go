package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/proxy"
)

// TestQueue_Streams covers T61: an upstream has no more streams open than it may,
// until the last byte of each, and every way in which one can end gives its place
// to the next.
func TestQueue_Streams(t *testing.T) {
	t.Parallel()
	const most = 4
	ends := []string{"whole", "reset", "abort", "abort in silence", "whole", "reset", "whole", "abort in silence"}
	said := make([]chan string, len(ends))
	for i := range said {
		said[i] = make(chan string)
	}
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		i := g.body[10] - 'a' // {"model":"a…
		frames := stream()
		write(c, eventsHead, chunk(frames[0]))
		switch <-said[i] {
		case "whole":
			write(c, chunk(strings.Join(frames[1:], "")))
			<-said[i]
			write(c, "0\r\n\r\n")
		case "reset":
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			c.Close()
		case "abort":
			for write(c, chunk(frames[0])) {
			}
		}
		// After the others the proxy closes, which the next read says.
	})
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].MaxConns, o.Upstreams[0].Connect = most, time.Minute })
	// are checks how many streams have begun and how many calls wait.
	are := func(begun, waiting int) {
		t.Helper()
		eventually(t, "streams and calls that wait", 10*time.Second, func() bool {
			u := r.s.Upstreams()[0]
			return hits(o)[0] == begun && u.InUse == min(most, begun) && u.Waiting == waiting
		})
	}
	var conns []net.Conn
	for i := range ends {
		c := r.dial()
		conns = append(conns, c)
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		write(c, post(chatPath, `{"model":"`+string(rune('a'+i))+`","stream":true,"stream_options":{"include_usage":true}}`))
		are(min(i+1, most), max(i+1-most, 0))
	}
	for i, end := range ends {
		b := bufio.NewReader(conns[i])
		readHead(t, b)
		body := httputil.NewChunkedReader(b)
		if _, err := io.ReadFull(body, make([]byte, len(stream()[0]))); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(end, "abort") {
			conns[i].Close()
		}
		said[i] <- end
		if end == "whole" {
			rest := strings.Join(stream()[1:], "")
			if _, err := io.ReadFull(body, make([]byte, len(rest))); err != nil {
				t.Fatal(err)
			}
			// All events are there, but not the end: the place is still taken.
			if left := len(ends) - i; left >= most {
				are(i+most, left-most)
			}
			said[i] <- "the end"
			if _, err := body.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("behind the last event is %v", err)
			}
		}
		if left := len(ends) - i - 1; left >= most {
			are(i+1+most, left-most)
		}
	}
	eventually(t, "every place is free", 10*time.Second, func() bool {
		u := r.s.Upstreams()[0]
		return u.InUse == 0 && u.Waiting == 0 && r.s.Stats().Open == 0
	})
	if intents, facts := r.journal.counts(); intents != len(ends) || facts != len(ends) {
		t.Errorf("%d intents, %d facts", intents, facts)
	}
}
