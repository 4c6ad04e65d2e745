package proxy_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// sink is an upstream that takes a body without keeping it, at its own pace.
type sink struct {
	ln   net.Listener
	mu   sync.Mutex
	got  int64
	sum  [32]byte
	ends int // bodies that ended as their framing says
	wg   sync.WaitGroup
}

func newSink(t *testing.T) *sink {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{ln: ln}
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { defer c.Close(); s.take(c) })
		}
	})
	t.Cleanup(func() { ln.Close(); s.wg.Wait() })
	return s
}

// take reads one request by net/http's parser of bodies.
func (s *sink) take(c net.Conn) {
	req, err := readRequest(c)
	if err != nil {
		return
	}
	sum := sha256.New()
	buf := make([]byte, 64<<10)
	for {
		n, err := req.Body.Read(buf)
		sum.Write(buf[:n])
		s.mu.Lock()
		s.got += int64(n)
		if err == io.EOF {
			s.ends++
			copy(s.sum[:], sum.Sum(nil))
		}
		s.mu.Unlock()
		if err == io.EOF {
			write(c, respond("200 OK", "application/json", chatAnswer))
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *sink) state() (got int64, ends int, sum [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got, s.ends, s.sum
}

// large is a request body of some megabytes with an image in it.
func large(megabytes int, before, behind string) []byte {
	var b bytes.Buffer
	b.WriteString("{" + before + `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,`)
	b.WriteString(strings.Repeat("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", megabytes<<20/44))
	b.WriteString(`"}}]}]` + behind + "}")
	return b.Bytes()
}

// TestLarge covers T10: a large body streams through in bounded memory, with and
// without a length, and its model is read wherever it stands.
func TestLarge(t *testing.T) {
	for _, tt := range []struct {
		name, before, behind string
		chunked              bool
		megabytes            int
	}{
		{"50 MB by length, model first", `"model":"gpt-x",`, "", false, 50},
		{"50 MB in chunks, model last", "", `,"model":"gpt-x"`, true, 50},
		{"3 MB by length, model last", "", `,"stream":false,"mod\u0065l":"gpt-x"`, false, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSink(t)
			r := start(t, nil, func(o *proxy.Options) { o.Upstreams[0].BaseURL = "http://" + s.ln.Addr().String() })
			body := large(tt.megabytes, tt.before, tt.behind)
			runtime.GC()
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			c := r.dial()
			head := "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer " + key + "\r\n"
			if tt.chunked {
				write(c, head+"Transfer-Encoding: chunked\r\n\r\n")
				for len(body) > 0 {
					n := min(len(body), 100_000)
					fmt.Fprintf(c, "%x\r\n", n)
					if _, err := c.Write(body[:n]); err != nil {
						t.Fatal(err)
					}
					write(c, "\r\n")
					body = body[n:]
				}
				write(c, "0\r\n\r\n")
			} else {
				write(c, head+"Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n")
				if _, err := c.Write(body); err != nil {
					t.Fatal(err)
				}
			}
			e := r.journal.fact(t, 1)
			runtime.ReadMemStats(&is)
			want := large(tt.megabytes, tt.before, tt.behind)
			got, ends, sum := s.state()
			if got != int64(len(want)) || ends != 1 || sum != sha256.Sum256(want) {
				t.Errorf("%d of %d bytes arrived, %d ends", got, len(want), ends)
			}
			if e.Model != "gpt-x" || e.BodyBytes != int64(len(want)) || e.Outcome != metering.OutcomeComplete || e.Usage.Input != 11 {
				t.Errorf("fact is %+v", e)
			}
			// All that was allocated meanwhile, whether or not it was kept, by both
			// ends of the test too.
			if grown := is.TotalAlloc - was.TotalAlloc; grown > 6<<20 {
				t.Errorf("%d bytes were allocated for a body of %d", grown, len(want))
			}
		})
	}
}

// TestLarge_Refused withholds the last byte until the model has been decided on:
// a second model, one that is not allowed, or too many members to tell.
func TestLarge_Refused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, before, behind, key, code string
		status                          int
	}{
		{"two models (S20)", `"model":"small",`, `,"model":"large"`, key, "ambiguous_model", 400},
		{"an escaped one (S20)", `"model":"small",`, `,"\u006dodel":"large"`, key, "ambiguous_model", 400},
		{"not allowed", ``, `,"model":"large"`, modelKey, "model_not_allowed", 403},
		{"none named", ``, ``, modelKey, "model_not_allowed", 403},
		{"a long name", ``, `,"model":"` + strings.Repeat("m", 1<<20) + `"`, key, "ambiguous_model", 400},
		{"too many members (T75)", strings.Repeat(`"k":1,`, 100_000), `,"model":"m"`, key, "ambiguous_model", 400},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %v", tt.name, chunked), func(t *testing.T) {
				t.Parallel()
				s := newSink(t)
				r := start(t, nil, func(o *proxy.Options) {
					o.Upstreams[0].BaseURL, o.Inspect = "http://"+s.ln.Addr().String(), 64<<10
				})
				body := string(large(1, tt.before, tt.behind))
				request := "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer " + tt.key + "\r\n"
				if chunked {
					request += "Transfer-Encoding: chunked\r\n\r\n" + chunk(body) + "0\r\n\r\n"
				} else {
					request += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
				}
				resp, answer, err := r.ask("POST", request)
				if err != nil || resp.StatusCode != tt.status || code(t, answer) != tt.code {
					t.Fatalf("got %v %q %v", resp, answer, err)
				}
				if e := r.journal.fact(t, 1); e.Outcome != metering.OutcomeRefused || e.ErrorCode != tt.code {
					t.Errorf("fact is %+v", e)
				}
				if got, ends, _ := s.state(); ends != 0 || got >= int64(len(body)) {
					t.Errorf("%d of %d bytes went upstream, %d ends", got, len(body), ends)
				}
			})
		}
	}
}

// TestLarge_Limits refuses what is beyond the limit, and a body that does not
// arrive whole is not ended towards the upstream (S21 and F21).
func TestLarge_Limits(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	r := start(t, nil, func(o *proxy.Options) {
		o.Upstreams[0].BaseURL, o.Inspect, o.MaxBody = "http://"+s.ln.Addr().String(), 4<<10, 1<<20
	})
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer " + key + "\r\nTransfer-Encoding: chunked\r\n\r\n"
	resp, answer, err := r.ask("POST", head+chunk(string(large(2, "", ""))))
	if err != nil || resp.StatusCode != 413 || code(t, answer) != "request_too_large" {
		t.Fatalf("got %v %q %v", resp, answer, err)
	}
	resp, answer, err = r.ask("POST", head+chunk(strings.Repeat("[", 100_000))+"zz\r\n")
	if err != nil || resp.StatusCode != 400 || code(t, answer) != "malformed_request" {
		t.Fatalf("got %v %q %v", resp, answer, err)
	}
	c := r.dial()
	write(c, head+chunk(strings.Repeat("[", 100_000)))
	c.Close() // in the middle
	for n, want := range []metering.Outcome{metering.OutcomeRefused, metering.OutcomeRefused, metering.OutcomeClientGone} {
		if e := r.journal.fact(t, n+1); e.Outcome != want {
			t.Errorf("fact %d is %+v", n+1, e)
		}
	}
	if _, ends, _ := s.state(); ends != 0 {
		t.Errorf("%d bodies ended", ends)
	}
}

// TestDepthBomb covers S21: brackets without end, held or streamed, cost time
// linear in their number and no stack.
func TestDepthBomb(t *testing.T) {
	o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")))
	r := start(t, o, func(o *proxy.Options) { o.Inspect = 8 << 20 })
	for _, size := range []int{7 << 20, 64 << 20} {
		body := `{"a":` + strings.Repeat("[", size)
		began := time.Now()
		if resp, answer, err := r.ask("POST", post(chatPath, body)); err != nil || resp.StatusCode != 200 {
			t.Fatalf("got %v %q %v", resp, answer, err)
		}
		t.Logf("%d brackets in %v", size, time.Since(began))
	}
}

// TestLarge_form covers T11: of an upload of 25 MiB that is streamed through, the
// model is known although it stands behind the file, and no byte changes.
func TestLarge_form(t *testing.T) {
	t.Parallel()
	file := strings.Repeat("\x00\xffRIFF--b\r\n", 25<<20/10)
	part := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	upload := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n" + file + "\r\n"
	for name, tt := range map[string]struct {
		body, key string
		status    int
		model     string
	}{
		"behind the file":       {upload + part("model", "small") + "--b--\r\n", modelKey, 200, "small"},
		"before the file":       {part("model", "small") + upload + "--b--\r\n", modelKey, 200, "small"},
		"another than is meant": {upload + part("model", "large") + "--b--\r\n", modelKey, 403, "large"},
		"two":                   {part("model", "small") + upload + part("model", "large") + "--b--\r\n", key, 400, ""},
		"none, and no form":     {"preamble\r\n" + upload + part("model", "small") + "--b--\r\n", modelKey, 403, ""},
		"no form, any model":    {"preamble\r\n" + upload + part("model", "small") + "--b--\r\n", key, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t)
			r := start(t, nil, func(o *proxy.Options) {
				o.Upstreams[0].BaseURL = "http://" + s.ln.Addr().String()
				o.Inspect = 64 << 10
			})
			request := post("/v1/audio/transcriptions", tt.body, "Authorization: Bearer "+tt.key)
			request = strings.Replace(request, "Content-Type: application/json", "Content-Type: multipart/form-data; boundary=b", 1)
			resp, body, err := r.ask("POST", request)
			if err != nil || resp.StatusCode != tt.status {
				t.Fatalf("got %v %.200q %v, want %d", resp, body, err, tt.status)
			}
			_, ends, sum := s.state()
			if passed := ends == 1 && sum == sha256.Sum256([]byte(tt.body)); passed != (tt.status == 200) {
				t.Errorf("%d bodies reached their end upstream, whole: %v", ends, passed)
			}
			if e := r.journal.fact(t, 1); e.Model != tt.model && tt.status != 400 {
				t.Errorf("model is %q, want %q", e.Model, tt.model)
			}
		})
	}
}
