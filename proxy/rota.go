package proxy

import (
	"sync/atomic"
	"time"
)

// maxMembers is how many a rota has at most: a call keeps those that failed it
// in the bits of a word.
const maxMembers = 64

// maxWeight bounds the memory of a rota.
const maxWeight = 100

// rota hands out members in turn, in proportion to their weights, and passes
// over those that rest.
type rota struct {
	members []*health
	order   []uint8 // of a round, a heavy member's turns apart from each other
	turn    atomic.Uint32
}

// newRota makes one of members with weights from 1; nil: all weigh the same.
func newRota(members []*health, weights []int) *rota {
	if weights == nil {
		weights = make([]int, len(members))
		for i := range weights {
			weights[i] = 1
		}
	}
	divisor, total := 0, 0
	for _, w := range weights {
		divisor = gcd(w, divisor)
	}
	for _, w := range weights {
		total += w / divisor
	}
	r := &rota{members: members, order: make([]uint8, 0, total)}
	// The smooth order of nginx: whoever is owed most is next.
	owed := make([]int, len(members))
	for range total {
		next := 0
		for i, w := range weights {
			if owed[i] += w / divisor; owed[i] > owed[next] {
				next = i
			}
		}
		owed[next] -= total
		r.order = append(r.order, uint8(next))
	}
	return r
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// next returns whose turn it is, of those that are not in skip; -1: nobody's.
// anyway takes the one whose rest ends first where all rest.
func (r *rota) next(now time.Time, skip uint64, anyway bool) int {
	if len(r.members) == 1 {
		if skip&1 != 0 || !anyway && !r.members[0].claim(now) {
			return -1
		}
		return 0
	}
	turn := r.turn.Load()
	if skip == 0 { // who stands in for another one does not use up a turn
		turn = r.turn.Add(1) - 1
	}
	start := int(turn) % len(r.order)
	for i, asked := 0, skip; i < len(r.order); i++ {
		m := r.order[(start+i)%len(r.order)]
		if asked>>m&1 == 0 && r.members[m].claim(now) {
			return int(m)
		}
		asked |= 1 << m
	}
	if !anyway {
		return -1
	}
	return r.leastBad(skip)
}

// leastBad returns the member whose rest ends first.
func (r *rota) leastBad(skip uint64) int {
	best := -1
	var ends time.Time
	for i, h := range r.members {
		if skip>>i&1 != 0 {
			continue
		}
		var until time.Time
		if ill := h.state.Load(); ill != nil {
			until = ill.until
		}
		if best < 0 || until.Before(ends) {
			best, ends = i, until
		}
	}
	return best
}

// anyWell reports whether one that is not in skip does not rest.
func (r *rota) anyWell(now time.Time, skip uint64) bool {
	for i, h := range r.members {
		if skip>>i&1 == 0 && !h.rests(now) {
			return true
		}
	}
	return false
}
