package journal

import (
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/fault"
)

// Begin writes the intent of a call. It sets c.At, which never goes backwards
// within the journal, and c.Seq. When it returns nil the intent survives the
// process. An error wraps its cause, such as ENOSPC, or [metering.ErrFenced];
// the call must then not be made in the journal's name.
func (j *Journal) Begin(c *metering.Call) error {
	fault.At(fault.JournalBeforeIntent)
	if err := fault.Err(fault.JournalBeforeIntent); err != nil {
		return fmt.Errorf("write intent: %w", err)
	}
	body := j.bodies.Get().(*[]byte)
	defer j.bodies.Put(body)
	payload, err := appendIntent((*body)[:0], c)
	*body = payload
	if err != nil {
		return fmt.Errorf("write intent: %w", err)
	}
	if len(payload) > maxBody-fixedBytes {
		return fmt.Errorf("write intent of %d bytes: %w", len(payload), metering.ErrInvalid)
	}
	if err := j.begin(c, payload); err != nil {
		return fmt.Errorf("write intent: %w", err)
	}
	fault.At(fault.JournalAfterIntent)
	return nil
}

func (j *Journal) begin(c *metering.Call, body []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	c.Seq = 0
	c.At = j.instant()
	if err := j.ready(); err != nil {
		return err
	}
	if j.fenced != nil {
		return j.fenced
	}
	seq := j.next
	b := j.add(record{kind: kindIntent, intent: seq, at: c.At, id: c.ID, payload: body})
	j.calls.add(seq, c)
	if err := j.commit(b); err != nil {
		return err
	}
	c.Seq = seq
	return nil
}

// Checkpoint writes what a running call has used so far, in total. If the
// process dies the last checkpoint is what the call is settled with.
func (j *Journal) Checkpoint(c *metering.Call, u *metering.Usage) error {
	body := j.bodies.Get().(*[]byte)
	defer j.bodies.Put(body)
	payload, err := appendCheckpoint((*body)[:0], u)
	*body = payload
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if len(payload) > maxBody-fixedBytes {
		return fmt.Errorf("write checkpoint of %d bytes: %w", len(payload), metering.ErrInvalid)
	}
	if err := j.checkpoint(c, payload); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

func (j *Journal) checkpoint(c *metering.Call, body []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if open := j.calls.bySeq[c.Seq]; open == nil || open.ending {
		return ErrFinished
	}
	if err := j.ready(); err != nil {
		return err
	}
	return j.commit(j.add(record{kind: kindCheckpoint, intent: c.Seq, at: j.instant(), id: c.ID, payload: body}))
}

// Finish writes the fact of a call and sets e.Journal and e.FactSeq; e must not
// be changed afterwards. When it returns nil the fact survives the process. An
// error that wraps [ErrParked] means that the fact is kept in memory and will
// be written when that is possible again, its position being set then; with any
// other error it is not.
//
// A call whose Begin failed can be finished too. Its instant is raised to the
// last watermark if need be, so that no closed period changes.
func (j *Journal) Finish(e *metering.Event) error {
	fault.At(fault.JournalBeforeFact)
	body := j.bodies.Get().(*[]byte)
	defer j.bodies.Put(body)
	payload, err := appendFact((*body)[:0], e)
	*body = payload
	if err != nil {
		return fmt.Errorf("write fact: %w", err)
	}
	if len(payload) > maxBody-fixedBytes {
		return fmt.Errorf("write fact of %d bytes: %w", len(payload), metering.ErrInvalid)
	}
	if err := j.finish(e, payload); err != nil {
		return fmt.Errorf("write fact: %w", err)
	}
	fault.At(fault.JournalAfterFact)
	return nil
}

func (j *Journal) finish(e *metering.Event, body []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Seq != 0 {
		open := j.calls.bySeq[e.Seq]
		if open == nil || open.ending || open.ID != e.ID {
			return ErrFinished
		}
		open.ending = true
	} else {
		if e.At == 0 {
			e.At = j.instant()
		}
		e.At = max(e.At, j.beaten)
	}
	e.Journal = j.ID()
	if err := j.ready(); err != nil {
		if errors.Is(err, ErrClosed) {
			return err
		}
		return errors.Join(j.park(e), err)
	}
	if err := j.commit(j.addFact(e, body)); err != nil {
		return errors.Join(j.park(e), err)
	}
	return nil
}

// park keeps a fact that cannot be written now. What finds no room stays an
// open call, to be settled as crashed at the next start.
func (j *Journal) park(e *metering.Event) error {
	if len(j.parked) >= maxParked {
		j.faults.Lost++
		return fmt.Errorf("%d facts are waiting already, this one is lost", maxParked)
	}
	if e.Seq == 0 {
		e.At = max(e.At, j.beaten)
	}
	e.FactSeq = 0
	j.parked = append(j.parked, e)
	j.rouse()
	return ErrParked
}

// ready reports why nothing can be written now. It waits while too much is
// written without being durable.
func (j *Journal) ready() error {
	for !j.closed && j.down == nil && j.unsynced.size+j.atSync.size > maxUnsynced {
		j.idle.Wait()
	}
	if j.closed {
		return ErrClosed
	}
	return j.down
}

// instant is the current time, never before one given out earlier.
func (j *Journal) instant() metering.Micros {
	j.latest = max(j.latest, metering.MicrosOf(j.now()))
	return j.latest
}
