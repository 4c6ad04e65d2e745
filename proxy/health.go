package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// endpointRest and credentialRest are the first rests of what has failed; each
	// further failure doubles them, up to the cap. A credential that is refused
	// stays so for longer than an address that cannot be reached.
	endpointRest, endpointRestCap     = 2 * time.Second, time.Minute
	credentialRest, credentialRestCap = 5 * time.Second, 10 * time.Minute
	// brokenStreak is how many answers 5xx, timeouts and broken connections in a row
	// eject an endpoint. One is within what every provider has now and then.
	brokenStreak = 3
	// probeLimit is for how long the one request that tries out what has rested
	// keeps others from trying too.
	probeLimit = 10 * time.Second
)

// health is how an endpoint or a credential fares. The zero value is well; to
// ask one that is well is one atomic load.
type health struct {
	requests atomic.Int64
	failures atomic.Int64
	state    atomic.Pointer[illness] // nil: well
	last     atomic.Pointer[trouble] // nil: there was none yet
	mu       sync.Mutex              // of those who make it worse
}

// illness is what is remembered from a failure to the next success.
type illness struct {
	streak int       // failures in a row
	since  time.Time // the latest of them
	until  time.Time // it rests; zero: not yet
}

// trouble is the latest failure, for people.
type trouble struct {
	code string
	at   time.Time
}

// rests reports whether nothing should be sent to it now.
func (h *health) rests(now time.Time) bool {
	ill := h.state.Load()
	return ill != nil && now.Before(ill.until)
}

// claim reports whether a request may go there. Of those that come when a rest
// is over only one may: it tries whether all is well again.
func (h *health) claim(now time.Time) bool {
	ill := h.state.Load()
	switch {
	case ill == nil, ill.until.IsZero():
		return true
	case now.Before(ill.until):
		return false
	}
	probed := *ill
	probed.until = now.Add(probeLimit)
	return h.state.CompareAndSwap(ill, &probed)
}

// succeeded forgets what was, unless that came after the request had begun: an
// old answer is no news.
func (h *health) succeeded(began time.Time) {
	if ill := h.state.Load(); ill != nil && began.After(ill.since) {
		h.state.CompareAndSwap(ill, nil)
	}
}

// failure is one that counts against an endpoint or a credential.
type failure struct {
	code      string
	began     time.Time     // of the request
	tolerated int           // how many in a row cause no rest
	after     time.Duration // for which the other side asks to be left alone; 0: it does not say
	first     time.Duration // the rest where it does not
	most      time.Duration
}

// failed counts a failure and decides on the rest that it causes. It reports
// whether there is one.
func (h *health) failed(f failure, now time.Time) bool {
	h.note(f.code, now)
	h.mu.Lock()
	defer h.mu.Unlock()
	ill := illness{since: now}
	known := false
	if old := h.state.Load(); old != nil {
		ill.streak, ill.until = old.streak, old.until
		// What runs at the same time fails at the same time: that is one failure, or
		// a busy server would rest the longer the busier it is.
		if known = !old.until.IsZero() && !f.began.After(old.since); known {
			ill.since = old.since
		}
	}
	if !known {
		ill.streak++
	}
	if ill.streak > f.tolerated {
		rest := min(f.after, f.most)
		if f.after <= 0 && !known {
			rest = doubled(f.first, f.most, ill.streak-f.tolerated-1)
		}
		ill.until = later(ill.until, now.Add(rest))
	}
	h.state.Store(&ill)
	return now.Before(ill.until)
}

// note keeps a failure for people without drawing a conclusion.
func (h *health) note(code string, now time.Time) {
	h.failures.Add(1)
	h.last.Store(&trouble{code, now})
}

func doubled(first, most time.Duration, times int) time.Duration {
	for ; times > 0 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
