package journal

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/weirhq/weir/metering"
)

// batch is what one write(2) takes: the records of everyone who came while the
// write before it was running.
type batch struct {
	buf    []byte
	last   uint64 // last record in buf
	starts []uint64
	facts  []*metering.Event

	wake    sync.Cond // one waiter may lead, or the batch is done
	waiting int       // callers that have not read err yet
	done    bool
	err     error
}

func (j *Journal) newBatch() *batch {
	b := new(batch)
	b.wake.L = &j.mu
	return b
}

func (b *batch) reset() {
	clear(b.facts)
	b.buf, b.starts, b.facts = b.buf[:0], b.starts[:0], b.facts[:0]
	b.last, b.done, b.err = 0, false, nil
}

// events are the facts in b, which may be nil.
func (b *batch) events() []*metering.Event {
	if b == nil {
		return nil
	}
	return b.facts
}

// add gives the record its place and puts it into the pending batch.
func (j *Journal) add(r record) *batch {
	b := j.pending
	r.seq = j.next
	r.behind = uint32(min(r.seq-j.durable, 1<<32-1))
	j.next++
	b.last = r.seq
	if r.kind == kindIntent {
		b.starts = append(b.starts, r.seq)
	}
	b.buf = appendRecord(b.buf, &r)
	return b
}

func (j *Journal) addFact(e *metering.Event, body []byte) *batch {
	e.FactSeq = j.next
	b := j.add(record{kind: kindFact, intent: e.Seq, at: e.At, id: e.ID, payload: body})
	b.facts = append(b.facts, e)
	return b
}

// commit returns when b is written. Whoever finds nobody writing leads: it
// takes the pending batch, its own record in it, and writes it without the
// mutex; those that come meanwhile fill the next batch.
func (j *Journal) commit(b *batch) error {
	b.waiting++
	for !b.done {
		if j.writing {
			b.wake.Wait()
		} else {
			j.lead()
		}
	}
	err := b.err
	b.waiting--
	if b.waiting == 0 && j.spare == nil {
		b.reset()
		j.spare = b
	}
	return err
}

// swap replaces the pending batch by an empty one and returns it.
func (j *Journal) swap() *batch {
	b := j.pending
	j.pending = j.spare
	j.spare = nil
	if j.pending == nil {
		j.pending = j.newBatch()
	}
	return b
}

func (j *Journal) lead() {
	j.writing = true
	j.gather()
	b := j.swap()
	j.leading = b
	err := j.write(b)
	if err == nil {
		j.settle(b)
	} else {
		j.goDown(err, b)
	}
	j.leading = nil
	b.wake.Broadcast()
	j.yield()
}

// gather lets the goroutines that are ready to run go first: those among them
// that have a record to write put it into the batch, which costs each a hundredth
// of a write of its own. Where nothing else is ready it returns at once.
func (j *Journal) gather() {
	if len(j.calls.bySeq) < 2 {
		return // nobody to wait for
	}
	j.mu.Unlock()
	runtime.Gosched()
	j.mu.Lock()
}

// yield ends the turn of a leader. One of those who wait in the next batch is
// enough to lead it.
func (j *Journal) yield() {
	j.writing = false
	j.pending.wake.Signal()
	j.idle.Broadcast()
}

// write brings b into a segment. It is called by the leader with the mutex,
// which it gives up around I/O.
func (j *Journal) write(b *batch) error {
	switch {
	case j.down != nil:
		return j.down
	case j.seg.broken != nil:
		return j.replace(b)
	case j.seg.size > int64(len(magic)+frameBytes+fixedBytes) && j.seg.size+int64(len(b.buf)) > j.seg.limit:
		if done, err := j.rotate(b); done || err != nil {
			return err
		}
	}
	seg := j.seg
	j.mu.Unlock()
	n, err := seg.f.Write(b.buf)
	var syncErr error
	if err == nil && j.sync < 0 {
		syncErr = seg.f.Sync()
	}
	j.mu.Lock()
	seg.size += int64(n)
	switch {
	case err != nil:
		j.faults.Writes++
		j.log.Error("journal segment cannot be written, beginning another", "file", seg.path, "err", err)
		seg.broken = err
		return j.replace(b)
	case syncErr != nil:
		j.syncFailed(seg, syncErr)
		return j.replace(b)
	case j.sync < 0:
		j.durable = b.last
		return nil
	}
	if j.unsynced.size == 0 && j.atSync.size == 0 {
		j.rouse()
	}
	j.unsynced.add(b.buf, &j.free)
	return nil
}

// rotate begins a new segment because this one is full, and writes b into it.
// It reports false if b must go into the old one, which is healthy: the new
// one could not be made.
func (j *Journal) rotate(b *batch) (done bool, err error) {
	if err := j.flush(); err != nil {
		return true, j.replace(b)
	}
	err = j.replace(b)
	if err == nil || errors.Is(err, errNameUnsure) {
		return true, err
	}
	j.log.Error("journal segment is full and another cannot be made, going on with it", "file", j.seg.path, "err", err)
	j.seg.limit = j.seg.size + j.limit/8
	return false, nil
}

// flush makes everything in the current segment durable. Only the leader may
// call it, or who knows that there is none.
func (j *Journal) flush() error {
	for j.syncing {
		j.idle.Wait()
	}
	seg := j.seg
	if seg.broken != nil {
		return seg.broken
	}
	upTo, lastFact := j.written, j.lastFact
	j.syncing = true
	j.mu.Unlock()
	err := seg.f.Sync()
	j.mu.Lock()
	j.syncing = false
	if err != nil {
		j.syncFailed(seg, err)
		return err
	}
	j.unsynced.clear(&j.free)
	j.madeDurable(upTo, lastFact)
	return nil
}

// replace begins a new segment with everything that is not known to be
// durable, and b. On success the old segment is sealed and all of it durable.
// Only the leader may call it.
func (j *Journal) replace(b *batch) error {
	for j.syncing {
		j.idle.Wait()
	}
	old := j.seg
	upTo, lastFact := j.written, j.lastFact
	h := header{first: j.durable + 1, lastFact: j.safeFact, latest: j.latest, id: j.id}
	h.whole = upTo
	again := slices.Clone(j.unsynced.blocks)
	if b != nil {
		again = append(again, b.buf)
		h.whole = b.last
	}
	j.syncing = true // keeps the syncer off the old segment
	j.mu.Unlock()
	seg, err := createSegment(j.fs, j.dir, old.number+1, h, again...)
	j.mu.Lock()
	j.syncing = false
	if err != nil {
		return err
	}
	seg.limit = j.limit
	j.seg = seg
	old.lastFact = h.lastFact
	j.sealed = append(j.sealed, old)
	if old.f != nil {
		if err := old.f.Close(); err != nil {
			j.log.Warn("close sealed journal segment", "file", old.path, "err", err)
		}
		old.f = nil
	}
	j.unsynced.clear(&j.free)
	j.madeDurable(upTo, lastFact)
	if b != nil {
		j.durable = b.last
	}
	return nil
}

// madeDurable notes that all records up to upTo are safe.
func (j *Journal) madeDurable(upTo, lastFact uint64) {
	j.durable = max(j.durable, upTo)
	j.safeFact = max(j.safeFact, lastFact)
	j.announce()
}

// settle publishes a written batch and lets its callers go.
func (j *Journal) settle(b *batch) {
	j.written = b.last
	for _, e := range b.facts {
		j.publish(e)
	}
	if j.durable >= j.written {
		j.madeDurable(j.written, j.lastFact)
	}
	b.done = true
}

// publish makes a written fact known: its call is no longer open.
func (j *Journal) publish(e *metering.Event) {
	j.calls.remove(e.Seq)
	j.marks.add(e.FactSeq, e.At)
	j.tail.add(e)
	j.lastFact = e.FactSeq
}

// goDown fails the batch that could not be written and the one that has formed
// behind it. Their sequence numbers are used again: the next segment begins
// with the first record that is not durable, and what an earlier segment may
// hold from there on is void.
func (j *Journal) goDown(err error, b *batch) {
	if j.down == nil {
		j.log.Error("journal cannot be written: calls are refused or pass unrecorded until it can", "err", err)
	}
	j.down = err
	for _, failed := range []*batch{b, j.swap()} {
		for _, seq := range failed.starts {
			j.calls.remove(seq)
		}
		failed.err, failed.done = err, true
		failed.wake.Broadcast()
		if failed.waiting == 0 {
			failed.reset()
			j.spare = failed
		}
	}
	j.next = j.written + 1
	j.rouse()
}

// syncFailed ends a segment whose fdatasync failed. The records that were at
// stake stay in memory, in order.
func (j *Journal) syncFailed(seg *segment, err error) {
	j.faults.Syncs++
	j.log.Error("journal segment cannot be synced, beginning another", "file", seg.path, "err", err)
	seg.broken = fmt.Errorf("fdatasync: %w", err)
	j.atSync.follow(&j.unsynced, &j.free)
	j.atSync, j.unsynced = j.unsynced, j.atSync
}
