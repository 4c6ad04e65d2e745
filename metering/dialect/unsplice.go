package dialect

import "bytes"

// maxHeld is the most that an [Unsplicer] holds of one event. A chunk is a few
// hundred bytes; one with a second of audio in base64 is near 64 KiB.
const maxHeld = 1 << 20

// Unsplicer removes from the streamed answer to a spliced request (see [Splice])
// what the splice has caused, so that the client gets what it would have got:
//
//   - an event whose chunk has "choices":[] and an object "usage" and no error,
//     with its fields and its blank line;
//   - in other chunks a member "usage":null, with the comma and the white space
//     that the provider would not have written.
//
// All else passes as it came: comments, unknown lines, [DONE], chunks without
// choices that carry no usage (Azure's first one, moderation results). So does a
// usage object beside choices, or in a chunk that has no such member: the servers
// that write it there (Groq, Mistral, DeepSeek, OpenRouter, Perplexity) do so
// whether they are asked or not, while those that must be asked (OpenAI, Azure,
// vLLM, Ollama) send the frame. The other way about, a server that writes
// "usage":null without being asked (vLLM's legacy completions) loses it: nothing
// in its answer tells the two apart.
//
// A line is passed on when its end has come, a comment at once. Fields before
// the first data line of an event wait for it, and data lines whose JSON goes on
// in the next wait for the blank line. An event above one MiB passes untouched,
// as it comes. What comes out does not depend on how the bytes were cut.
//
// The zero value is ready. It is used by one goroutine at a time.
type Unsplicer struct {
	held []byte // of the event so far what has not been passed on
	line int    // where in held the unfinished line begins

	mode   unspliceMode
	inLine bool // the unfinished line is being passed on as it comes
	marks  int  // bytes of a byte order mark seen at the very beginning; -1 behind it
	// afterCR is what became of a line that ended in CR as the last byte of a read:
	// a LF that follows shares its fate.
	afterCR fate
}

// unspliceMode is what has been decided of the event that is coming.
type unspliceMode uint8

const (
	undecided unspliceMode = iota
	joining                // its JSON goes on in the next data line
	removing               // a usage frame, unless another data line follows
	passing                // it stays: the rest of it passes as it comes
)

// fate is what became of a line.
type fate uint8

const (
	fateNone fate = iota
	fatePassed
	fateHeld
	fateRemoved
)

// NewUnsplicer returns an Unsplicer at the beginning of an answer.
func NewUnsplicer() *Unsplicer { return &Unsplicer{} }

// Reset makes u as new and keeps its buffer, unless that has grown large.
func (u *Unsplicer) Reset() {
	u.forget()
	*u = Unsplicer{held: u.held}
}

// Filter appends to dst what the client gets of p, and returns it. p is not
// kept; it must not overlap the room behind dst.
func (u *Unsplicer) Filter(dst, p []byte) []byte {
	if u.marks >= 0 {
		n := u.mark(p)
		dst = append(dst, p[:n]...)
		p = p[n:]
	}
	nextLF := -1 // index of the next LF at or behind the current line, len(p) if none
	for at := 0; at < len(p); {
		if was := u.afterCR; was != fateNone {
			u.afterCR = fateNone
			if p[at] == '\n' {
				dst = u.lineFeed(dst, was)
				at++
				continue
			}
		}
		if nextLF < at {
			if nextLF = bytes.IndexByte(p[at:], '\n'); nextLF < 0 {
				nextLF = len(p)
			} else {
				nextLF += at
			}
		}
		end := nextLF
		if cr := bytes.IndexByte(p[at:nextLF], '\r'); cr >= 0 {
			end = at + cr
		}
		if end == len(p) {
			return u.part(dst, p[at:])
		}
		next := end + 1
		if p[end] == '\r' && next < len(p) && p[next] == '\n' {
			next++
		}
		var became fate
		dst, became = u.whole(dst, p[at:end], p[end:next])
		if p[next-1] == '\r' {
			u.afterCR = became
		}
		at = next
	}
	return dst
}

// Flush appends to dst what the end of the answer leaves undecided, returns it,
// and makes u as new. An event without its blank line is treated as one that has
// it, and a frame that was cut is known by "choices":[] and the beginning of its
// usage.
func (u *Unsplicer) Flush(dst []byte) []byte {
	switch {
	case u.mode == removing && u.line < len(u.held):
		dst = append(dst, u.held...)
	case len(u.held) > 0:
		dst, _ = u.settle(dst, nil)
	}
	u.Reset()
	return dst
}

// mark returns how many bytes of p belong to a byte order mark at the beginning
// of the answer. It belongs to no line, and passes.
func (u *Unsplicer) mark(p []byte) int {
	const mark = "\xef\xbb\xbf"
	n := 0
	for n < len(p) && u.marks < len(mark) && p[n] == mark[u.marks] {
		u.marks++
		n++
	}
	if n < len(p) {
		u.inLine = u.marks > 0 && u.marks < len(mark) // no mark after all, and no field we know
		u.marks = -1
	}
	return n
}

// lineFeed sees the LF of a line that had ended in CR.
func (u *Unsplicer) lineFeed(dst []byte, was fate) []byte {
	switch was {
	case fatePassed:
		return append(dst, '\n')
	case fateHeld:
		u.held = append(u.held, '\n')
		u.line = len(u.held)
	}
	return dst
}

// part sees the beginning of a line, or more of it.
func (u *Unsplicer) part(dst, p []byte) []byte {
	switch {
	case u.mode == passing, u.inLine, len(u.held) == 0 && p[0] == ':':
		u.inLine = true
		return append(dst, p...)
	case len(u.held)+len(p) > maxHeld:
		u.inLine = true
		return append(u.pass(dst), p...)
	default:
		u.held = append(u.held, p...)
		return dst
	}
}

// whole sees the rest of a line, and its ending.
func (u *Unsplicer) whole(dst, p, ending []byte) ([]byte, fate) {
	switch {
	case u.mode == passing, u.inLine:
		if len(p) == 0 && !u.inLine {
			u.forget()
		}
		u.inLine = false
	case len(u.held)+len(p) > maxHeld:
		dst = u.pass(dst)
	case len(u.held) == 0 && !waits(p):
		// Nothing of an event: a comment, an unknown field, a blank line.
	case len(u.held) == 0:
		if out, ok := u.first(dst, p, ending); ok {
			return out, fatePassed
		}
		u.held = append(u.held, p...)
		return u.judge(dst, ending)
	default:
		u.held = append(u.held, p...)
		return u.judge(dst, ending)
	}
	return append(append(dst, p...), ending...), fatePassed
}

// first passes on a data line with a whole chunk that stays, and reports whether
// line is one.
func (u *Unsplicer) first(dst, line, ending []byte) ([]byte, bool) {
	value, ok := dataValue(line)
	if !ok {
		return dst, false
	}
	c := readChunk(value)
	if !c.stays() {
		return dst, false
	}
	at := len(line) - len(value)
	dst = append(dst, line[:at+c.from]...)
	dst = append(dst, line[at+c.to:]...)
	u.mode = passing
	return append(dst, ending...), true
}

// judge sees a line that is whole at the end of held, but for its ending.
func (u *Unsplicer) judge(dst, ending []byte) ([]byte, fate) {
	line := u.held[u.line:]
	if len(line) == 0 {
		return u.settle(dst, ending)
	}
	if u.line == 0 && !waits(line) {
		dst = append(append(dst, line...), ending...)
		u.forget()
		return dst, fatePassed
	}
	if value, ok := dataValue(line); ok {
		switch u.mode {
		case undecided:
			if out, ok := u.first(append(dst, u.held[:u.line]...), line, ending); ok {
				u.forget()
				u.mode = passing
				return out, fatePassed
			}
			u.mode = joining
			if c := readChunk(value); c.frame() {
				u.mode = removing
			}
		case removing:
			return append(u.pass(dst), ending...), fatePassed
		}
	}
	u.held = append(u.held, ending...)
	u.line = len(u.held)
	return dst, fateHeld
}

// settle decides on the held event. blank is its blank line, nil at the end of
// the answer.
func (u *Unsplicer) settle(dst, blank []byte) ([]byte, fate) {
	defer u.forget()
	if u.mode == removing {
		return comments(dst, u.held), fateRemoved
	}
	e := joinData(u.held)
	c := readChunk(e.data)
	if c.frame() || blank == nil && c.cutFrame() {
		return comments(dst, u.held), fateRemoved
	}
	if c.to == c.from || blank != nil && !c.whole {
		return append(append(dst, u.held...), blank...), fatePassed
	}
	from, to := e.offset(c.from), e.offset(c.to-1)+1
	if c.leads {
		to = e.offset(c.to)
	}
	dst = append(append(dst, u.held[:from]...), u.held[to:]...)
	return append(dst, blank...), fatePassed
}

// pass passes on what is held: the event stays as it is.
func (u *Unsplicer) pass(dst []byte) []byte {
	dst = append(dst, u.held...)
	u.forget()
	u.mode = passing
	return dst
}

// forget drops what is held; the next event begins.
func (u *Unsplicer) forget() {
	if u.held = u.held[:0]; cap(u.held) > keepBuffer {
		u.held = nil
	}
	u.line, u.mode = 0, undecided
}
