package proxytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// stream writes an answer piece by piece, at a pace.
type stream struct {
	x      *exchange
	events int
	begun  bool // the first token was sent
	gone   bool // the client is, or the connection
}

// begin waits for the first token, which comes after all thoughts, and sends the
// head of a stream.
func (x *exchange) begin(kind string, g *generation) *stream {
	out := &stream{x: x}
	if !x.pause(x.first()) {
		out.gone = true
		return out
	}
	x.record.Output, x.record.Reasoning = g.reasoning+g.unseen, g.reasoning
	x.w.Header().Set("Content-Type", kind)
	x.w.Header().Set("Cache-Control", "no-cache")
	x.w.WriteHeader(http.StatusOK)
	x.record.Status = http.StatusOK
	return out
}

// piece is an event with n tokens in it.
func (s *stream) piece(name string, n int64, v any) {
	s.count(n, s.framed(name, v))
}

// event is one without any.
func (s *stream) event(name string, v any) { s.raw(s.framed(name, v)) }

// count sends text that took n tokens, and the time for them.
func (s *stream) count(n int64, text string) {
	if n > 0 && s.begun && s.x.gap() > 0 && !s.x.pause(s.x.gap()) {
		s.gone = true
	}
	s.begun = s.begun || n > 0
	s.raw(text)
	if !s.gone {
		s.x.record.Output += n
	}
}

// framed is an event, its name in a line of its own unless it is empty.
func (s *stream) framed(name string, v any) string {
	b, err := encode(v)
	if err != nil {
		panic(http.ErrAbortHandler) // a value of ours that cannot be encoded
	}
	data := string(b)
	if s.x.api == anthropic {
		// Recorded payloads have up to 15 spaces before their last brace.
		data = data[:len(data)-1] + strings.Repeat(" ", s.events*7%16) + "}"
	}
	if name == "" {
		return "data: " + data + "\n\n"
	}
	return "event: " + name + "\ndata: " + data + "\n\n"
}

// raw sends text as it is, unless this is where the answer breaks off.
func (s *stream) raw(text string) {
	if s.gone {
		return
	}
	s.events++
	if s.events > amidAfter && s.x.fault.amid != nowhere {
		s.gone = true
		if s.x.fault.amid == errorAmid {
			s.x.put([]byte(s.x.errorEvent()))
			return
		}
		s.x.breakOff()
	}
	s.gone = !s.x.put([]byte(text))
}

// end notes whether all was taken.
func (s *stream) end() { s.x.record.Delivered = !s.gone }

// errorEvent is how an API fails when the head has gone.
func (x *exchange) errorEvent() string {
	const message = "this model always fails so"
	b, err := encode(x.problem(http.StatusInternalServerError, "", message))
	if err != nil {
		return ""
	}
	switch {
	case x.api == anthropic:
		return "event: error\ndata: " + string(b) + "\n\n"
	case x.api == gemini && !x.sse():
		return ",\r\n" + string(b) + "\n]\n"
	case x.api == gemini:
		return "data: " + spaced(b) + "\r\n\r\n"
	case x.record.Endpoint == "openai.responses":
		return fmt.Sprintf("event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":%q,\"param\":null,\"sequence_number\":%d}\n\n", message, amidAfter)
	default:
		return "data: " + string(b) + "\n\n"
	}
}

// pretty is JSON as Gemini sends it whole.
func pretty(b []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, fmt.Errorf("indent: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

var lineBreak = regexp.MustCompile(`\n *`)

// spaced is JSON as Gemini streams it: what it sends whole, without the line
// breaks, so that only names are followed by a space.
func spaced(b []byte) string {
	indented, err := pretty(b)
	if err != nil {
		return string(b) // it is JSON already, only tighter
	}
	return lineBreak.ReplaceAllString(string(indented), "")
}
