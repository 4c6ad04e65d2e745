package journal_test

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// logged collects what a journal logs.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// errors counts the lines of level error that have the text.
func (l *logged) errors(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, "level=ERROR") && strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// faulty opens a journal over a recorder; both are of the bubble that t is of.
func faulty(t *testing.T, o journal.Options) (*journal.Journal, *recorder, *logged) {
	t.Helper()
	rec, out := new(recorder), new(logged)
	o.Logger = slog.New(slog.NewTextHandler(out, nil))
	j, err := journal.OpenFiles(t.TempDir(), o, rec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		rec.set(nil)
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j, rec, out
}

// wait passes time of the bubble until the syncer has nothing more to do.
func wait() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// full refuses every byte, and with it new files.
func full(o op) (int, error) {
	if o.kind == opWrite || o.kind == opCreate {
		return 0, syscall.ENOSPC
	}
	return 0, nil
}

// F3, I14: on a full disk an intent is refused with the cause, a fact is kept,
// and when there is room again all goes on by itself.
func TestDiskFull_RefusesParksAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, rec, out := faulty(t, journal.Options{})
		before, open := exchange(t, j), begin(t, j)
		wait()
		// The first write of the full disk takes a part of its record.
		rec.set(func(o op) (int, error) {
			_, err := full(o)
			return len(o.data) / 2, err
		})
		refused := newCall(t)
		if err := j.Begin(refused); !errors.Is(err, syscall.ENOSPC) || refused.Seq != 0 {
			t.Errorf("begin on a full disk: %v with intent %d, want ENOSPC", err, refused.Seq)
		}
		parked := ended(open)
		if err := j.Finish(parked); !errors.Is(err, journal.ErrParked) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("finish on a full disk: %v, want ErrParked and ENOSPC", err)
		}
		if err := j.Finish(parked); !errors.Is(err, journal.ErrFinished) {
			t.Errorf("finish of a parked call: %v, want ErrFinished", err)
		}
		wait()
		if s := j.Status(); !errors.Is(s.Down, syscall.ENOSPC) || s.Parked != 1 || s.Faults.Writes != 1 {
			t.Errorf("status on a full disk is %+v", s)
		}
		if n := out.errors("cannot be written"); n < 1 {
			t.Errorf("the log has %d errors about it", n)
		}
		if w := j.Watermark(); w > parked.At {
			t.Errorf("watermark %d has passed the parked fact of %d", w, parked.At)
		}

		rec.set(nil)
		wait()
		if s := j.Status(); s.Down != nil || s.Parked != 0 {
			t.Errorf("status with room again is %+v", s)
		}
		after := exchange(t, j)
		wait()
		want := []metering.ID{before.ID, parked.ID, after.ID}
		if got := ids(facts(t, j, 0)); !slices.Equal(got, want) {
			t.Errorf("facts of %v, want %v", got, want)
		}
	})
}

// I14: a call that passed unrecorded because its intent was refused is still
// counted, in no period that may be closed already.
func TestDiskFull_FactWithoutIntent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, rec, _ := faulty(t, journal.Options{})
		rec.set(full)
		c := newCall(t)
		if err := j.Begin(c); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("begin on a full disk: %v", err)
		}
		wait()
		closed := j.Watermark()
		if closed <= c.At {
			t.Fatalf("watermark %d waits for a call of %d that was refused", closed, c.At)
		}
		e := ended(c)
		if err := j.Finish(e); !errors.Is(err, journal.ErrParked) {
			t.Errorf("finish on a full disk: %v, want ErrParked", err)
		}
		wait()
		held := j.Watermark()
		rec.set(nil)
		wait()
		got := facts(t, j, 0)
		if len(got) != 1 || got[0].ID != c.ID || got[0].At < closed || got[0].At < held {
			t.Fatalf("facts %+v, want one at or after the watermarks %d and %d", got, closed, held)
		}
	})
}

// While a fact without an intent is on its way to the disk no list of open
// calls has it; the watermark must wait for it all the same.
func TestWatermark_WaitsForAFactBeingWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ticks atomic.Int64
		j, rec, _ := faulty(t, journal.Options{Now: func() time.Time { return time.UnixMicro(ticks.Add(1)) }})
		for _, parked := range []bool{false, true} {
			e := ended(newCall(t))
			e.At = 0
			if parked {
				rec.set(full)
				if err := j.Finish(e); !errors.Is(err, journal.ErrParked) {
					t.Fatalf("finish on a full disk: %v", err)
				}
			}
			passed := 0
			rec.set(func(o op) (int, error) {
				if o.kind == opWrite && bytes.Contains(o.data, e.ID[:]) {
					passed++
					if parked && j.Parked() != 1 {
						t.Errorf("%d facts are parked while one is being written", j.Parked())
					}
					if w := j.Watermark(); w > e.At {
						t.Errorf("watermark %d has passed a fact of %d that was being written", w, e.At)
					}
				}
				return 0, nil
			})
			if !parked {
				if err := j.Finish(e); err != nil {
					t.Fatal(err)
				}
			}
			wait()
			if passed != 1 {
				t.Errorf("the fact was written %d times", passed)
			}
		}
	})
}

// F4: a segment whose fdatasync failed is not trusted again: what was not
// durable goes to another one, from memory.
func TestSyncFails_AnotherSegment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, rec, out := faulty(t, journal.Options{})
		first := exchange(t, j)
		wait()
		second := exchange(t, j)
		bad := -1
		rec.set(func(o op) (int, error) {
			if o.kind == opSync && bad < 0 {
				bad = o.file
				return 0, syscall.EIO
			}
			return 0, nil
		})
		wait()
		third := exchange(t, j)
		wait()
		if s := j.Status(); s.Faults.Syncs != 1 || s.Down != nil || s.Durable != s.Written || s.Segments != 2 {
			t.Errorf("status is %+v, want one failed sync, two segments and all durable", s)
		}
		if n := out.errors("cannot be synced"); n != 1 {
			t.Errorf("the log has %d errors about it", n)
		}
		want := []metering.ID{first.ID, second.ID, third.ID}
		if got := ids(facts(t, j, 0)); !slices.Equal(got, want) {
			t.Errorf("facts of %v, want %v", got, want)
		}
		poisoned := slices.IndexFunc(rec.trace, func(o op) bool { return o.failed })
		for _, o := range rec.trace[poisoned+1:] {
			if o.file == bad && (o.kind == opWrite || o.kind == opSync) {
				t.Errorf("the segment was used again: %s", o.kind)
			}
		}
		again := rec.trace[poisoned+2]
		if !bytes.Contains(again.data, second.ID[:]) && !bytes.Contains(rec.trace[poisoned+3].data, second.ID[:]) {
			t.Error("the records at stake were not written again")
		}
	})
}

// F4: where the sync that fails is the last one, at Close.
func TestSyncFails_AtClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, rec := t.TempDir(), new(recorder)
		j, err := journal.OpenFiles(dir, journal.Options{Sync: time.Hour, Logger: journal.Quiet()}, rec)
		if err != nil {
			t.Fatal(err)
		}
		want := exchange(t, j)
		failed := false
		rec.set(func(o op) (int, error) {
			if o.kind == opSync && !failed {
				failed = true
				return 0, syscall.EIO
			}
			return 0, nil
		})
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		v := newVolume(filepath.Base(dir))
		for _, o := range rec.trace {
			v.apply(o)
		}
		for _, s := range v.states() {
			a := recovered(t, t.TempDir(), s, true)
			if a.err != nil || len(a.found) != 1 || !equal(a.found[0], want) {
				t.Fatalf("after Close a power loss leaves %d facts: %v", len(a.found), a.err)
			}
		}
	})
}

// Parked facts are written by Close if that is possible then, and reported if
// it is not.
func TestClose_WritesParkedFacts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, rec := t.TempDir(), new(recorder)
		o := journal.Options{Logger: journal.Quiet()}
		closed := func(room bool) error {
			j, err := journal.OpenFiles(dir, o, rec)
			if err != nil {
				t.Fatal(err)
			}
			c := begin(t, j)
			rec.set(full)
			defer rec.set(nil)
			if err := j.Finish(ended(c)); !errors.Is(err, journal.ErrParked) {
				t.Errorf("finish on a full disk: %v", err)
			}
			if room {
				rec.set(nil)
			}
			return j.Close()
		}
		if err := closed(false); err == nil || !strings.Contains(err.Error(), "1 facts could not be written") {
			t.Errorf("close with a fact that cannot be written: %v", err)
		}
		if err := closed(true); err != nil {
			t.Errorf("close with a fact that can be written: %v", err)
		}
		j, err := journal.OpenFiles(dir, o, rec)
		if err != nil {
			t.Fatal(err)
		}
		var got []metering.Outcome
		for _, e := range facts(t, j, 0) {
			got = append(got, e.Outcome)
		}
		if want := []metering.Outcome{metering.OutcomeCrashed, metering.OutcomeComplete}; !slices.Equal(got, want) {
			t.Errorf("the calls ended as %v, want %v", got, want)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A sync of the directory that fails after a segment was deleted must not keep
// the ones behind it for ever.
func TestShipped_GoesOnAfterAFailedSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, rec, out := faulty(t, journal.Options{SegmentBytes: 2048})
		var last *metering.Event
		for range 10 {
			last = exchange(t, j)
		}
		failed := false
		rec.set(func(o op) (int, error) {
			if o.kind == opSyncDir && !failed {
				failed = true
				return 0, syscall.EIO
			}
			return 0, nil
		})
		before := j.Status().Segments
		j.Shipped(last.FactSeq)
		if got := j.Status().Segments; got != before || out.errors("delete shipped") != 1 {
			t.Errorf("%d segments of %d after a failed sync, %d errors logged", got, before, out.errors("delete shipped"))
		}
		j.Shipped(last.FactSeq)
		if got := j.Status().Segments; got != 1 || before < 3 {
			t.Errorf("%d segments of %d are left", got, before)
		}
	})
}

// A directory that was made is worth nothing before its parent is synced.
func TestOpen_NewDirectoriesAreDurable(t *testing.T) {
	t.Parallel()
	rec := new(recorder)
	base := t.TempDir()
	j, err := journal.OpenFiles(filepath.Join(base, "a", "b"), journal.Options{Logger: journal.Quiet()}, rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	var synced []string
	for _, o := range rec.trace {
		if o.kind == opSyncDir {
			synced = append(synced, o.path)
		}
	}
	for _, want := range []string{filepath.Base(base), "a", "b"} {
		if !slices.Contains(synced, want) {
			t.Errorf("directory %s was not synced, only %v", want, synced)
		}
	}
}

func ids(events []*metering.Event) []metering.ID {
	out := make([]metering.ID, 0, len(events))
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}
