package sqldb

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// Clean reports whether every engine keeps the text as it is: PostgreSQL refuses
// NUL and what is not UTF-8.
func Clean(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Storable refuses text that no engine keeps.
func Storable(texts ...string) error {
	for _, t := range texts {
		if !Clean(t) {
			return fmt.Errorf("text %.40q is not valid UTF-8, or has NUL: %w", t, metering.ErrInvalid)
		}
	}
	return nil
}

// MaxLabel bounds a label in bytes, far below what an index takes (2,704 bytes
// in PostgreSQL).
const MaxLabel = 256

// Label is a text that names no object of ours, such as a model, in a form that
// every engine keeps. A call must not escape being billed by a name that the
// database refuses.
func Label(s string) string {
	if !Clean(s) {
		s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	}
	return Cut(s, MaxLabel)
}

// Cut shortens a text to at most n bytes, between two characters.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
