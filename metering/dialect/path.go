package dialect

// CanonicalPath reports whether a request path, without its query, can mean only
// one thing to us and to an upstream: absolute, no empty or dot segments, no
// bytes that parsers treat differently, and percent-encoding only where it is
// needed. RFC 3986 section 6.2.2.2 makes an encoded letter the same as the
// letter, so encoded letters, dots and percent signs would name a known route
// that no match here sees; an encoded slash or backslash may be one to an
// upstream. A trailing slash is canonical.
func CanonicalPath(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/':
			if !segmentAt(path[i+1:]) {
				return false
			}
		case c == '%':
			if i+2 >= len(path) || !mayBeEncoded(path[i+1], path[i+2]) {
				return false
			}
			i += 2
		case c <= ' ', c >= 0x7f, c == '\\', c == '#', c == '?':
			return false
		}
	}
	return true
}

// segmentAt reports whether p begins with a segment that is neither empty,
// unless it is the last, nor made of dots.
func segmentAt(p []byte) bool {
	n := 0
	for n < len(p) && p[n] != '/' {
		n++
	}
	switch string(p[:min(n, 3)]) {
	case "":
		return len(p) == 0
	case ".", "..":
		return false
	default:
		return true
	}
}

// mayBeEncoded reports whether %hl is an encoding that changes nothing if it is
// left alone.
func mayBeEncoded(h, l byte) bool {
	hi, ok1 := hex(h)
	lo, ok2 := hex(l)
	if !ok1 || !ok2 {
		return false
	}
	c := hi<<4 | lo
	switch {
	case c <= ' ', c >= 0x7f, c == '/', c == '\\', c == '%', c == '#', c == '?':
		return false
	case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		return false
	case c == '-', c == '.', c == '_', c == '~':
		return false
	default:
		return true
	}
}

func hex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	default:
		return 0, false
	}
}
