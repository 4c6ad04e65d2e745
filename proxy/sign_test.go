package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
	"github.com/weirhq/weir/proxy/awssign"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	session   = "FwoGZXIvYXdzEXAMPLE"
)

// signedAt is a bedrock upstream at o whose calls are signed.
func signedAt(t testing.TB, o *origin) proxy.Upstream {
	t.Helper()
	u := upstreamAt(t, "bedrock", o)
	s, err := awssign.New(awssign.Options{Service: "bedrock", Region: "us-east-1", AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: session})
	if err != nil {
		t.Fatal(err)
	}
	u.Credentials, u.KeyHeader, u.Signer = nil, "", s
	return u
}

// verify recomputes the signature of a request as it was received, by the SDK's
// signer, from the fields that it says it covers.
func verify(t testing.TB, g got, token string) {
	t.Helper()
	hash := sha256.Sum256(g.body)
	verifyFor(t, g, token, "bedrock", hex.EncodeToString(hash[:]), v4.NewSigner())
}

// verifyFor is verify for a service, a payload and a signer of the SDK.
func verifyFor(t testing.TB, g got, token, service, payload string, signer *v4.Signer) {
	t.Helper()
	auth := g.all("Authorization")
	if len(auth) != 1 {
		t.Fatalf("%d Authorization fields: %q", len(auth), g.fields)
	}
	_, list, _ := strings.Cut(auth[0], "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	method, target, _ := strings.Cut(g.line, " ")
	target, _, _ = strings.Cut(target, " ")
	path, query, _ := strings.Cut(target, "?")
	host := g.all("Host")[0]
	req := &http.Request{Method: method, Host: host, Header: http.Header{}, URL: &url.URL{Opaque: "//" + host + path, RawQuery: query}}
	for _, name := range strings.Split(list, ";") {
		switch name {
		case "host":
		case "content-length":
			req.ContentLength = int64(len(g.body))
		default:
			for _, v := range g.all(name) {
				req.Header.Add(name, v)
			}
		}
	}
	at, err := time.Parse("20060102T150405Z", g.all("X-Amz-Date")[0])
	if err != nil {
		t.Fatal(err)
	}
	keys := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: token}
	if err := signer.SignHTTP(context.Background(), keys, req, payload, service, "us-east-1", at); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(req.Header.Get("Authorization"), auth[0]); diff != "" {
		t.Errorf("signature of %s does not verify (-want +got):\n%s", g.line, diff)
	}
}

const (
	converseRequest = `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`
	converseAnswer  = `{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":11,"outputTokens":7,"totalTokens":18}}`
	profileARN      = "arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2Fus.anthropic.claude-x-v1%3A0"
)

// awsEvent is a frame of an AWS event stream.
func awsEvent(name, payload string) string {
	var head []byte
	for _, h := range [][2]string{{":event-type", name}, {":content-type", "application/json"}, {":message-type", "event"}} {
		head = append(append(append(head, byte(len(h[0]))), h[0]...), 7)
		head = append(binary.BigEndian.AppendUint16(head, uint16(len(h[1]))), h[1]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(head)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(head)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, head...), payload...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// TestSign: what the upstream receives verifies, with an ARN in the path and a
// query, however the client signed; no key of anybody else's is in it.
func TestSign(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", converseAnswer)))
	r := start(t, o, func(o2 *proxy.Options) { o2.Upstreams = []proxy.Upstream{signedAt(t, o)} })
	for i, tt := range []struct {
		path, rest, model string
		fields            []string
	}{
		{"/bedrock/model/us.amazon.nova-micro-v1%3A0/converse", "/model/us.amazon.nova-micro-v1%3A0/converse", "us.amazon.nova-micro-v1:0", nil},
		{"/bedrock/model/us.amazon.nova-micro-v1:0/converse", "/model/us.amazon.nova-micro-v1:0/converse", "us.amazon.nova-micro-v1:0", nil},
		{"/bedrock/model/" + profileARN + "/converse?b=2&a=%20x&a=1", "/model/" + profileARN + "/converse?b=2&a=%20x&a=1", "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-x-v1:0", nil},
		{"/bedrock/model/m/converse", "/model/m/converse", "m", []string{
			"X-Weir-Key: " + key, "X-Amz-Date: 20200101T000000Z", "x-amz-security-token: theirs", "X-Amz-Content-Sha256: 00",
			"Authorization: AWS4-HMAC-SHA256 Credential=THEIRS/20200101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
		}},
	} {
		resp, body, err := r.ask("POST", post(tt.path, converseRequest, tt.fields...))
		if err != nil || resp.StatusCode != 200 || string(body) != converseAnswer {
			t.Fatalf("%s: %v %q %v", tt.path, resp, body, err)
		}
		seen, _ := o.seen()
		g := seen[len(seen)-1]
		verify(t, g, session)
		if want := "POST " + tt.rest + " HTTP/1.1"; g.line != want {
			t.Errorf("sent %q, want %q", g.line, want)
		}
		if bytes.Contains(g.raw, []byte("weir_")) || bytes.Contains(bytes.ToLower(g.raw), []byte("theirs")) {
			t.Errorf("a key of somebody else was sent: %q", g.raw)
		}
		if string(g.body) != converseRequest || len(g.all("X-Amz-Date")) != 1 || len(g.all("X-Amz-Security-Token")) != 1 {
			t.Errorf("sent %q", g.raw)
		}
		e := r.journal.fact(t, i+1)
		if e.Model != tt.model || e.Usage.State != metering.UsageExact || e.Usage.Input != 11 || e.Usage.Output != 7 {
			t.Errorf("fact %+v", e)
		}
	}
}

// TestSign_Stream: a stream of frames is relayed byte for byte, and its fact is
// exact and written before the last frame.
func TestSign_Stream(t *testing.T) {
	t.Parallel()
	frames := awsEvent("messageStart", `{"role":"assistant"}`) + awsEvent("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"hi"}}`) +
		awsEvent("messageStop", `{"stopReason":"end_turn"}`)
	last := awsEvent("metadata", `{"usage":{"inputTokens":11,"outputTokens":7,"totalTokens":18},"metrics":{"latencyMs":5}}`)
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for rest := frames + last; len(rest) > 0; {
			n := min(97, len(rest))
			write(c, chunk(rest[:n]))
			rest = rest[n:]
		}
		write(c, "0\r\n\r\n")
	})
	r := start(t, o, func(o2 *proxy.Options) { o2.Upstreams = []proxy.Upstream{signedAt(t, o)} })
	resp, body, err := r.ask("POST", post("/bedrock/model/"+profileARN+"/converse-stream", converseRequest))
	if err != nil || resp.StatusCode != 200 || string(body) != frames+last {
		t.Fatalf("%v %v, %d bytes of %d", resp, err, len(body), len(frames+last))
	}
	seen, _ := o.seen()
	verify(t, seen[0], session)
	if u := r.journal.fact(t, 1).Usage; u.State != metering.UsageExact || u.Input != 11 || u.Output != 7 || u.Terminal != "metadata" {
		t.Errorf("usage %+v", u)
	}
}

// counting is a signer that counts.
type counting struct {
	proxy.Signer
	mu sync.Mutex
	at []time.Time
}

func (c *counting) Sign(r *proxy.Unsigned) ([]proxy.HeaderField, error) {
	c.mu.Lock()
	c.at = append(c.at, r.At)
	c.mu.Unlock()
	return c.Signer.Sign(r)
}

// TestSign_Anew: what is sent a second time is signed a second time, over the
// body that is sent then and at the time of then.
func TestSign_Anew(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		if bytes.Contains(g.body, []byte("stream_options")) {
			write(c, respond("400 Bad Request", "application/json", `{"error":{"message":"unknown field stream_options"}}`))
			return
		}
		write(c, respond("200 OK", "application/json", chatAnswer))
	})
	var mu sync.Mutex
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &counting{}
	r := start(t, o, func(o2 *proxy.Options) {
		u := signedAt(t, o)
		s.Signer, u.Signer, u.IncludeUsage = u.Signer, s, "splice"
		o2.Upstreams = []proxy.Upstream{u}
		o2.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Second)
			return now
		}
	})
	resp, _, err := r.ask("POST", post("/bedrock/openai/v1/chat/completions", `{"model":"gpt-oss","stream":true,"messages":[]}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	seen, _ := o.seen()
	if len(seen) != 2 || bytes.Equal(seen[0].body, seen[1].body) {
		t.Fatalf("%d requests", len(seen))
	}
	for _, g := range seen {
		verify(t, g, session)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) != 2 || !s.at[1].After(s.at[0]) || cmp.Equal(seen[0].all("X-Amz-Date"), seen[1].all("X-Amz-Date")) {
		t.Errorf("signed at %v", s.at)
	}
}

// TestSign_Large: a body beyond the inspect limit is held and signed; beyond
// what Bedrock takes it is refused, and nothing is sent.
func TestSign_Large(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", converseAnswer)))
	r := start(t, o, func(o2 *proxy.Options) {
		o2.Inspect = 4 << 10
		o2.Upstreams = []proxy.Upstream{signedAt(t, o)}
	})
	large := `{"messages":[{"role":"user","content":[{"text":"` + strings.Repeat("x", 2<<20) + `"}]}]}`
	resp, body, err := r.ask("POST", post("/bedrock/model/m/converse", large))
	if err != nil || resp.StatusCode != 200 || string(body) != converseAnswer {
		t.Fatalf("%v %q %v", resp, body, err)
	}
	seen, _ := o.seen()
	verify(t, seen[0], session)
	if string(seen[0].body) != large {
		t.Error("the body was changed")
	}
	answer := r.raw("POST /bedrock/model/m/converse HTTP/1.1\r\nHost: weir.test\r\nContent-Type: application/json\r\nAuthorization: Bearer " + key +
		"\r\nContent-Length: 25000001\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 413 ") || !strings.Contains(answer, `"__type":"ValidationException"`) || !strings.Contains(answer, "at most 25 MB") {
		t.Errorf("got %q", answer)
	}
	if seen, _ := o.seen(); len(seen) != 1 {
		t.Errorf("%d requests were sent", len(seen))
	}
}

// TestSign_Client: with auth: client what the client signed arrives as it is and
// verifies for the host that it was signed for.
func TestSign_Client(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", converseAnswer)))
	r := start(t, o, func(o2 *proxy.Options) {
		u := upstreamAt(t, "bedrock", o)
		u.Credentials, u.ClientAuth = nil, true
		o2.Upstreams = []proxy.Upstream{u}
	})
	host, path := o.ln.Addr().String(), "/model/"+profileARN+"/converse"
	signed, err := http.NewRequest("POST", "http://"+host, strings.NewReader(converseRequest))
	if err != nil {
		t.Fatal(err)
	}
	signed.URL.Opaque, signed.URL.RawQuery = "//"+host+path, "x=1"
	signed.Header.Set("Content-Type", "application/json")
	signed.Header.Set("Amz-Sdk-Invocation-Id", "7")
	hash := sha256.Sum256([]byte(converseRequest))
	signed.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
	keys := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: session}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, signed, hex.EncodeToString(hash[:]), "bedrock", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "POST /bedrock%s?x=1 HTTP/1.1\r\nHost: weir.test\r\nX-Weir-Key: %s\r\nContent-Length: %d\r\n", path, key, len(converseRequest))
	for name, values := range signed.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", name, values[0])
	}
	c := r.dial()
	write(c, b.String()+"\r\n"+converseRequest)
	resp, body, err := answerTo(bufio.NewReader(c), "POST")
	if err != nil || resp.StatusCode != 200 || string(body) != converseAnswer {
		t.Fatalf("%v %q %v", resp, body, err)
	}
	seen, _ := o.seen()
	verify(t, seen[0], session)
	for name, values := range signed.Header {
		if got := seen[0].all(name); !slices.Equal(got, values) {
			t.Errorf("%s arrived as %q, want %q", name, got, values)
		}
	}
}

// TestEncodedSlash: S09, with a dialect whose identifiers have encoded slashes.
func TestEncodedSlash(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", converseAnswer)))
	r := start(t, o, func(o2 *proxy.Options) {
		o2.Upstreams = []proxy.Upstream{signedAt(t, o), upstreamAt(t, "openai", o)}
	})
	for _, path := range []string{
		"/bedrock/model%2Fm/converse", "/bedrock%2Fmodel/m/converse", "/bedrock/model/m%2Fconverse", "/bedrock/model/x%2Fy/converse",
		"/bedrock/model/arn%3Ax%2F..%2Fy/converse", "/bedrock/model/arn%3Ax%2F%2e%2e%2Fy/converse", "/bedrock/model/arn%3Ax%2F%2Fy/converse",
		"/bedrock/model/arn%3Ax%252Fy/converse", "/bedrock/model/arn%3Ax%5cy/converse", "/bedrock/../openai/v1/files",
		"/openai/model/" + profileARN + "/converse", "/v1/model/" + profileARN + "/converse", "/model/" + profileARN + "/converse",
	} {
		resp, body, err := r.ask("POST", post(path, converseRequest))
		if err != nil || resp.StatusCode != 400 || !bytes.Contains(body, []byte("dot or encoded segments")) {
			t.Errorf("%s: %v %q %v", path, resp, body, err)
		}
	}
	if seen, _ := o.seen(); len(seen) > 0 {
		t.Errorf("%q was sent", seen[0].line)
	}
}
