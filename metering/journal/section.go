package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// section is a part of a payload: fields with numbers, those that are zero left
// out. One walk over the fields of a type serves both ways, so that what is
// written is what is read. A field begins with a byte, its number times four
// plus one of the forms; readers skip numbers that they do not know.
type section struct {
	b   []byte // being written
	in  *values
	err error
}

// Forms of a field.
const (
	formNumber = iota // varint
	formShort         // varint length, bytes
	formLong          // u32 length, bytes
	formTrue          // nothing
)

const maxField = 63

// values are the fields of a section that is being read, by number. They share
// memory with the payload.
type values [maxField + 1]struct {
	number uint64
	bytes  []byte
}

var errSection = errors.New("the payload does not hold what it says")

// parse splits a section into its fields.
func (v *values) parse(b []byte) error {
	for len(b) > 0 {
		field, form := b[0]>>2, b[0]&3
		b = b[1:]
		n := uint64(1)
		size := 0
		switch form {
		case formNumber, formShort:
			n, size = binary.Uvarint(b)
			if size <= 0 {
				return errSection
			}
		case formLong:
			if len(b) < 4 {
				return errSection
			}
			n, size = uint64(binary.LittleEndian.Uint32(b)), 4
		}
		b = b[size:]
		v[field].number = n
		if form == formShort || form == formLong {
			if n > uint64(len(b)) {
				return errSection
			}
			v[field].bytes, b = b[:n], b[n:]
		}
	}
	return nil
}

func text[T ~string](s *section, field byte, p *T) {
	switch {
	case s.in != nil:
		*p = T(s.in[field].bytes)
	case *p != "":
		s.b = append(s.b, field<<2|formShort)
		s.b = binary.AppendUvarint(s.b, uint64(len(*p)))
		s.b = append(s.b, *p...)
	}
}

// blob carries bytes verbatim: they may be cut off or not be JSON at all.
func blob(s *section, field byte, p *json.RawMessage) {
	switch {
	case s.in != nil:
		*p = append(json.RawMessage(nil), s.in[field].bytes...)
	case len(*p) > 0:
		s.b = append(s.b, field<<2|formShort)
		s.b = binary.AppendUvarint(s.b, uint64(len(*p)))
		s.b = append(s.b, *p...)
	}
}

func id(s *section, field byte, p *metering.ID) {
	switch {
	case s.in != nil:
		if b := s.in[field].bytes; len(b) == len(p) {
			copy(p[:], b)
		}
	case !p.IsZero():
		s.b = append(s.b, field<<2|formShort, byte(len(p)))
		s.b = append(s.b, p[:]...)
	}
}

func number[T ~int | ~int64](s *section, field byte, p *T) {
	switch {
	case s.in != nil:
		*p = T(s.in[field].number)
	case *p != 0:
		s.b = append(s.b, field<<2|formNumber)
		s.b = binary.AppendUvarint(s.b, uint64(*p))
	}
}

func flag(s *section, field byte, p *bool) {
	switch {
	case s.in != nil:
		*p = s.in[field].number != 0
	case *p:
		s.b = append(s.b, field<<2|formTrue)
	}
}

// rare carries any value as JSON, unless it is absent.
func rare[T any](s *section, field byte, p *T, absent bool) {
	var err error
	switch {
	case s.in != nil && len(s.in[field].bytes) > 0:
		err = json.Unmarshal(s.in[field].bytes, p)
	case s.in == nil && !absent:
		var text []byte
		if text, err = json.Marshal(p); err == nil {
			start := s.open(field)
			s.b = append(s.b, text...)
			s.close(start)
		}
	}
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("field %d: %w", field, err)
	}
}

// open begins a field of a length that is not known yet.
func (s *section) open(field byte) (start int) {
	s.b = append(s.b, field<<2|formLong, 0, 0, 0, 0)
	return len(s.b)
}

func (s *section) close(start int) {
	binary.LittleEndian.PutUint32(s.b[start-4:], uint32(len(s.b)-start))
}

func (s *section) fail() {
	if s.err == nil {
		s.err = errSection
	}
}

// takeText reads what begins with its length.
func takeText(b []byte) (text string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	b = b[size:]
	return string(b[:n]), b[n:], true
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// tags carries name and value of each tag.
func (s *section) tags(field byte, p *[]metering.Tag) {
	if s.in == nil {
		if len(*p) == 0 {
			return
		}
		start := s.open(field)
		for _, tag := range *p {
			s.b = appendText(appendText(s.b, tag.Name), tag.Value)
		}
		s.close(start)
		return
	}
	*p = nil
	for b := s.in[field].bytes; len(b) > 0; {
		var tag metering.Tag
		var ok bool
		if tag.Name, b, ok = takeText(b); ok {
			tag.Value, b, ok = takeText(b)
		}
		if !ok {
			s.fail()
			return
		}
		*p = append(*p, tag)
	}
}

// cellNames are the names of the token cells with their lengths before them.
// Names are stored and not numbers, which change when a class is added.
var cellNames = func() (names [metering.NumCells]string) {
	for c := range names {
		names[c] = string(appendText(nil, metering.Cell(c).String()))
	}
	return names
}()

var cells = func() map[string]metering.Cell {
	cells := make(map[string]metering.Cell, metering.NumCells)
	for c := range metering.Cell(metering.NumCells) {
		cells[c.String()] = c
	}
	return cells
}()

// tokens carries name and count of each cell that is not zero.
func (s *section) tokens(field byte, p *metering.Tokens) {
	if s.in == nil {
		if *p == (metering.Tokens{}) {
			return
		}
		start := s.open(field)
		for c, n := range p {
			if n != 0 {
				s.b = append(s.b, cellNames[c]...)
				s.b = binary.AppendUvarint(s.b, uint64(n))
			}
		}
		s.close(start)
		return
	}
	*p = metering.Tokens{}
	for b := s.in[field].bytes; len(b) > 0; {
		name, rest, ok := takeText(b)
		n, size := binary.Uvarint(rest)
		if !ok || size <= 0 {
			s.fail()
			return
		}
		cell, known := cells[name]
		if !known {
			s.err = fmt.Errorf("token cell %q: %w", name, metering.ErrInvalid)
			return
		}
		p[cell], b = int64(n), rest[size:]
	}
}
