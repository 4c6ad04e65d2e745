package dialect

import (
	"bytes"

	"github.com/tidwall/gjson"
)

// cursor walks one JSON text forward, once, without copying and without
// recursion: depth costs a counter, so a bomb of brackets costs time linear in
// its length and no memory. It checks no more syntax than it needs to keep its
// place. A value that the text ends in the middle of is never handed out: a
// number cut in two is another number.
type cursor struct {
	b []byte
	i int
	// bad is set when the text is broken or ends early; nothing is read after it.
	bad bool
	// keyAt is where the key of the latest member begins, at its quote.
	keyAt int
}

// peek returns the first byte of what comes next, 0 at the end of the text.
func (c *cursor) peek() byte {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return c.b[c.i]
		}
	}
	return 0
}

// enter steps into the next value if it begins with open, '{' or '['. If it
// does not, the value is still to be read.
func (c *cursor) enter(open byte) bool {
	if c.bad || c.peek() != open {
		return false
	}
	c.i++
	return true
}

// member steps to the next member of the object that was entered and returns
// its decoded key; the value must be consumed before the next call. It returns
// false behind the last member, or if the text is bad.
func (c *cursor) member() (key []byte, ok bool) {
	if !c.more('}') {
		return nil, false
	}
	if c.b[c.i] != '"' {
		c.bad = true
		return nil, false
	}
	c.keyAt = c.i
	escaped, ok := c.text()
	if !ok {
		return nil, false
	}
	key = c.b[c.keyAt+1 : c.i-1]
	if escaped {
		key = []byte(unquote(c.b[c.keyAt:c.i]))
	}
	if c.peek() != ':' {
		c.bad = true
		return nil, false
	}
	c.i++
	return key, true
}

// element steps to the next element of the array that was entered; it must be
// consumed before the next call.
func (c *cursor) element() bool { return c.more(']') }

// more skips commas and reports whether something other than the closing
// bracket follows; the bracket is consumed.
func (c *cursor) more(end byte) bool {
	if c.bad {
		return false
	}
	for {
		switch c.peek() {
		case ',':
			c.i++
		case end:
			c.i++
			return false
		case 0, '}', ']', ':':
			c.bad = true
			return false
		default:
			return true
		}
	}
}

// value consumes the next value and returns its raw text, nil if it is not all
// there.
func (c *cursor) value() []byte {
	if c.bad {
		return nil
	}
	first := c.peek()
	start := c.i
	switch first {
	case '"':
		if _, ok := c.text(); !ok {
			return nil
		}
	case '{', '[':
		if !c.container() {
			return nil
		}
	default:
		if !c.literal() {
			return nil
		}
	}
	return c.b[start:c.i]
}

// text consumes a string, quotes included.
func (c *cursor) text() (escaped, ok bool) {
	start := c.i + 1
	at := start
	for {
		n := bytes.IndexByte(c.b[at:], '"')
		if n < 0 {
			c.bad = true
			return false, false
		}
		at += n
		if slashes := trailingSlashes(c.b[start:at]); slashes%2 == 0 {
			c.i = at + 1
			return escaped || bytes.IndexByte(c.b[start:at], '\\') >= 0, true
		}
		escaped = true
		at++
	}
}

func trailingSlashes(b []byte) int {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n
}

func (c *cursor) container() bool {
	depth := 0
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case '"':
			if _, ok := c.text(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.i++
		if depth == 0 {
			return true
		}
	}
	c.bad = true
	return false
}

// literal consumes a number or a word. At the end of the text it is not known
// to be whole.
func (c *cursor) literal() bool {
	start := c.i
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r', ':', '"', '{', '[':
			if c.i == start {
				c.bad = true
				return false
			}
			return true
		}
		c.i++
	}
	c.bad = true
	return false
}

// unquote decodes a raw JSON string.
func unquote(raw []byte) string { return gjson.ParseBytes(raw).String() }

// isNull reports whether a raw value is absent or null.
func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

// textBytes is how many bytes of text a raw JSON string stands for; 0 for any
// other value.
func textBytes(raw []byte) int64 {
	if len(raw) < 2 || raw[0] != '"' {
		return 0
	}
	raw = raw[1 : len(raw)-1]
	n := int64(len(raw))
	for {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 || at+1 >= len(raw) {
			return n
		}
		skip := 2
		if raw[at+1] == 'u' && at+6 <= len(raw) {
			// \u4e2d stands for two or three bytes of UTF-8; a surrogate pair for four,
			// two of each half.
			skip = 6
			n -= 4
			if c := raw[at+2]; raw[at+2] == '0' && raw[at+3] == '0' {
				n--
			} else if c != '0' && c != 'd' && c != 'D' {
				n++
			}
		} else {
			n--
		}
		raw = raw[at+skip:]
	}
}
