package journal

import "github.com/weirhq/weir/metering"

// attempts carries a section for each attempt and behind it one for its usage.
// They are no JSON, as rare values are: a usage object may be cut off.
func (s *section) attempts(field byte, p *[]metering.Attempt) {
	if s.in == nil {
		if len(*p) == 0 {
			return
		}
		start := s.open(field)
		for i := range *p {
			a := &(*p)[i]
			s.inner(func(inner *section) { inner.attempt(a) })
			if a.Usage != nil {
				s.inner(func(inner *section) { inner.usage(a.Usage) })
			}
		}
		s.close(start)
		return
	}
	*p = nil
	for b := s.in[field].bytes; len(b) > 0; {
		var a metering.Attempt
		if b = s.outer(b, func(inner *section) { inner.attempt(&a) }); s.err != nil {
			return
		}
		if a.Usage != nil {
			if b = s.outer(b, func(inner *section) { inner.usage(a.Usage) }); s.err != nil {
				return
			}
		}
		*p = append(*p, a)
	}
}

// inner writes a section behind what is there.
func (s *section) inner(write func(*section)) {
	at := len(s.b)
	inner := begun(s.b)
	write(&inner)
	b, err := inner.ended(at)
	if s.b = b; err != nil && s.err == nil {
		s.err = err
	}
}

// outer reads the section that b begins with and returns what is behind it.
func (s *section) outer(b []byte, read func(*section)) []byte {
	inner, rest, err := readSection(b)
	if err == nil {
		read(&inner)
		err = inner.err
	}
	if err != nil && s.err == nil {
		s.err = err
	}
	return rest
}
