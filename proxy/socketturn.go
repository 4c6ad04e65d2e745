package proxy

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/fault"
)

// Quantities of a socket's own event.
const (
	quantityMessages = "messages" // that were whole, in both directions
	quantitySeconds  = "seconds"  // from the answer's head to the end
)

func now(x *exchange) metering.Micros { return metering.MicrosOf(x.s.o.Now()) }

// sent shows the session what the client sends, before it goes on.
func (s *socket) sent(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		s.up.read(p, nil)
		return
	}
	s.up.read(p, func(p []byte, binary bool) {
		defer s.guard()
		s.names(p, binary)
		if s.reads {
			s.session.Sent(p, binary)
		}
	})
}

// received shows the session what the upstream sends, and returns the turns that
// it ends, and whether it ends the socket.
func (s *socket) received(p []byte) (turns []dialect.Turn, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.down.closed
	if s.session == nil {
		s.down.read(p, nil)
		return nil, s.down.closed && !before
	}
	s.down.read(p, func(p []byte, binary bool) {
		defer s.guard()
		if s.reads {
			turns = append(turns, s.session.Received(p, binary)...)
		}
	})
	return turns, s.down.closed && !before
}

// guard takes note of a session that panics: it is shown nothing more.
func (s *socket) guard() {
	if cause := recover(); cause != nil {
		s.reads, s.failed = false, true
		s.x.s.recovered("session", cause)
	}
}

// record writes an event for a turn that has ended. An error means that the
// bytes that end it must not be released.
func (s *socket) record(t *dialect.Turn, outcome metering.Outcome) error {
	x := s.x
	e, err := s.event(t)
	if err != nil {
		x.s.log.Error("a turn could not be given an id", "event", x.event.ID.String(), "error", err)
		return errRecord
	}
	e.Outcome = outcome
	s.note(t)
	failure := x.s.o.Journal.Begin(&e.Call)
	if failure == nil && s.counted {
		// What the last checkpoint has of this turn must not be billed twice if the
		// process dies: from here on the turn's intent stands for it.
		s.write()
	}
	e.End = now(x)
	if err := x.s.o.Journal.Finish(e); err != nil {
		x.s.unrecorded.Add(1)
		x.s.log.Error("a fact was not written at once", "event", e.ID.String(), "customer", e.Customer, "error", err)
	}
	fault.At(fault.ProxyAfterPiece)
	if failure != nil {
		return s.unrecorded(e, failure)
	}
	models := x.principal.Key.Models
	if len(models) > 0 && !x.observed() && t.Model != "" && !slices.Contains(models, t.Model) {
		return errModel
	}
	return nil
}

// event makes the event of a turn.
func (s *socket) event(t *dialect.Turn) (*metering.Event, error) {
	id, err := metering.NewID()
	if err != nil {
		return nil, err
	}
	e := &metering.Event{Call: s.x.event.Call, Name: s.x.event.Name, Usage: t.Usage}
	e.ID, e.Session, e.Seq, e.At = id, s.x.event.ID, 0, 0
	e.ClientID, e.BodyBytes = "", 0 // they say something of the socket
	if t.Model != "" && t.Model != e.Model {
		e.Model, e.SentModel = t.Model, ""
	}
	return e, nil
}

// unrecorded follows the customer's policy for a turn that has no intent. Its
// fact waits in memory until the journal can be written.
func (s *socket) unrecorded(e *metering.Event, err error) error {
	x := s.x
	switch {
	case x.observed(), x.principal.Customer.OnLoss == metering.LossPass && !errors.Is(err, metering.ErrFenced):
		x.s.losses.Add(1)
		x.s.log.LogAttrs(context.Background(), slogError, "a turn passes that could not be recorded",
			attr("event", e.ID.String()), attr("customer", e.Customer), attr("error", err))
		return nil
	case errors.Is(err, metering.ErrFenced):
		if x.s.fenced.CompareAndSwap(false, true) {
			x.s.log.Error("the journal was taken over: no more calls are authorised", "error", err)
		}
		return errRecord
	default:
		x.s.log.Error("a turn could not be recorded: its socket is cut", "event", e.ID.String(), "customer", e.Customer, "error", err)
		return errRecord
	}
}

// checkpoint writes down from time to time what the socket has used.
func (s *socket) checkpoint() {
	x := s.x
	if at := time.Now(); !x.settled && x.event.Metered && at.Sub(x.checked) >= checkpointEvery {
		x.checked = at
		s.write()
	}
}

// write writes a checkpoint.
func (s *socket) write() {
	x := s.x
	u := s.snapshot()
	s.counted = u.State != metering.UsageNone
	s.measure(&u)
	if err := x.s.o.Journal.Checkpoint(&x.event.Call, &u); err != nil {
		x.s.unrecorded.Add(1)
		x.s.log.Warn("write a checkpoint", "event", x.event.ID.String(), "error", err)
	}
}

func (s *socket) snapshot() (u metering.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.guard()
	u = unreadUsage()
	if s.reads {
		u = s.session.Snapshot()
	}
	return u
}

// close ends the session. It records the turns that had not ended, and returns
// what the socket has used beside turns.
func (s *socket) close(end dialect.End) metering.Usage {
	open, u := s.conclude(end)
	for i := range open {
		// Nothing waits for these to be released, and what went wrong was logged.
		_ = s.record(&open[i], outcomeOfTurn(&end))
	}
	s.measure(&u)
	return u
}

func (s *socket) conclude(end dialect.End) (open []dialect.Turn, u metering.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if s.failed {
			u = unreadUsage()
		}
	}()
	defer s.guard()
	u.State = metering.UsageNone
	if !s.reads {
		return nil, u
	}
	s.reads = false
	open, u = s.session.Close(end)
	if s.up.missed || s.down.missed {
		unsure(&u)
		for i := range open {
			unsure(&open[i].Usage)
		}
	}
	return open, u
}

// unsure marks usage of which a part may not have been seen.
func unsure(u *metering.Usage) {
	u.State = metering.UsageUnknown
	u.Flag(metering.FlagUnreadable)
}

// outcomeOfTurn is how a turn ended: by itself if end is nil.
func outcomeOfTurn(end *dialect.End) metering.Outcome {
	switch {
	case end == nil:
		return metering.OutcomeComplete
	case *end == dialect.Abandoned:
		return metering.OutcomeClientGone
	default:
		return metering.OutcomeTruncated
	}
}

// measure adds how long the socket has been open and how much was said.
func (s *socket) measure(u *metering.Usage) {
	s.mu.Lock()
	count := s.up.count + s.down.count
	s.mu.Unlock()
	for _, q := range u.Quantities {
		if q.Name == quantitySeconds || q.Name == quantityMessages {
			return // the session counts something else by that name
		}
	}
	d := time.Since(s.began).Truncate(time.Millisecond)
	const picosPerNano = metering.PicosPerUnit / int64(time.Second)
	seconds := metering.Number{Units: int64(d / time.Second), Picos: int64(d%time.Second) * picosPerNano}
	u.Quantities = append(slices.Clone(u.Quantities),
		metering.Quantity{Name: quantityMessages, Amount: metering.NumberOf(count)},
		metering.Quantity{Name: quantitySeconds, Amount: seconds})
}

// judge says how the socket ended. One that was closed by the rules of the
// protocol, by whichever side, is complete.
func (s *socket) judge(err error) {
	x := s.x
	if x.settled {
		return
	}
	left := errors.Is(err, errGone)
	x.gone = x.gone || left
	switch {
	case s.up.closed && (left || errors.Is(err, io.EOF)):
		return
	case left:
		x.outcome = metering.OutcomeClientGone
		return
	}
	x.outcome = metering.OutcomeTruncated
	switch {
	case errors.Is(err, errCut):
		x.event.ErrorCode = "draining"
	case errors.Is(err, errRevoked):
		x.event.ErrorCode = "invalid_api_key"
	case errors.Is(err, errQuiet):
		x.event.ErrorCode = "socket_idle"
	case errors.Is(err, errTotal):
		x.event.ErrorCode = "socket_total"
	case errors.Is(err, errRecord):
		x.event.ErrorCode = "not_recordable"
	case errors.Is(err, errModel):
		x.event.ErrorCode = "model_not_allowed"
	case errors.Is(err, errObject):
		x.event.ErrorCode = "not_found"
	case errors.Is(err, errUpstream):
		x.event.ErrorCode = "upstream_stalled"
	default:
		x.event.ErrorCode = "upstream_truncated"
		x.s.cut.Add(1)
	}
}

// endOf is the end as the session is told.
func (s *socket) endOf(err error) dialect.End {
	if s.x.gone || errors.Is(err, errGone) || s.up.closed {
		return dialect.Abandoned
	}
	return dialect.Truncated
}
