package estimate

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// MaxText is the most that a [Text] keeps, in bytes. An answer of 64,000 tokens
	// of English fits.
	MaxText = 256 << 10
	// keptText is the largest memory that stays with a Text that is used again.
	keptText = 16 << 10
	// header is what stands before each run of one choice: the choice, and the
	// length of the run in three bytes.
	header = 4
	// choices is how many choices are kept apart. Those beyond share one, which
	// costs a token or so wherever they alternate.
	choices = 256
)

// Text keeps what an answer shows while nobody knows whether its usage will be
// reported. Choices that alternate are kept apart: joined as they come, their
// words would be cut into other tokens. The zero value is ready for use; it is
// used by one goroutine at a time. Appending allocates only to grow.
type Text struct {
	b    []byte // runs, each behind its header
	last int    // where the header of the latest run is
	kept int    // bytes of text in b
}

// Len is how many bytes of text are kept.
func (t *Text) Len() int { return t.kept }

// Reset forgets the text.
func (t *Text) Reset() {
	t.kept, t.last = 0, 0
	if t.b = t.b[:0]; cap(t.b) > keptText {
		t.b = nil
	}
}

// AppendJSON appends what a raw JSON string, quotes included, stands for, to the
// text of a choice. A value of another type, and what would lead beyond
// [MaxText], is not kept.
func (t *Text) AppendJSON(choice int, raw []byte) {
	if len(raw) < 3 || raw[0] != '"' || t.kept+len(raw) > MaxText {
		return
	}
	t.begin(choice)
	before := len(t.b)
	t.b = Unquote(t.b, raw)
	t.grown(before)
}

// Append appends text as it is, if there is room for all of it.
func (t *Text) Append(choice int, p []byte) { appendText(t, choice, p) }

// AppendString is Append.
func (t *Text) AppendString(choice int, s string) { appendText(t, choice, s) }

func appendText[T string | []byte](t *Text, choice int, p T) {
	if len(p) == 0 || t.kept+len(p) > MaxText {
		return
	}
	t.begin(choice)
	before := len(t.b)
	t.b = append(t.b, p...)
	t.grown(before)
}

// begin makes the latest run one of that choice.
func (t *Text) begin(choice int) {
	c := byte(min(max(choice, 0), choices-1))
	if len(t.b) > 0 && t.b[t.last] == c {
		return
	}
	t.last = len(t.b)
	t.b = append(t.b, c, 0, 0, 0)
}

// grown takes note of what was appended. A run is at most MaxText long, which
// three bytes hold.
func (t *Text) grown(before int) {
	t.kept += len(t.b) - before
	n := len(t.b) - t.last - header
	t.b[t.last+1], t.b[t.last+2], t.b[t.last+3] = byte(n), byte(n>>8), byte(n>>16)
}

// Texts returns the text of each choice, in the order in which they began.
func (t *Text) Texts() []string {
	var order []byte
	byChoice := make(map[byte][]byte, 1)
	for at := 0; at < len(t.b); {
		c, n := t.b[at], int(t.b[at+1])|int(t.b[at+2])<<8|int(t.b[at+3])<<16
		at += header
		have, ok := byChoice[c]
		if !ok {
			order = append(order, c)
		}
		byChoice[c] = append(have, t.b[at:at+n]...)
		at += n
	}
	out := make([]string, 0, len(order))
	for _, c := range order {
		out = append(out, string(byChoice[c]))
	}
	return out
}

// Unquote appends to dst what a raw JSON string stands for. An escape that JSON
// does not have stays as it is, and half a surrogate pair becomes U+FFFD.
func Unquote(dst, raw []byte) []byte {
	if len(raw) < 2 {
		return dst
	}
	raw = raw[1 : len(raw)-1]
	for {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 || at+1 >= len(raw) {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:at]...)
		skip := 2
		switch c := raw[at+1]; c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			var r rune
			r, skip = codePoint(raw[at:])
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
		raw = raw[at+skip:]
	}
}

// codePoint reads the escape \uXXXX, or two that are a surrogate pair, and how
// many bytes it has.
func codePoint(p []byte) (r rune, n int) {
	first, ok := hex4(p)
	if !ok {
		return utf8.RuneError, 2
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if len(p) >= 12 && p[6] == '\\' && p[7] == 'u' {
		if second, ok := hex4(p[6:]); ok {
			if pair := utf16.DecodeRune(first, second); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads the four digits of \uXXXX.
func hex4(p []byte) (r rune, ok bool) {
	if len(p) < 6 {
		return 0, false
	}
	for _, c := range p[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
