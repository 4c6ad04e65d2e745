package proxy

import "bytes"

// field is one line of a head, as it came. Its bytes belong to the buffer that
// the head was read into.
type field struct {
	name, value []byte
	kind        kind
	named       bool // by Connection: it goes no further than to us
}

// kind says what we have to do with a field.
type kind uint8

const (
	plain  kind = iota
	hop         // belongs to the connection it came on
	length      // Content-Length
	coding      // Transfer-Encoding
	connection
	host
	expect
	authorization
	te      // Transfer codings that the sender takes
	trailer // Which fields stand behind a chunked body
	apiKey  // another place where SDKs put their key
	weir    // addressed to us
	contentType
	contentEncoding
	acceptEncoding
	requestID
	upgrade
	protocols  // Sec-WebSocket-Protocol
	extensions // Sec-WebSocket-Extensions
	override   // a method that some servers take in place of the request's
)

// longestKnown is the length of the longest name that classify knows.
const longestKnown = len("proxy-authentication-info")

// classify recognises a field name in any case.
func classify(name []byte) kind {
	if len(name) > 7 && bytes.EqualFold(name[:7], []byte("x-weir-")) {
		return weir
	}
	if len(name) > longestKnown {
		return plain
	}
	var low [longestKnown]byte
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	switch string(low[:len(name)]) {
	case "te":
		return te
	case "trailer":
		return trailer
	case "keep-alive", "proxy-connection", "proxy-authorization",
		"proxy-authenticate", "proxy-authentication-info":
		return hop
	case "content-length":
		return length
	case "transfer-encoding":
		return coding
	case "connection":
		return connection
	case "host":
		return host
	case "expect":
		return expect
	case "authorization":
		return authorization
	case "x-api-key", "api-key", "x-goog-api-key":
		return apiKey
	case "content-type":
		return contentType
	case "content-encoding":
		return contentEncoding
	case "accept-encoding":
		return acceptEncoding
	case "x-request-id", "request-id", "x-amzn-requestid", "apim-request-id":
		return requestID
	case "upgrade":
		return upgrade
	case "sec-websocket-protocol":
		return protocols
	case "sec-websocket-extensions":
		return extensions
	case "x-http-method-override", "x-http-method", "x-method-override":
		return override
	default:
		return plain
	}
}

// markNamed makes hop-by-hop what the Connection fields name (RFC 9110, 7.6.1).
func markNamed(fields []field) {
	for i := range fields {
		if fields[i].kind != connection {
			continue
		}
		for rest := fields[i].value; len(rest) > 0; {
			var name []byte
			name, rest, _ = bytes.Cut(rest, []byte(","))
			name = trim(name)
			for j := range fields {
				if f := &fields[j]; f.kind != connection && len(name) > 0 && bytes.EqualFold(f.name, name) {
					f.named = true
				}
			}
		}
	}
}

// says reports whether a list field has an element.
func says(value []byte, element string) bool {
	for len(value) > 0 {
		var one []byte
		one, value, _ = bytes.Cut(value, []byte(","))
		if bytes.EqualFold(trim(one), []byte(element)) {
			return true
		}
	}
	return false
}

// trim cuts the blanks that may surround a value.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// isToken reports whether a name is one (RFC 9110, 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		if !tokenByte(c) {
			return false
		}
	}
	return len(name) > 0
}

func tokenByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

// isValue reports whether a value has no byte that could end or hide it.
func isValue(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// number reads a Content-Length: digits alone, and few enough not to overflow.
func number(value []byte) (n int64, ok bool) {
	if len(value) == 0 || len(value) > 18 {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
