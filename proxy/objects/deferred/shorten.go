package deferred

// mostText is how much of a text is read in an answer about an object. Vertex sends
// videos of many MiB as texts where no bucket is named for them, and how many there
// are is all that matters.
const mostText = 64 << 10

// shortener leaves out of JSON what its texts have beyond mostText bytes.
type shortener struct {
	inText bool
	slash  bool // behind a backslash
	hex    int  // digits of an escape that are still to come
	length int  // of the text so far
	cut    bool // the rest of the text is left out
}

// shorten returns what is kept of p, in new memory.
func (s *shortener) shorten(p []byte) []byte {
	kept := make([]byte, 0, len(p))
	for _, c := range p {
		if s.keeps(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

// keeps takes the next byte and reports whether it is kept. A text is never cut
// inside an escape.
func (s *shortener) keeps(c byte) bool {
	switch {
	case !s.inText:
		*s = shortener{inText: c == '"'}
		return true
	case s.slash:
		s.slash = false
		if c == 'u' {
			s.hex = 4
		}
	case s.hex > 0:
		s.hex--
	case c == '"':
		s.inText = false
		return true
	default:
		s.cut = s.cut || s.length >= mostText
		s.slash = c == '\\'
	}
	s.length++
	return !s.cut
}
