package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/flate"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// said is a message as a model says things: like others, and long at times.
func said(n int) string {
	return fmt.Sprintf(`{"type":"response.output_text.delta","event_id":"event_%d","delta":%q}`, n, strings.Repeat("and so on ", n*n%700))
}

// TestSocket_Library covers T22 with a real client and server, with and without
// compression: every message arrives as it was sent, and the session is shown
// the plain text of each.
func TestSocket_Library(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]websocket.CompressionMode{
		"plain": websocket.CompressionDisabled, "takeover": websocket.CompressionContextTakeover, "no takeover": websocket.CompressionNoContextTakeover,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode, CompressionThreshold: 1, Subprotocols: []string{"realtime"}})
				if err != nil {
					return
				}
				c.SetReadLimit(4 << 20)
				for {
					kind, p, err := c.Read(r.Context())
					if err != nil || c.Write(r.Context(), kind, p) != nil {
						return
					}
				}
			}))
			t.Cleanup(echo.Close)
			r, d := startSocket(t, echo.URL, nil)
			ctx := soon(t)
			c, resp, err := websocket.Dial(ctx, "ws://"+r.addr+socketPath, &websocket.DialOptions{
				CompressionMode: mode, CompressionThreshold: 1, Subprotocols: []string{"realtime", "openai-insecure-api-key." + key},
			})
			if err != nil {
				t.Fatalf("%v %v", resp, err)
			}
			c.SetReadLimit(4 << 20)
			if c.Subprotocol() != "realtime" || mode != websocket.CompressionDisabled != strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "deflate") {
				t.Errorf("the answer says %v", resp.Header)
			}
			var want [][]byte
			input := int64(0)
			for i := range 60 {
				kind, p := websocket.MessageText, []byte(said(i))
				switch {
				case i == 31:
					kind, p = websocket.MessageBinary, bytes.Repeat([]byte("PCM16 "), 1<<18)
				case i%5 == 4:
					p = []byte(done(i, 1))
					input += int64(i)
				}
				want = append(want, append([]byte{kindOf(kind == websocket.MessageBinary)}, p...))
				if err := c.Write(ctx, kind, p); err != nil {
					t.Fatal(err)
				}
				got, have, err := c.Read(ctx)
				if err != nil || got != kind || !bytes.Equal(have, p) {
					t.Fatalf("message %d: got %d bytes, %v", i, len(have), err)
				}
			}
			if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
				t.Errorf("close: %v", err)
			}
			own, turns := r.journal.factsOf(t, 13)
			for _, e := range turns {
				input -= e.Usage.Input
			}
			if own.Outcome != metering.OutcomeComplete || own.Usage.State != metering.UsageNone || quantity(own.Usage, "messages") != "120" || input != 0 {
				t.Errorf("fact is %+v, %d tokens are missing", own, input)
			}
			sent, received := d.shown()
			if !slices.EqualFunc(want, sent, bytes.Equal) || !slices.EqualFunc(want, received, bytes.Equal) {
				t.Error("the session was shown other messages")
			}
		})
	}
}

// TestSocket_Undecodable holds that a message that cannot be decompressed passes,
// and makes what is not yet known of the usage unknown.
func TestSocket_Undecodable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, extension string
		later           bool // turns that come later are still seen
	}{
		{"takeover", "permessage-deflate", false},
		{"no takeover", "permessage-deflate; server_no_context_takeover", true},
		{"another extension", "x-unknown", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, f := newFar(t, "Sec-WebSocket-Extensions: "+tt.extension)
			r, _ := startSocket(t, o.url(), nil)
			c := r.open(socketPath)
			end := f.end(t)
			bad := framed(0xc1, nil, []byte{0xff, 0xff, 0xff})
			all := append(append(text(`{"type":"begin"}`), bad...), text(done(5, 6))...)
			all = append(append(all, text(`{"type":"begin"}`)...), closing.down...)
			write(end, string(all))
			expect(t, c, all)
			facts := 2
			if tt.later {
				facts = 3
			} else if tt.name == "another extension" {
				facts = 1
			}
			own, turns := r.journal.factsOf(t, facts)
			if own.Usage.State != metering.UsageUnknown || !own.Usage.Flagged(metering.FlagUnreadable) {
				t.Errorf("fact is %+v", own)
			}
			for i, e := range turns {
				exact := tt.later && i == 0
				if exact != (e.Usage.State == metering.UsageExact) || exact == e.Usage.Flagged(metering.FlagUnreadable) {
					t.Errorf("turn %d is %+v", i, e.Usage)
				}
			}
		})
	}
}

// deflating compresses messages as RFC 7692 has it.
type deflating struct {
	out      bytes.Buffer
	w        *flate.Writer
	takeover bool
}

func (d *deflating) message(t testing.TB, p []byte) []byte {
	t.Helper()
	d.out.Reset()
	var err error
	if d.w == nil {
		d.w, err = flate.NewWriter(&d.out, flate.DefaultCompression)
	} else if !d.takeover {
		d.w.Reset(&d.out)
	}
	_, failed := d.w.Write(p)
	if err = errors.Join(err, failed, d.w.Flush()); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(bytes.TrimSuffix(d.out.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// TestMessages_Deflate reads compressed messages that refer far back, in frames
// and pieces of all sizes.
func TestMessages_Deflate(t *testing.T) {
	t.Parallel()
	for _, takeover := range []bool{true, false} {
		r := rand.New(rand.NewPCG(7, 8))
		d := &deflating{takeover: takeover}
		var all []byte
		var want [][]byte
		for i := range 120 {
			p := []byte(said(i))
			if i%17 == 3 { // nothing that could be compressed, and more than a window
				for range 40_000 {
					p = append(p, byte(r.Uint32()))
				}
			}
			want = append(want, append([]byte("t"), p...))
			z := d.message(t, p)
			cut := r.IntN(len(z) + 1)
			mask := []byte{1, 2, byte(i), 4}
			all = append(append(all, framed(0x41, mask, z[:cut])...), framed(0x80, mask, z[cut:])...)
		}
		for _, size := range []int{1, 7, 4096, len(all)} {
			var have [][]byte
			ok := proxy.Messages(true, takeover, func(p []byte, binary bool) { have = append(have, append([]byte{kindOf(binary)}, p...)) },
				slices.Collect(slices.Chunk(all, size))...)
			if !ok || !slices.EqualFunc(want, have, bytes.Equal) {
				t.Errorf("takeover %v, pieces of %d: %v, %d messages", takeover, size, ok, len(have))
			}
		}
	}
}

// TestMessages_LastBlock reads a message whose sender has ended its stream with a
// last block, as in RFC 7692, 7.2.3.4.
func TestMessages_LastBlock(t *testing.T) {
	t.Parallel()
	var have []string
	again := []byte{0xf2, 0x00, 0x11, 0x00, 0x00} // refers to the message before, 7.2.3.2
	ok := proxy.Messages(true, true, func(p []byte, _ bool) { have = append(have, string(p)) },
		framed(0xc1, nil, []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}), framed(0xc1, nil, again))
	if !ok || !slices.Equal(have, []string{"Hello", "Hello"}) {
		t.Errorf("%v, got %q", ok, have)
	}
}

// TestMessages_Bounds holds that no message makes the reader hold or inflate more
// than its bound, and that many streams in one are refused.
func TestMessages_Bounds(t *testing.T) {
	t.Parallel()
	show := func(p []byte, _ bool) { t.Errorf("shown a message of %d bytes", len(p)) }
	d := &deflating{}
	bomb := d.message(t, make([]byte, 33<<20))
	if proxy.Messages(true, true, show, framed(0xc1, nil, bomb)) {
		t.Error("a bomb was read")
	}
	if proxy.Messages(true, false, show, framed(0xc1, nil, bytes.Repeat([]byte{0x03, 0x00}, 1<<20))) {
		t.Error("a million streams were read")
	}
	part := framed(0x00, nil, make([]byte, 1<<20))
	first := slices.Clone(part)
	first[0] = 0x02
	pieces := append([][]byte{first}, slices.Repeat([][]byte{part}, 40)...)
	if proxy.Messages(false, false, show, append(pieces, framed(0x80, nil, nil))...) {
		t.Error("a message of 41 MiB was held")
	}
}

// FuzzMessages holds that what is read does not depend on how it is cut.
func FuzzMessages(f *testing.F) {
	b, _ := conversation(rand.New(rand.NewPCG(1, 1)), true)
	f.Add(b[:3000], 17, false)
	d := &deflating{takeover: true}
	f.Add(append(framed(0xc1, nil, d.message(f, []byte(said(9)))), framed(0xc1, []byte{1, 2, 3, 4}, d.message(f, []byte(said(10))))...), 5, true)
	f.Add([]byte{0x81, 0x7f}, 1, true)
	f.Fuzz(func(t *testing.T, b []byte, cut int, deflated bool) {
		if cut < 0 || cut > len(b) {
			cut = len(b) / 2
		}
		read := func(pieces ...[]byte) (out []string, ok bool) {
			ok = proxy.Messages(deflated, deflated, func(p []byte, binary bool) {
				out = append(out, string(kindOf(binary))+string(p))
			}, pieces...)
			return out, ok
		}
		whole, ok := read(b)
		cutUp, okToo := read(b[:cut], b[cut:])
		single, okAlso := read(slices.Collect(slices.Chunk(b, 1))...)
		if ok != okToo || ok != okAlso || !slices.Equal(whole, cutUp) || !slices.Equal(whole, single) {
			t.Errorf("whole %v %q, cut at %d %v %q, by bytes %v %q", ok, whole, cut, okToo, cutUp, okAlso, single)
		}
	})
}
