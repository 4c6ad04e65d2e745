package dialect

import "bytes"

// chunk is what a data line of a streamed completion says of its usage.
type chunk struct {
	c cursor

	json  bool // an object, or nothing yet
	whole bool // the object has ended, and nothing follows it

	// from and to are where the member "usage":null, with what must go with it, lies
	// in the text; equal if there is none.
	from, to int
	leads    bool // it is the first member and to is where the next begins

	members          int
	last             int // end of the latest value
	choices, usages  int // members of that name
	noChoices, usage bool
	failed           bool // a member "error" that is not null
}

// readChunk reads the text of an event.
func readChunk(text []byte) chunk {
	k := chunk{c: cursor{b: text}}
	first := k.c.peek()
	if k.json = first == '{' || k.c.i == len(text); !k.json || first == 0 {
		return k
	}
	_, ok := k.c.object(k.member)
	k.c.peek()
	k.whole = ok && k.c.i == len(text)
	k.json = k.whole || !ok
	if k.usages > 1 || k.choices > 1 || !k.json {
		k.from, k.to = 0, 0
	}
	return k
}

// stays reports whether the chunk is whole and is passed on, or is none.
func (k *chunk) stays() bool { return !k.json || k.whole && !k.frame() }

// frame reports whether the chunk is the one that reports the usage.
func (k *chunk) frame() bool { return k.whole && k.cutFrame() }

// cutFrame reports whether what has come of the chunk is a usage frame's.
func (k *chunk) cutFrame() bool {
	return k.noChoices && k.usage && !k.failed && k.choices == 1 && k.usages == 1
}

// member sees one member of the chunk.
func (k *chunk) member(key []byte) bool {
	keyAt := k.c.keyAt
	if k.leads && k.members == 1 {
		k.to = keyAt
	}
	k.members++
	switch string(key) {
	case `"choices"`:
		k.choices++
		k.noChoices = isEmptyArray(k.c.value())
	case `"usage"`:
		k.usages++
		k.usage = k.c.peek() == '{'
		if string(k.c.value()) == "null" {
			k.from, k.to = k.last, k.c.i
			if k.members == 1 {
				k.from, k.leads = keyAt, true
			}
		}
	case `"error"`:
		k.failed = k.c.peek() != 'n'
		k.c.value()
	default:
		k.c.value()
	}
	k.last = k.c.i
	return true
}

func isEmptyArray(raw []byte) bool {
	return len(raw) >= 2 && raw[0] == '[' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

// waits reports whether a line is a field of an event, which may have to go with
// it.
func waits(line []byte) bool {
	name, _, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "data", "event", "id", "retry":
		return true
	default:
		return false
	}
}

// dataValue returns the value of a data line.
func dataValue(line []byte) (value []byte, ok bool) {
	const name = "data"
	if len(line) < len(name) || string(line[:len(name)]) != name {
		return nil, false
	}
	if value = line[len(name):]; len(value) == 0 {
		return value, true
	}
	if value[0] != ':' {
		return nil, false
	}
	if value = value[1:]; len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return value, true
}

// cutLine splits off the first line of b and its ending, which the last may
// lack.
func cutLine(b []byte) (line, ending, rest []byte) {
	end := bytes.IndexAny(b, "\r\n")
	if end < 0 {
		return b, nil, nil
	}
	next := end + 1
	if b[end] == '\r' && next < len(b) && b[next] == '\n' {
		next++
	}
	return b[:end], b[end:next], b[next:]
}

// comments appends the comment lines of an event that is removed.
func comments(dst, event []byte) []byte {
	for len(event) > 0 {
		line, ending, rest := cutLine(event)
		if len(line) > 0 && line[0] == ':' {
			dst = append(append(dst, line...), ending...)
		}
		event = rest
	}
	return dst
}

// joined is the data of an event of several data lines, with where each part of
// it lies in the event.
type joined struct {
	data  []byte
	parts []part
}

// part says that the text from in the data on lies from raw in the event on.
type part struct{ in, raw int }

// joinData joins the data lines of an event.
func joinData(event []byte) joined {
	var e joined
	for at := 0; at < len(event); {
		line, ending, _ := cutLine(event[at:])
		if value, ok := dataValue(line); ok {
			if len(e.parts) > 0 {
				e.data = append(e.data, '\n')
			}
			e.parts = append(e.parts, part{in: len(e.data), raw: at + len(line) - len(value)})
			e.data = append(e.data, value...)
		}
		at += len(line) + len(ending)
	}
	return e
}

// offset is where the byte at i of the data lies in the event; a line feed
// between two parts lies at the end of the first.
func (e *joined) offset(i int) int {
	p := part{}
	for _, next := range e.parts {
		if next.in > i {
			break
		}
		p = next
	}
	return p.raw + i - p.in
}
