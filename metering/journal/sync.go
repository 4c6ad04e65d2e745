package journal

import (
	"context"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/fault"
)

// rouse tells the syncer that there is something to do.
func (j *Journal) rouse() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// keepSynced is the syncer: it makes what was written durable, begins a new
// segment where that fails, and retries while nothing can be written. It
// sleeps while there is nothing to do.
func (j *Journal) keepSynced(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		}
		for pause := j.pause(); pause > 0; {
			timer.Reset(pause)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			j.mu.Lock()
			j.work()
			pause = j.pauseLocked()
			j.mu.Unlock()
		}
	}
}

func (j *Journal) pause() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pauseLocked()
}

// pauseLocked is how long to wait before there is work again; zero is none.
func (j *Journal) pauseLocked() time.Duration {
	switch {
	case j.down != nil:
		return retryEvery
	case len(j.parked) > 0 || j.unsynced.size > 0:
		return max(j.sync, time.Millisecond)
	default:
		return 0
	}
}

func (j *Journal) work() {
	if j.down != nil {
		j.revive()
	}
	if j.down == nil && len(j.parked) > 0 {
		j.unpark()
	}
	if j.down == nil && j.unsynced.size > 0 {
		j.syncOnce()
	}
}

// syncOnce runs one fdatasync beside the writers.
func (j *Journal) syncOnce() {
	for j.syncing {
		j.idle.Wait()
	}
	seg := j.seg
	if j.down != nil || seg.broken != nil || j.unsynced.size == 0 {
		return
	}
	j.atSync, j.unsynced = j.unsynced, j.atSync
	upTo, lastFact := j.written, j.lastFact
	j.syncing = true
	j.mu.Unlock()
	fault.At(fault.JournalBeforeSync)
	err := seg.f.Sync()
	fault.At(fault.JournalAfterSync)
	j.mu.Lock()
	j.syncing = false
	if err != nil {
		j.syncFailed(seg, err)
		j.idle.Broadcast()
		j.exclusively(func() error {
			if j.down != nil || j.seg != seg {
				return nil // a writer has replaced the segment meanwhile
			}
			return j.replace(nil)
		})
		return
	}
	j.atSync.clear(&j.free)
	j.madeDurable(upTo, lastFact)
}

// exclusively runs f as the leader without a batch of its own.
func (j *Journal) exclusively(f func() error) {
	for j.writing {
		j.idle.Wait()
	}
	j.writing = true
	if err := f(); err != nil {
		j.goDown(err, j.newBatch())
	}
	j.yield()
}

// revive tries to write again.
func (j *Journal) revive() {
	j.exclusively(func() error {
		if err := j.replace(nil); err != nil {
			return err
		}
		j.log.Info("journal can be written again", "parked", len(j.parked))
		j.down = nil
		return nil
	})
}

// unpark writes the facts that could not be written when their calls ended.
// They stay in the list until they are written, so that the watermark waits
// for them. Only one goroutine may call it.
func (j *Journal) unpark() {
	const chunk = 256
	for j.down == nil && len(j.parked) > 0 {
		some := j.parked[:min(chunk, len(j.parked))]
		if err := j.writeFacts(some); err != nil {
			for _, e := range some {
				e.FactSeq = 0
			}
			return
		}
		clear(some)
		j.parked = j.parked[len(some):]
	}
	if len(j.parked) == 0 {
		j.parked = nil
	}
}

// writeFacts writes facts whose calls nobody waits for, in one batch.
func (j *Journal) writeFacts(facts []*metering.Event) error {
	var b *batch
	for _, e := range facts {
		if e.Seq == 0 {
			e.At = max(e.At, j.beaten)
		}
		body, err := appendFact(nil, e)
		if err != nil {
			return err
		}
		b = j.addFact(e, body)
	}
	if b == nil {
		return nil
	}
	return j.commit(b)
}

// announce wakes whoever waits for durable facts or for room.
func (j *Journal) announce() {
	if j.more != nil {
		close(j.more)
		j.more = nil
	}
	j.idle.Broadcast()
}
