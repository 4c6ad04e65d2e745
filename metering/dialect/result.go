package dialect

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Terminal implements [Scanner].
func (s *scanner) Terminal() bool { return s.read.state().terminal != "" || s.doc.ended }

// Snapshot implements [Scanner].
func (s *scanner) Snapshot() metering.Usage { return s.result(Abandoned, &Evidence{}) }

// Close implements [Scanner].
func (s *scanner) Close(end End) metering.Usage { return s.CloseWith(end, Evidence{}) }

// CloseWith implements [Estimating].
func (s *scanner) CloseWith(end End, e Evidence) metering.Usage {
	if s.decoder != nil {
		// An answer that was cut ends inside its coding; the coding itself is what
		// could not be read only if the answer was whole.
		if err := s.decoder.close(); err != nil && end == Ended {
			s.lost = true
		}
	}
	s.sse.close()
	s.doc.close()
	return s.result(end, &e)
}

// result puts together what is known.
func (s *scanner) result(end End, e *Evidence) metering.Usage {
	var u metering.Usage
	a := s.read.state()
	a.describe(&u)
	got := s.read.report(&u)
	u.Terminal = s.terminal(a)
	u.State = s.judgeState(&u, got, end)
	switch u.State {
	case metering.UsagePartial, metering.UsageEstimated, metering.UsageUnknown:
		// How much the lines that a batch's results lack would say, nobody knows.
		if _, lines := s.read.(lineReader); !lines && !s.count(&u, got) {
			s.estimate(&u, got, e)
		}
	}
	if u.State != metering.UsageNone {
		u.Attributes = s.variant(&u).attributes()
		// Models that do not offer the choice report "not_available".
		if u.Region == "" || u.Region == "not_available" {
			u.Region = cmp.Or(s.route.Location, s.resp.Location, u.Region)
		}
	}
	slices.SortFunc(u.Quantities, func(x, y metering.Quantity) int {
		return strings.Compare(x.Name, y.Name)
	})
	if s.lost && u.State != metering.UsageExact {
		u.Flag(metering.FlagUnreadable)
	}
	return u
}

// judgeState says what the numbers are worth.
func (s *scanner) judgeState(u *metering.Usage, got reported, end End) metering.UsageState {
	a := s.read.state()
	switch {
	case got == reportedAll, got == reportedSoFar && end == Ended && !s.awaitsFinal():
		return metering.UsageExact
	case got != reportedNothing:
		return metering.UsagePartial
	case s.route.Class != Metered, a.status >= 400, a.deferred, s.bodyless():
		return metering.UsageNone
	case a.err != nil && a.text == 0 && !s.lost:
		return metering.UsageNone
	case s.counts(got) && !s.lost:
		return metering.UsageEstimated
	case s.unreadable(end):
		u.Flag(metering.FlagUnreadable)
		return metering.UsageUnknown
	default:
		return metering.UsageEstimated
	}
}

// awaitsFinal reports whether the API ends every whole stream with final counts,
// so that a clean end without them is a cut all the same.
func (s *scanner) awaitsFinal() bool {
	if r, ok := s.read.(interface{ awaitsFinal() bool }); ok {
		return r.awaitsFinal()
	}
	m, ok := s.read.(*messagesReader)
	return ok && !m.final
}

// bodyless reports whether the answer is of a kind that has no body.
func (s *scanner) bodyless() bool {
	return s.resp.Status == 204 || s.resp.Status == 304
}

// unreadable reports whether there was an answer that could not be read as one.
func (s *scanner) unreadable(end End) bool {
	switch {
	case s.lost, s.framing == framingOther:
		return true
	case s.decoder != nil && s.seen == 0:
		return end == Ended
	default:
		return false
	}
}

// terminal names how the answer ended.
func (s *scanner) terminal(a *answer) string {
	switch {
	case a.terminal != "":
		return a.terminal
	case s.seen == 0, s.framing == framingUnknown && s.word == 0:
		return "empty"
	case s.framing == framingDocument && s.doc.many:
		return s.severalTerminal(a)
	case s.framing == framingDocument && s.doc.ended && (!s.doc.array || !streamsArray(s.route.Endpoint)):
		return "json"
	case s.framing == framingOther, s.framing == framingUnknown:
		return s.plainTerminal()
	case a.finish.String() != "":
		return "eof_after_finish_reason"
	default:
		return "eof"
	}
}
