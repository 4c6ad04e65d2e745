package dialect

import (
	"slices"

	"github.com/weirhq/weir/metering"
)

// turn is one exchange inside a socket: its messages are read as the events of a
// stream are.
type turn struct {
	id     string // of the response, "" if the API gives none
	stream string // the channel of a socket that carries several, "" if unnamed
	model  string // asked for
	scan   *scanner
}

// statusSwitched is the status of the answer that made a connection a socket.
const statusSwitched = 101

// newTurn begins a turn whose messages read understands.
func newTurn(r Route, q Request, read reader) *turn {
	s := newScanner(r, q, Response{Status: statusSwitched}, read)
	s.framing = framingEvents
	read.state().stream = true
	return &turn{model: q.Model, scan: s}
}

// see reads one message.
func (t *turn) see(p []byte) {
	t.scan.seen += int64(len(p))
	t.scan.read.event(nil, p)
}

// close returns what the turn used. model is what the session says where the
// turn does not.
func (t *turn) close(end End, model string) Turn {
	u := t.scan.Close(end)
	if u.Model == "" {
		u.Model = model
	}
	return Turn{Model: t.model, Usage: u}
}

// maxTurns bounds the turns that are open at a time in one socket, and what is
// remembered of those that have ended.
const maxTurns = 64

// turnTable keeps the open turns of a socket and remembers the ids of some that
// have ended, so that an event that comes twice is counted once.
type turnTable struct {
	open      []*turn
	ended     [maxTurns]string
	next      int
	untracked int64 // turns that began when there was no room, and have not ended
}

// begin adds t, unless there is no room: then the turn is known only if its last
// event says all.
func (s *turnTable) begin(t *turn) bool {
	if len(s.open) == maxTurns {
		return false
	}
	s.open = append(s.open, t)
	return true
}

// find returns the open turn of a response, of a stream if no response is named,
// and without either the one that began first of those without a stream.
func (s *turnTable) find(id, stream string) *turn {
	for _, t := range s.open {
		if id != "" && t.id == id || id == "" && t.stream == stream {
			return t
		}
	}
	return nil
}

// end forgets t and remembers its id.
func (s *turnTable) end(t *turn) {
	s.open = slices.DeleteFunc(s.open, func(have *turn) bool { return have == t })
	s.remember(t.id)
}

// remember keeps the id of a turn that has ended.
func (s *turnTable) remember(id string) {
	if id != "" {
		s.ended[s.next] = id
		s.next = (s.next + 1) % len(s.ended)
	}
}

// hasEnded reports whether the response is known to have ended.
func (s *turnTable) hasEnded(id string) bool {
	return id != "" && slices.Contains(s.ended[:], id)
}

// socketState is what the sessions of every API keep.
type socketState struct {
	route Route
	ask   Request
	turns turnTable

	model    label // as the upstream reports the session's
	binary   int64 // messages that are no JSON
	context  int64 // bytes of text that both sides have said, for estimates
	failures *metering.UpstreamError
}

// readable reports whether a message is one that may be read. Gemini sends JSON
// in binary messages; other binary messages are audio.
func (s *socketState) readable(p []byte, binary bool) bool {
	if binary && (len(p) == 0 || p[0] != '{') {
		s.binary++
		return false
	}
	return true
}

// end ends a turn that said itself that it had ended.
func (s *socketState) end(t *turn) Turn {
	s.turns.end(t)
	s.context += t.scan.read.state().text
	return t.close(Ended, s.model.String())
}

// Snapshot implements [Session].
func (s *socketState) Snapshot() metering.Usage {
	all := []metering.Usage{s.rest()}
	for _, t := range s.turns.open {
		u := t.scan.Snapshot()
		if u.Model == "" {
			u.Model = s.model.String()
		}
		all = append(all, u)
	}
	return sumUsage(all)
}

// Close implements [Session]. A turn that is still open was cut, however well
// the socket was closed.
func (s *socketState) Close(end End) (open []Turn, rest metering.Usage) {
	if end == Ended {
		end = Truncated
	}
	for _, t := range s.turns.open {
		open = append(open, t.close(end, s.model.String()))
	}
	s.turns.open = nil
	return open, s.rest()
}

// rest is what belongs to no turn: nothing that costs, as long as every turn was
// followed.
func (s *socketState) rest() metering.Usage {
	u := metering.Usage{State: metering.UsageNone, Model: s.model.String(), Terminal: "ws", Error: s.failures}
	var q quantities
	q.add("binary_messages", metering.NumberOf(min(s.binary, maxCount)))
	if s.turns.untracked > 0 {
		q.add("untracked_turns", metering.NumberOf(min(s.turns.untracked, maxCount)))
		u.State = metering.UsageUnknown
		u.Flag(metering.FlagUnreadable)
	}
	u.Quantities = q
	return u
}
