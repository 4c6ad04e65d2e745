package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/fault"
)

const (
	// healMost is how many customers are set anew between two batches, so that
	// counters that were flushed do not hold up the database.
	healMost = 64
	// restoreTries: a snapshot is read again if another replica settled more in
	// the meantime.
	restoreTries = 5
	// maxSlots bounds what is remembered of customers; beyond it all are
	// forgotten, and set anew when they are met again.
	maxSlots = 200_000
	// pause is how long counters that did not answer are left alone.
	pause = time.Second
)

// settler applies recorded facts to the counters. A slot is either in step, so
// that the position of its last settlement is known, or dirty, and then is set
// anew from the database, which has the facts already.
type settler struct {
	journal string
	store   Store
	counter metering.Counter
	timeout time.Duration
	now     func() time.Time
	log     *slog.Logger

	mu      sync.Mutex // held across calls to the counters: settlements go in order
	slots   map[metering.Slot]*slotState
	unclean map[metering.Slot]struct{}
	away    time.Time // when the counters last failed to answer; zero if they do
	unread  bool      // totals could not be read from the database

	waiting atomic.Int64 // len(unclean), to be read without waiting for the lock
}

type slotState struct {
	prev  uint64 // last settlement of this journal
	dirty bool
}

func newSettler(journal string, store Store, counter metering.Counter, timeout time.Duration, now func() time.Time, log *slog.Logger) *settler {
	return &settler{
		journal: journal, store: store, counter: counter, timeout: timeout, now: now, log: log,
		slots: make(map[metering.Slot]*slotState), unclean: make(map[metering.Slot]struct{}),
	}
}

// dirty is how many customers wait to be set anew.
func (s *settler) dirty() int { return int(s.waiting.Load()) }

// settle applies recorded events, as far as the counters answer. What cannot be
// applied leaves its slot dirty.
func (s *settler) settle(ctx context.Context, events []*metering.Event) {
	fault.At(fault.ShipBeforeSettle)
	s.mu.Lock()
	defer s.unlock()
	if len(s.slots) > maxSlots {
		clear(s.slots)
		clear(s.unclean)
	}
	s.mark(events)
	s.healSome(ctx)
	if left := s.apply(ctx, events); len(left) > 0 {
		// Slots that turned out to be lost: set anew they have these events
		// already, which are sent again for their holds to be released.
		s.healSome(ctx)
		s.apply(ctx, left)
	}
	fault.At(fault.ShipAfterSettle)
}

// mark makes slots that are met for the first time dirty: how far an earlier
// process came is not known here.
func (s *settler) mark(events []*metering.Event) {
	for _, e := range events {
		slot := slotOf(e)
		if _, met := s.slots[slot]; !met {
			s.slots[slot] = &slotState{dirty: true}
			s.unclean[slot] = struct{}{}
		}
	}
}

// apply sends one settlement per event of a slot that is in step, and returns
// the events that were not taken. A slot that was just set anew already has the
// position of events it is sent: they are skipped, and their holds released.
func (s *settler) apply(ctx context.Context, events []*metering.Event) (left []*metering.Event) {
	if s.resting() {
		s.spoil(events)
		return events
	}
	batch := make([]metering.Settlement, 0, len(events))
	sent := make([]*metering.Event, 0, len(events))
	for _, e := range events {
		slot := slotOf(e)
		state := s.slots[slot]
		if state.dirty {
			left = append(left, e)
			continue
		}
		batch = append(batch, metering.Settlement{
			Slot: slot, Journal: s.journal, Prev: state.prev, Seq: e.FactSeq, ID: e.ID, Add: additions(e),
		})
		sent = append(sent, e)
		state.prev = max(state.prev, e.FactSeq)
	}
	if len(batch) == 0 {
		return left
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	results, err := s.counter.Settle(bounded, batch)
	s.answered(err)
	if err != nil {
		s.spoil(events)
		return events
	}
	for i, err := range results {
		if err != nil {
			s.soil(batch[i].Slot)
			left = append(left, sent[i])
		}
	}
	return left
}

// spoil makes the slots of events dirty.
func (s *settler) spoil(events []*metering.Event) {
	for _, e := range events {
		s.soil(slotOf(e))
	}
}

func (s *settler) soil(slot metering.Slot) {
	if state := s.slots[slot]; state != nil {
		state.dirty = true
		s.unclean[slot] = struct{}{}
	}
}

// heal sets some dirty slots anew, also when no facts come.
func (s *settler) heal(ctx context.Context) {
	s.mu.Lock()
	defer s.unlock()
	s.healSome(ctx)
}

func (s *settler) unlock() {
	s.waiting.Store(int64(len(s.unclean)))
	s.mu.Unlock()
}

// healSome leaves a slot that cannot be set anew dirty: its turn comes again
// with the next beat.
func (s *settler) healSome(ctx context.Context) {
	n := 0
	for slot := range s.unclean {
		if n++; n > healMost || s.resting() || ctx.Err() != nil {
			return
		}
		position, err := s.setAnew(ctx, slot)
		if err != nil {
			s.log.Debug("counters stay behind", "err", err)
			return
		}
		delete(s.unclean, slot)
		s.slots[slot] = &slotState{prev: position}
	}
}

// setAnew restores a slot from the database and returns the position of this
// journal in it.
func (s *settler) setAnew(ctx context.Context, slot metering.Slot) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for range restoreTries {
		snapshot, err := s.store.Snapshot(ctx, slot, around(metering.MicrosOf(s.now())))
		s.read(err)
		if err != nil {
			return 0, fmt.Errorf("read totals of customer %s: %w", slot.Customer, err)
		}
		ok, err := s.counter.Restore(ctx, snapshot)
		s.answered(err)
		if err != nil {
			return 0, fmt.Errorf("set counters of customer %s: %w", slot.Customer, err)
		}
		if ok {
			return snapshot.Positions[s.journal], nil
		}
	}
	return 0, errors.New("counters of customer " + slot.Customer + " moved on at every attempt to set them")
}

// resting reports whether the counters failed to answer a moment ago.
func (s *settler) resting() bool {
	return !s.away.IsZero() && s.now().Sub(s.away) < pause
}

// answered keeps whether the counters answer, and says so when that changes.
func (s *settler) answered(err error) {
	before := !s.away.IsZero()
	switch {
	case err != nil && !before:
		s.log.Warn("the counters do not answer; they are set anew from the database when they do", "err", err)
	case err == nil && before:
		s.log.Info("the counters answer again")
	}
	s.away = time.Time{}
	if err != nil {
		s.away = s.now()
	}
}

// read keeps whether totals can be read, and says so when that changes.
func (s *settler) read(err error) {
	switch {
	case err != nil && !s.unread:
		s.log.Warn("counters cannot be set from the database; running totals stay behind until they can", "err", err)
	case err == nil && s.unread:
		s.log.Info("counters are set from the database again")
	}
	s.unread = err != nil
}

func slotOf(e *metering.Event) metering.Slot { return metering.Slot{Org: e.Org, Customer: e.Customer} }
