package sqlstore

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// clean reports whether every engine keeps the text as it is: PostgreSQL refuses
// NUL and what is not UTF-8.
func clean(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// storable refuses text that no engine keeps.
func storable(texts ...string) error {
	for _, t := range texts {
		if !clean(t) {
			return fmt.Errorf("text %.40q is not valid UTF-8, or has NUL: %w", t, metering.ErrInvalid)
		}
	}
	return nil
}

// maxLabel bounds a label in bytes, far below what an index takes (2,704 bytes
// in PostgreSQL).
const maxLabel = 256

// label is a text that names no object of ours, such as a model, in a form that
// every engine keeps. A call must not escape being billed by a name that the
// database refuses.
func label(s string) string {
	if !clean(s) {
		s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	}
	return cut(s, maxLabel)
}

// cut shortens a text to at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
