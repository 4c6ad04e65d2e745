package dialect

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"
)

var _ Sockets = gemini{}

// Socket implements [Sockets]: the Live API, by the name of its gRPC method
// behind that of its service, with a dot on Gemini and a slash on Vertex
// (https://ai.google.dev/api/live). The constrained method is the one for
// ephemeral tokens.
func (gemini) Socket(path string) (Route, bool) {
	at := strings.LastIndexAny(path, "./")
	if at < 0 {
		return Route{}, false
	}
	switch path[at+1:] {
	case "BidiGenerateContent", "BidiGenerateContentConstrained":
	default:
		return Route{}, false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(segment, "google.ai.generativelanguage.") || strings.HasPrefix(segment, "google.cloud.aiplatform.") {
			return Route{Endpoint: "gemini.live", Class: Metered, Stream: true}, true
		}
	}
	return Route{}, false
}

// Session implements [Sockets].
func (gemini) Session(r Route, q Request) Session {
	return &liveSession{socketState: socketState{route: r, ask: q}}
}

// liveSession reads a socket of the Live API, whose turns follow each other: one
// begins with what the model says first and ends with turnComplete, whose message
// has the usage of the turn. Each of those is per turn, and counts again what was
// said before.
type liveSession struct {
	socketState
	// late is a turn that is complete but for its usage, which may be in the next
	// message.
	late bool
	read *liveReader   // of the open turn
	said contentReader // counts what the client says
}

// Sent implements [Session].
func (s *liveSession) Sent(p []byte, binary bool) {
	if !s.readable(p, binary) {
		return
	}
	c := cursor{b: p}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		value := c.value()
		switch string(key) {
		case "setup":
			s.setup(value)
		case "clientContent", "client_content":
			s.content(rawMember(value, "turns"))
		case "realtimeInput", "realtime_input":
			s.context += textBytes(rawMember(value, "text"))
		case "toolResponse", "tool_response":
			s.context += int64(len(value))
		}
	}
}

// setup reads the first message of the client.
func (s *liveSession) setup(raw []byte) {
	if model := readName(rawMember(raw, "model")); model != "" {
		s.ask.Model = model[strings.LastIndexByte(model, '/')+1:]
	}
	generation := Request{}
	for _, name := range [...]string{"generationConfig", "generation_config"} {
		generation.readGeneration(rawMember(raw, name))
	}
	s.ask.OutputCap = generation.OutputCap
	s.context += int64(len(raw))
}

// content counts the text of turns that the client sends.
func (s *liveSession) content(turns []byte) {
	c := cursor{b: turns}
	if !c.enter('[') {
		return
	}
	before := s.said.text
	for c.element() {
		s.said.content(&c)
	}
	s.context += s.said.text - before
}

// Received implements [Session].
func (s *liveSession) Received(p []byte, binary bool) []Turn {
	if !s.readable(p, binary) {
		return nil
	}
	m, ok := readLive(p)
	if !ok {
		return nil
	}
	if !isNull(m.failure) && s.failures == nil {
		s.failures = readError("stream", gjson.ParseBytes(m.failure))
	}
	var ended []Turn
	counts := !isNull(m.usage)
	if s.late && m.speaks() {
		ended, s.late = append(ended, s.end(s.turns.open[0])), false
	}
	t := s.turns.find("", "")
	if t == nil {
		if !m.speaks() && !counts {
			return ended
		}
		q := s.ask
		q.BodyBytes = s.context
		s.read = &liveReader{}
		t = newTurn(s.route, q, s.read)
		s.turns.begin(t)
	}
	t.scan.seen += int64(len(p))
	s.read.take(&m)
	if !m.complete && !s.late {
		return ended
	}
	if s.late = !s.read.usage.given(); s.late {
		return ended
	}
	return append(ended, s.end(t))
}

// liveMessage is one message of the upstream, its members raw.
type liveMessage struct {
	turn, spoken, grounding, reason, call, usage, failure []byte

	complete, interrupted bool
}

// speaks reports whether the message has something that the model generated.
// Transcriptions come in no order with it, before a turn or behind it.
func (m *liveMessage) speaks() bool { return !isNull(m.turn) || !isNull(m.call) }

// readLive reads a message; ok is false if it is no object.
func readLive(p []byte) (m liveMessage, ok bool) {
	c := cursor{b: p}
	if !c.enter('{') {
		return m, false
	}
	for key, more := c.member(); more; key, more = c.member() {
		switch string(key) {
		case "serverContent", "server_content":
			m.content(&c)
		case "toolCall", "tool_call":
			m.call = c.value()
		case "usageMetadata", "usage_metadata":
			m.usage = c.value()
		case "error":
			m.failure = c.value()
		default:
			c.value()
		}
	}
	return m, true
}

func (m *liveMessage) content(c *cursor) {
	if !c.enter('{') {
		c.value()
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		value := c.value()
		switch string(key) {
		case "modelTurn", "model_turn":
			m.turn = value
		case "outputTranscription", "output_transcription":
			m.spoken = value
		case "groundingMetadata", "grounding_metadata":
			m.grounding = value
		case "turnCompleteReason", "turn_complete_reason":
			m.reason = value
		case "turnComplete", "turn_complete":
			m.complete = string(value) == "true"
		case "interrupted":
			m.interrupted = string(value) == "true"
		}
	}
}

// isEmptyObject reports whether a raw value is an object without members.
func isEmptyObject(raw []byte) bool {
	return len(raw) > 1 && raw[0] == '{' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}
