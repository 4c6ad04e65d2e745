package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

// talks is OpenAI's dialect with sockets whose messages say themselves what they
// have used. It remembers what its sessions were shown.
type talks struct {
	dialect.Dialect
	mu       sync.Mutex
	sent     [][]byte
	received [][]byte
	ends     []dialect.End
}

func newTalks(t testing.TB) *talks {
	t.Helper()
	d, ok := dialect.Named("openai")
	if !ok {
		t.Fatal("no dialect openai")
	}
	return &talks{Dialect: d}
}

func (d *talks) Socket(path string) (dialect.Route, bool) {
	return dialect.Route{Endpoint: "openai.realtime", Class: dialect.Metered, Stream: true}, path == "/v1/realtime"
}

func (d *talks) Session(_ dialect.Route, q dialect.Request) dialect.Session {
	return &talk{d: d, model: q.Model}
}

// shown returns what the sessions were shown of both directions.
func (d *talks) shown() (sent, received [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.sent), slices.Clone(d.received)
}

// talk knows the messages {"type":"begin"}, {"type":"done","input":N,"output":N}
// and {"type":"panic"}.
type talk struct {
	d     *talks
	model string
	open  int
}

func (s *talk) Sent(p []byte, binary bool) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.sent = append(s.d.sent, append([]byte{kindOf(binary)}, p...))
}

// kindOf is what a test puts before a message that was shown.
func kindOf(binary bool) byte {
	if binary {
		return 'b'
	}
	return 't'
}

func (s *talk) Received(p []byte, binary bool) []dialect.Turn {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.received = append(s.d.received, append([]byte{kindOf(binary)}, p...))
	var m struct {
		Type, Model   string
		Input, Output int64
	}
	if binary || json.Unmarshal(p, &m) != nil {
		return nil
	}
	switch m.Type {
	case "begin":
		s.open++
	case "panic":
		panic("session")
	case "done":
		s.open = max(0, s.open-1)
		u := metering.Usage{State: metering.UsageExact, Input: m.Input, Output: m.Output}
		u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = m.Input
		u.Tokens[metering.OutputCell(false, metering.Text)] = m.Output
		return []dialect.Turn{{Model: m.Model, Usage: u}}
	}
	return nil
}

func (s *talk) Snapshot() metering.Usage {
	if s.open == 0 {
		return metering.Usage{State: metering.UsageNone}
	}
	return metering.Usage{State: metering.UsagePartial, Input: int64(s.open)}
}

func (s *talk) Close(end dialect.End) ([]dialect.Turn, metering.Usage) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.ends = append(s.d.ends, end)
	var open []dialect.Turn
	for range s.open {
		open = append(open, dialect.Turn{Usage: metering.Usage{State: metering.UsagePartial, Input: 1}})
	}
	return open, metering.Usage{State: metering.UsageNone}
}

func done(input, output int) string {
	return fmt.Sprintf(`{"type":"done","input":%d,"output":%d}`, input, output)
}

// startSocket serves sockets of an upstream at base.
func startSocket(t testing.TB, base string, change func(*proxy.Options)) (*rig, *talks) {
	t.Helper()
	d := newTalks(t)
	return start(t, nil, func(o *proxy.Options) {
		o.Upstreams[0].BaseURL, o.Upstreams[0].Dialect = base, d
		if change != nil {
			change(o)
		}
	}), d
}

const socketPath = "/v1/realtime?model=gpt-realtime"

// wantUpgrade is a request as a WebSocket client makes it.
func wantUpgrade(path string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: weir.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", path)
	hasKey := strings.Contains(path, "weir_")
	for _, f := range fields {
		b.WriteString(f + "\r\n")
		hasKey = hasKey || strings.Contains(f, "weir_")
	}
	if !hasKey {
		b.WriteString("Authorization: Bearer " + key + "\r\n")
	}
	return b.String() + "\r\n"
}

// upgraded is the head of an answer that makes a WebSocket.
const upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

// plug is the client's end of an open socket.
type plug struct {
	net.Conn
	r    *bufio.Reader
	head *http.Response
}

func (p plug) Read(b []byte) (int, error) { return p.r.Read(b) }

// open opens a socket, whatever the answer is.
func (r *rig) open(path string, fields ...string) plug {
	r.t.Helper()
	c := r.dial()
	if _, err := io.WriteString(c, wantUpgrade(path, fields...)); err != nil {
		r.t.Fatal(err)
	}
	b := bufio.NewReader(c)
	resp, err := http.ReadResponse(b, &http.Request{Method: "GET"})
	if err != nil {
		r.t.Fatal(err)
	}
	return plug{c, b, resp}
}

// far is the upstream's end of every socket of a test's origin.
type far struct{ conns chan net.Conn }

// newFar starts an upstream that makes a WebSocket of every request, with these
// fields in its answer. Its end of the connection is the test's.
func newFar(t testing.TB, fields ...string) (*origin, far) {
	t.Helper()
	f := far{make(chan net.Conn, 64)}
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		head := upgraded
		for _, field := range fields {
			head += field + "\r\n"
		}
		write(c, head, "\r\n")
		held := &heldConn{Conn: c, released: make(chan struct{})}
		f.conns <- held
		<-held.released
	})
	return o, f
}

// heldConn keeps the origin from reading until the test has closed it.
type heldConn struct {
	net.Conn
	once     sync.Once
	released chan struct{}
}

func (c *heldConn) Close() error {
	c.once.Do(func() { close(c.released) })
	return c.Conn.Close()
}

// end returns the upstream's end of the next socket.
func (f far) end(t testing.TB) net.Conn {
	t.Helper()
	select {
	case c := <-f.conns:
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("no socket reached the upstream")
		return nil
	}
}

// framed is one frame. mask is nil for those of an upstream.
func framed(first byte, mask []byte, payload []byte) []byte {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if mask != nil {
		b[1] |= 0x80
		b = append(b, mask...)
		payload = bytes.Clone(payload)
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
	}
	return append(b, payload...)
}

// text is an upstream's message in one frame.
func text(s string) []byte { return framed(0x81, nil, []byte(s)) }

// closing are the close frames of both sides, with status 1000.
var closing = struct{ up, down []byte }{framed(0x88, []byte{1, 2, 3, 4}, []byte{3, 0xe8}), framed(0x88, nil, []byte{3, 0xe8})}

// expect reads exactly want.
func expect(t testing.TB, from io.Reader, want []byte) {
	t.Helper()
	have := make([]byte, len(want))
	n, err := io.ReadFull(from, have)
	if err != nil || !bytes.Equal(have, want) {
		at := 0
		for at < n && have[at] == want[at] {
			at++
		}
		t.Fatalf("got %d of %d bytes, the first %d as they should be: %v", n, len(want), at, err)
	}
}

// ended reads the end of a connection.
func ended(t testing.TB, from io.Reader) (rest []byte, err error) {
	t.Helper()
	return io.ReadAll(from)
}

// factsOf waits for n facts and returns the socket's own and those of its turns.
func (b *book) factsOf(t testing.TB, n int) (own metering.Event, turns []metering.Event) {
	t.Helper()
	for i := range n {
		if e := b.fact(t, i+1); e.Session.IsZero() {
			own = e
		} else {
			turns = append(turns, e)
		}
	}
	if own.ID.IsZero() {
		t.Fatal("the socket has no event of its own")
	}
	return own, turns
}

func quantity(u metering.Usage, name string) string {
	for _, q := range u.Quantities {
		if q.Name == name {
			return q.Amount.String()
		}
	}
	return ""
}

// soon is a context for one step of a test.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}
