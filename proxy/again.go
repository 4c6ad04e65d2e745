package proxy

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// repeatable reports whether the request might be sent a second time: its body
// is held, and there is somebody else to ask or the configuration says so.
func (x *exchange) repeatable() bool {
	u := x.up
	return x.stream == nil && (len(u.endpoints) > 1 || len(x.at.keys.list) > 1 || len(x.tries.chain) > 0 || u.Retry.Attempts > 1 || u.Retry.Wait > 0)
}

// start chooses who is asked first. If all of the upstream rests, another one is
// asked at once; if there is none, the least bad.
func (x *exchange) start(now time.Time) {
	if x.pick(now, false) || x.stream == nil && x.fallBack(now) {
		return
	}
	x.pick(now, true)
}

// pick takes an endpoint of the upstream and a credential that have not failed
// this call. anyway takes those that rest, too.
func (x *exchange) pick(now time.Time, anyway bool) bool {
	for skip := x.tries.skipped; ; {
		i := x.up.rota.next(now, skip, anyway)
		if i < 0 {
			return false
		}
		e := x.up.endpoints[i]
		if len(e.keys.list) == 0 || x.up.ClientAuth {
			x.at, x.cred = e, nil
			return true
		}
		if j := e.keys.rota.next(now, e.keys.mask(x.tries.blamed), anyway); j >= 0 {
			x.at, x.cred = e, e.keys.list[j]
			return true
		}
		skip |= 1 << i
	}
}

// fallBack goes over to the next upstream that can serve the call.
func (x *exchange) fallBack(now time.Time) bool {
	for len(x.tries.chain) > 0 {
		u := x.tries.chain[0]
		x.tries.chain = x.tries.chain[1:]
		if !u.ready(now) || !x.mayFallBackOn(u) {
			continue
		}
		w, f := x.word(u)
		if f != nil {
			continue
		}
		x.up, x.tries.moved, x.tries.skipped, x.tries.blamed = u, true, 0, nil
		x.adopt(w)
		x.event.Upstream, x.event.Provider, x.event.CostPolicy = u.Name, u.Provider, u.Cost
		if !x.pick(now, false) {
			x.pick(now, true)
		}
		return true
	}
	return false
}

// ready reports whether something of the upstream does not rest.
func (u *upstream) ready(now time.Time) bool {
	return slices.ContainsFunc(u.endpoints, func(e *endpoint) bool {
		return !e.rests(now) && (len(e.keys.list) == 0 || e.keys.rota.anyWell(now, 0))
	})
}

// mayFallBackOn reports whether the key may use an upstream that it has not
// named. What touches stored objects stays where they are, and what is not known
// stays where it was sent.
func (x *exchange) mayFallBackOn(u *upstream) bool {
	k := &x.principal.Key
	return (!k.Test || u.Test) &&
		(len(k.Upstream) == 0 || slices.Contains(k.Upstream, u.Name)) &&
		(x.route.Class == dialect.Metered || x.route.Class == dialect.Free) &&
		u.operates(x.route) && u.serves(x.asked.Model, x.event.Metered)
}

// again makes another request possible and reports whether there is one. If
// there is not, what it returns is passed on.
func (x *exchange) again(s setback, f *refusal) (*refusal, bool) {
	now := time.Now()
	r := &x.up.Retry
	most := r.attempts()
	if s.elsewhere { // each place may be the one
		most = max(most, len(x.up.endpoints), len(x.at.keys.list))
	}
	if !x.repeatable() || x.gone || x.cut || x.tries.count >= most || now.Sub(x.tries.first) > r.within() || !x.until.IsZero() && !now.Before(x.until) {
		return f, false
	}
	failed := x.described(s)
	at, cred := x.at, x.cred
	x.blame(s)
	switch {
	case s.blame != everything && x.pick(now, false):
	case !s.elsewhere && x.fallBack(now):
	case s.unsent && x.pick(now, true):
	case s.repeats:
		x.at, x.cred = at, cred
	case s.after > 0 && s.after <= r.Wait:
		x.at, x.cred = at, cred
		x.restart(failed)
		// All who were told the same instant must not come at once.
		return x.pause(s.after + time.Duration(rand.Int64N(int64(s.after/4+1))))
	default:
		x.at, x.cred = at, cred
		return f, false
	}
	x.restart(failed)
	return nil, true
}

// blame keeps what has failed from being asked again by this call.
func (x *exchange) blame(s setback) {
	switch s.blame {
	case theAddress:
		x.tries.skipped |= 1 << slices.Index(x.up.endpoints, x.at)
	case theKey:
		x.tries.blamed = append(x.tries.blamed, x.cred)
	}
}

// restart forgets an attempt that has failed but for its record.
func (x *exchange) restart(failed metering.Attempt) {
	x.tries.failed = append(x.tries.failed, failed)
	x.tries.running, x.sentAll = false, false
	x.detach()
	x.early, x.answer, x.outcome = nil, answer{}, ""
	x.d.head = x.d.head[:0]
}

// pause waits, unless the client hangs up or the server ends.
func (x *exchange) pause(d time.Duration) (*refusal, bool) {
	x.attend(d, func(ctx context.Context) { <-ctx.Done() })
	x.heard()
	switch {
	case x.cut:
		return x.noAnswer(errCut), false
	case x.gone:
		return x.noAnswer(errGone), false
	default:
		return nil, true
	}
}
