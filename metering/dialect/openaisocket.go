package dialect

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"
)

var _ Sockets = openAI{}

// Endpoints that are spoken over sockets.
const (
	endpointRealtime  Endpoint = "openai.realtime"
	endpointResponses Endpoint = "openai.responses"
)

// Socket implements [Sockets]: …/realtime and …/responses, under any of the
// prefixes that [openAI.Route] knows. A deployment of Azure is in the query.
func (openAI) Socket(path string) (Route, bool) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	last := len(segments) - 1
	if last >= maxSegments {
		return Route{}, false
	}
	r := Route{Class: Metered, Stream: true}
	switch segments[last] {
	case "realtime":
		r.Endpoint = endpointRealtime
	case "responses":
		r.Endpoint = endpointResponses
	default:
		return Route{}, false
	}
	for i := 0; i < last; i++ {
		if (segments[i] == "deployments" || segments[i] == "engines") && i+1 < last {
			r.Model = segments[i+1]
			i++
			continue
		}
		if _, owned := openAICollection(segments[i]); owned {
			return Route{}, false
		}
	}
	return r, true
}

// Session implements [Sockets].
func (openAI) Session(r Route, q Request) Session {
	return &openAISession{socketState: socketState{route: r, ask: q}}
}

// openAISession reads a socket of the realtime or of the responses API. Both say
// what happens in typed events: every response is a turn, and so is every
// transcription of what was said, which another model makes and is billed apart.
type openAISession struct {
	socketState
	asked  []askedResponse // not begun yet, responses API only
	voice  speech
	listen label // the transcription model, as the upstream reports it
	hear   label // the transcription model that was asked for
	want   label // the model that was asked for on the socket
}

// askedResponse is a request for a response that has not begun.
type askedResponse struct {
	stream string
	ask    Request
}

// socketEvent is one message of either side, its members raw.
type socketEvent struct {
	kind, responseID, streamID, response, session, item, usage []byte
	itemID, index, status, start, end, failure                 []byte
}

// readSocketEvent reads the outermost members of a message.
func readSocketEvent(p []byte) socketEvent {
	var e socketEvent
	c := cursor{b: p}
	if !c.enter('{') {
		return e
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		value := c.value()
		switch string(key) {
		case "type":
			e.kind = inner(value)
		case "response_id":
			e.responseID = value
		case "stream_id":
			e.streamID = value
		case "response":
			e.response = value
		case "session":
			e.session = value
		case "item":
			e.item = value
		case "item_id":
			e.itemID = value
		case "content_index":
			e.index = value
		case "usage":
			e.usage = value
		case "status":
			e.status = value
		case "audio_start_ms":
			e.start = value
		case "audio_end_ms":
			e.end = value
		case "error":
			e.failure = value
		}
	}
	return e
}

// Sent implements [Session].
func (s *openAISession) Sent(p []byte, binary bool) {
	if !s.readable(p, binary) {
		return
	}
	e := readSocketEvent(p)
	switch string(e.kind) {
	case "response.create":
		if s.route.Endpoint == endpointResponses {
			s.askResponse(&e, p)
			return
		}
		s.context += textBytes(rawMember(e.response, "instructions"))
	case "session.update", "transcription_session.update":
		s.want.set(rawMember(e.session, "model"))
		s.hear.set([]byte(transcriber(e.session).Raw))
		s.context += textBytes(rawMember(e.session, "instructions")) + int64(len(rawMember(e.session, "tools")))
	case "conversation.item.create":
		c := cursor{b: e.item}
		var said answer
		readItem(&c, &said)
		text := said.text
		s.context += text + textBytes(rawMember(e.item, "output"))
	}
}

// askResponse keeps what a request for a response says until it begins.
func (s *openAISession) askResponse(e *socketEvent, p []byte) {
	ask, err := inspect(s.route, jsonType, p)
	if err != nil {
		ask = Request{Model: s.route.Model, BodyBytes: int64(len(p))} // the upstream will refuse it
	}
	if len(s.asked) == maxTurns {
		s.asked = s.asked[1:]
	}
	s.asked = append(s.asked, askedResponse{stream: readName(e.streamID), ask: ask})
}

// transcriber is the transcription model in a session object, in its place of
// either version of the API.
func transcriber(session []byte) gjson.Result {
	if v := gjson.GetBytes(session, "audio.input.transcription.model"); v.Exists() {
		return v
	}
	return gjson.GetBytes(session, "input_audio_transcription.model")
}

// Received implements [Session].
func (s *openAISession) Received(p []byte, binary bool) []Turn {
	if !s.readable(p, binary) {
		return nil
	}
	e := readSocketEvent(p)
	switch string(e.kind) {
	case "session.created", "session.updated", "transcription_session.created", "transcription_session.updated":
		s.model.set(rawMember(e.session, "model"))
		s.listen.set([]byte(transcriber(e.session).Raw))
	case "input_audio_buffer.speech_started":
		s.voice.begin(readName(e.itemID), rawCount(e.start))
	case "input_audio_buffer.speech_stopped":
		s.voice.stop(readName(e.itemID), rawCount(e.end))
	case "conversation.item.input_audio_transcription.completed":
		return s.transcribed(&e)
	case "error":
		return s.failed(&e, p)
	case "response.created", "response.queued", "response.in_progress":
		s.begun(&e, p)
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done":
		return s.finished(&e, p)
	default:
		s.continued(&e, p)
	}
	return nil
}

// continued reads an event inside a response. What audio there is says nothing of
// tokens and may be long.
func (s *openAISession) continued(e *socketEvent, p []byte) {
	if !bytes.HasPrefix(e.kind, []byte("response.")) || bytes.HasSuffix(e.kind, []byte("audio.delta")) {
		return
	}
	if t := s.turns.find(readName(e.responseID), readName(e.streamID)); t != nil {
		t.see(p)
	}
}

// id is the id of the response that an event is about.
func (e *socketEvent) id() string {
	if id := readName(rawMember(e.response, "id")); id != "" {
		return id
	}
	return readName(e.responseID)
}

// begun reads an event with which a response may begin.
func (s *openAISession) begun(e *socketEvent, p []byte) {
	id, stream := e.id(), readName(e.streamID)
	t := s.turns.find(id, stream)
	if t == nil && s.turns.hasEnded(id) {
		return
	}
	if t == nil {
		if t = s.turn(id, stream); !s.turns.begin(t) {
			if string(e.kind) == "response.created" {
				s.turns.untracked++
			}
			return
		}
	}
	t.see(p)
}

// turn makes the turn of a response that begins.
func (s *openAISession) turn(id, stream string) *turn {
	q := s.ask
	var read reader = &responsesReader{}
	if s.route.Endpoint == endpointResponses {
		if asked, ok := s.takeAsked(stream); ok {
			q = asked
		}
	} else {
		read = &realtimeReader{}
		q.BodyBytes = s.context
		if want := s.want.String(); want != "" {
			q.Model = want
		}
	}
	t := newTurn(s.route, q, read)
	t.id, t.stream = id, stream
	return t
}

// takeAsked takes the request that has waited longest on a stream: those of one
// stream are answered in the order they came.
func (s *openAISession) takeAsked(stream string) (Request, bool) {
	for i, a := range s.asked {
		if a.stream == stream {
			s.asked = append(s.asked[:i:i], s.asked[i+1:]...)
			return a.ask, true
		}
	}
	return Request{}, false
}

// finished ends the turn of a response; one that was not followed is known from
// this event alone.
func (s *openAISession) finished(e *socketEvent, p []byte) []Turn {
	id, stream := e.id(), readName(e.streamID)
	t := s.turns.find(id, stream)
	if t == nil && s.turns.hasEnded(id) {
		return nil
	}
	if t == nil && s.route.Endpoint == endpointResponses {
		t = s.turns.find("", stream) // a gateway may give the response another id: one runs on a stream at a time
	}
	if t == nil {
		t = s.turn(id, stream)
		s.turns.untracked = max(0, s.turns.untracked-1)
	}
	t.see(p)
	return []Turn{s.end(t)}
}

// failed reads an error event. On the responses API it answers a request that has
// not begun, if there is one, or belongs to an open turn, whose end is still to
// come; on the realtime API it is mostly about a message of the client.
func (s *openAISession) failed(e *socketEvent, p []byte) []Turn {
	stream := readName(e.streamID)
	if s.route.Endpoint == endpointResponses {
		if asked, ok := s.takeAsked(stream); ok {
			t := newTurn(s.route, asked, &responsesReader{})
			t.see(p)
			return []Turn{t.close(Ended, "")}
		}
		if t := s.turns.find("", stream); t != nil {
			t.see(p)
			return nil
		}
	}
	if s.failures == nil && !isNull(e.failure) {
		s.failures = readError("stream", gjson.ParseBytes(e.failure))
	}
	return nil
}
