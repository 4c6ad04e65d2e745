package proxytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// document is a JSON object that came.
type document = map[string]any

// object is a JSON object that is sent, its members in the order in which the
// real API has them: a scanner that meets "usage" first must be met here too.
type object []member

type member struct {
	name  string
	value any
}

// with returns o and one more member at its end.
func (o object) with(name string, value any) object {
	return append(o[:len(o):len(o)], member{name, value})
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) { return o.append(nil) }

func (o object) append(b []byte) ([]byte, error) {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, m.name), ':')
		var err error
		if b, err = appendValue(b, m.value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendValue writes a value. Those that a chunk of a stream consists of do not
// go through encoding/json, which compacts a nested value once for every level.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case string:
		return appendText(b, v), nil
	case object:
		return v.append(b)
	case []object:
		b = append(b, '[')
		for i, o := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = o.append(b); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	default:
		encoded, err := encode(v)
		return append(b, encoded...), err
	}
}

// appendText writes a string.
func appendText(b []byte, s string) []byte {
	plain := func(r rune) bool { return r >= ' ' && r < 0x7f && r != '"' && r != '\\' }
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0 {
		if encoded, err := encode(s); err == nil { // a string can be encoded, always
			return append(b, encoded...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// encode is JSON as the vendors write it: "<" stays "<".
func encode(v any) ([]byte, error) {
	if o, ok := v.(object); ok {
		return o.append(nil)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// digest is a stable name for a content.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// whole reads a number of the request that may be absent; what is no whole
// number counts as absent.
func whole(v any) int64 {
	f, ok := v.(float64)
	if !ok || f < 0 || f > 1e9 {
		return 0
	}
	return int64(f)
}

// list reads an array that may be absent.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// inside follows names into nested objects.
func inside(v any, names ...string) any {
	for _, name := range names {
		d, _ := v.(document)
		v = d[name]
	}
	return v
}

// text reads a string that may be absent.
func text(v any) string {
	s, _ := v.(string)
	return s
}
