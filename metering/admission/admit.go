package admission

import (
	"math"

	"github.com/weirhq/weir/metering"
)

// hold is what one call holds until it is settled or expires.
type hold struct {
	expires metering.Micros
	answer  metering.Decision
	parts   []part
}

// part is what a hold holds in one window.
type part struct {
	tally  *tally
	amount int64
}

// Admit decides about h at now and places the hold if it fits. Asked again it
// gives the first answer: for as long as the hold is open, and among the last
// [Remembered] that were refused or closed. Claims that share a window hold its
// largest amount once. A hold without claims holds nothing and is allowed.
//
// It fails with [ErrEnded] if a claim is on a window that is no longer counted
// and with [ErrFull]; either changes nothing.
func (s *Slot) Admit(h *metering.Hold, now metering.Micros) (metering.Decision, error) {
	if len(h.Claims) == 0 {
		return Unclaimed(), nil
	}
	s.expire(now)
	if open, ok := s.holds[h.ID]; ok {
		return open.answer, nil
	}
	if answer, ok := s.closed.find(h.ID); ok {
		return answer, nil
	}
	for i := range h.Claims {
		if Ended(&h.Claims[i].Window, s.grace, now) {
			return metering.Decision{}, ErrEnded
		}
	}
	answer := s.decide(h.Claims)
	if !answer.Allowed {
		s.closed.keep(h.ID, answer)
		return answer, nil
	}
	if !s.room(1+len(h.Claims), now) {
		return metering.Decision{}, ErrFull
	}
	s.place(h, answer, now)
	return answer, nil
}

// Unclaimed is the answer to a hold without claims.
func Unclaimed() metering.Decision { return metering.Decision{Allowed: true, Refused: -1} }

// decide finds the first claim that does not fit, or what the tightest leaves.
func (s *Slot) decide(claims []metering.Claim) metering.Decision {
	left := int64(math.MaxInt64)
	for i := range claims {
		c := &claims[i]
		taken := s.tallies[c.Window].taken()
		if c.Amount > c.Limit || taken > uint64(c.Limit-c.Amount) {
			return metering.Decision{Refused: i, Left: int64(uint64(c.Limit) - min(taken, uint64(c.Limit)))}
		}
		left = min(left, c.Limit-c.Amount-int64(taken))
	}
	return metering.Decision{Allowed: true, Refused: -1, Left: left}
}

func (s *Slot) place(h *metering.Hold, answer metering.Decision, now metering.Micros) {
	placed := hold{expires: now + h.TTL, answer: answer, parts: make([]part, 0, len(h.Claims))}
	for i := range h.Claims {
		c := &h.Claims[i]
		if c.Amount > 0 {
			placed.hold(s.tally(&c.Window, now), c.Amount)
		}
	}
	if s.holds == nil {
		s.holds = make(map[metering.ID]hold)
	}
	s.holds[h.ID] = placed
	if s.earliest == 0 || placed.expires < s.earliest {
		s.earliest = placed.expires
	}
}

// hold raises what is held in one window to amount.
func (h *hold) hold(t *tally, amount int64) {
	for i := range h.parts {
		p := &h.parts[i]
		if p.tally != t {
			continue
		}
		if amount > p.amount {
			t.held += amount - p.amount
			p.amount = amount
		}
		return
	}
	t.held += amount
	h.parts = append(h.parts, part{t, amount})
}

// release closes a hold, if it is open.
func (s *Slot) release(id metering.ID) {
	if len(s.holds) == 0 {
		return
	}
	h, ok := s.holds[id]
	if !ok {
		return
	}
	for _, p := range h.parts {
		p.tally.held -= p.amount
	}
	delete(s.holds, id)
	s.closed.keep(id, h.answer)
}

// expire closes the holds that have run out. It looks at each only when the
// earliest may have: holds that are settled in time cost nothing.
func (s *Slot) expire(now metering.Micros) {
	if s.earliest == 0 || now < s.earliest {
		return
	}
	s.earliest = 0
	for id, h := range s.holds {
		switch {
		case h.expires <= now:
			s.release(id)
		case s.earliest == 0 || h.expires < s.earliest:
			s.earliest = h.expires
		}
	}
}

// answers remembers the last ones given by holds that are not open.
type answers struct {
	ring []remembered
	next int
}

type remembered struct {
	id     metering.ID
	answer metering.Decision
}

func (a *answers) find(id metering.ID) (metering.Decision, bool) {
	for i := range a.ring {
		if a.ring[i].id == id {
			return a.ring[i].answer, true
		}
	}
	return metering.Decision{}, false
}

func (a *answers) keep(id metering.ID, answer metering.Decision) {
	r := remembered{id, answer}
	if len(a.ring) < Remembered {
		a.ring = append(a.ring, r)
		return
	}
	a.ring[a.next] = r
	a.next = (a.next + 1) % Remembered
}
