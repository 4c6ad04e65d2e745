package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// TestSocket_Handshake holds what each side gets of the other's head: fields of
// the hop are made anew, our key goes nowhere, and the operator's goes where the
// upstream has it, wherever ours came from.
func TestSocket_Handshake(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path string
		fields     []string
		line       string
		offers     []string
	}{
		{"in the header", socketPath, []string{"Authorization: Bearer " + key}, "GET /v1/realtime?model=gpt-realtime HTTP/1.1", nil},
		{"offered", socketPath, []string{"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key." + key + ", openai-beta.realtime-v1"},
			"GET /v1/realtime?model=gpt-realtime HTTP/1.1", []string{"realtime, openai-beta.realtime-v1"}},
		{"offered alone", socketPath, []string{"Sec-WebSocket-Protocol: realtime", "Sec-WebSocket-Protocol: openai-insecure-api-key." + key},
			"GET /v1/realtime?model=gpt-realtime HTTP/1.1", []string{"realtime"}},
		{"in the query", "/v1/realtime?key=" + key + "&model=gpt-realtime", nil, "GET /v1/realtime?model=gpt-realtime HTTP/1.1", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, f := newFar(t, "Sec-WebSocket-Protocol: realtime", "Keep-Alive: timeout=5", "X-Request-Id: req_7")
			r, _ := startSocket(t, o.url(), nil)
			c := r.open(tt.path, append(tt.fields, "Sec-WebSocket-Extensions: permessage-deflate", "OpenAI-Beta: realtime=v1", "Keep-Alive: 1", "Upgrade: h2c")...)
			end := f.end(t)
			requests, _ := o.seen()
			g := requests[0]
			if g.line != tt.line || strings.Contains(string(g.raw), "weir_") {
				t.Errorf("upstream got %q", g.raw)
			}
			have := map[string][]string{}
			for _, name := range []string{"Authorization", "Connection", "Upgrade", "Keep-Alive", "Sec-WebSocket-Protocol", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "OpenAI-Beta", "Content-Length"} {
				have[name] = g.all(name)
			}
			want := map[string][]string{
				"Authorization": {"Bearer " + operatorKey}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Keep-Alive": nil, "Sec-WebSocket-Protocol": tt.offers,
				"Sec-WebSocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-WebSocket-Version": {"13"}, "Sec-WebSocket-Extensions": {"permessage-deflate"}, "OpenAI-Beta": {"realtime=v1"}, "Content-Length": nil,
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Error(diff)
			}
			h := c.head.Header
			event := h.Get("X-Weir-Event-Id")
			h.Del("X-Weir-Event-Id")
			if diff := cmp.Diff(http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, "Sec-Websocket-Protocol": {"realtime"}, "X-Request-Id": {"req_7"},
			}, h); diff != "" || c.head.StatusCode != 101 {
				t.Errorf("client got %d: %s", c.head.StatusCode, diff)
			}
			write(end, string(closing.down))
			end.Close()
			expect(t, c, closing.down)
			own, _ := r.journal.factsOf(t, 1)
			if own.ID.String() != event || own.Outcome != metering.OutcomeComplete || own.Status != 101 || own.Endpoint != "openai.realtime" || own.Model != "gpt-realtime" || own.ProviderID != "req_7" || !own.Stream {
				t.Errorf("fact is %+v", own)
			}
			if n := quantity(own.Usage, "messages"); n != "0" || quantity(own.Usage, "seconds") == "" || own.Usage.State != metering.UsageNone {
				t.Errorf("usage is %+v", own.Usage)
			}
		})
	}
}

// TestSocket_Refused covers T22 and T68: what is not allowed is refused in the
// API's own words, before the upstream is dialled.
func TestSocket_Refused(t *testing.T) {
	t.Parallel()
	o, _ := newFar(t)
	r, _ := startSocket(t, o.url(), nil)
	for _, tt := range []struct {
		name, path string
		field      string
		status     int
		code       string
	}{
		{"unknown key", socketPath, "Authorization: Bearer weir_live_x", 401, "invalid_api_key"},
		{"no key", socketPath, "X-Weir-Run: weir_", 401, "missing_api_key"},
		{"unknown key that is offered", socketPath, "Sec-WebSocket-Protocol: openai-insecure-api-key.weir_live_x", 401, "invalid_api_key"},
		{"two keys", socketPath + "&key=" + key, "Sec-WebSocket-Protocol: openai-insecure-api-key." + plainKey, 400, "two_keys"},
		{"key in another protocol", socketPath + "&key=" + key, "Sec-WebSocket-Protocol: openai-insecure-api-key." + key + ", x." + key, 400, "stray_key"},
		{"test key", socketPath, "Authorization: Bearer " + testKey, 403, "test_key_not_allowed"},
		{"other upstream", socketPath, "Authorization: Bearer " + scopedKey, 403, "upstream_not_allowed"},
		{"model that is not allowed", socketPath, "Authorization: Bearer " + modelKey, 403, "model_not_allowed"},
		{"model that cannot be told", "/v1/realtime", "Authorization: Bearer " + modelKey, 403, "model_not_allowed"},
		{"two models", socketPath + "&model=small", "Authorization: Bearer " + modelKey, 400, "ambiguous_model"},
		{"a call of somebody", socketPath + "&call_id=rtc_1", "Authorization: Bearer " + key, 403, "stateful_not_supported"},
		{"owned objects", "/v1/files/x", "Authorization: Bearer " + key, 403, "stateful_not_supported"},
		{"unknown path", "/v1/other", "Authorization: Bearer " + plainKey, 403, "route_not_allowed"},
		{"nobody can tell", socketPath, "Authorization: Bearer " + awayKey, 503, "keys_unavailable"},
		{"two slashes", "/v1//realtime", "Authorization: Bearer " + key, 400, "path_not_canonical"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, err := r.ask("GET", wantUpgrade(tt.path, tt.field))
			if err != nil || resp.StatusCode != tt.status || code(t, body) != tt.code {
				t.Fatalf("got %v %s %v", resp, body, err)
			}
		})
	}
	if requests, conns := o.seen(); conns != 0 {
		t.Errorf("the upstream was dialled %d times: %v", conns, requests)
	}
	if begun, facts := r.journal.counts(); begun != 0 || facts != 0 {
		t.Errorf("%d calls began, %d facts", begun, facts)
	}
}

// TestSocket_OtherAnswers holds that an answer other than 101 is one like any
// other, and leaves both connections usable.
func TestSocket_OtherAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"401 Unauthorized", "404 Not Found", "426 Upgrade Required", "429 Too Many Requests", "200 OK"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			const body = `{"error":{"message":"no"}}`
			o := newOrigin(t, answering(respond(status, "application/json", body, "Retry-After: 7", "Upgrade: websocket")))
			r, _ := startSocket(t, o.url(), nil)
			c := r.dial()
			b := bufio.NewReader(c)
			for n := range 2 {
				write(c, wantUpgrade(socketPath))
				resp, have, err := answerTo(b, "GET")
				if err != nil || resp.Status != status || string(have) != body || resp.Header.Get("Retry-After") != "7" || resp.Header.Get("X-Weir-Event-Id") == "" || resp.Header.Get("Upgrade") != "" {
					t.Fatalf("got %v %q %v", resp, have, err)
				}
				e := r.journal.fact(t, n+1)
				if e.Outcome != metering.OutcomeComplete || strings.HasPrefix(status, "4") != (e.Usage.State == metering.UsageNone) && status != "200 OK" || len(e.Usage.Quantities) > 0 {
					t.Errorf("fact is %+v", e)
				}
			}
			if _, conns := o.seen(); conns != 1 {
				t.Errorf("%d upstream connections", conns)
			}
		})
	}
}

// TestSocket_NotAsked holds that whatever does not ask for a WebSocket as it
// should is a plain request, and that a 101 to such a one is not valid.
func TestSocket_NotAsked(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if len(g.all("Upgrade"))+len(g.all("Connection")) > 0 {
			write(c, respond("500 Internal Server Error", "text/plain", "hop-by-hop"))
			return
		}
		write(c, upgraded, "\r\n")
	})
	r, _ := startSocket(t, o.url(), nil)
	const hop = "Authorization: Bearer " + key + "\r\nSec-WebSocket-Version: 13\r\n"
	for name, request := range map[string]string{
		"another protocol": "GET /v1/models HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Key: x\r\n" + hop + "\r\n",
		"not named":        "GET /v1/models HTTP/1.1\r\nHost: w\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n" + hop + "\r\n",
		"no key of its":    "GET /v1/models HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + hop + "\r\n",
		"no sockets there": "GET /v1/models HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n" + hop + "\r\n",
		"a POST":           "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nContent-Length: 2\r\n" + hop + "\r\n{}",
	} {
		resp, body, err := r.ask("GET", request)
		if err != nil || resp.StatusCode != 502 || code(t, body) != "upstream_malformed" {
			t.Errorf("%s: got %v %q %v", name, resp, body, err)
		}
	}
}

// conversation is frames of all kinds, as one side sends them.
func conversation(r *rand.Rand, masked bool) (b []byte, messages [][]byte) {
	mask := func() []byte {
		if !masked {
			return nil
		}
		return []byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
	}
	payload := func(n int) []byte {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		return p
	}
	for _, n := range []int{0, 1, 7, 125, 126, 127, 1000, 65535, 65536, 1 << 20} {
		kind := byte(1 + r.IntN(2))
		whole := payload(n)
		messages = append(messages, append([]byte{kindOf(kind == 2)}, whole...))
		first, rest := kind, whole
		for r.IntN(3) > 0 && len(rest) > 0 {
			cut := r.IntN(len(rest) + 1)
			b = append(b, framed(first, mask(), rest[:cut])...)
			b = append(b, framed(0x89+byte(r.IntN(2)), mask(), payload(r.IntN(126)))...) // ping or pong between fragments
			first, rest = 0, rest[cut:]
		}
		b = append(b, framed(0x80|first, mask(), rest)...)
	}
	return b, messages
}

// TestSocket_Bytes covers T22 and I7: frames are identical both ways, however
// they are cut and fragmented, and the session is shown every message.
func TestSocket_Bytes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	o, f := newFar(t)
	g, d := startSocket(t, o.url(), nil)
	c := g.open(socketPath)
	end := f.end(t)
	sent, sentMessages := conversation(r, true)
	answer, answered := conversation(r, false)
	go trickle(c, rand.New(rand.NewPCG(3, 4)), append(sent, closing.up...))
	go trickle(end, rand.New(rand.NewPCG(5, 6)), answer)
	expect(t, end, append(bytes.Clone(sent), closing.up...))
	expect(t, c, answer)
	write(end, string(closing.down))
	expect(t, c, closing.down)
	end.Close()
	own, turns := g.journal.factsOf(t, 1)
	if own.Outcome != metering.OutcomeComplete || quantity(own.Usage, "messages") != "20" || own.BytesOut != int64(len(answer)+len(closing.down)) || len(turns) != 0 {
		t.Errorf("fact is %+v", own)
	}
	haveSent, haveReceived := d.shown()
	if !slices.EqualFunc(sentMessages, haveSent, bytes.Equal) || !slices.EqualFunc(answered, haveReceived, bytes.Equal) {
		t.Error("the session was shown other messages")
	}
}

// trickle writes b: byte by byte at first, then in pieces of all sizes.
func trickle(to io.Writer, r *rand.Rand, b []byte) {
	for n := 0; len(b) > 0; n++ {
		size := 1
		if n > 3000 {
			size = 1 + r.IntN(100_000)
		}
		size = min(size, len(b))
		if _, err := to.Write(b[:size]); err != nil {
			return
		}
		b = b[size:]
	}
}

// TestSocket_Garbage holds that what is no frame passes all the same, in both
// directions, and that the usage is then not called known.
func TestSocket_Garbage(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string][]byte{
		"reserved bits":         {0xb1, 0x01, 'x'},
		"reserved opcode":       {0x83, 0x00},
		"fragmented ping":       {0x09, 0x00},
		"large ping":            framed(0x89, nil, make([]byte, 126)),
		"continuation of none":  {0x80, 0x00},
		"text within text":      {0x01, 0x00, 0x81, 0x00},
		"compressed unasked":    {0xc1, 0x01, 'x'},
		"length of 64 bits":     {0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"HTTP":                  []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"compressed ping":       {0xc9, 0x00},
		"compressed in its mid": {0x01, 0x00, 0xc0, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, f := newFar(t)
			r, _ := startSocket(t, o.url(), nil)
			c := r.open(socketPath)
			end := f.end(t)
			before := append(text(done(3, 4)), text(`{"type":"begin"}`)...)
			after := append(bytes.Clone(bad), text(done(5, 6))...)
			write(end, string(before), string(after))
			expect(t, c, append(before, after...))
			write(c, string(after))
			expect(t, end, after)
			end.Close()
			if _, err := ended(t, c); err == nil {
				t.Error("the client saw a clean end")
			}
			own, turns := r.journal.factsOf(t, 3)
			if own.Usage.State != metering.UsageUnknown || !own.Usage.Flagged(metering.FlagUnreadable) || own.Outcome != metering.OutcomeTruncated {
				t.Errorf("fact is %+v", own)
			}
			if turns[0].Usage.Input != 3 || turns[0].Usage.State != metering.UsageExact || turns[1].Usage.State != metering.UsageUnknown || !turns[1].Usage.Flagged(metering.FlagUnreadable) {
				t.Errorf("turns are %+v", turns)
			}
		})
	}
}

// TestSocket_Raw holds that a socket on a path that nobody knows passes for a key
// that may, and is recorded as unmetered.
func TestSocket_Raw(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, d := startSocket(t, o.url(), nil)
	c := r.open("/v1/other")
	end := f.end(t)
	write(end, string(text(done(3, 4))))
	expect(t, c, text(done(3, 4)))
	write(c, string(closing.up))
	expect(t, end, closing.up)
	write(end, string(closing.down))
	expect(t, c, closing.down)
	own, turns := r.journal.factsOf(t, 1)
	if own.Metered || own.Endpoint != "raw" || own.Outcome != metering.OutcomeComplete || own.Usage.State != metering.UsageNone || quantity(own.Usage, "messages") != "1" || len(turns) > 0 {
		t.Errorf("fact is %+v", own)
	}
	if _, received := d.shown(); len(received) > 0 {
		t.Error("a session was shown messages")
	}
}

// TestSocket_ClientAuth holds that with auth: client the client's own credential
// passes, offered or not.
func TestSocket_ClientAuth(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), func(o *proxy.Options) { o.Upstreams[0].ClientAuth = true })
	r.open(socketPath, "X-Weir-Key: "+key, "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-own")
	f.end(t).Close()
	requests, _ := o.seen()
	if have := requests[0].all("Sec-WebSocket-Protocol"); len(have) != 1 || have[0] != "realtime, openai-insecure-api-key.sk-own" || strings.Contains(string(requests[0].raw), "weir_") {
		t.Errorf("upstream got %s", requests[0].raw)
	}
}
