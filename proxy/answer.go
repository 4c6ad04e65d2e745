package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errAnswer says that an upstream's answer is not valid; it quotes nothing.
var errAnswer = errors.New("malformed answer")

// maxAnswerHead is the largest head of an answer, buffer included.
const maxAnswerHead = 256 << 10

// answer is the head of what an upstream says.
type answer struct {
	status   int
	raw      []byte // the head
	line     []byte // status code and reason, as they came
	fields   []field
	framing  framing
	length   int64
	closing  bool // the upstream closes its connection afterwards
	bodyless bool
	ended    bool // its body was read to the end
	kept     bool // raw is a copy of its own

	contentType     string
	contentEncoding string
	requestID       string
}

// parse reads a head, its empty line included. What two parsers could
// understand differently is an error (RFC 9112, 6.3).
func (a *answer) parse(d *draft, raw []byte, head bool) error {
	*a = answer{raw: raw}
	line, rest, _ := bytes.Cut(raw, []byte("\r\n"))
	old := bytes.HasPrefix(line, []byte("HTTP/1.0 "))
	if !old && !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return errAnswer
	}
	a.line = line[len("HTTP/1.1 "):]
	if len(a.line) < 3 || len(a.line) > 3 && a.line[3] != ' ' || !isValue(a.line) {
		return errAnswer
	}
	status, ok := number(a.line[:3])
	if !ok || status < 100 {
		return errAnswer
	}
	a.status = int(status)
	if d.answer = splitFields(d.answer[:0], rest); d.answer == nil {
		return errAnswer
	}
	a.fields = d.answer
	return a.understand(old, head)
}

func (a *answer) understand(old, head bool) error {
	lengths, codings := 0, 0
	a.closing = old
	for i := range a.fields {
		f := &a.fields[i]
		ok := true
		switch f.kind {
		case length:
			lengths++
			a.length, ok = number(f.value)
		case coding:
			codings++
			ok = bytes.EqualFold(f.value, []byte("chunked")) && !old
		case connection:
			a.closing = a.closing || says(f.value, "close")
		case contentType:
			a.contentType = known(f.value)
		case contentEncoding:
			a.contentEncoding = known(f.value)
		case requestID:
			if a.requestID == "" && printable(f.value) {
				a.requestID = string(f.value[:min(len(f.value), maxRequestID)])
			}
		}
		if !ok {
			return errAnswer
		}
	}
	if lengths > 1 || codings > 1 || lengths > 0 && codings > 0 {
		return errAnswer
	}
	markNamed(a.fields)
	a.bodyless = head || a.status < 200 || a.status == 204 || a.status == 304
	switch {
	case a.bodyless:
		a.framing = noBody
	case codings > 0:
		a.framing = byChunks
	case lengths > 0:
		a.framing = byLength
	default:
		a.framing, a.closing = byClose, true
	}
	return nil
}

// header returns the first value of a header, "" if it is absent.
func (a *answer) header(name string) string {
	for i := range a.fields {
		if f := &a.fields[i]; len(f.name) == len(name) && strings.EqualFold(string(f.name), name) {
			return string(f.value)
		}
	}
	return ""
}

// known returns the text of a value, without an allocation for the usual ones.
func known(value []byte) string {
	switch string(value) {
	case "application/json":
		return "application/json"
	case "text/event-stream":
		return "text/event-stream"
	case "text/event-stream; charset=utf-8":
		return "text/event-stream; charset=utf-8"
	case "gzip":
		return "gzip"
	default:
		return string(value)
	}
}

// passed reports whether a field of the answer goes to the client.
func passed(f field) bool {
	if f.named {
		return false
	}
	switch f.kind {
	case hop, te, trailer, length, coding, connection, weir, upgrade:
		return false
	default:
		return true
	}
}

// interim is a 1xx answer as the client gets it.
func (a *answer) interim() []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %s\r\n", a.line)
	for _, f := range a.fields {
		if passed(f) {
			b = appendField(b, f)
		}
	}
	return append(b, "\r\n"...)
}

// appendStatus writes the status line of an answer of our own.
func appendStatus(b []byte, status int, reason string) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(status), 10)
	return append(append(append(b, ' '), reason...), "\r\n"...)
}
