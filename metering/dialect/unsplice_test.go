package dialect_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering/dialect"
)

// unsplice filters body in pieces of the given size.
func unsplice(u *dialect.Unsplicer, body []byte, piece int) string {
	var out []byte
	for len(body) > 0 {
		n := min(piece, len(body))
		out = u.Filter(out, body[:n])
		body = body[n:]
	}
	return string(u.Flush(out))
}

const (
	content = `{"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}]}`
	asked   = `{"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}`
	frame   = `{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`
)

// TestUnsplicer: T08, S18. Each case is read whole and cut everywhere.
func TestUnsplicer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{
			"as OpenAI sends it", "data: " + asked + "\n\ndata: " + frame + "\n\ndata: [DONE]\n\n",
			"data: " + content + "\n\ndata: [DONE]\n\n",
		},
		{
			"CRLF", "data: " + asked + "\r\n\r\ndata: " + frame + "\r\n\r\ndata: [DONE]\r\n\r\n",
			"data: " + content + "\r\n\r\ndata: [DONE]\r\n\r\n",
		},
		{
			"CR", "data: " + asked + "\r\rdata: " + frame + "\r\rdata: [DONE]\r\r",
			"data: " + content + "\r\rdata: [DONE]\r\r",
		},
		{
			"every ending in one stream", "data:" + asked + "\r\n\rdata:" + frame + "\n\r\ndata: [DONE]\r\r\n",
			"data:" + content + "\r\n\rdata: [DONE]\r\r\n",
		},
		{
			"byte order mark and comments", "\xef\xbb\xbfdata: " + asked + "\n: ping\n\n: ping\n\ndata: " + frame + "\n\n: ping\n\n",
			"\xef\xbb\xbfdata: " + content + "\n: ping\n\n: ping\n\n: ping\n\n",
		},
		{
			"fields of the frame go with it", "id: 1\nevent: x\nretry: 5\ndata: " + frame + "\n\nid: 2\ndata: [DONE]\n\n",
			"id: 2\ndata: [DONE]\n\n",
		},
		{
			"fields of others stay", "id: 1\nevent: x\ndata: " + asked + "\nid: 2\n\n",
			"id: 1\nevent: x\ndata: " + content + "\nid: 2\n\n",
		},
		{
			"a comment inside the frame stays", "id: 1\n: ping\ndata: " + frame + "\n:\n\ndata: [DONE]\n\n",
			": ping\n:\ndata: [DONE]\n\n",
		},
		{
			"python's spacing", `data: {"a": 1, "usage": null, "b": 2}` + "\n\n",
			`data: {"a": 1, "b": 2}` + "\n\n",
		},
		{"first member", `data: { "usage" : null , "b":2}` + "\n\n", `data: { "b":2}` + "\n\n"},
		{"only member", `data: {"usage":null}` + "\n\n", `data: {}` + "\n\n"},
		{"last member", `data: {"b":2 , "usage" :null }` + "\n\n", `data: {"b":2 }` + "\n\n"},
		{
			"deeper members and texts stay", `data: {"choices":[{"usage":null,"t":"\"usage\":null"}],"x":{"usage":null}}` + "\n\n",
			`data: {"choices":[{"usage":null,"t":"\"usage\":null"}],"x":{"usage":null}}` + "\n\n",
		},
		{
			"usage beside choices stays", `data: {"choices":[{}],"usage":{"prompt_tokens":1}}` + "\n\n",
			`data: {"choices":[{}],"usage":{"prompt_tokens":1}}` + "\n\n",
		},
		{
			"Azure's first chunk stays", `data: {"choices":[],"prompt_filter_results":[],"usage":null}` + "\n\n",
			`data: {"choices":[],"prompt_filter_results":[]}` + "\n\n",
		},
		{
			"usage without choices stays", `data: {"usage":{"prompt_tokens":1}}` + "\n\n",
			`data: {"usage":{"prompt_tokens":1}}` + "\n\n",
		},
		{
			"an error stays", `data: {"choices":[],"usage":{},"error":{"code":1}}` + "\n\n",
			`data: {"choices":[],"usage":{},"error":{"code":1}}` + "\n\n",
		},
		{"choices with blanks", `data: {"choices": [ ] , "usage": {}}` + "\n\ndata: x\n\n", "data: x\n\n"},
		{
			"several data lines", "data: {\ndata:   \"a\": 1,\ndata:   \"usage\": null\ndata: }\n\n",
			"data: {\ndata:   \"a\": 1\ndata: }\n\n",
		},
		{
			"several data lines, first member", "data: {\r\ndata:   \"usage\": null,\r\ndata:   \"a\": 1\r\ndata: }\r\n\r\n",
			"data: {\r\ndata:   \"a\": 1\r\ndata: }\r\n\r\n",
		},
		{
			"the frame on several data lines", "data: {\"choices\":\ndata: [],\nid: 7\ndata:\ndata: \"usage\":{}}\n\ndata: [DONE]\n\n",
			"data: [DONE]\n\n",
		},
		{"no frame after all", "data: " + frame + "\ndata: x\n\n", "data: " + frame + "\ndata: x\n\n"},
		{"not JSON", "data: {usage:null}\n\ndata: {\"usage\":null} x\n\n", "data: {usage:null}\n\ndata: {\"usage\":null} x\n\n"},
		{"broken JSON", "data: {\"a\":1,\"usage\":null,}\n\n", "data: {\"a\":1,\"usage\":null,}\n\n"},
		{"twice", `data: {"usage":null,"usage":null}` + "\n\n", `data: {"usage":null,"usage":null}` + "\n\n"},
		{"an error line of GPUStack", "error: {\"usage\":null}\n\nevent: error\ndata\n\n", "error: {\"usage\":null}\n\nevent: error\ndata\n\n"},
		{"an error document", "{\"error\":{},\n\"usage\":null}", "{\"error\":{},\n\"usage\":null}"},
		{"the end without a blank line", "data: " + asked + "\n\ndata: " + frame + "\n", "data: " + content + "\n\n"},
		{"the end without an end of line", "data: " + asked, "data: " + content},
		{"cut in the frame", "data: [1]\n\ndata: " + frame[:40], "data: [1]\n\n"},
		{"cut in a chunk", "data: " + asked[:40], "data: " + asked[:40]},
		{"cut behind the null", "data: " + asked + "\r", "data: " + content + "\r"},
		{"nothing", "", ""},
		{"blank lines", "\n\r\n\r\r", "\n\r\n\r\r"},
		{"half a mark", "\xef\xbbdata: {\"usage\":null}\n\n", "\xef\xbbdata: {\"usage\":null}\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := dialect.NewUnsplicer()
			for piece := len(tt.in) + 1; piece > 0; piece-- {
				if diff := cmp.Diff(tt.want, unsplice(u, []byte(tt.in), piece)); diff != "" {
					t.Fatalf("in pieces of %d (-want +got):\n%s", piece, diff)
				}
			}
			for cut := range len(tt.in) {
				out := u.Filter(nil, []byte(tt.in[:cut]))
				out = u.Flush(u.Filter(out, []byte(tt.in[cut:])))
				if diff := cmp.Diff(tt.want, string(out)); diff != "" {
					t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
				}
			}
		})
	}
}

// TestUnsplicer_delay: what needs no decision passes with the bytes it came in.
func TestUnsplicer_delay(t *testing.T) {
	t.Parallel()
	u := dialect.NewUnsplicer()
	for _, step := range []struct{ in, out string }{
		{": OPEN", ": OPEN"},
		{"ROUTER\n", "ROUTER\n"},
		{"\n", "\n"},
		{"data: " + asked[:20], ""},
		{asked[20:], ""},
		{"\r", "data: " + content + "\r"},
		{"\n", "\n"},
		{"\r\n", "\r\n"},
		{"event: x\n", ""},
		{"data: [DO", ""},
		{"NE]\n", "event: x\ndata: [DONE]\n"},
		{"id: 1", "id: 1"},
		{"\n\n", "\n\n"},
		{"err", ""},
		{"or: x\n", "error: x\n"},
	} {
		if got := string(u.Filter(nil, []byte(step.in))); got != step.out {
			t.Fatalf("after %q came %q, want %q", step.in, got, step.out)
		}
	}
}

// TestUnsplicer_large: what cannot be held passes as it came (S17).
func TestUnsplicer_large(t *testing.T) {
	lengthy(t)
	t.Parallel()
	u := dialect.NewUnsplicer()
	const size = 64 << 20
	start := time.Now()
	for _, head := range []string{"data: {\"audio\":\"", "data: {\n", "event: ", "data: " + frame + "\nid: ", ": "} {
		sent, got := len(head), len(u.Filter(nil, []byte(head)))
		piece := bytes.Repeat([]byte("a"), 32<<10)
		var out []byte
		for sent < size {
			out = u.Filter(out[:0], piece)
			sent, got = sent+len(piece), got+len(out)
			if sent-got > 1<<20 {
				t.Fatalf("%s…: %d bytes are held", head, sent-got)
			}
		}
		const tail = "\",\"usage\":null}\n\ndata: " + asked + "\n\n"
		out = u.Filter(nil, []byte(tail))
		if want := "\",\"usage\":null}\n\ndata: " + content + "\n\n"; string(out) != want || sent != got {
			t.Errorf("%s…: %d bytes in, %d out, then %q", head, sent, got, out)
		}
	}
	small := bytes.Repeat([]byte("data:{\r"), size/7)
	if got := unsplice(u, small, 4<<10); got != string(small) {
		t.Error("small data lines of one event were changed")
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v: not linear", took)
	}
}

// spelling is how a provider writes its streams.
type spelling struct {
	field, ending, colon, comma string
	place                       int // of the member usage among the others
	multi                       bool
}

// chunkText writes one chunk; usage is the raw value, empty for none.
func (s spelling) chunkText(choices, usage string, r *rand.Rand) string {
	list := []string{
		`"id"` + s.colon + `"chatcmpl-1"`, `"choices"` + s.colon + choices,
		`"created"` + s.colon + fmt.Sprint(r.IntN(1e9)), `"usage_hint"` + s.colon + `{"usage":null}`,
	}
	if usage != "" {
		at := min(s.place, len(list))
		list = append(list[:at], append([]string{`"usage"` + s.colon + usage}, list[at:]...)...)
	}
	return "{" + strings.Join(list, s.comma) + "}"
}

// event writes one event.
func (s spelling) event(text string) string {
	if s.multi {
		text = strings.ReplaceAll(text, "\n", s.ending+s.field)
	}
	return s.field + text + s.ending + s.ending
}

// stream writes the same answer as it is without the splice and with it.
func stream(seed uint64) (direct, spliced string) {
	r := rand.New(rand.NewPCG(seed, 8))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	s := spelling{
		field: pick("data: ", "data:"), ending: pick("\n", "\r\n", "\r"), colon: pick(":", ": ", " : "),
		comma: pick(",", ", ", " ,\t"), place: r.IntN(5),
	}
	if r.IntN(4) == 0 {
		s.multi, s.comma = true, ",\n  "
	}
	var a, b strings.Builder
	both := func(text string) { a.WriteString(text); b.WriteString(text) }
	both(pick("", "\xef\xbb\xbf", ": hello"+s.ending))
	for range r.IntN(6) {
		if r.IntN(3) == 0 {
			both(pick(": ping"+s.ending+s.ending, "id: 4"+s.ending, "event: message"+s.ending, "x: y"+s.ending, s.ending))
		}
		choices := pick(`[{"delta":{"content":"\",\"usage\":null"}}]`, `[]`, `[{"text":"data: [DONE]"},{"text":"é\n"}]`)
		n := r.Uint64()
		a.WriteString(s.event(s.chunkText(choices, "", rand.New(rand.NewPCG(n, 1)))))
		b.WriteString(s.event(s.chunkText(choices, "null", rand.New(rand.NewPCG(n, 1)))))
	}
	b.WriteString(pick("", "id: 9"+s.ending) + s.event(s.chunkText("[]", `{"prompt_tokens":1}`, r)))
	both(pick("", s.event("[DONE]"), ": bye"+s.ending))
	return a.String(), b.String()
}

// FuzzUnsplicer: what comes out of a spliced stream is the stream without the
// splice, however it is cut (T02, T08, S18).
func FuzzUnsplicer(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed, seed*7)
	}
	u := dialect.NewUnsplicer()
	f.Fuzz(func(t *testing.T, seed, cuts uint64) {
		direct, spliced := stream(seed)
		r := rand.New(rand.NewPCG(cuts, 3))
		var out []byte
		for rest := []byte(spliced); len(rest) > 0; {
			n := 1 + r.IntN(min(len(rest), 1+r.IntN(200)))
			out = u.Filter(out, rest[:n])
			rest = rest[n:]
		}
		if diff := cmp.Diff(direct, string(u.Flush(out))); diff != "" {
			t.Fatalf("of %q (-want +got):\n%s", spliced, diff)
		}
	})
}

// FuzzUnsplicer_cuts: any bytes, cut anywhere, come out the same, and none is
// added; where the word is not in them none is lost either.
func FuzzUnsplicer_cuts(f *testing.F) {
	for _, seed := range []string{
		"data: " + asked + "\n\ndata: " + frame + "\r\n\r\ndata: [DONE]\r\r", "\xef\xbb\xbfdata\n\n:\nid\n",
		"data: {\ndata: \"choices\":[],\ndata: \"usage\":{}}\n\n", "data: " + frame + "\r\ndata: " + frame,
	} {
		f.Add([]byte(seed), uint16(5))
	}
	u := dialect.NewUnsplicer()
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		whole := unsplice(u, body, len(body)+1)
		if got := unsplice(u, body, 1+int(cut)); got != whole {
			t.Fatalf("%q whole gives %q, in pieces of %d %q", body, whole, 1+int(cut), got)
		}
		if got := unsplice(u, body, 1); got != whole {
			t.Fatalf("%q whole gives %q, in bytes %q", body, whole, got)
		}
		if len(whole) > len(body) || !bytes.Contains(body, []byte(`usage`)) && whole != string(body) {
			t.Fatalf("%q became %q", body, whole)
		}
	})
}

var (
	nullUsage = regexp.MustCompile(`,"usage":null([,}])`)
	noChoices = regexp.MustCompile(`"choices": ?\[\]`)
	someUsage = regexp.MustCompile(`"usage": ?\{`)
)

// TestUnsplicer_corpus holds it to recorded streams of providers that were asked
// for usage, against a second method: lines and a regular expression.
func TestUnsplicer_corpus(t *testing.T) {
	t.Parallel()
	frames, nulls := 0, 0
	for _, e := range exchanges(t) {
		if e.Endpoint != "openai.chat" && e.Endpoint != "openai.completions" || !strings.HasPrefix(e.Body, "data:") {
			continue
		}
		var want strings.Builder
		for _, event := range strings.SplitAfter(e.Body, "\n\n") {
			switch {
			case noChoices.MatchString(event) && someUsage.MatchString(event):
				frames++
			default:
				plain := nullUsage.ReplaceAllString(event, "$1")
				if plain != event {
					nulls++
				}
				want.WriteString(plain)
			}
		}
		for _, piece := range []int{len(e.Body), 1, 7, 1400} {
			if diff := cmp.Diff(want.String(), unsplice(dialect.NewUnsplicer(), []byte(e.Body), piece)); diff != "" {
				t.Errorf("%s in pieces of %d (-want +got):\n%s", e.ID, piece, diff)
			}
		}
	}
	t.Logf("%d usage frames and %d null members removed", frames, nulls)
	if frames < 30 || nulls < 100 {
		t.Errorf("only %d frames and %d null members: the corpus is not what this test is about", frames, nulls)
	}
}
