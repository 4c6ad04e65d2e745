package proxy

import "bytes"

const (
	// maxMember is the longest value of an outermost member that is kept; a model
	// name that is refused for its length is shorter.
	maxMember = 4 << 10
	// maxKey is the longest key that is kept, escapes included; those of interest
	// have at most twenty characters.
	maxKey = 160
	// maxOutline is how much is kept of all members. A body with more of them is
	// refused: what is behind could be a second model.
	maxOutline = 64 << 10
)

// outline keeps of a JSON object that is too large to be held what a dialect
// reads of it: the outermost members with short values. Longer values are
// replaced by null, so the outline is a document of its own. It decides nothing
// and needs no more syntax than to find where members begin and end.
type outline struct {
	doc     []byte
	state   outlineState
	depth   int // of brackets, the outermost is 1
	inText  bool
	escaped bool
	start   int  // in doc, of the member that is read
	value   int  // in doc, of its value; 0: the key is read
	dropped bool // the value, or the whole member, is too long
	badKey  bool
	over    bool // there is too much
	mark    int  // bytes of a byte order mark so far; all of them: none can come
}

type outlineState uint8

const (
	outlineBlank outlineState = iota // nothing but blanks yet
	outlineObject
	outlineEnded // behind the object
	outlineOther // no object
)

// feed sees the next bytes of the body.
func (o *outline) feed(p []byte) {
	for len(p) > 0 && o.state != outlineOther && o.state != outlineEnded && !o.over {
		if o.inText && (o.dropped || o.depth > 1) && !o.escaped {
			// Nearly all bytes of a large body are in one long text.
			n := bytes.IndexAny(p, `"\`)
			if n < 0 {
				n = len(p)
			}
			o.keep(p[:n])
			if p = p[n:]; len(p) == 0 {
				return
			}
		}
		if !o.inText && o.dropped && o.depth > 1 {
			if p = p[o.skip(p):]; len(p) == 0 {
				return
			}
		}
		o.byte(p[0])
		p = p[1:]
	}
}

// skip passes over what needs no look inside of a value that is not kept, and
// returns how much that is. It stops before a text and at depth one.
func (o *outline) skip(p []byte) int {
	for i, c := range p {
		switch c {
		case '"':
			return i
		case '{', '[':
			o.depth++
		case '}', ']':
			if o.depth == 2 {
				return i
			}
			o.depth--
		}
	}
	return len(p)
}

func (o *outline) byte(c byte) {
	switch {
	case o.state == outlineBlank:
		o.begin(c)
	case o.inText:
		o.keepByte(c)
		switch {
		case o.escaped:
			o.escaped = false
		case c == '\\':
			o.escaped = true
		case c == '"':
			o.inText = false
		}
	default:
		o.structure(c)
	}
}

// byteOrderMark may come before the object, and before any blanks.
const byteOrderMark = "\xef\xbb\xbf"

// begin sees the first bytes.
func (o *outline) begin(c byte) {
	part := o.mark > 0 && o.mark < len(byteOrderMark)
	switch {
	case o.mark < len(byteOrderMark) && c == byteOrderMark[o.mark]:
		o.mark++
	case part:
		o.state = outlineOther
	case c == ' ', c == '\t', c == '\r', c == '\n':
		o.mark = len(byteOrderMark)
	case c == '{':
		o.state, o.depth = outlineObject, 1
		o.doc = append(o.doc[:0], '{')
		o.member()
	default:
		o.state = outlineOther
	}
}

// structure sees a byte outside of texts.
func (o *outline) structure(c byte) {
	switch c {
	case '"':
		o.inText = true
	case '{', '[':
		o.depth++
	case '}', ']':
		if o.depth--; o.depth == 0 {
			o.end()
			o.doc = append(o.doc, '}')
			o.state = outlineEnded
			return
		}
	case ',':
		if o.depth == 1 {
			o.end()
			o.member()
			return
		}
	case ':':
		if o.depth == 1 && o.value == 0 {
			o.badKey = o.dropped
			o.dropped = false
			o.doc = append(o.doc, ':')
			o.value = len(o.doc)
			return
		}
	case ' ', '\t', '\r', '\n':
		if o.depth == 1 {
			return
		}
	}
	o.keepByte(c)
}

// member begins one, behind a comma.
func (o *outline) member() {
	if len(o.doc) > 1 && o.doc[len(o.doc)-1] != ',' {
		o.doc = append(o.doc, ',')
	}
	o.start, o.value, o.dropped, o.badKey = len(o.doc), 0, false, false
}

// end closes the member that is read.
func (o *outline) end() {
	switch {
	case o.badKey, o.value == 0 && o.dropped:
		o.doc = o.doc[:o.start]
	case o.dropped:
		// A text that is cut is still a text: a model's name must not become null.
		if o.doc[o.value] == '"' {
			o.doc = append(bytes.TrimRight(o.doc, `\`), '"')
		} else {
			o.doc = append(o.doc[:o.value], "null"...)
		}
	}
	if len(o.doc) > 0 && o.doc[len(o.doc)-1] == ',' {
		o.doc = o.doc[:len(o.doc)-1]
	}
	o.over = o.over || len(o.doc) > maxOutline
}

func (o *outline) keep(p []byte) {
	most := maxMember
	from := o.value
	if o.value == 0 {
		most, from = maxKey, o.start
	}
	if o.dropped {
		return
	}
	if room := most - (len(o.doc) - from); len(p) > room {
		p = p[:max(room, 0)]
		o.dropped = true
	}
	o.doc = append(o.doc, p...)
}

func (o *outline) keepByte(c byte) { o.keep([]byte{c}) }

// document returns the outline. It is not ok if the body has too many members
// to tell.
func (o *outline) document() (doc []byte, ok bool) {
	if o.over {
		return nil, false
	}
	return o.doc, true
}
