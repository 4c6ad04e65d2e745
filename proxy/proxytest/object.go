package proxytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := encode(m.name)
		if err != nil {
			return nil, err
		}
		value, err := encode(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is JSON as the vendors write it: "<" stays "<".
func encode(v any) ([]byte, error) {
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
