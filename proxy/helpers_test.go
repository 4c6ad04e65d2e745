package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// key and its relatives are what the fake keyring knows.
const (
	key       = "weir_live_0000000000000000000000000000000000000000001"
	testKey   = "weir_test_0000000000000000000000000000000000000000002"
	plainKey  = "weir_live_0000000000000000000000000000000000000000003" // no permissions
	passKey   = "weir_live_0000000000000000000000000000000000000000004" // of a customer with LossPass
	modelKey  = "weir_live_0000000000000000000000000000000000000000005" // only model "small"
	scopedKey = "weir_live_0000000000000000000000000000000000000000006" // only upstream "other"
	awayKey   = "weir_live_0000000000000000000000000000000000000000007" // the keyring cannot tell
	panicKey  = "weir_live_0000000000000000000000000000000000000000008" // the keyring panics
)

// operatorKey is the upstream's credential.
const operatorKey = "sk-operator"

type unavailable struct{ error }

func (unavailable) Unavailable() bool { return true }

type ring struct{}

func (ring) Lookup(secret []byte) (*metering.Principal, error) {
	p := &metering.Principal{
		Key:      metering.Key{Org: "default", ID: "key-" + string(secret[len(secret)-1:]), Customer: "c1", Tags: []metering.Tag{{Name: "team", Value: "core"}}},
		Customer: metering.Customer{Org: "default", ID: "c1", ExternalID: "acme"},
	}
	switch string(secret) {
	case key:
		p.Key.Permits = []metering.Permit{metering.PermitRaw, metering.PermitAttribute}
	case testKey:
		p.Key.Test = true
	case plainKey:
	case passKey:
		p.Customer.OnLoss = metering.LossPass
	case modelKey:
		p.Key.Models = []string{"small"}
	case scopedKey:
		p.Key.Upstream = []string{"other"}
	case awayKey:
		return nil, unavailable{errors.New("the store cannot be reached")}
	case panicKey:
		panic("keyring")
	default:
		return nil, metering.ErrNotFound
	}
	return p, nil
}

func (ring) Attribute(_ context.Context, p *metering.Principal, external string) (*metering.Principal, error) {
	if external != "globex" {
		return nil, metering.ErrNotFound
	}
	q := *p
	q.Customer = metering.Customer{Org: "default", ID: "c2", ExternalID: external}
	return &q, nil
}

// book is a journal in memory.
type book struct {
	mu          sync.Mutex
	begun       map[metering.ID]metering.Call
	checkpoints int
	facts       []metering.Event
	more        chan struct{} // one per fact
	beginErr    error
	finishErr   error
	hold        chan struct{} // not nil: Finish waits until it is closed
	held        chan struct{} // one per Finish that waits
}

func newBook() *book {
	return &book{begun: map[metering.ID]metering.Call{}, more: make(chan struct{}, 1<<16), held: make(chan struct{}, 1<<10)}
}

func (b *book) Begin(c *metering.Call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.beginErr != nil {
		return b.beginErr
	}
	c.Seq, c.At = uint64(len(b.begun)+1), metering.Micros(time.Now().UnixMicro())
	b.begun[c.ID] = *c
	return nil
}

func (b *book) Checkpoint(*metering.Call, *metering.Usage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checkpoints++
	return nil
}

func (b *book) Finish(e *metering.Event) error {
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold != nil {
		b.held <- struct{}{}
		<-hold
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.facts = append(b.facts, *e)
	b.more <- struct{}{}
	return b.finishErr
}

// fact waits for the n-th fact, counted from one.
func (b *book) fact(t testing.TB, n int) metering.Event {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		b.mu.Lock()
		if len(b.facts) >= n {
			e := b.facts[n-1]
			b.mu.Unlock()
			return e
		}
		b.mu.Unlock()
		select {
		case <-b.more:
		case <-limit:
			t.Fatalf("no fact number %d", n)
		}
	}
}

// counts returns how many calls were begun and ended.
func (b *book) counts() (intents, facts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.begun), len(b.facts)
}

// got is a request as the upstream received it, byte for byte.
type got struct {
	line   string
	fields []string // "Name: value", in order
	body   []byte
	raw    []byte
	// trailers are the lines behind a chunked body.
	trailers []string
}

// all returns the values of a field, in order, whatever its case.
func (g got) all(name string) []string {
	var values []string
	for _, f := range g.fields {
		n, v, _ := strings.Cut(f, ":")
		if strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// origin is an upstream that does what a test's script says.
type origin struct {
	t      testing.TB
	ln     net.Listener
	script func(o *origin, c net.Conn, g got)

	mu       sync.Mutex
	requests []got
	conns    int
	open     map[net.Conn]struct{}
	wg       sync.WaitGroup
	closed   chan struct{} // one per connection that the proxy closed
}

// newOrigin starts one. The script answers one request; a connection that it
// closes is not read on.
func newOrigin(t testing.TB, script func(o *origin, c net.Conn, g got)) *origin {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{t: t, ln: ln, script: script, open: map[net.Conn]struct{}{}, closed: make(chan struct{}, 1<<12)}
	o.wg.Go(o.accept)
	t.Cleanup(o.close)
	return o
}

func (o *origin) accept() {
	for {
		c, err := o.ln.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		o.conns++
		o.open[c] = struct{}{}
		o.mu.Unlock()
		o.wg.Go(func() {
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				g, err := readGot(r)
				if err != nil {
					o.closed <- struct{}{}
					return
				}
				o.mu.Lock()
				o.requests = append(o.requests, g)
				o.mu.Unlock()
				o.script(o, c, g)
			}
		})
	}
}

func (o *origin) close() {
	o.ln.Close()
	o.mu.Lock()
	for c := range o.open {
		c.Close()
	}
	o.mu.Unlock()
	o.wg.Wait()
}

func (o *origin) url() string { return "http://" + o.ln.Addr().String() }

// seen returns the requests so far and how many connections they came on.
func (o *origin) seen() ([]got, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.requests), o.conns
}

func readGot(r *bufio.Reader) (got, error) {
	var g got
	var raw bytes.Buffer
	length, chunked := 0, false
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil {
			return g, err
		}
		raw.WriteString(line)
		line = strings.TrimSuffix(line, "\r\n")
		if first {
			g.line = line
			continue
		}
		if line == "" {
			break
		}
		g.fields = append(g.fields, line)
	}
	for _, v := range g.all("Content-Length") {
		if _, err := fmt.Sscan(v, &length); err != nil {
			return g, err
		}
	}
	chunked = len(g.all("Transfer-Encoding")) > 0
	for chunked {
		line, err := r.ReadString('\n')
		if err != nil {
			return g, err
		}
		size := 0
		if _, err := fmt.Sscanf(line, "%x", &size); err != nil {
			return g, err
		}
		if size == 0 {
			if g.trailers, err = readTrailers(r); err != nil {
				return g, err
			}
			break
		}
		piece := make([]byte, size+2)
		if _, err := io.ReadFull(r, piece); err != nil {
			return g, err
		}
		g.body = append(g.body, piece[:size]...)
	}
	if length > 0 {
		g.body = make([]byte, length)
		if _, err := io.ReadFull(r, g.body); err != nil {
			return g, err
		}
	}
	g.raw = append(raw.Bytes(), g.body...)
	return g, nil
}

// readTrailers reads what stands behind the last chunk, the empty line included.
func readTrailers(r *bufio.Reader) (lines []string, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return lines, err
		}
		lines = append(lines, strings.TrimSuffix(line, "\r\n"))
	}
}

// rig is a server with one or more upstreams.
type rig struct {
	t       testing.TB
	s       *proxy.Server
	addr    string
	journal *book
	log     *bytes.Buffer
	logging sync.Mutex
}

// logged is the log so far.
func (r *rig) logged() string {
	r.logging.Lock()
	defer r.logging.Unlock()
	return r.log.String()
}

// start serves. openai, the default upstream, is o; change may alter the rest.
func start(t testing.TB, o *origin, change func(*proxy.Options)) *rig {
	t.Helper()
	r := &rig{t: t, journal: newBook(), log: new(bytes.Buffer)}
	options := proxy.Options{
		Keyring: ring{}, Journal: r.journal, EventIDHeader: true,
		Logger:    slog.New(slog.NewTextHandler(lockedWriter{&r.logging, r.log}, nil)),
		Upstreams: []proxy.Upstream{upstreamAt(t, "openai", o)},
	}
	if change != nil {
		change(&options)
	}
	s, err := proxy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.s, r.addr = s, ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Drain(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if open := s.Stats().Open; open != 0 {
			t.Errorf("%d exchanges are open after serving", open)
		}
	})
	return r
}

type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// upstreamAt is an upstream named after its dialect at o.
func upstreamAt(t testing.TB, name string, o *origin) proxy.Upstream {
	t.Helper()
	d, ok := dialect.Named(name)
	if !ok {
		t.Fatalf("no dialect %s", name)
	}
	u := proxy.Upstream{
		Name: name, Provider: name, Dialect: d, KeyHeader: "Authorization", KeyScheme: "Bearer", Credentials: []string{operatorKey},
		Default: name == "openai", Connect: 5 * time.Second, Header: 10 * time.Second, Idle: 10 * time.Second, IncludeUsage: "splice",
	}
	if name != "openai" {
		u.KeyHeader, u.KeyScheme, u.IncludeUsage = "x-api-key", "", "estimate"
	}
	u.BaseURL = "http://127.0.0.1:1"
	if o != nil {
		u.BaseURL = o.url()
	}
	return u
}

// dial opens a connection to the proxy.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// raw sends bytes on a connection of its own and returns all that comes back.
func (r *rig) raw(request string) string {
	r.t.Helper()
	c := r.dial()
	if _, err := io.WriteString(c, request); err != nil {
		r.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) == 0 {
		r.t.Fatalf("read: %v", err)
	}
	return string(answer)
}

// ask sends one request on a connection of its own and reads one answer, its
// body included.
func (r *rig) ask(method, request string) (*http.Response, []byte, error) {
	r.t.Helper()
	c := r.dial()
	if _, err := io.WriteString(c, request); err != nil {
		r.t.Fatal(err)
	}
	return answerTo(bufio.NewReader(c), method)
}

func answerTo(b *bufio.Reader, method string) (*http.Response, []byte, error) {
	resp, err := http.ReadResponse(b, &http.Request{Method: method})
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// post is a request as an SDK makes it.
func post(path, body string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: weir.test\r\nContent-Type: application/json\r\n", path)
	hasKey := false
	for _, f := range fields {
		b.WriteString(f + "\r\n")
		hasKey = hasKey || strings.Contains(f, "weir_")
	}
	if !hasKey {
		b.WriteString("Authorization: Bearer " + key + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

const chatPath = "/v1/chat/completions"

// chatAnswer is a completion with usage.
const chatAnswer = `{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`

// chatRequest is a completion without a stream.
const chatRequest = `{"model":"gpt-x","messages":[{"role":"user","content":"hello"}]}`

// write sends an answer, or whatever a script wants sent.
func write(c net.Conn, pieces ...string) bool {
	for _, p := range pieces {
		if _, err := io.WriteString(c, p); err != nil {
			return false
		}
	}
	return true
}

// respond is an answer in one piece.
func respond(status, contentType, body string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %s\r\nContent-Type: %s\r\n", status, contentType)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

// answering is a script that always answers the same.
func answering(answer string) func(*origin, net.Conn, got) {
	return func(_ *origin, c net.Conn, _ got) { write(c, answer) }
}

// chunk frames a piece.
func chunk(p string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(p), p) }

// eventually polls a condition that depends on sockets.
func eventually(t testing.TB, what string, limit time.Duration, is func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		<-tick.C
	}
	return time.Since(began)
}

// readRequest reads a request by net/http's parser; its body is still to come.
func readRequest(c net.Conn) (*http.Request, error) { return http.ReadRequest(bufio.NewReader(c)) }
