package journal

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
)

// tail holds the latest facts that the database does not have, so that the
// shipper normally decodes nothing. Every fact after from is in list.
type tail struct {
	list []*metering.Event
	from uint64
}

func (t *tail) add(e *metering.Event) {
	if len(t.list) >= maxTail {
		// Half at once, so that the move is paid once in many facts.
		t.drop(t.list[maxTail/2-1].FactSeq)
	}
	t.list = append(t.list, e)
}

// drop forgets the facts up to seq.
func (t *tail) drop(seq uint64) {
	n := t.after(seq)
	if n > 0 {
		t.from = t.list[n-1].FactSeq
		t.list = slices.Delete(t.list, 0, n)
	}
}

// after is the index of the first fact after seq.
func (t *tail) after(seq uint64) int {
	n, _ := slices.BinarySearchFunc(t.list, seq+1, func(e *metering.Event, want uint64) int {
		return cmp.Compare(e.FactSeq, want)
	})
	return n
}

// Facts returns up to max facts after the position, in order, as soon as there
// is one that a power loss cannot take any more. They must not be changed. It
// returns the context's error when that ends, and [ErrClosed].
func (j *Journal) Facts(ctx context.Context, after uint64, max int) ([]*metering.Event, error) {
	for {
		j.mu.Lock()
		if j.closed {
			j.mu.Unlock()
			return nil, ErrClosed
		}
		if j.safeFact > after {
			break
		}
		if j.more == nil {
			j.more = make(chan struct{})
		}
		more := j.more
		j.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if after >= j.tail.from {
		i, n := j.tail.after(after), j.tail.after(j.safeFact)
		out := slices.Clone(j.tail.list[i:min(n, i+max)])
		j.mu.Unlock()
		return out, nil
	}
	spans := j.spans(after)
	j.mu.Unlock()
	return j.disk.facts(spans, j.ID(), after, max)
}

// spans lists what the segments hold after a position.
func (j *Journal) spans(after uint64) []span {
	all := append(slices.Clone(j.sealed), j.seg)
	var spans []span
	for i, seg := range all {
		last := j.durable
		if i+1 < len(all) {
			last = all[i+1].first - 1
		}
		if last > after {
			spans = append(spans, span{path: seg.path, number: seg.number, first: seg.first, last: last})
		}
	}
	return spans
}

// LastFact is the position of the last fact written; 0 if there never was one.
func (j *Journal) LastFact() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lastFact
}

// Parked is how many facts are kept in memory because they cannot be written.
func (j *Journal) Parked() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.parked)
}

// Floor is the last fact before those that the directory holds: what the
// database lacks up to there, the directory cannot give it any more.
func (j *Journal) Floor() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.sealed) > 0 {
		return j.sealed[0].before
	}
	return j.seg.before
}

// Recorded says that the database has every fact up to seq. It moves the
// watermark and frees memory.
func (j *Journal) Recorded(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.marks.recorded(seq)
	j.tail.drop(seq)
}

// Shipped says that both sinks have every fact up to seq. On top of what
// Recorded does it deletes the segments that nobody needs: those in which every
// fact is shipped and no open call has its intent or a checkpoint.
func (j *Journal) Shipped(seq uint64) {
	j.Recorded(seq)
	j.deleting.Lock()
	defer j.deleting.Unlock()
	for {
		seg := j.spent(seq)
		if seg == nil {
			return
		}
		// One at a time and each removal durable: a crash must not leave a gap. It is
		// gone already if the sync after its removal failed.
		err := j.fs.Remove(seg.path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = j.fs.SyncDir(filepath.Dir(seg.path))
		}
		if err != nil {
			j.log.Error("delete shipped journal segment", "file", seg.path, "err", err)
			return
		}
		j.mu.Lock()
		j.sealed = slices.Delete(j.sealed, 0, 1)
		j.mu.Unlock()
	}
}

// spent returns the oldest segment if it can go.
func (j *Journal) spent(shipped uint64) *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.sealed) == 0 {
		return nil
	}
	next := j.seg
	if len(j.sealed) > 1 {
		next = j.sealed[1]
	}
	seg := j.sealed[0]
	if seg.lastFact > shipped || j.calls.front != nil && j.calls.front.seq < next.first {
		return nil
	}
	return seg
}

// Watermark is the instant before which no call is open and no fact is missing
// from the database. It equals the current time when the journal is idle and
// never goes backwards.
func (j *Journal) Watermark() metering.Micros {
	j.deleting.Lock() // one writer of the clock at a time
	defer j.deleting.Unlock()
	j.mu.Lock()
	now := j.instant()
	at := j.marks.earliest(now)
	if j.calls.front != nil {
		at = min(at, j.calls.front.At)
	}
	for _, e := range j.parked {
		at = min(at, e.At)
	}
	// A fact without an intent is no open call while it is being written.
	for _, b := range []*batch{j.leading, j.pending} {
		for _, e := range b.events() {
			at = min(at, e.At)
		}
	}
	j.beaten = max(j.beaten, at)
	at = j.beaten
	closed := j.closed
	j.mu.Unlock()
	if closed {
		return at
	}
	if err := j.clock.set(now); err != nil {
		j.mu.Lock()
		j.faults.Clock++
		first := j.faults.Clock == 1
		j.mu.Unlock()
		if first {
			j.log.Error("instants may go backwards over a restart", "err", err)
		}
	}
	return at
}

// OpenCalls lists the calls that have been open for longer, oldest first.
func (j *Journal) OpenCalls(olderThan time.Duration) []metering.OpenCall {
	j.mu.Lock()
	defer j.mu.Unlock()
	until := j.instant() - metering.Micros(olderThan.Microseconds())
	var out []metering.OpenCall
	for o := j.calls.front; o != nil && o.At < until; o = o.next {
		out = append(out, o.OpenCall)
	}
	return out
}
