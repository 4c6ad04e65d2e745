package proxy_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// TestRequestBody_Untouched covers T01: whatever the body is, the upstream gets
// it byte for byte.
func TestRequestBody_Untouched(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")))
	r := start(t, o, nil)
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{
		`"model":"m"`, ` "a" : 1e400`, `"b":"\ud800"`, `"a":0,"a":1`, "\t\"c\":\r\n[ ]", `"stream":false`, `"user":"` + "\xff\x00" + `"`,
		`"nested":{"model":"other"}`, `"n":1E+2`, `"model":"m"`, `"max_tokens": 12.50`, `"é":"ü"`, `"x":[{},{"y":null}]`,
	}
	bodies := []string{"\xef\xbb\xbf" + chatRequest, "", "[]", "not JSON", `{"model":"m"`, "{}\n\n", `"text"`, `{"model":null}`, `{"model":1}`}
	for range 60 {
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		bodies = append(bodies, "{"+strings.Join(parts[:random.IntN(len(parts))], ",")+"}")
	}
	c := r.dial()
	b := bufio.NewReader(c)
	for i, body := range bodies {
		write(c, post(chatPath, body))
		if resp, answer, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%q: got %v %q %v", body, resp, answer, err)
		}
		requests, _ := o.seen()
		if have := requests[i].body; string(have) != body {
			t.Fatalf("sent %q, upstream got %q", body, have)
		}
	}
}

// TestStream_Untouched covers T02 and T03: line ends, comments, fields and cuts
// of every kind reach the client as they were, and the usage does not depend on
// how the bytes were cut.
func TestStream_Untouched(t *testing.T) {
	t.Parallel()
	usage := `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`
	for name, body := range map[string]string{
		"LF":            strings.Join(stream(), ""),
		"CRLF":          strings.ReplaceAll(strings.Join(stream(), ""), "\n", "\r\n"),
		"CR":            strings.ReplaceAll(strings.Join(stream(), ""), "\n", "\r"),
		"comments":      ": ping\n\n" + strings.Join(stream(), ":\n\n"),
		"fields":        "id: 7\nretry: 10\nevent: x\nunknown: y\n" + strings.Join(stream(), "id\n"),
		"spaces":        "data:  {}  \n\n" + usage + "   \n\ndata: [DONE]\n\n",
		"lines":         "data: {\ndata: }\n\n" + usage + "\n\ndata: [DONE]\n\n",
		"no blank line": usage + "\n\ndata: [DONE]",
		"no DONE":       usage + "\n\n",
		"mark":          "\xef\xbb\xbf" + strings.Join(stream(), ""),
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", name, size), func(t *testing.T) {
				t.Parallel()
				o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
					write(c, eventsHead)
					for piece := range slices.Chunk([]byte(body), size) {
						write(c, chunk(string(piece)))
					}
					write(c, "0\r\n\r\n")
				})
				r := start(t, o, nil)
				resp, have, err := r.ask("POST", post(chatPath, streamRequest))
				if err != nil || resp.StatusCode != 200 || string(have) != body {
					t.Fatalf("got %q, want %q, %v", have, body, err)
				}
				// The fact is written when the event that ends the answer has come: the LF of
				// a last CRLF may come behind it.
				e := r.journal.fact(t, 1)
				late := int64(len(body)) - e.BytesOut
				if e.Usage.State != metering.UsageExact || e.Usage.Input != 9 || e.Usage.Output != 2 || late != 0 && (late != 1 || name != "CRLF") {
					t.Errorf("fact is %+v", e)
				}
			})
		}
	}
}

// TestStream_Bulk covers the other half of T03: a megabyte at a time, on a
// connection that serves small answers too.
func TestStream_Bulk(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"0123456789\"}}]}\n\n", 40_000) + strings.Join(stream(), "")
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if bytes.Contains(g.body, []byte("small")) {
			write(c, eventsHead, chunk(stream()[4]), "0\r\n\r\n")
			return
		}
		write(c, eventsHead)
		for piece := range slices.Chunk([]byte(big), 1<<20) {
			write(c, chunk(string(piece)))
		}
		write(c, "0\r\n\r\n")
	})
	r := start(t, o, nil)
	c := r.dial()
	b := bufio.NewReader(c)
	for _, request := range []string{streamRequest, `{"model":"small","stream":true,"stream_options":{"include_usage":true}}`, streamRequest} {
		write(c, post(chatPath, request))
		_, have, err := answerTo(b, "POST")
		want := big
		if strings.Contains(request, "small") {
			want = stream()[4]
		}
		if err != nil || string(have) != want {
			t.Fatalf("%d bytes of %d, %v", len(have), len(want), err)
		}
	}
	if e := r.journal.fact(t, 1); e.Usage.Input != 9 || e.Usage.State != metering.UsageExact {
		t.Errorf("fact is %+v", e.Usage)
	}
}

// TestHeaders_Untouched covers T04: values, count and order of repeated lines,
// both ways, with nothing added but what the design lists.
func TestHeaders_Untouched(t *testing.T) {
	t.Parallel()
	sent := []string{
		"anthropic-beta: a, b", "anthropic-beta: c", "OpenAI-Organization: org-1", "traceparent: 00-1-2-01", "Cookie: a=b; c=\"d\"", "Cookie: e=f",
		"X-Stainless-Lang: go", "x-stainless-lang: js", "Accept: */*", "User-Agent: OpenAI/Python 1.0", "Cache-Control: no-store", "X-Empty:",
		"Accept-Encoding: gzip, br", "If-None-Match: \"x\"", "X-Forwarded-For: 1.2.3.4", "Content-Type: application/json",
	}
	back := []string{
		"Content-Type: application/json", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "x-ratelimit-remaining-tokens: 5", "OpenAI-Version: 2020", "Date: Wed, 25 Nov 2026 00:00:00 GMT",
		"Server: cloudflare", "Cache-Control: no-cache", "X-Odd:", "Set-Cookie: c=3", "Strict-Transport-Security: max-age=1", "WWW-Authenticate: Bearer", "Retry-After: 3", "Alt-Svc: h3=\":443\"",
	}
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, "HTTP/1.1 429 Too Many Requests\r\n"+strings.Join(back, "\r\n")+"\r\nContent-Length: 2\r\n\r\n{}")
	})
	r := start(t, o, nil)
	c := r.dial()
	write(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nx-api-key: "+key+"\r\n"+strings.Join(sent, "\r\n")+"\r\nContent-Length: 0\r\n\r\n")
	head := readHead(t, bufio.NewReader(c))
	normal := func(lines []string) []string {
		out := slices.Clone(lines)
		for i, l := range out {
			n, v, _ := strings.Cut(l, ":")
			out[i] = n + ": " + strings.TrimSpace(v)
		}
		return out
	}
	e := r.journal.fact(t, 1)
	wantBack := append([]string{"HTTP/1.1 429 Too Many Requests"}, normal(back)...)
	wantBack = append(wantBack, "Content-Length: 2", "X-Weir-Event-Id: "+e.ID.String(), "", "")
	if diff := cmp.Diff(wantBack, strings.Split(head, "\r\n")); diff != "" {
		t.Errorf("to the client: %s", diff)
	}
	requests, _ := o.seen()
	wantSent := append([]string{"Host: " + strings.TrimPrefix(o.url(), "http://")}, normal(sent)...)
	wantSent = append(wantSent, "Authorization: Bearer "+operatorKey, "Content-Length: 0")
	if diff := cmp.Diff(wantSent, requests[0].fields); diff != "" {
		t.Errorf("to the upstream: %s", diff)
	}
}

// TestAnswers_Untouched covers T05, T06 and T07: large heads, errors of every
// kind, compressed answers. Status, headers and body are the upstream's.
func TestAnswers_Untouched(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, chatAnswer); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var large []string
	for i := range 60 {
		large = append(large, fmt.Sprintf("X-Large-%d: %s", i, strings.Repeat("v", 1000)))
	}
	for name, tt := range map[string]struct {
		answer, body string
		status       int
		input        int64
	}{
		"T05 60 KB of headers": {respond("200 OK", "application/json", chatAnswer, large...), chatAnswer, 200, 11},
		"T06 JSON error":       {respond("400 Bad Request", "application/json", `{"error":{"message":"no"}}`), `{"error":{"message":"no"}}`, 400, 0},
		"T06 HTML error":       {respond("502 Bad Gateway", "text/html", "<html>"), "<html>", 502, 0},
		"T06 empty error":      {respond("503 Service Unavailable", "text/plain", ""), "", 503, 0},
		"T06 odd status":       {respond("529 ", "application/json", "{}"), "{}", 529, 0},
		"T06 401 of theirs":    {respond("401 Unauthorized", "application/json", "{}"), "{}", 401, 0},
		"T07 gzip":             {respond("200 OK", "application/json", packed.String(), "Content-Encoding: gzip"), packed.String(), 200, 11},
		"until it closes":      {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + chatAnswer, chatAnswer, 200, 11},
		"HTTP/1.0":             {"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + chatAnswer, chatAnswer, 200, 11},
		"no reason":            {"HTTP/1.1 200\r\nContent-Length: " + strconv.Itoa(len(chatAnswer)) + "\r\n\r\n" + chatAnswer, chatAnswer, 200, 11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closes := !strings.Contains(tt.answer, "Content-Length")
			o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
				write(c, tt.answer)
				if closes {
					c.Close()
				}
			})
			r := start(t, o, nil)
			resp, body, err := r.ask("POST", post(chatPath, chatRequest))
			if err != nil || resp.StatusCode != tt.status || string(body) != tt.body {
				t.Fatalf("got %v %.100q %v", resp, body, err)
			}
			if e := r.journal.fact(t, 1); e.Usage.Input != tt.input || e.Outcome != metering.OutcomeComplete || e.Status != tt.status {
				t.Errorf("fact is %+v", e)
			}
			if name == "T05 60 KB of headers" && len(resp.Header) < 60 {
				t.Errorf("%d headers", len(resp.Header))
			}
		})
	}
}

// TestMethods covers T12: answers without a body, methods other than POST, 1xx,
// and an HTTP/1.0 client.
func TestMethods(t *testing.T) {
	t.Parallel()
	auth := "Host: w\r\nAuthorization: Bearer " + key + "\r\n"
	for name, tt := range map[string]struct{ request, answer, want string }{
		"HEAD": {
			"HEAD /v1/models HTTP/1.1\r\n" + auth + "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
		},
		"OPTIONS": {
			"OPTIONS /v1/models HTTP/1.1\r\n" + auth + "Origin: http://a\r\n\r\n", "HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n",
			"HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n",
		},
		"304": {
			"GET /v1/models HTTP/1.1\r\n" + auth + "If-None-Match: x\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 7\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 7\r\n\r\n",
		},
		"103": {
			"GET /v1/models HTTP/1.1\r\n" + auth + "\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
			"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		},
		"HTTP/1.0, chunks": {
			"GET /v1/models HTTP/1.0\r\n" + auth + "Connection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
		},
		"HTTP/1.0, length": {
			"GET /v1/models HTTP/1.0\r\n" + auth + "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
		},
		"close": {
			"GET /v1/models HTTP/1.1\r\n" + auth + "Connection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		},
		"empty chunks": {
			"GET /v1/models HTTP/1.1\r\n" + auth + "\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(tt.answer))
			r := start(t, o, func(o *proxy.Options) { o.EventIDHeader = false })
			c := r.dial()
			write(c, tt.request)
			have := make([]byte, len(tt.want))
			if n, err := io.ReadFull(c, have); err != nil || string(have) != tt.want {
				t.Fatalf("got %q, want %q, %v", have[:n], tt.want, err)
			}
			if strings.Contains(tt.want, "Connection: close") {
				if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
					t.Errorf("then came %q, %v", rest, err)
				}
				return
			}
			write(c, tt.request) // the connection serves another call
			if n, err := io.ReadFull(c, have); err != nil || string(have) != tt.want {
				t.Fatalf("then got %q, %v", have[:n], err)
			}
			if _, conns := o.seen(); conns != 1 {
				t.Errorf("%d upstream connections", conns)
			}
			if e := r.journal.fact(t, 2); e.Outcome != metering.OutcomeComplete || e.Metered || e.Usage.State != metering.UsageNone {
				t.Errorf("fact is %+v", e)
			}
		})
	}
}

// TestExpect covers T12's 100-continue: the client is told to go on only when
// its key is good, and the upstream is not asked.
func TestExpect(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	c := r.dial()
	b := bufio.NewReader(c)
	head := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nExpect: 100-Continue\r\nContent-Length: %d\r\nAuthorization: Bearer ", len(chatRequest))
	write(c, head+key+"\r\n\r\n")
	if have := readHead(t, b); have != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q", have)
	}
	write(c, chatRequest)
	if resp, body, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
		t.Fatalf("got %v %v", resp, err)
	}
	write(c, head+"weir_live_nobody\r\n\r\n")
	if resp, _, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 401 || !resp.Close {
		t.Fatalf("got %v %v", resp, err)
	}
}

// TestRaw covers T13: an unknown path is forwarded untouched for a key that may,
// and leaves an unmetered call.
func TestRaw(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := start(t, o, nil)
	body := `{"model":"a","model":"b"}` // ambiguous, and nobody's business here
	resp, have, err := r.ask("PATCH", strings.Replace(post("/v1/brand/new", body), "POST", "PATCH", 1))
	if err != nil || resp.StatusCode != http.StatusOK || string(have) != chatAnswer {
		t.Fatalf("got %v %q %v", resp, have, err)
	}
	requests, _ := o.seen()
	if g := requests[0]; g.line != "PATCH /v1/brand/new HTTP/1.1" || string(g.body) != body {
		t.Errorf("upstream got %q", g.raw)
	}
	if e := r.journal.fact(t, 1); e.Metered || e.Endpoint != "raw" || e.Usage.State != metering.UsageNone || e.Usage.Input != 0 {
		t.Errorf("fact is %+v", e)
	}
}

// TestPipelined answers requests that come at once, in order.
func TestPipelined(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) { write(c, respond("200 OK", "application/json", string(g.body))) })
	r := start(t, o, nil)
	c := r.dial()
	var all strings.Builder
	for i := range 20 {
		all.WriteString(post(chatPath, fmt.Sprintf(`{"model":"m%d"}`, i)))
	}
	write(c, all.String())
	b := bufio.NewReader(c)
	for i := range 20 {
		if _, body, err := answerTo(b, "POST"); err != nil || string(body) != fmt.Sprintf(`{"model":"m%d"}`, i) {
			t.Fatalf("answer %d is %q, %v", i, body, err)
		}
	}
}
