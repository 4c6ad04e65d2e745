package admission

import (
	"math"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Slot is the counters of one customer. It is made by [NewSlot] and not safe
// for concurrent use. Calls must have passed the check of their kind.
type Slot struct {
	grace     metering.Micros
	tallies   map[metering.Window]*tally
	positions map[string]uint64 // by journal, the last fact applied
	holds     map[metering.ID]hold
	earliest  metering.Micros // no hold expires before it; zero: there is none
	sweep     metering.Micros // when ended windows are looked for again
	closed    answers
}

// tally is the count of one window. Both amounts are in [0, MaxInt64].
type tally struct{ used, held int64 }

// taken is what is used and held together, which may exceed an int64.
func (t *tally) taken() uint64 {
	if t == nil {
		return 0
	}
	return uint64(t.used) + uint64(t.held)
}

// add saturates: the order of additions never changes the sum.
func (t *tally) add(amount int64) {
	if amount > math.MaxInt64-t.used {
		t.used = math.MaxInt64
		return
	}
	t.used += amount
}

// NewSlot returns a slot that has used nothing and knows of no journal. Windows
// count for grace after they have ended; zero is [Grace].
func NewSlot(grace time.Duration) *Slot {
	if grace <= 0 {
		grace = Grace
	}
	return &Slot{grace: metering.Micros(grace / time.Microsecond)}
}

// Holding reports whether a hold is open at now.
func (s *Slot) Holding(now metering.Micros) bool {
	s.expire(now)
	return len(s.holds) > 0
}

// Totals returns what the windows have used and what is held in them at now. It fails with
// [ErrEnded] for a window that is no longer counted.
func (s *Slot) Totals(windows []metering.Window, now metering.Micros) (used, held []int64, err error) {
	s.expire(now)
	used, held = make([]int64, len(windows)), make([]int64, len(windows))
	for i := range windows {
		if Ended(&windows[i], s.grace, now) {
			return nil, nil, ErrEnded
		}
		if t := s.tallies[windows[i]]; t != nil {
			used[i], held[i] = t.used, t.held
		}
	}
	return used, held, nil
}

// tally returns the count of w, made if it is new. The names are copied: what
// they came in may be a far larger buffer.
func (s *Slot) tally(w *metering.Window, now metering.Micros) *tally {
	if t := s.tallies[*w]; t != nil {
		return t
	}
	s.sweepEnded(now)
	if s.tallies == nil {
		s.tallies = make(map[metering.Window]*tally)
	}
	own := *w
	own.Unit, own.Key = metering.Unit(strings.Clone(string(w.Unit))), strings.Clone(w.Key)
	t := new(tally)
	s.tallies[own] = t
	return t
}

// sweepEnded drops windows that have ended and hold nothing.
func (s *Slot) sweepEnded(now metering.Micros) {
	if now < s.sweep {
		return
	}
	s.sweep = now + metering.Micros(SweepEvery/time.Microsecond)
	for w, t := range s.tallies {
		if t.held == 0 && Ended(&w, s.grace, now) {
			delete(s.tallies, w)
		}
	}
}

// room reports whether n more entries may be kept.
func (s *Slot) room(n int, now metering.Micros) bool {
	if s.entries()+n > MaxEntries {
		s.sweepEnded(now)
	}
	return s.entries()+n <= MaxEntries
}

func (s *Slot) entries() int { return len(s.tallies) + len(s.holds) + len(s.positions) }
