package dialect

import "bytes"

// What is inserted, by what is missing.
const (
	includeMember  = `"include_usage":true`
	includeOptions = `{` + includeMember + `}`
	optionsMember  = `,"stream_options":` + includeOptions
)

// Splice asks for the usage of a streamed chat or legacy completion: it returns
// a copy of body in which stream_options.include_usage is true. It inserts the
// member, the object around it, or replaces false, or null for the whole object;
// every other byte stays, order, white space and a byte order mark included.
//
// With ok false, body is returned as it is. It was asked for already, the body
// is not streamed, or something in it could be understood in two ways: members
// stream, stream_options or include_usage twice, with escapes in their names or
// in other case (servers written in Go take those), with values of other types
// than the API has, or JSON whose outermost object is broken. The upstream then
// says what it makes of it, and the usage is estimated.
//
// It walks the body once, without recursion, and allocates only the copy.
func Splice(body []byte) (spliced []byte, ok bool) {
	s := splice{c: cursor{b: body}}
	s.c.i = len(body) - len(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if !s.find() {
		return body, false
	}
	spliced = make([]byte, 0, len(body)-s.cut+len(s.text))
	spliced = append(spliced, body[:s.at]...)
	spliced = append(spliced, s.text...)
	return append(spliced, body[s.at+s.cut:]...), true
}

// splice is one edit of a body: at which offset how many bytes give way to text.
type splice struct {
	c       cursor
	at, cut int
	text    string

	streams int // members "stream"
	stream  bool
	options int // members "stream_options"
	include int // members "include_usage" in it
}

// find decides on the edit and reports whether there is one.
func (s *splice) find() bool {
	last, ok := s.c.object(s.member)
	if s.c.peek(); !ok || s.c.i != len(s.c.b) || !s.stream {
		return false
	}
	if s.options == 0 {
		s.at, s.text = last, optionsMember
	}
	return true
}

// member sees one member of the outermost object.
func (s *splice) member(key []byte) bool {
	switch {
	case string(key) == `"stream"`:
		s.streams++
		s.stream = string(s.c.value()) == "true"
		return s.streams == 1
	case string(key) == `"stream_options"`:
		s.options++
		return s.options == 1 && s.readOptions()
	case passesFor(key, "stream"), passesFor(key, "stream_options"):
		return false
	default:
		return s.c.value() != nil
	}
}

// readOptions reads the value of stream_options.
func (s *splice) readOptions() bool {
	first := s.c.peek()
	start := s.c.i
	switch first {
	case 'n':
		if string(s.c.value()) != "null" {
			return false
		}
		s.at, s.cut, s.text = start, s.c.i-start, includeOptions
		return true
	case '{':
		last, ok := s.c.object(s.option)
		if ok && s.include == 0 {
			s.at, s.text = last, includeMember
			if last > start+1 {
				s.text = "," + includeMember
			}
		}
		return ok
	default:
		return false
	}
}

// option sees one member of stream_options.
func (s *splice) option(key []byte) bool {
	switch {
	case string(key) == `"include_usage"`:
		s.include++
		s.c.peek()
		start := s.c.i
		if s.include > 1 || string(s.c.value()) != "false" {
			return false
		}
		s.at, s.cut, s.text = start, s.c.i-start, "true"
		return true
	case passesFor(key, "include_usage"):
		return false
	default:
		return s.c.value() != nil
	}
}

// object walks the object that comes next and is stricter than member: one
// comma between members, none behind the last. see gets each key as it stands,
// quotes included, and must consume the value; false ends the walk. last is
// where the last value ends, behind the bracket if there is none.
func (c *cursor) object(see func(key []byte) bool) (last int, ok bool) {
	if !c.enter('{') {
		return 0, false
	}
	if last = c.i; c.peek() == '}' {
		c.i++
		return last, true
	}
	for {
		if c.peek() != '"' {
			return 0, false
		}
		start := c.i
		if _, ok := c.text(); !ok {
			return 0, false
		}
		c.keyAt = start
		key := c.b[start:c.i]
		if c.peek() != ':' {
			return 0, false
		}
		if c.i++; !see(key) || c.bad {
			return 0, false
		}
		last = c.i
		switch c.peek() {
		case ',':
			c.i++
		case '}':
			c.i++
			return last, true
		default:
			return 0, false
		}
	}
}

// passesFor reports whether a raw key is a name once escapes and case are gone.
func passesFor(key []byte, name string) bool {
	// Six bytes are the longest escape of one byte of a name.
	if len(key) < len(name)+2 || len(key) > 6*len(name)+2 {
		return false
	}
	if bytes.IndexByte(key, '\\') >= 0 {
		key = []byte(unquote(key))
	} else {
		key = key[1 : len(key)-1]
	}
	return bytes.EqualFold(key, []byte(name))
}
