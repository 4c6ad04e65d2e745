package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// checkText refuses what JSON readers and databases disagree about: bytes that
// are not UTF-8, NUL, and half a surrogate pair. It runs before anything is
// decoded, because encoding/json replaces the first and the last silently and
// PostgreSQL refuses NUL with an error of its own (22021).
func checkText(b []byte) error {
	if !utf8.Valid(b) {
		return problem(CodeMalformed, "the body is not valid UTF-8")
	}
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			continue
		}
		i++
		if b[i] != 'u' {
			continue
		}
		r, ok := escaped(b[i+1:])
		switch {
		case !ok: // malformed; the decoder says where
		case r == 0:
			return problem(CodeMalformed, `the body has a NUL character (\u0000)`)
		case r >= 0xDC00 && r <= 0xDFFF:
			return problem(CodeMalformed, fmt.Sprintf(`the body has half a surrogate pair (\u%04x)`, r))
		case r >= 0xD800 && r <= 0xDBFF:
			low, ok := rune(0), false
			if rest := b[i+5:]; len(rest) >= 2 && rest[0] == '\\' && rest[1] == 'u' {
				low, ok = escaped(rest[2:])
			}
			if !ok || low < 0xDC00 || low > 0xDFFF {
				return problem(CodeMalformed, fmt.Sprintf(`the body has half a surrogate pair (\u%04x)`, r))
			}
			i += 10
		}
	}
	return nil
}

func escaped(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}

// faults collects everything that is wrong with an input.
type faults []FieldError

func (f *faults) add(path, format string, args ...any) {
	const most = 50 // a batch of a thousand events can be wrong in as many ways
	if len(*f) < most {
		*f = append(*f, FieldError{path, fmt.Sprintf(format, args...)})
	}
}

func (f *faults) problem() error {
	if len(*f) == 0 {
		return nil
	}
	return invalid(*f...)
}

// object reads the members of one JSON object. Every member has to be taken
// before close, which reports those that nobody knows. encoding/json alone
// would match names in any case and let a second member of a name win.
type object struct {
	path    string
	members map[string]json.RawMessage
	names   []string
	faults  *faults
}

// readDocument reads the object that a body consists of.
func readDocument(body []byte, f *faults) (*object, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if !json.Valid(body) {
		var v any
		return nil, problem(CodeMalformed, fmt.Sprintf("not JSON: %v", json.Unmarshal(body, &v)))
	}
	return readObject(body, "", f), nil
}

// readObject reads valid JSON. What is not an object has no members and is a
// fault.
func readObject(raw json.RawMessage, path string, f *faults) *object {
	o := &object{path: path, members: make(map[string]json.RawMessage), faults: f}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		f.add(path, "must be an object")
		return o
	}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			f.add(path, "cannot be read")
			return o
		}
		if _, twice := o.members[name]; twice {
			f.add(o.at(name), "is given twice")
			continue
		}
		o.members[name] = value
		o.names = append(o.names, name)
	}
	return o
}

func (o *object) at(name string) string {
	if len(name) > 60 {
		name = string([]rune(name)[:min(60, utf8.RuneCountInString(name))]) + "…"
	}
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

func (o *object) fault(name, format string, args ...any) {
	o.faults.add(o.at(name), format, args...)
}

// take returns a member once. present is false for null too, which means the
// same as leaving it out.
func (o *object) take(name string) (raw json.RawMessage, present bool) {
	raw, ok := o.members[name]
	delete(o.members, name)
	return raw, ok && string(raw) != "null"
}

// has reports whether the member is there, null included.
func (o *object) has(name string) bool {
	_, ok := o.members[name]
	return ok
}

// close reports the members that nobody took.
func (o *object) close() {
	for _, name := range o.names {
		if _, left := o.members[name]; left {
			o.fault(name, "is unknown")
		}
	}
}

// text reads a string of at least min and at most max characters.
func (o *object) text(name string, minimum, maximum int) string {
	raw, ok := o.take(name)
	if !ok {
		if minimum > 0 {
			o.fault(name, "is required")
		}
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		o.fault(name, "must be a string")
		return ""
	}
	if n := utf8.RuneCountInString(s); n < minimum || n > maximum {
		o.fault(name, "must have %d to %d characters, has %d", minimum, maximum, n)
	}
	return s
}

// label reads a text for people or an identifier of the caller's: printable
// characters only, so that it can neither hide in a list nor steer a terminal.
func (o *object) label(name string, minimum, maximum int) string {
	s := o.text(name, minimum, maximum)
	if message := unprintable(s); message != "" {
		o.fault(name, "%s", message)
	}
	return s
}

func unprintable(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("has the unprintable character %U", r)
		}
	}
	if s != "" && (s[0] == ' ' || s[len(s)-1] == ' ') {
		return "begins or ends with a space"
	}
	return ""
}

func (o *object) boolean(name string) bool {
	raw, ok := o.take(name)
	var b bool
	if ok && json.Unmarshal(raw, &b) != nil {
		o.fault(name, "must be true or false")
	}
	return b
}

// integer reads a whole number within bounds, or the default where it is absent.
func (o *object) integer(name string, def, minimum, maximum int64) int64 {
	raw, ok := o.take(name)
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < minimum || n > maximum {
		o.fault(name, "must be a whole number from %d to %d", minimum, maximum)
		return def
	}
	return n
}

// required is integer for a member that must be there.
func (o *object) required(name string, minimum, maximum int64) int64 {
	if raw, there := o.members[name]; !there || string(raw) == "null" {
		delete(o.members, name)
		o.fault(name, "is required")
		return 0
	}
	return o.integer(name, minimum, minimum, maximum)
}

// instant reads RFC 3339; zero where it is absent.
func (o *object) instant(name string) metering.Micros {
	raw, ok := o.take(name)
	if !ok {
		return 0
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		o.fault(name, "must be a string like 2026-01-31T12:00:00Z")
		return 0
	}
	m, err := parseInstant(s)
	if err != nil {
		o.fault(name, "must be an instant like 2026-01-31T12:00:00Z between 1970 and 9999, is %.40q", s)
	}
	return m
}

// list reads an array of at most max elements.
func (o *object) list(name string, maximum int) []json.RawMessage {
	raw, ok := o.take(name)
	if !ok {
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		o.fault(name, "must be a list")
		return nil
	}
	if len(items) > maximum {
		o.fault(name, "must have at most %d elements, has %d", maximum, len(items))
		return nil
	}
	return items
}

// texts reads a list of distinct labels.
func (o *object) texts(name string, most, maximum int) []string {
	out := []string{}
	for i, raw := range o.list(name, most) {
		at := fmt.Sprintf("%s[%d]", name, i)
		var s string
		switch {
		case json.Unmarshal(raw, &s) != nil || string(raw) == "null":
			o.fault(at, "must be a string")
		case s == "" || utf8.RuneCountInString(s) > maximum:
			o.fault(at, "must have 1 to %d characters", maximum)
		case unprintable(s) != "":
			o.fault(at, "%s", unprintable(s))
		case slices.Contains(out, s):
			o.fault(at, "is given twice")
		default:
			out = append(out, s)
		}
	}
	return out
}

// choice reads one of the values; absent is the first.
func choice[T ~string](o *object, name string, values ...T) T {
	raw, ok := o.take(name)
	if !ok {
		return values[0]
	}
	var s T
	if json.Unmarshal(raw, &s) != nil || !slices.Contains(values, s) {
		o.fault(name, "must be one of %v", values)
	}
	return s
}
