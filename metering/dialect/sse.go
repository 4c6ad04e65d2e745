package dialect

import "bytes"

// maxEvent is the most that is kept of one event. A final image event is around
// a megabyte; what goes beyond is passed over, and the stream is read on.
const maxEvent = 8 << 20

// keepBuffer is the largest buffer that stays with a stream between events.
const keepBuffer = 64 << 10

// eventSink takes the events of a stream. The slices are valid during the call.
type eventSink interface {
	// event sees one dispatched event: its name, "" if it has none, and its data.
	event(name, data []byte)
	// unknownField sees a line whose field name the format does not know.
	unknownField(name, value []byte)
	// oversize says that an event was too large to be kept.
	oversize()
}

// sseReader splits a server-sent event stream
// (https://html.spec.whatwg.org/multipage/server-sent-events.html) however its
// bytes are cut. An event that lies whole in one read is not copied. It differs
// from the specification in one point, as clients do: an event that the end of
// the stream leaves without its blank line is dispatched.
type sseReader struct {
	sink eventSink

	carry     []byte // an unfinished line of earlier reads
	skipLF    bool   // the last line ended in CR: a LF that follows belongs to it
	lineLost  bool   // the unfinished line is too large
	eventLost bool   // a line of this event, or all of them, were too large

	name    []byte // of the event so far
	data    []byte // of the event so far, where it is not in line
	line    []byte // the only data line so far, in the current read
	hasData bool
}

// feed sees the next bytes.
func (s *sseReader) feed(p []byte) {
	nextLF := -1 // index of the next LF at or behind the current line, len(p) if none
	for at := 0; at < len(p); {
		if s.skipLF {
			s.skipLF = false
			if p[at] == '\n' {
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
			s.skipLF = true
		}
		if end == len(p) {
			s.keep(p[at:])
			break
		}
		s.take(p[at:end])
		at = end + 1
	}
	if s.line != nil {
		s.data = append(s.data[:0], s.line...)
		s.line = nil
	}
}

// keep stores the beginning of a line.
func (s *sseReader) keep(p []byte) {
	if s.lineLost || len(s.carry)+len(p) > maxEvent {
		s.lineLost = true
		s.carry = nil
		return
	}
	s.carry = append(s.carry, p...)
}

// take sees the end of a line, the beginning of which may be in carry.
func (s *sseReader) take(p []byte) {
	carried := len(s.carry) > 0
	switch {
	case s.lineLost || len(s.carry)+len(p) > maxEvent:
		s.lineLost, s.eventLost = false, true
		s.carry = nil
	case carried:
		line := append(s.carry, p...)
		s.field(line, true)
		if s.carry = line[:0]; cap(line) > keepBuffer {
			s.carry = nil
		}
	default:
		s.field(p, false)
	}
}

// field reads one whole line. If it was carried, its buffer will be used again.
func (s *sseReader) field(line []byte, carried bool) {
	if len(line) == 0 {
		s.dispatch()
		return
	}
	name, value := line, []byte(nil)
	if colon := bytes.IndexByte(line, ':'); colon == 0 {
		return
	} else if colon > 0 {
		name, value = line[:colon], line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
	}
	switch string(name) {
	case "data":
		s.addData(value, carried)
	case "event":
		s.name = append(s.name[:0], value[:min(len(value), maxLabel)]...)
	case "id", "retry":
	default:
		s.sink.unknownField(name, value)
	}
}

func (s *sseReader) addData(value []byte, carried bool) {
	switch {
	case s.eventLost:
	case !s.hasData && carried:
		s.data = append(s.data[:0], value...)
	case !s.hasData:
		s.line = value
		if value == nil {
			s.line = []byte{}
		}
	default:
		if s.line != nil {
			s.data = append(s.data[:0], s.line...)
			s.line = nil
		}
		if len(s.data)+len(value)+1 > maxEvent {
			s.eventLost = true
			return
		}
		s.data = append(append(s.data, '\n'), value...)
	}
	s.hasData = true
}

// dispatch ends an event.
func (s *sseReader) dispatch() {
	switch {
	case s.eventLost:
		s.sink.oversize()
	case s.line != nil:
		s.sink.event(s.name, s.line)
	case s.hasData:
		s.sink.event(s.name, s.data)
	}
	s.eventLost, s.hasData, s.line = false, false, nil
	s.name = s.name[:0]
	if s.data = s.data[:0]; cap(s.data) > keepBuffer {
		s.data = nil
	}
}

// close dispatches what the end of the stream leaves unfinished.
func (s *sseReader) close() {
	if len(s.carry) > 0 || s.lineLost {
		s.take(nil)
	}
	s.dispatch()
}
