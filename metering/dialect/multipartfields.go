package dialect

import (
	"bytes"
	"mime"
)

const (
	// maxFormHead is the longest head of a part that is read; a longer one hides the
	// name of a field, and the form is refused.
	maxFormHead = 4 << 10
	// maxFormOutline is how much is kept of all fields together.
	maxFormOutline = 64 << 10
	// maxBoundary is the longest boundary (RFC 2046 section 5.1.1).
	maxBoundary = 70
)

// MultipartFields keeps of a form that is too large to be held what a dialect reads
// of it: the beginnings of the fields that are no files. It is fed the body in
// whatever pieces it comes.
//
// It takes less than package mime/multipart does, which forgives what other readers
// may understand differently: a preamble, lines that end in LF alone, text behind a
// boundary. Such a form is not ok, and what is ok reads the same in both.
type MultipartFields struct {
	delimiter []byte // CR LF, two hyphens and the boundary
	out       []byte // the fields kept so far, a form of their own
	carry     []byte // what has come of a delimiter, perhaps
	unsent    int    // bytes of carry, at its beginning, that are no content
	head      []byte // of the part that is read, or the rest of a delimiter's line
	value     []byte // of the field that is read, up to maxFormField
	state     formState
	parts     int
	bad       bool
}

type formState uint8

const (
	formPreamble formState = iota // before the first delimiter
	formBoundary                  // behind a delimiter, to the end of its line
	formHead
	formFile    // in a part that is not kept
	formField   // in one that is
	formClosing // behind the last delimiter, to the end of its line
	formEnded
)

// NewMultipartFields returns a reader of a form of that content type, nil if the
// type is that of no form.
func NewMultipartFields(contentType string) *MultipartFields {
	if !isMultipart(contentType) {
		return nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil
	}
	f := &MultipartFields{delimiter: []byte("\r\n--" + params["boundary"]), bad: len(params["boundary"]) > maxBoundary}
	f.lineBegins()
	return f
}

// lineBegins lets a delimiter follow at once: the line end that belongs to it has
// come.
func (f *MultipartFields) lineBegins() {
	f.carry = append(f.carry[:0], "\r\n"...)
	f.unsent = len(f.carry)
}

// Feed sees the next bytes of the body and keeps none of p.
func (f *MultipartFields) Feed(p []byte) {
	for len(p) > 0 && !f.bad && f.state != formEnded {
		switch {
		case f.state == formBoundary:
			p = f.boundary(p)
		case f.state == formHead:
			p = f.heading(p)
		case f.state == formClosing:
			p = f.closing(p)
		case len(f.carry) > 0:
			p = f.resume(p)
		default:
			p = f.content(p)
		}
	}
}

// Form returns a form of the fields alone, with the same boundary, once the whole
// body has been fed. It is not ok if the body was no form or had more fields than
// are kept: one of them could name another model than is seen.
func (f *MultipartFields) Form() (form []byte, ok bool) {
	closed := f.state == formEnded || f.state == formClosing && len(f.head) == 0
	if f.bad || !closed {
		return nil, false
	}
	return append(append(bytes.Clone(f.out), f.delimiter[2:]...), "--\r\n"...), true
}

// resume tells by the next byte whether what is carried is a delimiter.
func (f *MultipartFields) resume(p []byte) []byte {
	f.carry = append(f.carry, p[0])
	for !bytes.HasPrefix(f.delimiter, f.carry) {
		if f.unsent == 0 {
			f.keep(f.carry[:1])
		} else {
			f.unsent--
		}
		f.carry = append(f.carry[:0], f.carry[1:]...)
	}
	if len(f.carry) == len(f.delimiter) {
		f.next()
	}
	return p[1:]
}

// content reads on to the delimiter that ends a part.
func (f *MultipartFields) content(p []byte) []byte {
	if at := bytes.Index(p, f.delimiter); at >= 0 {
		f.keep(p[:at])
		f.next()
		return p[at+len(f.delimiter):]
	}
	end := len(p)
	for at := max(0, len(p)-len(f.delimiter)+1); at < len(p); at++ {
		if bytes.HasPrefix(f.delimiter, p[at:]) {
			end = at
			break
		}
	}
	f.keep(p[:end])
	f.carry = append(f.carry[:0], p[end:]...)
	return nil
}

// keep takes bytes of a part.
func (f *MultipartFields) keep(p []byte) {
	switch f.state {
	case formPreamble:
		f.bad = f.bad || len(p) > 0
	case formField:
		f.value = append(f.value, p[:min(len(p), maxFormField-len(f.value))]...)
	}
}

// next ends a part at its delimiter.
func (f *MultipartFields) next() {
	if f.state == formField {
		f.out = append(append(append(f.out, f.delimiter[2:]...), "\r\n"...), f.head...)
		f.out = append(append(f.out, f.value...), "\r\n"...)
	}
	f.parts++
	f.bad = f.bad || f.parts > maxFormParts || len(f.out) > maxFormOutline
	f.state, f.unsent = formBoundary, 0
	f.carry, f.head, f.value = f.carry[:0], f.head[:0], f.value[:0]
}

// boundary reads the two bytes behind a delimiter: a line end, or two hyphens that
// end the form.
func (f *MultipartFields) boundary(p []byte) []byte {
	f.head = append(f.head, p[0])
	switch string(f.head) {
	case "\r", "-":
	case "\r\n":
		f.state, f.head = formHead, f.head[:0]
	case "--":
		f.state, f.head = formClosing, f.head[:0]
	default:
		f.bad = true
	}
	return p[1:]
}

// closing reads the rest of the line of the last delimiter: blanks alone. To a
// reader that wants a line end of CR LF, and finds another, it is not the last.
func (f *MultipartFields) closing(p []byte) []byte {
	switch c := p[0]; {
	case c == '\r' && len(f.head) == 0:
		f.head = append(f.head, c)
	case c == '\n' && len(f.head) > 0:
		f.state = formEnded
	case (c == ' ' || c == '\t') && len(f.head) == 0:
	default:
		f.bad = true
	}
	return p[1:]
}

// heading reads the head of a part, to the empty line behind it.
func (f *MultipartFields) heading(p []byte) []byte {
	n := bytes.IndexByte(p, '\n') + 1
	if n == 0 {
		n = len(p)
	}
	if len(f.head)+n > maxFormHead {
		f.bad = true
		return nil
	}
	f.head = append(f.head, p[:n]...)
	switch {
	case p[n-1] != '\n':
	case !bytes.HasSuffix(f.head, []byte("\r\n")):
		f.bad = true
	case string(f.head) == "\r\n", bytes.HasSuffix(f.head, []byte("\r\n\r\n")):
		f.begin()
	}
	return p[n:]
}

// begin begins the content of a part whose head has come.
func (f *MultipartFields) begin() {
	name, kept, err := formName(f.head)
	f.bad = f.bad || err != nil
	if f.state = formFile; name != "" && kept {
		f.state = formField
	}
	f.lineBegins()
}
