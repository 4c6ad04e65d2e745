package journal_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

const never = 1 << 60

// history drives a journal over a recorder and notes from which change on each
// record can, and from which it must, be found after a power loss.
type history struct {
	t     *testing.T
	rec   *recorder
	dir   string
	opts  journal.Options
	j     *journal.Journal
	lives map[metering.ID]*life
	order []*life
	ships []ship
}

// life is what became of one call.
type life struct {
	call        metering.Call
	began       int // changes before Begin was called
	safe        int // changes before the intent was known to be durable
	checkpoints []checkpoint
	fact        *metering.Event
	finished    int
	factSafe    int
	parked      bool
}

type checkpoint struct {
	output      int64
	seq         uint64 // at least
	taken, safe int
}

type ship struct {
	seq uint64
	at  int
}

func newHistory(t *testing.T, o journal.Options) *history {
	t.Helper()
	o.Logger = journal.Quiet()
	h := &history{t: t, rec: new(recorder), dir: t.TempDir(), opts: o, lives: make(map[metering.ID]*life)}
	h.open()
	t.Cleanup(func() {
		if err := h.j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

func (h *history) open() {
	h.t.Helper()
	j, err := journal.OpenFiles(h.dir, h.opts, h.rec)
	if err != nil {
		h.t.Fatalf("open: %v", err)
	}
	h.j = j
}

func (h *history) begin() *life {
	h.t.Helper()
	l := &life{call: *newCall(h.t), began: h.rec.len(), safe: never, factSafe: never}
	h.lives[l.call.ID] = l
	h.order = append(h.order, l)
	if err := h.j.Begin(&l.call); err != nil {
		l.call.Seq = 0
	}
	h.note()
	return l
}

func (h *history) checkpoint(l *life, output int64) {
	h.t.Helper()
	u := metering.Usage{State: metering.UsageExact, Output: output}
	u.Tokens[metering.OutputCell(false, metering.Text)] = output
	l.checkpoints = append(l.checkpoints, checkpoint{output: output, taken: h.rec.len(), safe: never})
	if err := h.j.Checkpoint(&l.call, &u); err != nil {
		h.t.Fatalf("checkpoint: %v", err)
	}
	l.checkpoints[len(l.checkpoints)-1].seq = h.j.Status().Written
	h.note()
}

// finish ends the call; a fact may be parked.
func (h *history) finish(l *life) {
	h.t.Helper()
	l.fact, l.finished = ended(&l.call), h.rec.len()
	l.fact.Usage.Output = int64(len(h.order)) // no two alike
	err := h.j.Finish(l.fact)
	l.parked = errors.Is(err, journal.ErrParked)
	if err != nil && !l.parked {
		h.t.Fatalf("finish: %v", err)
	}
	h.note()
}

func (h *history) exchange() { h.t.Helper(); h.finish(h.begin()) }

// settle lets the syncer do all it can do by itself, and holds that nothing
// then waits to become durable, so that the window is Sync and no more.
func (h *history) settle() {
	h.t.Helper()
	time.Sleep(time.Second) // of the bubble's time
	synctest.Wait()
	if s := h.j.Status(); s.Down == nil && (s.Durable != s.Written || s.Parked > 0) {
		h.t.Errorf("a second later record %d of %d is durable, %d facts are parked", s.Durable, s.Written, s.Parked)
	}
	h.note()
}

// note marks what the journal says is durable.
func (h *history) note() {
	status, now := h.j.Status(), h.rec.len()
	durable := status.Durable
	for _, l := range h.order {
		if l.call.Seq != 0 && l.call.Seq <= durable {
			l.safe = min(l.safe, now)
		}
		for i := range l.checkpoints {
			if c := &l.checkpoints[i]; c.seq != 0 && c.seq <= durable {
				c.safe = min(c.safe, now)
			}
		}
		// A parked fact is the journal's until it is written.
		l.parked = l.parked && status.Parked > 0
		if l.fact != nil && !l.parked && l.fact.FactSeq != 0 && l.fact.FactSeq <= durable {
			l.factSafe = min(l.factSafe, now)
		}
	}
}

// ship takes everything durable as shipped.
func (h *history) ship() {
	seq := h.j.LastFact()
	h.ships = append(h.ships, ship{seq: seq, at: h.rec.len()})
	h.j.Shipped(seq)
}

// kill ends the process without any goodbye and starts the next one.
func (h *history) kill() {
	h.t.Helper()
	h.note()
	h.rec.set(func(op) (int, error) { return 0, errKilled })
	// Frees the lock. What it writes or syncs does not reach the directory, so
	// it fails where something was left to do.
	if err := h.j.Close(); err != nil && !errors.Is(err, errKilled) {
		h.t.Errorf("close: %v", err)
	}
	h.rec.set(nil)
	before := h.rec.len()
	h.open()
	for _, e := range facts(h.t, h.j, h.shipped(never)) {
		if l := h.lives[e.ID]; l.fact == nil {
			l.fact, l.finished = e, before
		}
	}
	h.note()
}

var errKilled = errors.New("the process is dead")

// shipped is the last position that was shipped before change k.
func (h *history) shipped(k int) uint64 {
	var seq uint64
	for _, s := range h.ships {
		if s.at <= k {
			seq = max(seq, s.seq)
		}
	}
	return seq
}

// verify holds I1, I2 and I3 for the facts found after a power loss behind
// change k.
func (h *history) verify(k int, found []*metering.Event) error {
	seen := make(map[metering.ID]*metering.Event)
	for _, e := range found {
		l := h.lives[e.ID]
		switch {
		case l == nil || l.began >= k:
			return fmt.Errorf("call %s never began", e.ID)
		case seen[e.ID] != nil:
			return fmt.Errorf("I3: call %s has two facts", e.ID)
		}
		seen[e.ID] = e
		if err := l.genuine(k, e); err != nil {
			return fmt.Errorf("I2: %w", err)
		}
	}
	shipped := h.shipped(k)
	for _, l := range h.order {
		switch {
		case seen[l.call.ID] != nil || l.fact != nil && l.factSafe <= k && l.fact.FactSeq <= shipped:
		case l.safe <= k:
			return fmt.Errorf("I1: call %d was durable and has no fact", l.call.Seq)
		case l.factSafe <= k:
			return fmt.Errorf("I1: fact %d was durable and is gone", l.fact.FactSeq)
		}
	}
	return nil
}

// genuine reports whether e says what was written of its call.
func (l *life) genuine(k int, e *metering.Event) error {
	if l.fact != nil && l.finished < k {
		if sameFact(l.fact, e) && (l.factSafe > k || l.fact.FactSeq == e.FactSeq) {
			return nil
		}
		if l.factSafe <= k {
			return fmt.Errorf("fact %d was durable and differs:\n%s", l.fact.FactSeq, cmp.Diff(l.fact, e))
		}
	}
	if e.Outcome != metering.OutcomeCrashed || e.Usage.State != metering.UsageUnknown {
		return fmt.Errorf("fact %d was never written: %+v", e.FactSeq, e)
	}
	possible := map[int64]bool{0: true}
	for _, c := range l.checkpoints {
		if c.safe <= k {
			possible = make(map[int64]bool)
		}
		if c.taken < k {
			possible[c.output] = true
		}
	}
	if !possible[e.Usage.Output] || e.Usage.Tokens.Output() != e.Usage.Output {
		return fmt.Errorf("call %d is settled with %d output tokens, possible are %v", l.call.Seq, e.Usage.Output, possible)
	}
	return nil
}

// sameFact compares but for where the fact stands.
func sameFact(a, b *metering.Event) bool {
	x, y := *a, *b
	x.FactSeq, y.FactSeq = 0, 0
	return reflect.DeepEqual(&x, &y)
}

// newest is the latest instant that a durable record carries.
func (h *history) newest(k int) metering.Micros {
	var at metering.Micros
	for _, l := range h.order {
		if l.safe <= k {
			at = max(at, l.call.At)
		}
	}
	return at
}
