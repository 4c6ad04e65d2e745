package admission_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

const (
	start  = metering.Micros(1_700_000_000_000_000)
	second = metering.Micros(1_000_000)
	hour   = 3600 * second
)

func window(end metering.Micros) metering.Window {
	return metering.Window{Unit: metering.UnitCost, Start: start - hour, End: end}
}

func admit(t *testing.T, s *admission.Slot, n int, w metering.Window, limit, amount int64, now metering.Micros) metering.Decision {
	t.Helper()
	answer, err := s.Admit(&metering.Hold{
		ID: metering.ID{0: 1, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}, TTL: 10 * second,
		Claims: []metering.Claim{{Window: w, Limit: limit, Amount: amount}},
	}, now)
	if err != nil {
		t.Fatalf("admit %d: %v", n, err)
	}
	return answer
}

func TestSlot_rememberedAnswersAreBounded(t *testing.T) {
	t.Parallel()
	s, w := admission.NewSlot(0), window(start+hour)
	for n := range admission.Remembered + 1 {
		if admit(t, s, n, w, 0, 1, start).Allowed {
			t.Fatal("allowed beyond the limit")
		}
	}
	// The limit is now high enough, but only the first was forgotten.
	for n := 1; n <= admission.Remembered; n++ {
		if admit(t, s, n, w, 100, 1, start).Allowed {
			t.Errorf("answer %d of the last %d was forgotten", n, admission.Remembered)
		}
	}
	if !admit(t, s, 0, w, 100, 1, start).Allowed {
		t.Error("more answers are kept than are to be remembered")
	}
}

func TestSlot_windowsEndWithGrace(t *testing.T) {
	t.Parallel()
	s, w := admission.NewSlot(time.Minute), window(start+hour)
	windows := []metering.Window{w}
	add := metering.Settlement{Journal: "j", Seq: 1, Add: []metering.Addition{{Window: w, Amount: 5}}}
	if err := s.Settle(&add, start); err != nil {
		t.Fatal(err)
	}
	last := start + hour + 60*second - 1
	if used, _, err := s.Totals(windows, last); err != nil || used[0] != 5 {
		t.Errorf("in the last microsecond: %v, %v", used, err)
	}
	if _, _, err := s.Totals(windows, last+1); !errors.Is(err, admission.ErrEnded) {
		t.Errorf("after it: %v", err)
	}
	if _, err := s.Admit(&metering.Hold{ID: metering.ID{1}, TTL: 1, Claims: []metering.Claim{{Window: w, Limit: 9}}}, last+1); !errors.Is(err, admission.ErrEnded) {
		t.Errorf("claim after it: %v", err)
	}
	late := metering.Settlement{Journal: "j", Prev: 1, Seq: 2, Add: add.Add}
	if err := s.Settle(&late, last+1); err != nil {
		t.Errorf("a late fact: %v", err)
	}
	if used, _, err := s.Totals(windows, last); err != nil || used[0] != 5 {
		t.Errorf("a late fact was added to a window that had ended: %v, %v", used, err)
	}
}

// A slot that is used for ever keeps the windows that are open and no others.
func TestSlot_entriesAreBounded(t *testing.T) {
	t.Parallel()
	s := admission.NewSlot(0)
	now := start
	// Each hour has 100 windows: in 3,000 hours four times what a slot may keep.
	for n := range uint64(3_000) {
		now += hour
		f := metering.Settlement{Journal: "j", Prev: n, Seq: n + 1}
		for k := range 100 {
			w := metering.Window{Unit: metering.UnitCost, Key: fmt.Sprint(k), Start: now, End: now + hour}
			f.Add = append(f.Add, metering.Addition{Window: w, Amount: 1})
		}
		if err := s.Settle(&f, now); err != nil {
			t.Fatalf("hour %d: %v", n, err)
		}
	}
}

func TestSlot_full(t *testing.T) {
	t.Parallel()
	s, w := admission.NewSlot(0), window(start+hour)
	n := 0
	for ; n < admission.MaxEntries-2; n++ { // and its window, and room for one more
		if !admit(t, s, n, w, 1<<40, 1, start).Allowed {
			t.Fatal("refused below the limit")
		}
	}
	h := metering.Hold{ID: metering.ID{9}, TTL: second, Claims: []metering.Claim{{Window: w, Limit: 1 << 40, Amount: 1}}}
	if _, err := s.Admit(&h, start); !errors.Is(err, admission.ErrFull) {
		t.Errorf("admit: %v", err)
	}
	f := metering.Settlement{Journal: "j", Seq: 1, ID: metering.ID{9}, Add: []metering.Addition{{Window: w, Amount: 1}}}
	if err := s.Settle(&f, start); !errors.Is(err, admission.ErrFull) {
		t.Errorf("settle: %v", err)
	}
	snap := metering.Snapshot{Positions: map[string]uint64{"j": 1, "k": 1}}
	if ok, err := s.Restore(&snap, start); ok || !errors.Is(err, admission.ErrFull) {
		t.Errorf("restore: %v, %v", ok, err)
	}
	used, held, err := s.Totals([]metering.Window{w}, start)
	if err != nil || used[0] != 0 || held[0] != int64(n) {
		t.Errorf("after refusals: %v, %v, %v, want 0 and %d", used, held, err, n)
	}
	// When the holds have run out there is room again.
	if _, err := s.Admit(&h, start+10*second); err != nil {
		t.Errorf("after the holds ran out: %v", err)
	}
	if !s.Holding(start + 10*second) {
		t.Error("holds nothing after a hold was placed")
	}
	if s.Holding(start + 11*second) {
		t.Error("holds something after all holds ran out")
	}
}

// What is held is the sum of the open holds, whatever is admitted, settled and
// left to run out: B14.
func TestSlot_heldIsTheSumOfOpenHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type open struct {
			amount  int64
			expires metering.Micros
		}
		s, w, now := admission.NewSlot(0), window(start+1000*hour), start
		holds := make(map[metering.ID]open)
		const limit = 500
		n, seq := 0, uint64(0)
		var used int64
		t.Repeat(map[string]func(*rapid.T){
			"admit": func(t *rapid.T) {
				n++
				h := metering.Hold{ID: metering.ID{14: byte(n >> 8), 15: byte(n)}, TTL: metering.Micros(rapid.Int64Range(1, 20).Draw(t, "ttl"))}
				amount := rapid.Int64Range(0, 100).Draw(t, "amount")
				h.Claims = []metering.Claim{{Window: w, Limit: limit, Amount: amount}}
				answer, err := s.Admit(&h, now)
				if err != nil {
					t.Fatal(err)
				}
				if answer.Allowed {
					holds[h.ID] = open{amount, now + h.TTL}
				}
			},
			"settle": func(t *rapid.T) {
				id := metering.ID{15: byte(rapid.IntRange(0, n).Draw(t, "id"))}
				seq++
				amount := rapid.Int64Range(0, holds[id].amount).Draw(t, "used")
				f := metering.Settlement{Journal: "j", Prev: seq - 1, Seq: seq, ID: id, Add: []metering.Addition{{Window: w, Amount: amount}}}
				if err := s.Settle(&f, now); err != nil {
					t.Fatal(err)
				}
				used += amount
				delete(holds, id)
			},
			"pass": func(t *rapid.T) { now += metering.Micros(rapid.Int64Range(1, 10).Draw(t, "time")) },
			"": func(t *rapid.T) {
				var sum int64
				for id, h := range holds {
					if h.expires <= now {
						delete(holds, id)
						continue
					}
					sum += h.amount
				}
				gotUsed, gotHeld, err := s.Totals([]metering.Window{w}, now)
				if err != nil || gotUsed[0] != used || gotHeld[0] != sum {
					t.Fatalf("used %v, held %v, %v; want %d and %d", gotUsed, gotHeld, err, used, sum)
				}
				if used+sum > limit {
					t.Fatalf("%d used and %d held of %d", used, sum, limit)
				}
				if s.Holding(now) != (len(holds) > 0) {
					t.Fatalf("%d holds are open", len(holds))
				}
			},
		})
	})
}
