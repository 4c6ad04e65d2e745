package proxy

import (
	"time"

	"github.com/weirhq/weir/metering"
)

const (
	// grace is how long an upstream may go on to finish its usage when the client
	// of a stream has hung up.
	grace = 2 * time.Second
	// unaryGrace bounds how long an answer in one piece is read on, and a drained
	// stream where nothing else is said.
	unaryGrace = 10 * time.Minute
)

// receive waits at most limit for more of the answer. Meanwhile the client may
// hang up or the server end. The error is io.EOF, a timeout, errGone if nothing
// more is to be waited for, errCut, or the connection's.
func (x *exchange) receive(limit time.Duration) error {
	for {
		now := time.Now()
		if err := x.arm(limit, now); err != nil {
			return err
		}
		if x.heard() {
			if x.cut {
				return errCut
			}
			continue // the deadline has changed
		}
		err := x.w.fill()
		switch {
		case err == nil || !isTimeout(err):
			return err
		case x.heard():
			if x.cut {
				return errCut
			}
		case x.gone && !time.Now().Before(x.until):
			return errGone
		default:
			return err
		}
	}
}

// arm sets the deadline of the next read. A signal sets one in the past, so this
// comes before the signal is looked for.
func (x *exchange) arm(limit time.Duration, now time.Time) error {
	if !x.until.IsZero() {
		if left := x.until.Sub(now); limit <= 0 || left < limit {
			x.w.timer.reset()
			return x.w.c.SetReadDeadline(x.until)
		}
	}
	if until, due := x.w.timer.next(now, limit); due {
		return x.w.c.SetReadDeadline(until)
	}
	return nil
}

// heard takes note of a signal. It reports whether there was one that has not
// been noted before.
func (x *exchange) heard() bool {
	signal := x.k.signal.Load()
	switch {
	case signal&signalCut != 0 && !x.cut:
		x.cut = true
	case signal&signalGone != 0 && !x.gone:
		x.leave()
	default:
		return false
	}
	return true
}

// leave is what follows when the client has hung up: nothing more is written,
// and the upstream gets a while to say what was used.
func (x *exchange) leave() {
	x.gone = true
	x.keepOpen = false
	x.outcome = metering.OutcomeClientGone
	wait := unaryGrace
	switch {
	case x.streams() && !x.up.Drain:
		wait = grace
	case x.streams() && x.up.DrainTime > 0:
		wait = x.up.DrainTime
	}
	until := time.Now().Add(wait)
	if x.until.IsZero() || until.Before(x.until) {
		x.until = until
	}
	if x.w != nil {
		x.w.timer.reset()
	}
}

// streams reports whether the answer comes bit by bit.
func (x *exchange) streams() bool {
	return x.asked.Stream || isEvents(x.answer.contentType)
}

// drainedOut reports whether enough has been read of a stream whose client has
// gone.
func (x *exchange) drainedOut(n int) bool {
	if !x.gone || x.settled || x.up.DrainBytes <= 0 || !x.streams() {
		return false
	}
	x.drained += int64(n)
	return x.drained > x.up.DrainBytes
}
