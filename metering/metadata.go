package metering

import (
	"bytes"
	"encoding/json"
	"strings"
)

// reportedProperty looks a path up in the metadata of a reported event: first
// as the name of a member, dots and all, then as the names of members within
// one another.
func (e *Event) reportedProperty(path string) Value {
	raw, ok := member(e.Properties, path)
	if !ok {
		raw = e.Properties
		for name := range strings.SplitSeq(path, ".") {
			if raw, ok = member(raw, name); !ok {
				return e.derived(path)
			}
		}
	}
	v := scalar(raw)
	// The amount of a cost may be sent as text, so that no digit is lost on the
	// way; it is a number all the same.
	if path == "_cost.amount" && v.Kind == KindString {
		n, err := ParseNumber(v.Text)
		if err != nil {
			return Value{}
		}
		return NumberValue(n)
	}
	return v
}

// derived reads what follows from the counts that a sender gives in _llm alone,
// under the names that meters add up: they are the event's tokens, which would
// otherwise be priced and not counted, and they have a cost, which a product that
// is the cost and a percentage would otherwise not charge.
func (e *Event) derived(path string) Value {
	switch path {
	case "totalTokens", "inputTokens", "outputTokens", "cachedInputTokens", "_cost.amount", "_cost.currency":
	default:
		return Value{}
	}
	if _, ok := member(e.Properties, "_llm"); !ok {
		return Value{}
	}
	if strings.HasPrefix(path, "_cost.") {
		return e.callProperty(path)
	}
	if n, ok := e.tokenProperty(path); ok {
		return NumberValue(NumberOf(n))
	}
	return Value{}
}

// scalar reads a string, number or boolean; anything else, and a number beyond
// what a [Number] holds, is no property.
func scalar(raw []byte) Value {
	var v Value
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || v.UnmarshalJSON(raw) != nil {
		return Value{}
	}
	return v
}

// member returns the value of a member of a JSON object without reading the
// others. Of members with one name the first counts: the API keeps one.
func member(object []byte, name string) (value []byte, ok bool) {
	eachMember(object, func(key, v []byte) bool {
		if ok = named(key, name); ok {
			value = v
		}
		return !ok
	})
	return value, ok
}

// eachMember calls do with the quoted key and the value of every member until
// it returns false, and reports whether it got through the whole object. The
// object is valid JSON, because it was parsed when it came in; a text that is
// not ends the walk.
func eachMember(object []byte, do func(key, value []byte) bool) bool {
	b := skipSpace(object)
	if len(b) == 0 || b[0] != '{' {
		return false
	}
	for b = skipSpace(b[1:]); len(b) > 0 && b[0] == '"'; {
		n := valueEnd(b)
		if n < 2 {
			return false
		}
		key, rest := b[:n], skipSpace(b[n:])
		if len(rest) == 0 || rest[0] != ':' {
			return false
		}
		rest = skipSpace(rest[1:])
		end := valueEnd(rest)
		if end <= 0 || !do(key, rest[:end]) {
			return false
		}
		b = skipSpace(rest[end:])
		if len(b) > 0 && b[0] == ',' {
			b = skipSpace(b[1:])
		}
	}
	return len(b) > 0 && b[0] == '}'
}

// named reports whether a quoted key stands for name.
func named(key []byte, name string) bool {
	inner := key[1 : len(key)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == name
	}
	var unquoted string
	return json.Unmarshal(key, &unquoted) == nil && unquoted == name
}

// valueEnd returns how long the JSON value is that b begins with, or -1.
func valueEnd(b []byte) int {
	if len(b) == 0 {
		return -1
	}
	switch b[0] {
	case '"':
		return stringEnd(b)
	case '{', '[':
		return groupEnd(b)
	}
	if n := bytes.IndexAny(b, ",]} \t\r\n"); n >= 0 {
		return n
	}
	return len(b)
}

func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func groupEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := stringEnd(b[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func skipSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }
