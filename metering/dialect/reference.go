package dialect

// named consumes the value of the member key, as value does, and shows s what it
// names.
func (c *cursor) named(s *referenceScan, key []byte) []byte {
	if s.rules == rulesNone {
		return c.value()
	}
	switch c.peek() {
	case '{', '[':
		start := c.i
		s.member(key)
		c.i += s.feed(c.b[c.i:])
		if s.depth > s.base {
			c.bad = true // the text ends in the middle of it
			return nil
		}
		return c.b[start:c.i]
	case '"':
		raw := c.value()
		if s.member(key); raw != nil {
			s.textEnd(raw[1 : len(raw)-1])
		}
		return raw
	default:
		return c.value()
	}
}

// ReferenceReader finds the stored objects that a request body names while it
// passes, where [Dialect] cannot have all of it at once. Its memory is bounded.
type ReferenceReader struct {
	scan referenceScan
	form *referencesInForm // nil: the body is JSON
	done bool
	seen int
}

// NewReferenceReader returns a reader of a body of that content type; nil if
// bodies of that route cannot name objects.
func NewReferenceReader(r Route, contentType string) *ReferenceReader {
	rules := rulesFor(r)
	if rules == rulesNone {
		return nil
	}
	read := &ReferenceReader{scan: referenceScan{rules: rules}}
	if boundary, ok := delimiterOf(contentType); ok {
		read.form = newReferenceForm(boundary, rules)
	}
	return read
}

// Feed sees the next bytes.
func (r *ReferenceReader) Feed(p []byte) {
	if r.form != nil {
		r.form.feed(p)
		return
	}
	for i := 0; i < len(p) && r.seen < 4; i++ {
		// JSON of two or four bytes a character is read by some servers.
		r.scan.bad = r.scan.bad || p[i] == 0
		r.seen++
	}
	if !r.done {
		r.scan.feed(p)
		r.done = r.scan.closed
	}
}

// References returns what was found. The error is [ErrReferences].
func (r *ReferenceReader) References() ([]Object, error) {
	found, bad := r.scan.found, r.scan.bad
	if r.form != nil {
		found, bad = r.form.references()
	}
	if bad {
		return nil, ErrReferences
	}
	return found, nil
}
