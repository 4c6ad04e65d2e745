package memory

import (
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

// shard keeps some of the slots, in the order in which they were last asked for.
type shard struct {
	mu    sync.Mutex
	most  int
	slots map[metering.Slot]*entry
	// The list of entries: newest is the head, oldest the tail.
	newest, oldest *entry
}

type entry struct {
	key          metering.Slot
	slot         *admission.Slot
	newer, older *entry
}

// find returns the slot, now the newest, or nil.
func (s *shard) find(key metering.Slot) *entry {
	e := s.slots[key]
	if e != nil && e != s.newest {
		s.unlink(e)
		s.push(e)
	}
	return e
}

// findOrMake makes the slot if it is lost, dropping another one if it must.
func (s *shard) findOrMake(key metering.Slot, grace time.Duration, now metering.Micros) (*entry, error) {
	if e := s.find(key); e != nil {
		return e, nil
	}
	if len(s.slots) >= s.most && !s.drop(now) {
		return nil, ErrFull
	}
	if s.slots == nil {
		s.slots = make(map[metering.Slot]*entry)
	}
	key = metering.Slot{Org: strings.Clone(key.Org), Customer: strings.Clone(key.Customer)}
	e := &entry{key: key, slot: admission.NewSlot(grace)}
	s.slots[key] = e
	s.push(e)
	return e, nil
}

// drop removes the oldest slot that holds nothing.
func (s *shard) drop(now metering.Micros) bool {
	for e := s.oldest; e != nil; e = e.newer {
		if !e.slot.Holding(now) {
			s.unlink(e)
			delete(s.slots, e.key)
			return true
		}
	}
	return false
}

func (s *shard) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots, s.newest, s.oldest = nil, nil, nil
}

func (s *shard) push(e *entry) {
	e.older, e.newer = s.newest, nil
	if s.newest != nil {
		s.newest.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

func (s *shard) unlink(e *entry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
	e.newer, e.older = nil, nil
}
