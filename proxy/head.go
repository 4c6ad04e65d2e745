package proxy

import "bytes"

// request is a client's head, as far as it had to be understood. Its slices
// belong to the draft it was read into.
type request struct {
	method  string
	path    []byte // canonical, undecoded
	query   []byte // without the question mark; nil if there is none
	fields  []field
	old     bool // HTTP/1.0: no chunks, and the connection closes
	closing bool // the client wants no other answer on this connection
	framing framing
	length  int64 // of a body byLength
	expects bool  // 100-continue
	// trailers: the client takes trailers; only with its TE may servers send them.
	trailers bool
	socket   bool // it asks to become a WebSocket

	contentType     []byte
	contentEncoding []byte
	requestID       []byte
}

// readHead checks a parsed head more strictly than its parser: whatever two
// parsers could understand differently is refused (RFC 9112, 11.2).
func (d *draft) readHead() (request, *refusal) {
	r := request{closing: d.parsed.ConnectionClose()}
	switch string(d.parsed.Protocol()) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		r.old, r.closing = true, true
	default:
		return r, &refusal{status: 505, code: "http_version", message: "This server speaks HTTP/1.1.", closing: true}
	}
	if d.request = splitFields(d.request[:0], d.parsed.RawHeaders()); d.request == nil {
		return r, malformed("A header line is folded or malformed.")
	}
	r.fields = d.request
	if f := r.understand(); f != nil {
		return r, f
	}
	markNamed(r.fields)
	if r.method = method(d.parsed.Method()); r.method == "" {
		return r, &refusal{status: 501, code: "method_not_supported", message: "This method is not supported.", closing: true}
	}
	if r.socket = r.asksSocket(); r.socket {
		r.trailers = false // an answer that makes a WebSocket has none
	}
	return r, r.target(d.parsed.RequestURI())
}

// splitFields returns the fields of a head, nil if one is not of the usual form.
func splitFields(to []field, raw []byte) []field {
	if to == nil {
		to = make([]field, 0, 32)
	}
	for len(raw) > 0 {
		line, rest, ok := bytes.Cut(raw, []byte("\r\n"))
		if !ok {
			return nil
		}
		raw = rest
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if value = trim(value); !ok || !isToken(name) || !isValue(value) {
			return nil
		}
		to = append(to, field{name: name, value: value, kind: classify(name)})
	}
	return to
}

// understand reads the fields that decide how the message goes on.
func (r *request) understand() *refusal {
	var seen [authorization + 1]int
	for i := range r.fields {
		f := &r.fields[i]
		if int(f.kind) < len(seen) {
			seen[f.kind]++
		}
		if bytes.IndexByte(f.name, '_') >= 0 {
			return badRequest("underscore_header", "A header name has an underscore, which some servers read as a hyphen.")
		}
		ok := true
		switch f.kind {
		case length:
			r.framing = byLength
			r.length, ok = number(f.value)
		case coding:
			r.framing = byChunks
			ok = bytes.EqualFold(f.value, []byte("chunked")) && !r.old
		case host:
			ok = validHost(f.value)
		case expect:
			if r.expects = bytes.EqualFold(f.value, []byte("100-continue")) && !r.old; !r.expects {
				return &refusal{status: 417, code: "expectation_failed", message: "Only 100-continue can be expected.", closing: true}
			}
		case te:
			r.trailers = r.trailers || says(f.value, "trailers")
		case contentType:
			r.contentType = f.value
		case contentEncoding:
			r.contentEncoding = f.value
		case requestID:
			r.requestID = f.value
		}
		if !ok {
			return malformed("Content-Length, Transfer-Encoding or Host is not of the usual form.")
		}
	}
	switch {
	case seen[length] > 0 && seen[coding] > 0, seen[length] > 1, seen[coding] > 1:
		return malformed("The length of the body is stated more than once.")
	case seen[host] > 1, seen[host] == 0 && !r.old:
		return malformed("There must be one Host header.")
	case seen[authorization] > 1:
		return badRequest("two_keys", "There is more than one Authorization header.")
	}
	return nil
}

// method returns the name of a method that is passed on; "" if it is not.
func method(name []byte) string {
	switch string(name) {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "HEAD":
		return "HEAD"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	default:
		return ""
	}
}

// validHost accepts a name or address with an optional port. What goes beyond,
// userinfo or a path for two, is a request that two parsers send elsewhere.
func validHost(value []byte) bool {
	for _, c := range value {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '-', c == ':', c == '[', c == ']', c == '_', c == '%':
		default:
			return false
		}
	}
	return len(value) > 0
}

// target takes the request target apart. An absolute one must name this host.
func (r *request) target(uri []byte) *refusal {
	if len(uri) > 0 && uri[0] != '/' {
		scheme := []byte("http://")
		if len(uri) < len(scheme) || !bytes.EqualFold(uri[:len(scheme)], scheme) {
			return malformed("The request target is not a path.")
		}
		authority := uri[len(scheme):]
		at := bytes.IndexByte(authority, '/')
		if at < 0 || !bytes.EqualFold(authority[:at], r.host()) {
			return malformed("The request target names another host than the Host header.")
		}
		uri = authority[at:]
	}
	path, query, _ := bytes.Cut(uri, []byte("?"))
	r.path, r.query = path, query
	if bytes.IndexByte(uri, '#') >= 0 || !isQuery(query) {
		return badRequest("path_not_canonical", "The query has bytes that must be percent-encoded.")
	}
	return nil
}

func (r *request) host() []byte {
	for i := range r.fields {
		if r.fields[i].kind == host {
			return r.fields[i].value
		}
	}
	return nil
}

func isQuery(query []byte) bool {
	for _, c := range query {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// unreadable says in our words why a head could not be parsed.
func unreadable(err error, noLine bool) *refusal {
	switch {
	case isSmall(err) && noLine:
		return &refusal{status: 414, code: "uri_too_long", message: "The request target is too long.", closing: true}
	case isSmall(err):
		return &refusal{status: 431, code: "headers_too_large", message: "The request headers are too large.", closing: true}
	case isTimeout(err):
		return &refusal{status: 408, code: "request_timeout", message: "The request head did not arrive in time.", closing: true}
	default:
		return malformed("The request head is malformed.")
	}
}
