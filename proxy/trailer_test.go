package proxy_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/proxy"
)

// TestTrailers covers T12: what stands behind a chunked body passes both ways,
// whether the body is held or streamed through, whole or cut anywhere.
func TestTrailers(t *testing.T) {
	t.Parallel()
	const trailers = "X-Checksum: abc\r\nx-took: 12ms \r\n"
	for _, inspect := range []int64{1 << 20, 4} {
		for _, bytewise := range []bool{false, true} {
			t.Run(fmt.Sprintf("held %v, bytewise %v", inspect > 4, bytewise), func(t *testing.T) {
				t.Parallel()
				send := func(c net.Conn, text string) {
					if !bytewise {
						write(c, text)
						return
					}
					for i := range len(text) {
						write(c, text[i:i+1])
					}
				}
				o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
					send(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTrailer: X-Checksum, X-Took\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("{}")+"0\r\n"+trailers+"\r\n")
				})
				r := start(t, o, func(o *proxy.Options) { o.Inspect = inspect })
				c := r.dial()
				send(c, "POST "+chatPath+" HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer "+key+"\r\nTE: trailers\r\nTrailer: X-Checksum\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"+
					chunk(`{"model":`)+chunk(`"m"}`)+"0\r\n"+trailers+"\r\n")
				answer, err := io.ReadAll(c)
				if err != nil {
					t.Fatal(err)
				}
				head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
				// Names and values stay; blanks around a value mean nothing.
				// Where chunks are cut is free.
				body = strings.Replace(body, chunk("{")+chunk("}"), chunk("{}"), 1)
				if want := chunk("{}") + "0\r\nX-Checksum: abc\r\nx-took: 12ms\r\n\r\n"; body != want || !strings.Contains(head, "Trailer: X-Checksum, X-Took\r\n") {
					t.Errorf("client got %q with the head %q, want %q", body, head, want)
				}
				requests, _ := o.seen()
				g := requests[0]
				if string(g.body) != `{"model":"m"}` || !slices.Equal(g.trailers, []string{"X-Checksum: abc", "x-took: 12ms"}) || strings.Join(g.all("Trailer"), "") != "X-Checksum" {
					t.Errorf("upstream got %q and %q behind %q", g.body, g.trailers, g.raw)
				}
				if v := g.all("Transfer-Encoding"); len(v) != 1 || len(g.all("Content-Length")) > 0 {
					t.Errorf("framing: %q", g.fields)
				}
			})
		}
	}
}

// TestTrailers_old: a client of HTTP/1.0 gets the body alone.
func TestTrailers_old(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("{}")+"0\r\nX-T: 1\r\n\r\n")
	})
	r := start(t, o, nil)
	answer := r.raw("GET /v1/models HTTP/1.0\r\nHost: w\r\nAuthorization: Bearer " + key + "\r\n\r\n")
	if !strings.HasSuffix(answer, "\r\n\r\n{}") || strings.Contains(answer, "X-T") || strings.Contains(answer, "chunked") {
		t.Errorf("got %q", answer)
	}
}

// TestTrailers_bounded: trailers without end, or with what belongs in a head, are
// a broken answer, never a clean one.
func TestTrailers_bounded(t *testing.T) {
	t.Parallel()
	for name, trailers := range map[string]string{
		"too much": strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 9),
		"length":   "Content-Length: 5\r\n",
		"no name":  ": x\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
				write(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("{}")+"0\r\n"+trailers+"\r\n")
			})
			r := start(t, o, nil)
			if _, body, err := r.ask("POST", post(chatPath, chatRequest)); err == nil {
				t.Errorf("a clean end behind %q", body)
			}
		})
	}
}
