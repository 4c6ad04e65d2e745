package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/weirhq/weir/proxy"
)

// hidden is a request that a body or a broken head could smuggle.
const hidden = "GET /v1/models HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer " + key + "\r\nX-Hidden: yes\r\n\r\n"

// TestFraming_Refused covers S01 to S05, S07 and S08: what two parsers could
// read differently is refused, the connection ends, and nothing is forwarded,
// least of all what stands behind it.
func TestFraming_Refused(t *testing.T) {
	t.Parallel()
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer " + key + "\r\n"
	body := `{"model":"m"}`
	for name, tt := range map[string]struct {
		request, status string
	}{
		"S01 length, then chunked":   {head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"S01 chunked, then length":   {head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"},
		"S02 two lengths":            {head + "Content-Length: 13\r\nContent-Length: 13\r\n\r\n" + body, "400"},
		"S02 differing lengths":      {head + "Content-Length: 13\r\nContent-Length: 0\r\n\r\n" + body, "400"},
		"S02 list":                   {head + "Content-Length: 13, 13\r\n\r\n" + body, "400"},
		"S02 plus":                   {head + "Content-Length: +13\r\n\r\n" + body, "400"},
		"S02 minus":                  {head + "Content-Length: -1\r\n\r\n" + body, "400"},
		"S02 hex":                    {head + "Content-Length: 0xd\r\n\r\n" + body, "400"},
		"S02 fraction":               {head + "Content-Length: 13.0\r\n\r\n" + body, "400"},
		"S02 exponent":               {head + "Content-Length: 1e1\r\n\r\n" + body, "400"},
		"S02 empty":                  {head + "Content-Length:\r\n\r\n" + body, "400"},
		"S02 inner space":            {head + "Content-Length: 1 3\r\n\r\n" + body, "400"},
		"S02 overflow":               {head + "Content-Length: 18446744073709551629\r\n\r\n" + body, "400"},
		"S02 space before the colon": {head + "Content-Length : 13\r\n\r\n" + body, "400"},
		"S02 underscore digits":      {head + "Content-Length: 1_3\r\n\r\n" + body, "400"},
		"S03 identity":               {head + "Transfer-Encoding: identity\r\n\r\n" + hidden, "400"},
		"S03 identity with a length": {head + "Transfer-Encoding: identity\r\nContent-Length: 13\r\n\r\n" + body, "400"},
		"S03 gzip, chunked":          {head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
		"S03 xchunked":               {head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"},
		"S03 trailing comma":         {head + "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", "400"},
		"S03 leading comma":          {head + "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", "400"},
		"S03 parameter":              {head + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "400"},
		"S03 vertical tab":           {head + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", "400"},
		"S03 twice":                  {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"S03 folded":                 {head + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400"},
		"S03 HTTP/1.0":               {strings.Replace(head, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"S04 0x":                     {head + "Transfer-Encoding: chunked\r\n\r\n0xd\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 plus":                   {head + "Transfer-Encoding: chunked\r\n\r\n+d\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 minus":                  {head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 underscore":             {head + "Transfer-Encoding: chunked\r\n\r\n0_d\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 empty size":             {head + "Transfer-Encoding: chunked\r\n\r\n\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 overflow":               {head + "Transfer-Encoding: chunked\r\n\r\n1000000000000000d\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 space":                  {head + "Transfer-Encoding: chunked\r\n\r\nd \r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 extension with LF":      {head + "Transfer-Encoding: chunked\r\n\r\nd;a=\nb\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 extension with CR":      {head + "Transfer-Encoding: chunked\r\n\r\nd;a=\rb\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 endless extension":      {head + "Transfer-Encoding: chunked\r\n\r\nd;" + strings.Repeat("a", 300) + "\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 LF alone":               {head + "Transfer-Encoding: chunked\r\n\r\nd\n" + body + "\r\n0\r\n\r\n", "400"},
		"S04 no CRLF behind":         {head + "Transfer-Encoding: chunked\r\n\r\nd\r\n" + body + "0\r\n\r\n", "400"},
		"S04 too long by one":        {head + "Transfer-Encoding: chunked\r\n\r\nc\r\n" + body + "\r\n0\r\n\r\n", "400"},
		"S05 length":                 {head + "Transfer-Encoding: chunked\r\n\r\nd\r\n" + body + "\r\n0\r\nContent-Length: 5\r\n\r\n", "400"},
		"S05 authorization":          {head + "Transfer-Encoding: chunked\r\n\r\nd\r\n" + body + "\r\n0\r\nAuthorization: x\r\n\r\n", "400"},
		"S05 host":                   {head + "Transfer-Encoding: chunked\r\n\r\nd\r\n" + body + "\r\n0\r\nhOST: x\r\n\r\n", "400"},
		"S05 coding":                 {head + "Transfer-Encoding: chunked\r\n\r\nd\r\n" + body + "\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
		"S05 customer":               {head + "Transfer-Encoding: chunked\r\n\r\nd\r\n" + body + "\r\n0\r\nX-Weir-Customer: globex\r\n\r\n", "400"},
		"S07 no host":                {"GET /v1/models HTTP/1.1\r\n\r\n", "400"},
		"S07 two hosts":              {"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
		"S07 userinfo":               {"GET /v1/models HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
		"S07 path":                   {"GET /v1/models HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
		"S07 comma":                  {"GET /v1/models HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
		"S07 empty":                  {"GET /v1/models HTTP/1.1\r\nHost:\r\n\r\n", "400"},
		"S07 absolute, another host": {"GET http://b/v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		"S07 absolute, userinfo":     {"GET http://u:p@a/v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		"S07 absolute, https":        {"GET https://a/v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		"S08 CONNECT":                {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"},
		"S08 TRACE":                  {"TRACE /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
		"S08 lower case":             {"get /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
		"S08 asterisk":               {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
		"S08 HTTP/1.2":               {"GET /v1/models HTTP/1.2\r\nHost: a\r\n\r\n", "505"},
		"S08 HTTP/2.0":               {"GET /v1/models HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
		"S08 HTTP/0.9":               {"GET /v1/models\r\nHost: a\r\n\r\n", "400"},
		"LF line ends":               {"GET /v1/models HTTP/1.1\nHost: a\n\n", "400"},
		"folded header":              {"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", "400"},
		"NUL in a value":             {"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n", "400"},
		"CR in a value":              {"GET /v1/models HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n", "400"},
		"name that is no token":      {"GET /v1/models HTTP/1.1\r\nHost: a\r\nX(A: b\r\n\r\n", "400"},
		"expectation":                {head + "Expect: 200-ok\r\nContent-Length: 13\r\n\r\n" + body, "417"},
		"large head":                 {head + "X-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", "431"},
		"long target":                {"GET /v1/" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")))
			r := start(t, o, nil)
			answer := r.raw(tt.request + hidden)
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status+" ") {
				t.Errorf("got %.200q, want %s", answer, tt.status)
			}
			if !strings.Contains(answer, "Connection: close\r\n") || strings.Count(answer, "HTTP/1.1 ") != 1 {
				t.Errorf("the connection goes on: %.500q", answer)
			}
			if requests, _ := o.seen(); len(requests) > 0 {
				t.Errorf("upstream got %q", requests[0].raw)
			}
		})
	}
}

// TestFraming_Accepted shows that the refusals above are not for everything.
func TestFraming_Accepted(t *testing.T) {
	t.Parallel()
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: w\r\nAuthorization: Bearer " + key + "\r\n"
	for name, request := range map[string]string{
		"chunks":               head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"mod\r\n0008\r\nel\":\"m\"}\r\n0\r\n\r\n",
		"capital coding":       head + "transfer-ENCODING: Chunked\r\n\r\nD\r\n{\"model\":\"m\"}\r\n000\r\n\r\n",
		"chunk extension":      head + "Transfer-Encoding: chunked\r\n\r\nd;a=\"b\"\r\n{\"model\":\"m\"}\r\n0;x\r\n\r\n",
		"benign trailer (S05)": head + "Transfer-Encoding: chunked\r\n\r\nd\r\n{\"model\":\"m\"}\r\n0\r\nX-Checksum: 1\r\n\r\n",
		"length":               head + "Content-Length: 13\r\n\r\n{\"model\":\"m\"}",
		"leading zero":         head + "Content-Length: 013\r\n\r\n{\"model\":\"m\"}",
		"absolute target":      strings.Replace(head, "/v1", "http://w/v1", 1) + "Content-Length: 13\r\n\r\n{\"model\":\"m\"}",
		"blank line before":    "\r\n" + head + "Content-Length: 13\r\n\r\n{\"model\":\"m\"}",
		"large head":           head + "X-A: " + strings.Repeat("a", 20<<10) + "\r\nContent-Length: 13\r\n\r\n{\"model\":\"m\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")))
			r := start(t, o, nil)
			c := r.dial()
			b := bufio.NewReader(c)
			for range 2 { // the second shows that not a byte too many was read
				write(c, request)
			}
			for range 2 {
				if resp, body, err := answerTo(b, "POST"); err != nil || resp.StatusCode != 200 {
					t.Fatalf("got %v %q %v", resp, body, err)
				}
			}
			requests, _ := o.seen()
			for _, g := range requests {
				if string(g.body) != `{"model":"m"}` || g.line != "POST /v1/chat/completions HTTP/1.1" || len(g.all("X-Checksum")) > 0 || len(g.trailers) > 0 != (name == "benign trailer (S05)") {
					t.Errorf("upstream got %q", g.raw)
				}
			}
		})
	}
}

// TestHopByHop covers S10: what belongs to a connection stays on it, both ways,
// with what Connection names, and so do our own headers and the client's host.
func TestHopByHop(t *testing.T) {
	t.Parallel()
	hop := []string{
		"Connection: X-Named, keep-alive, Authorization, x-forwarded-host", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers",
		"Trailer: X-T", "Upgrade: websocket", "Proxy-Authorization: Basic eA==", "x-named: 1", "X-Forwarded-Host: evil",
	}
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: x-named, Keep-Alive\r\nKeep-Alive: timeout=9\r\nX-Named: 2\r\nProxy-Authenticate: Basic\r\nTrailer: X-T\r\nX-Kept: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: 5\r\n\r\n")
	})
	r := start(t, o, nil)
	fields := append([]string{"Authorization: Bearer " + key, "X-Kept: 4", "Expect: 100-continue"}, hop...)
	c := r.dial()
	write(c, post(chatPath, chatRequest, fields...))
	b := bufio.NewReader(c)
	head := readHead(t, b)
	const framed = "2\r\n{}\r\n0\r\nX-T: 5\r\n\r\n"
	rest := make([]byte, len(framed))
	if _, err := io.ReadFull(b, rest); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"connection", "keep-alive", "x-named", "proxy-authenticate"} {
		if strings.Contains(strings.ToLower(head), "\r\n"+name+":") {
			t.Errorf("%s reached the client: %q", name, head)
		}
	}
	if !strings.Contains(head, "X-Kept: 3\r\n") || string(rest) != framed {
		t.Errorf("client got %q %q", head, rest)
	}
	requests, _ := o.seen()
	g := requests[0]
	for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Trailer", "Upgrade", "Proxy-Authorization", "X-Named", "X-Forwarded-Host", "Expect"} {
		if v := g.all(name); len(v) > 0 {
			t.Errorf("%s went upstream: %q", name, v)
		}
	}
	if te, connection := g.all("TE"), g.all("Connection"); strings.Join(te, "|") != "trailers" || strings.Join(connection, "|") != "TE" {
		t.Errorf("TE is %q, Connection %q", te, connection)
	}
	if v := g.all("Host"); len(v) != 1 || "http://"+v[0] != o.url() {
		t.Errorf("Host is %q", v)
	}
	if v := g.all("Authorization"); len(v) != 1 || v[0] != "Bearer "+operatorKey {
		t.Errorf("Authorization is %q", v)
	}
	if v := g.all("X-Kept"); len(v) != 1 {
		t.Errorf("X-Kept is %q", v)
	}
}

// TestMultipart covers S06: an upload arrives as it is, and what stands behind
// its closing boundary is not a request.
func TestMultipart(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")))
	r := start(t, o, func(o *proxy.Options) { o.Inspect = 1 << 10 })
	for padding := 0; padding < 9000; padding += 1286 {
		body := "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n" + strings.Repeat("p", padding) + hidden
		request := post("/v1/audio/transcriptions", body)
		request = strings.Replace(request, "Content-Type: application/json", "Content-Type: multipart/form-data; boundary=b", 1)
		if resp, answer, err := r.ask("POST", request); err != nil || resp.StatusCode != 200 {
			t.Fatalf("got %v %q %v", resp, answer, err)
		}
		requests, _ := o.seen()
		if g := requests[len(requests)-1]; string(g.body) != body {
			t.Fatalf("with %d bytes of padding the upload changed: %q", padding, g.body)
		}
	}
	requests, _ := o.seen()
	for _, g := range requests {
		if len(g.all("X-Hidden")) > 0 {
			t.Fatalf("an epilogue became a request: %q", g.raw)
		}
	}
}
