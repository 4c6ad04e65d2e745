package proxy

import (
	"slices"
	"testing"
	"time"
)

var t0 = time.Unix(1_700_000_000, 0)

// quotaLike is a failure without tolerance.
func quotaLike(at time.Time, after time.Duration) failure {
	return failure{code: "c", began: at, after: after, first: time.Second, most: 10 * time.Second}
}

func TestHealth_restsDoubleUpToTheCap(t *testing.T) {
	t.Parallel()
	var h health
	now := t0
	for _, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		if !h.failed(quotaLike(now, 0), now) {
			t.Fatal("no rest")
		}
		end := now.Add(want * time.Second)
		if !h.rests(end.Add(-1)) || h.rests(end) {
			t.Fatalf("it does not rest for %v seconds", int64(want))
		}
		now = end
	}
	h.succeeded(now)
	if h.state.Load() != nil {
		t.Fatal("success did not make it forget")
	}
	h.failed(quotaLike(now, 0), now)
	if h.rests(now.Add(time.Second)) {
		t.Error("after a success the rest is not the first one again")
	}
}

func TestHealth_retryAfterIsHonouredUpToTheCap(t *testing.T) {
	t.Parallel()
	var h health
	h.failed(quotaLike(t0, 7*time.Second), t0)
	if !h.rests(t0.Add(7*time.Second-1)) || h.rests(t0.Add(7*time.Second)) {
		t.Error("it does not rest for seven seconds")
	}
	var g health
	g.failed(quotaLike(t0, time.Hour), t0)
	if !g.rests(t0.Add(10*time.Second-1)) || g.rests(t0.Add(10*time.Second)) {
		t.Error("the cap does not hold")
	}
}

// Calls that ran at the same time fail at the same time: one failure. A request
// that began before the failure and ends well later is no recovery.
func TestHealth_whatRanAtTheSameTime(t *testing.T) {
	t.Parallel()
	var h health
	for i := range 50 {
		h.failed(quotaLike(t0, 0), t0.Add(time.Duration(i)*time.Millisecond))
	}
	if h.rests(t0.Add(time.Second)) {
		t.Error("fifty failures at once rest for longer than one")
	}
	h.succeeded(t0)
	if !h.rests(t0.Add(time.Second - 1)) {
		t.Error("an old success ended the rest")
	}
}

// Three broken answers in a row eject, two and a success do not.
func TestHealth_tolerance(t *testing.T) {
	t.Parallel()
	var h health
	broken := func(at time.Time) bool {
		return h.failed(failure{code: "http_500", began: at, tolerated: 2, first: time.Second, most: time.Minute}, at)
	}
	at := func(i int) time.Time { return t0.Add(time.Duration(i) * time.Millisecond) }
	if broken(at(0)) || broken(at(1)) {
		t.Fatal("one or two eject")
	}
	h.succeeded(at(2))
	if broken(at(3)) || broken(at(4)) || !h.claim(at(5)) {
		t.Fatal("a streak that was broken ejects")
	}
	if !broken(at(6)) || h.claim(at(7)) {
		t.Fatal("three in a row do not eject")
	}
}

// When a rest is over, one request tries; the others wait for what becomes of it,
// and not for ever.
func TestHealth_probe(t *testing.T) {
	t.Parallel()
	var h health
	h.failed(quotaLike(t0, 0), t0)
	end := t0.Add(time.Second)
	if !h.claim(end) || h.claim(end) || h.claim(end.Add(probeLimit-1)) {
		t.Fatal("not exactly one may try")
	}
	if !h.claim(end.Add(probeLimit)) {
		t.Fatal("a probe that never ended keeps all others out")
	}
	h.succeeded(end)
	if !h.claim(end) || !h.claim(end) {
		t.Fatal("a probe that ended well changes nothing")
	}
}

func TestRota_weights(t *testing.T) {
	t.Parallel()
	f := func(weights []int, want []uint8) {
		t.Helper()
		members := make([]*health, len(weights))
		for i := range members {
			members[i] = new(health)
		}
		if got := newRota(members, weights).order; !slices.Equal(got, want) {
			t.Errorf("weights %v make the order %v, want %v", weights, got, want)
		}
	}
	f([]int{1}, []uint8{0})
	f([]int{5}, []uint8{0})
	f([]int{1, 1}, []uint8{0, 1})
	f([]int{50, 50}, []uint8{0, 1})
	f([]int{5, 1, 1}, []uint8{0, 0, 1, 0, 2, 0, 0})
	f([]int{2, 4}, []uint8{1, 0, 1})
}

// Who rests is passed over; if all do, the one whose rest ends first is taken,
// and nobody twice by one call.
func TestRota_next(t *testing.T) {
	t.Parallel()
	members := []*health{{}, {}, {}}
	r := newRota(members, nil)
	members[1].failed(quotaLike(t0, 5*time.Second), t0)
	for i, want := range []int{0, 2, 2, 0, 2, 2} {
		if got := r.next(t0, 0, false); got != want {
			t.Errorf("turn %d is %d's, want %d's", i, got, want)
		}
	}
	if got := r.next(t0, 0b101, false); got != -1 {
		t.Errorf("the one that rests is taken: %d", got)
	}
	members[0].failed(quotaLike(t0, 9*time.Second), t0)
	members[2].failed(quotaLike(t0, 3*time.Second), t0)
	for skip, want := range map[uint64]int{0: 2, 0b100: 1, 0b110: 0, 0b111: -1} {
		if got := r.next(t0, skip, true); got != want {
			t.Errorf("all rest, %03b failed: %d, want %d", skip, got, want)
		}
	}
	if got := r.next(t0, 0, false); got != -1 {
		t.Errorf("one that rests is well: %d", got)
	}
	one := newRota([]*health{{}}, nil)
	if one.next(t0, 0, false) != 0 || one.next(t0, 1, true) != -1 {
		t.Error("a rota of one")
	}
}
