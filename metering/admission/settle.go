package admission

import (
	"strings"

	"github.com/weirhq/weir/metering"
)

// Settle applies one fact at now and releases its hold. A fact that the slot
// already has changes no total. A slot that does not have everything before it
// answers metering.ErrSlotLost, one that has no room [ErrFull]; both change
// nothing. Amounts in windows that are no longer counted are dropped.
func (s *Slot) Settle(f *metering.Settlement, now metering.Micros) error {
	switch have := s.positions[f.Journal]; {
	case have >= f.Seq:
		s.release(f.ID)
		return nil
	case have < f.Prev:
		return metering.ErrSlotLost
	}
	if !s.room(1+len(f.Add), now) {
		return ErrFull
	}
	for i := range f.Add {
		add := &f.Add[i]
		if add.Amount > 0 && !Ended(&add.Window, s.grace, now) {
			s.tally(&add.Window, now).add(add.Amount)
		}
	}
	s.moveTo(f.Journal, f.Seq)
	s.release(f.ID)
	return nil
}

func (s *Slot) moveTo(journal string, seq uint64) {
	if s.positions == nil {
		s.positions = make(map[string]uint64)
	}
	if _, known := s.positions[journal]; !known {
		journal = strings.Clone(journal)
	}
	s.positions[journal] = seq
}

// Restore sets the slot at now from what the database knows and reports whether
// the slot is at least that. Three cases:
//
//   - the snapshot has everything that the slot has: its totals and positions
//     are taken over, whatever they were;
//   - the slot has everything that the snapshot has, and more: a total below
//     the snapshot's, which is of a window that the slot did not count from its
//     start, is raised to it;
//   - each has what the other has not: nothing changes, and a newer snapshot is
//     needed.
//
// Windows that the snapshot does not name stay, and so do holds. It fails with
// [ErrFull], which changes nothing.
func (s *Slot) Restore(snap *metering.Snapshot, now metering.Micros) (bool, error) {
	ahead, behind := s.compare(snap.Positions)
	if ahead && behind {
		return false, nil
	}
	if !s.room(len(snap.Totals)+len(snap.Positions), now) {
		return false, ErrFull
	}
	for i := range snap.Totals {
		total := &snap.Totals[i]
		if Ended(&total.Window, s.grace, now) {
			continue
		}
		t := s.tally(&total.Window, now)
		if !ahead {
			t.used = 0
		}
		t.used = max(t.used, total.Amount)
	}
	for journal, seq := range snap.Positions {
		if seq > s.positions[journal] {
			s.moveTo(journal, seq)
		}
	}
	return true, nil
}

// compare reports whether the slot has more of some journal than positions say,
// and whether it has less.
func (s *Slot) compare(positions map[string]uint64) (ahead, behind bool) {
	for journal, seq := range positions {
		ahead = ahead || s.positions[journal] > seq
		behind = behind || s.positions[journal] < seq
	}
	for journal, seq := range s.positions {
		ahead = ahead || seq > positions[journal]
	}
	return ahead, behind
}
