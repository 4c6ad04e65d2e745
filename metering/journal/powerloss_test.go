package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// F2: whatever a power loss leaves, at whichever change, the journal opens
// without help; nothing that was durable is missing, nothing is counted twice
// and no number is wrong. What is lost was written in the last Sync.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	small := journal.Options{SegmentBytes: 2048}
	large := journal.Options{SegmentBytes: 16 << 10}
	always := journal.Options{SegmentBytes: 2048, Sync: -1}
	for _, c := range []struct {
		name string
		opts journal.Options
		run  func(*history)
	}{
		{"segments fill, are shipped and deleted", small, quietLife},
		{"each write is durable", always, quietLife},
		{"the process dies with half a record", large, deathInARecord},
		{"a sync fails", small, func(h *history) { failing(h, opSync, 3) }},
		{"a write is short", small, func(h *history) { failing(h, opWrite, 3) }},
		{"a name is not sure", small, func(h *history) { failing(h, opSyncDir, 3) }},
		{"a name is not sure, and there is room behind", large, func(h *history) { failing(h, opSyncDir, 1) }},
		{"a name cannot be given", small, func(h *history) { failing(h, opRename, 3) }},
		{"the disk is full for a while", small, fullForAWhile},
		{"the disk is full for a while, each write durable", always, fullForAWhile},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && c.name != "a sync fails" {
				t.Skip("SKIPPED by -short: it recovers hundreds of directories")
			}
			var h *history
			synctest.Test(t, func(st *testing.T) {
				h = newHistory(st, c.opts)
				c.run(h)
				h.note()
			})
			h.t = t
			enumerate(t, h)
		})
	}
}

func quietLife(h *history) {
	long := h.begin()
	for i := range int64(8) {
		h.exchange()
		h.checkpoint(long, 10*(i+1))
		if i%3 == 2 {
			h.settle()
		}
	}
	h.settle()
	h.ship()
	h.finish(long)
	h.begin()
	h.settle()
	h.ship()
	h.exchange()
}

func deathInARecord(h *history) {
	h.exchange()
	h.settle()
	h.checkpoint(h.begin(), 7)
	h.exchange()
	// The last record is half written when the process dies.
	h.rec.set(func(o op) (int, error) {
		if o.kind != opWrite {
			return 0, errKilled
		}
		return len(o.data) / 2, errKilled
	})
	h.begin()
	h.kill()
	h.exchange()
	h.settle()
	h.kill()
	h.settle()
	h.exchange()
}

// failing makes the nth change of a kind fail, once.
func failing(h *history, kind opKind, nth int) {
	seen := 0
	h.rec.set(func(o op) (int, error) {
		if o.kind != kind {
			return 0, nil
		}
		seen++
		if seen != nth {
			return 0, nil
		}
		return len(o.data) / 2, syscall.EIO
	})
	for i := 0; i < 8 || seen < nth && i < 30; i++ {
		h.exchange()
		h.begin()
		if i%2 == 1 {
			h.settle()
		}
	}
	for range 2 {
		h.exchange()
		h.settle()
	}
	if seen < nth {
		h.t.Fatalf("only %d times %s: nothing failed", seen, kind)
	}
}

func fullForAWhile(h *history) {
	h.exchange()
	open := h.begin()
	h.settle()
	h.exchange()
	room := 300 // bytes
	h.rec.set(func(o op) (int, error) {
		switch {
		case o.kind == opCreate && room == 0:
			return 0, syscall.ENOSPC
		case o.kind != opWrite || len(o.data) <= room:
			room -= len(o.data)
			return 0, nil
		}
		taken := room
		room = 0
		return taken, syscall.ENOSPC
	})
	h.finish(open)
	h.exchange()
	if h.j.Status().Down == nil || h.j.Parked() != 2 {
		h.t.Fatalf("the disk is full, yet the journal is up or parks %d facts", h.j.Parked())
	}
	time.Sleep(250 * time.Millisecond) // two more attempts
	synctest.Wait()
	h.rec.set(nil)
	h.settle()
	h.exchange()
	h.settle()
}

// enumerate recovers every state that a power loss may leave at any change.
func enumerate(t *testing.T, h *history) {
	t.Helper()
	v := newVolume(filepath.Base(h.dir))
	known := make(map[uint64]*aftermath)
	base := t.TempDir()
	for k := range len(h.rec.trace) + 1 {
		if k > 0 {
			v.apply(h.rec.trace[k-1])
		}
		for _, s := range v.states() {
			hash := s.hash()
			a := known[hash]
			fresh := a == nil
			if fresh {
				a = recovered(t, base, s, len(known)%4 == 0)
				known[hash] = a
			}
			if fresh && len(known)%131 == 0 {
				again(t, base, h, k, a)
			}
			if err := a.check(h, k); err != nil {
				t.Fatalf("power lost after change %d of %d:\n%s%v", k, len(h.rec.trace), recent(h.rec.trace[:k]), err)
			}
		}
	}
	t.Logf("%d changes, %d different states", len(h.rec.trace), len(known))
	if len(known) < 100 {
		t.Errorf("only %d states: the enumeration shows little", len(known))
	}
}

// aftermath is what a recovery made of a state.
type aftermath struct {
	err   error
	found []*metering.Event
	last  uint64
	next  metering.Micros // the instant of the next call
	trace []op            // changes that the recovery made
	base  state
	dir   string
}

func (a *aftermath) check(h *history, k int) error {
	if a.err != nil {
		return a.err
	}
	if shipped := h.shipped(k); a.last < shipped {
		return fmt.Errorf("the last fact is %d, %d was shipped", a.last, shipped)
	}
	if newest := h.newest(k); a.next < newest {
		return fmt.Errorf("I13: the next call is of %d, a durable one of %d", a.next, newest)
	}
	return h.verify(k, a.found)
}

// recovered opens the state and makes one more call in it. If it is to do so
// twice, it opens it again, which must then hold the same and that call.
func recovered(t *testing.T, base string, s state, twice bool) *aftermath {
	t.Helper()
	dir, err := os.MkdirTemp(base, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	s.write(t, dir)
	rec := new(recorder)
	a := &aftermath{base: s, dir: filepath.Base(dir)}
	// A wall clock of long ago: only the journal can keep instants in order.
	o := journal.Options{Sync: -1, Logger: journal.Quiet(), Now: func() time.Time { return time.Unix(1, 0) }}
	j, err := journal.OpenFiles(dir, o, rec)
	if err != nil {
		a.err = fmt.Errorf("open: %w", err)
		return a
	}
	a.trace = rec.trace[:len(rec.trace):len(rec.trace)]
	a.found, a.last = facts(t, j, j.Floor()), j.LastFact()
	more := begin(t, j)
	a.next = more.At
	if err := errors.Join(j.Finish(ended(more)), j.Close()); err != nil {
		t.Fatal(err)
	}
	if !twice {
		return a
	}
	if j, err = journal.OpenFiles(dir, o, rec); err != nil {
		a.err = fmt.Errorf("open once more: %w", err)
		return a
	}
	then := facts(t, j, j.Floor())
	if n := len(a.found); len(then) != n+1 || then[n].ID != more.ID || !slices.EqualFunc(a.found, then[:n], equal) {
		a.err = fmt.Errorf("facts change with another opening (-first +second):\n%s", cmp.Diff(a.found, then))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return a
}

// again loses power once more, during the recovery.
func again(t *testing.T, base string, h *history, k int, a *aftermath) {
	t.Helper()
	v := newVolume(a.dir)
	for name, content := range a.base {
		n := &node{durable: content}
		v.names[name], v.durable[name] = n, n
	}
	for i, o := range a.trace {
		v.apply(o)
		for _, s := range v.states() {
			if err := recovered(t, base, s, false).check(h, k); err != nil {
				t.Fatalf("power lost after change %d of %d, and after change %d of the recovery:\n%s---\n%s%v",
					k, len(h.rec.trace), i+1, recent(h.rec.trace[:k]), recent(a.trace[:i+1]), err)
			}
		}
	}
}

func equal(a, b *metering.Event) bool { return reflect.DeepEqual(a, b) }

// recent lists the last changes of a trace.
func recent(trace []op) string {
	var b strings.Builder
	for _, o := range trace[max(0, len(trace)-12):] {
		fmt.Fprintf(&b, "  %s %s %s, %d bytes, size %d, failed %t\n", o.kind, o.path, o.to, len(o.data), o.size, o.failed)
	}
	return b.String()
}
