package proxy

import (
	"strconv"
	"time"

	"github.com/weirhq/weir/metering"
)

// Codes of what keeps an upstream from answering.
const (
	codeBusy           = "upstream_busy"
	codePrivate        = "upstream_address_refused"
	codeUnreachable    = "upstream_unreachable"
	codeConnectTimeout = "upstream_connect_timeout"
	codeTimeout        = "upstream_timeout"
	codeBrokeOff       = "upstream_broke_off"
	codeMalformed      = "upstream_malformed"
	codeUnasked        = "include_usage_refused"
)

// tries are the requests of one call, up to the one that runs.
type tries struct {
	first   time.Time // when the first began
	began   time.Time // when this one did
	count   int
	running bool // this one has begun and has no record yet
	written bool // a byte of this one was written
	moved   bool // it goes to another upstream than the path names

	skipped uint64        // endpoints of the upstream that have failed this call
	blamed  []*credential // likewise
	chain   []*upstream   // what is left to fall back on
	failed  []metering.Attempt
}

// forward gets an answer that can be passed on: it sends the request, and sends
// it elsewhere as long as nothing of an answer has reached the client, the
// upstream cannot have begun (or the configuration says that it does not matter)
// and there is somebody else to ask.
func (x *exchange) forward() *refusal {
	now := time.Now()
	if x.up.Total > 0 {
		x.until = now.Add(x.up.Total)
	}
	x.tries.first, x.tries.chain = now, x.up.fallbacks
	x.start(now)
	for {
		f := x.attempt(now)
		s := x.judge(f)
		if s.again {
			var more bool
			if f, more = x.again(s, f); more {
				now = time.Now()
				continue
			}
		}
		return f
	}
}

// attempt sends the request once, but for the splice that may be refused.
func (x *exchange) attempt(now time.Time) *refusal {
	x.tries.began, x.tries.running, x.tries.written = now, true, false
	x.tries.count++
	f := x.send()
	if f == nil && x.spliced && x.answer.status == 400 && x.minds() {
		x.tries.failed = append(x.tries.failed, x.described(setback{code: codeUnasked}))
		x.unask()
		x.tries.began = time.Now()
		if f = x.send(); f == nil {
			x.unasked()
		}
	}
	return f
}

// described is the attempt that runs, as it is recorded when it has failed.
func (x *exchange) described(s setback) metering.Attempt {
	// In this order: a pause in between must not let the attempt begin before the
	// end of the one before it.
	took := time.Since(x.tries.began)
	now := x.s.o.Now()
	a := metering.Attempt{
		Upstream: x.up.Name, Provider: x.up.Provider, Endpoint: x.at.hostName, Credential: x.cred.tail(), Model: x.event.SentModel,
		ErrorCode: s.code, Started: metering.MicrosOf(now.Add(-took)), Ended: metering.MicrosOf(now),
		Status: x.answer.status, ProviderID: x.answer.requestID, Usage: s.usage,
	}
	if a.Model == "" {
		a.Model = x.event.Model
	}
	return a
}

// attempts are all of the call, where there is something to tell: more than one,
// or one of another upstream. The last is the one whose answer was passed on, if
// one was; its usage is the event's.
func (x *exchange) attempts() []metering.Attempt {
	if len(x.tries.failed) == 0 && !x.tries.moved {
		return nil
	}
	if !x.tries.running {
		return x.tries.failed
	}
	last := x.described(setback{code: x.event.ErrorCode})
	if x.answer.status >= 200 {
		last.Ended = 0
	}
	return append(x.tries.failed, last)
}

// setback is why a request got no answer that is worth passing on if there is a
// better one.
type setback struct {
	code    string
	blame   blame
	again   bool            // another request is permitted
	unsent  bool            // nothing was sent: any place may be asked
	after   time.Duration   // retry-after; 0: not said
	repeats bool            // the configuration lets the same place be asked again
	usage   *metering.Usage // what the provider said it had used
	// elsewhere: another place of this upstream may have the object that this one
	// does not know.
	elsewhere bool
}

// judge draws the conclusions from the end of an attempt: f is nil if there is
// an answer.
func (x *exchange) judge(f *refusal) setback {
	switch {
	case x.gone, x.cut:
		return setback{}
	case f != nil:
		return x.judgeFailure(f)
	case x.answer.status < 400, x.up.ClientAuth && x.answer.status < 500:
		x.at.succeeded(x.tries.began)
		if x.cred != nil {
			x.cred.succeeded(x.tries.began)
		}
		return setback{}
	default:
		return x.judgeAnswer()
	}
}

// judgeFailure is judge where there is no answer.
func (x *exchange) judgeFailure(f *refusal) setback {
	s := setback{code: f.code, blame: theAddress}
	count := failure{code: f.code, began: x.tries.began, tolerated: brokenStreak - 1, first: endpointRest, most: endpointRestCap}
	explicit := x.up.Retry.Attempts > 0
	switch {
	case f.code == codeBusy:
		s.blame, s.again = everything, true
		return s
	case f.code == codeUnreachable, f.code == codeConnectTimeout, f.code == codePrivate, f.code == codeBrokeOff && !x.tries.written:
		s.again, s.unsent, s.repeats = true, true, explicit
		count.tolerated = 0
	case f.code == codeTimeout:
		s.again, s.repeats = x.up.Retry.Timeout, explicit
		s.usage = unreported()
	case f.code == codeBrokeOff:
		s.again, s.repeats = x.up.Retry.Reset, explicit
		s.usage = unreported()
	case f.code == codeMalformed:
	default:
		return setback{} // the client's doing
	}
	x.at.rest(x, count)
	return s
}

// unreported is the usage of an attempt that may have generated something.
func unreported() *metering.Usage { return &metering.Usage{State: metering.UsageUnknown} }

// misplaced reports whether the place that was asked does not know an object
// which the call names and another place of the upstream may have: endpoints and
// keys can be accounts of their own. All providers answer 404 for it, but for
// OpenAI where it is the response to go on from (400, previous_response_not_found)
// and Google, which does not tell it from one that the account may not see (403).
func (x *exchange) misplaced(status int, e *metering.UpstreamError) bool {
	if x.up.ClientAuth || len(x.route.Objects)+len(x.asked.References) == 0 {
		return false
	}
	switch status {
	case 404:
		return true
	case 403:
		return x.up.Dialect.Name() == "gemini"
	case 400:
		return e != nil && e.Code == "previous_response_not_found"
	default:
		return false
	}
}

// lookElsewhere sends the call to the other endpoints, or where there is one to
// the other keys. That an object is not there says nothing about a place's health.
func (x *exchange) lookElsewhere(code string) setback {
	s := setback{code: code, blame: theAddress, again: true, elsewhere: true}
	if len(x.up.endpoints) == 1 && x.cred != nil {
		s.blame = theKey
	}
	x.at.succeeded(x.tries.began)
	return s
}

// judgeAnswer is judge of an answer that says that something is wrong.
func (x *exchange) judgeAnswer() setback {
	status := x.answer.status
	after := retryAfter(x.answer.fields, time.Now())
	var said metering.Usage
	if x.repeatable() && x.worthHearing(status) {
		said = x.listen()
	}
	if x.misplaced(status, said.Error) {
		return x.lookElsewhere(errorName(status, said.Error))
	}
	r := rule(x.up.Dialect.Name(), status, after, said.Error, x.early)
	if r.blame == theKey && x.cred == nil && status == 429 {
		r.blame = theAddress // a server without keys that is busy
	}
	s := setback{code: errorName(status, said.Error), blame: r.blame, after: after, again: r.unrun}
	if s.blame == theKey && x.cred == nil {
		s.blame = theAddress // signed, or open to all: another place may think otherwise
	}
	for _, on := range x.up.Retry.On {
		if on == status && !r.unrun {
			s.again, s.repeats, s.usage = true, x.up.Retry.Attempts > 0, unreported()
		}
	}
	if said.State == metering.UsageExact || said.State == metering.UsagePartial {
		said.Error = nil // its code is the attempt's
		s.usage = &said
	}
	x.count(r, s)
	return s
}

// worthHearing reports whether the body of an error answer can change what
// becomes of the call, or must be kept of it.
func (x *exchange) worthHearing(status int) bool {
	switch status {
	case 400:
		return x.up.Dialect.Name() == "gemini" && x.cred != nil || len(x.asked.References) > 0
	case 401, 402, 403, 429:
		return true
	default:
		return status >= 500
	}
}

// count keeps an error answer against whoever it is about.
func (x *exchange) count(r ruling, s setback) {
	began := x.tries.began
	switch {
	case r.blame == theAddress:
		f := failure{code: s.code, began: began, tolerated: brokenStreak - 1, after: s.after, first: endpointRest, most: endpointRestCap}
		if s.after > 0 {
			f.tolerated = 0
		}
		x.at.rest(x, f)
		return
	case r.blame == theKey && x.cred == nil:
		x.at.note(s.code, time.Now())
	case r.blame == theKey && r.rests && !x.choosesAccount():
		x.cred.rest(x, failure{code: s.code, began: began, after: s.after, first: credentialRest, most: credentialRestCap})
	case r.blame == theKey:
		x.cred.note(s.code, time.Now())
	case x.cred != nil:
		x.cred.succeeded(began)
	}
	x.at.succeeded(began)
}

func appendStatusCode(b []byte, status int) []byte { return strconv.AppendInt(b, int64(status), 10) }
