package dialect

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// maxLabel is the most bytes kept of a name, an id, a reason or a message that
// an upstream sent.
const maxLabel = 256

// label is a short text that an answer repeats in every chunk. It keeps the raw
// JSON and decodes once, at the end; a repeated value costs a comparison.
type label struct{ raw []byte }

// set takes a raw JSON string or number; anything else, or an empty string,
// leaves the label as it was.
func (l *label) set(raw []byte) {
	if bytes.Equal(l.raw, raw) || len(raw) == 0 || len(raw) > 16*maxLabel {
		return
	}
	switch c := raw[0]; {
	case c == '"' && len(raw) > 2, c >= '0' && c <= '9':
		l.raw = append(l.raw[:0], raw...)
	}
}

func (l *label) String() string {
	if len(l.raw) == 0 {
		return ""
	}
	return clean(unquote(l.raw), maxLabel)
}

// clean cuts s at max bytes, on a rune, and drops what no store accepts in a
// text: NUL, other control characters, invalid UTF-8.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
		for len(s) > 0 && !utf8.ValidString(s[len(s)-lastRune(s):]) {
			s = s[:len(s)-1]
		}
	}
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return strings.Clone(s)
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

// lastRune is how many bytes the last, perhaps incomplete, rune of s has.
func lastRune(s string) int {
	for n := 1; n <= len(s) && n <= utf8.UTFMax; n++ {
		if utf8.RuneStart(s[len(s)-n]) {
			return n
		}
	}
	return 1
}

// scalar is the text of a string, number or boolean; "" for anything else.
func scalar(v gjson.Result) string {
	switch v.Type {
	case gjson.String, gjson.Number, gjson.True, gjson.False:
		return clean(v.String(), maxLabel)
	default:
		return ""
	}
}
