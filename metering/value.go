package metering

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Kind is the type of a [Value].
type Kind uint8

// Kinds.
const (
	KindNone Kind = iota // absent
	KindString
	KindNumber
	KindBool
	KindList // only on the right of "in"
)

// Value is a scalar property of an event, or what one is compared with.
// Numbers are exact.
type Value struct {
	Kind Kind
	Text string
	Num  Number
	Bool bool
	List []Value
}

// StringValue returns a string value.
func StringValue(s string) Value { return Value{Kind: KindString, Text: s} }

// NumberValue returns a number value.
func NumberValue(n Number) Value { return Value{Kind: KindNumber, Num: n} }

// BoolValue returns a boolean value.
func BoolValue(b bool) Value { return Value{Kind: KindBool, Bool: b} }

// IsZero reports whether the value is absent.
func (v Value) IsZero() bool { return v.Kind == KindNone }

// Equal reports whether v and w are of the same kind and equal.
func (v Value) Equal(w Value) bool {
	if v.Kind != w.Kind {
		return false
	}
	switch v.Kind {
	case KindString:
		return v.Text == w.Text
	case KindNumber:
		return v.Num.Compare(w.Num) == 0
	case KindBool:
		return v.Bool == w.Bool
	default:
		return false
	}
}

// MarshalJSON writes the scalar or list; absent is null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.Kind {
	case KindString:
		return json.Marshal(v.Text)
	case KindNumber:
		return []byte(v.Num.String()), nil
	case KindBool:
		return json.Marshal(v.Bool)
	case KindList:
		return json.Marshal(v.List)
	default:
		return []byte("null"), nil
	}
}

// UnmarshalJSON reads a scalar or a list of scalars; an object is ErrInvalid.
func (v *Value) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	*v = Value{}
	if len(b) == 0 {
		return fmt.Errorf("value: %w", ErrInvalid)
	}
	switch b[0] {
	case 'n':
		return nil
	case '"':
		v.Kind = KindString
		return json.Unmarshal(b, &v.Text)
	case 't', 'f':
		v.Kind = KindBool
		return json.Unmarshal(b, &v.Bool)
	case '[':
		return v.unmarshalList(b)
	case '{':
		return fmt.Errorf("value: an object: %w", ErrInvalid)
	default:
		n, err := ParseNumber(string(b))
		v.Kind, v.Num = KindNumber, n
		return err
	}
}

// unmarshalList reads a list. A list in a list is refused before it is read, so
// that nesting costs nothing.
func (v *Value) unmarshalList(b []byte) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(b, &elements); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	v.Kind, v.List = KindList, make([]Value, len(elements))
	for i, raw := range elements {
		if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '[' {
			return fmt.Errorf("value: a list in a list: %w", ErrInvalid)
		}
		if err := v.List[i].UnmarshalJSON(raw); err != nil {
			return err
		}
	}
	return nil
}
