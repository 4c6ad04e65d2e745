package proxy

import (
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// settle ends the call. What has not been concluded by now ended in a way that
// nothing foresaw.
func (x *exchange) settle() {
	if x.begun && !x.settled && x.outcome == "" {
		x.outcome = metering.OutcomeTruncated
	}
	x.conclude(dialect.Truncated, 0)
}

// conclude writes the fact. Until it returns, the bytes that end the answer are
// not released; more is how many of them there are. It does nothing a second
// time, and nothing for a call that has not begun.
func (x *exchange) conclude(end dialect.End, more int) {
	if x.settled || !x.begun {
		return
	}
	x.settled = true
	e := x.event
	e.Usage = x.result(end)
	if e.Usage.Flagged(metering.FlagEarlierRequest) || x.route.Class == dialect.Stateful && x.req.method == "GET" {
		uncount(&e.Usage)
	}
	x.missing(&e.Usage)
	x.dropHeld()
	if e.Outcome = x.outcome; e.Outcome == "" {
		e.Outcome = metering.OutcomeComplete
	}
	if e.BytesOut = x.sent; !x.gone {
		e.BytesOut += int64(more)
	}
	if x.gone && !x.out.begun {
		e.Status = 0
	}
	e.End = metering.MicrosOf(x.s.o.Now())
	e.Attempts = x.attempts()
	e.Credential = x.credentialUsed()
	if err := x.s.o.Journal.Finish(e); err != nil {
		x.s.unrecorded.Add(1)
		x.s.log.Error("a fact was not written at once", "event", e.ID.String(), "customer", e.Customer, "error", err)
	}
	x.keep()
}

// uncount takes the counts out of usage that belongs to an earlier request, whose
// event has them (T53). What the provider said stays in Raw.
func uncount(u *metering.Usage) {
	u.State = metering.UsageNone
	u.Tokens, u.Input, u.Output, u.Total, u.HasTotal = metering.Tokens{}, 0, 0, 0, false
	u.Quantities, u.ByModel, u.StatedCost, u.Estimate = nil, nil, nil, nil
}

// result returns what the answer said about its usage.
func (x *exchange) result(end dialect.End) (u metering.Usage) {
	x.read = true
	if x.ws != nil {
		return x.ws.close(end)
	}
	if x.blind {
		return unreadUsage()
	}
	if x.scanner == nil && !x.unanswered() {
		return metering.Usage{State: metering.UsageNone}
	}
	defer func() {
		if cause := recover(); cause != nil {
			x.blinded(cause)
			u = unreadUsage()
		}
	}()
	if x.scanner == nil {
		// The upstream has the request, and a provider bills what it reads.
		x.scanner = x.up.Dialect.Scanner(x.route, x.asked, dialect.Response{Status: 200, Location: x.at.location})
	}
	if s, ok := x.scanner.(dialect.Estimating); ok {
		return s.CloseWith(end, x.evidence(end))
	}
	return x.scanner.Close(end)
}

// unanswered reports whether the client has left a metered call before the head
// of its answer came.
func (x *exchange) unanswered() bool {
	return x.sentAll && x.gone && x.event.Metered && x.answer.status == 0 && x.outcome == metering.OutcomeClientGone
}

// unreadUsage is the usage of an answer whose scanner has failed.
func unreadUsage() metering.Usage {
	return metering.Usage{State: metering.UsageUnknown, Flags: []metering.Flag{metering.FlagUnreadable}}
}
