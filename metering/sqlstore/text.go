package sqlstore

import (
	"strings"
	"unicode/utf8"
)

func clean(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }
