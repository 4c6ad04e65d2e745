package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// crashed copies what a process killed now leaves and opens the copy.
func crashed(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	return open(t, copyDir(t, dir), journal.Options{})
}

// F1: what was finished is there after a kill, field by field.
func TestRecover_FactsSurviveAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	want := []*metering.Event{exchange(t, j), exchange(t, j), exchange(t, j)}
	again := crashed(t, dir)
	if again.ID() != j.ID() {
		t.Errorf("identity is %s, was %s", again.ID(), j.ID())
	}
	if diff := cmp.Diff(want, facts(t, again, 0)); diff != "" {
		t.Errorf("facts differ (-written +recovered):\n%s", diff)
	}
}

// F1: a record cut at any byte is dropped, and every one before it stays.
func TestRecover_TornTailAtEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	first, second := exchange(t, j), exchange(t, j)
	files := segments(t, dir)
	data, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	_, sizes := journal.RecordSizes(t, data)
	last := sizes[len(sizes)-1]
	step := 1
	if testing.Short() {
		step = 16
		t.Log("-short: ONLY EVERY 16th CUT is tried")
	}
	for keep := 0; keep < last; keep += step {
		torn := copyDir(t, dir)
		cut := int64(len(data) - last + keep)
		if err := os.Truncate(filepath.Join(torn, filepath.Base(files[len(files)-1])), cut); err != nil {
			t.Fatal(err)
		}
		again, err := journal.OpenFiles(torn, journal.Options{Sync: -1, Logger: journal.Quiet()}, new(recorder))
		if err != nil {
			t.Fatalf("%d of %d bytes of the last record: %v", keep, last, err)
		}
		got := facts(t, again, 0)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].ID != first.ID || got[0].Outcome != metering.OutcomeComplete {
			t.Fatalf("%d bytes kept: %d facts, the first is %+v", keep, len(got), got[0])
		}
		if got[1].ID != second.ID || got[1].Outcome != metering.OutcomeCrashed {
			t.Fatalf("%d bytes kept: the torn fact's call ended as %s", keep, got[1].Outcome)
		}
	}
}

// Damage before intact records is no crash: it is refused and left as it is.
func TestRecover_DamageInTheMiddleIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	for range 5 {
		exchange(t, j)
	}
	file := segments(t, dir)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, sizes := journal.RecordSizes(t, data)
	data[head+sizes[0]+sizes[1]/2] ^= 0xff
	broken := copyDir(t, dir)
	file = filepath.Join(broken, filepath.Base(file))
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = tryOpen(broken, journal.Options{})
	corrupt := wantCorrupt(t, err)
	if corrupt.File != file || corrupt.Offset != int64(head+sizes[0]) {
		t.Errorf("names %s at %d, the damage is in %s at %d", corrupt.File, corrupt.Offset, file, head+sizes[0])
	}
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(data) {
		t.Error("the damaged file was changed")
	}
}

// A record of a later release is refused, not skipped.
func TestRecover_UnknownVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	exchange(t, j)
	later := copyDir(t, dir)
	file := segments(t, later)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	journal.Reseal(t, data, 1, 99)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = tryOpen(later, journal.Options{})
	wantCorrupt(t, err)
}

// I1: a call that was open when the process died is settled once, with what
// its last checkpoint saw.
func TestRecover_OrphansAreSettledOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	silent, talking := begin(t, j), begin(t, j)
	seen := metering.Usage{State: metering.UsageExact, Output: 40}
	seen.Tokens[metering.OutputCell(false, metering.Text)] = 40
	for range 2 {
		if err := j.Checkpoint(talking, &seen); err != nil {
			t.Fatal(err)
		}
	}
	left := copyDir(t, dir)
	again, err := tryOpen(left, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(got []*metering.Event) {
		t.Helper()
		if len(got) != 2 || got[0].ID != silent.ID || got[1].ID != talking.ID {
			t.Fatalf("settled %d calls: %+v", len(got), got)
		}
		for i, output := range []int64{0, 40} {
			e := got[i]
			if e.Outcome != metering.OutcomeCrashed || e.Usage.State != metering.UsageUnknown || e.Usage.Tokens.Output() != output {
				t.Errorf("%s ended as %s, %s with %d output tokens, want crashed, unknown, %d",
					e.ID, e.Outcome, e.Usage.State, e.Usage.Tokens.Output(), output)
			}
		}
	}
	check(facts(t, again, 0))
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	check(facts(t, open(t, left, journal.Options{}), 0))
}

func TestOpen_SecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, journal.Options{})
	if _, err := tryOpen(dir, journal.Options{}); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("a second opening: %v, want ErrLocked", err)
	}
}

func TestJournal_FenceStopsBeginAndNotFinish(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), journal.Options{})
	c := begin(t, j)
	j.Fence(metering.ErrFenced)
	if err := j.Begin(newCall(t)); !errors.Is(err, metering.ErrFenced) {
		t.Errorf("begin after a fence: %v, want ErrFenced", err)
	}
	if err := j.Finish(ended(c)); err != nil {
		t.Errorf("finish after a fence: %v", err)
	}
}

// I13: a wall clock that steps back moves no instant back, across a restart too.
func TestJournal_InstantsNeverGoBackwards(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := start
	clock := func() time.Time { return now }
	j, err := tryOpen(dir, journal.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	first := exchange(t, j)
	now = start.Add(-time.Hour)
	second := exchange(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	third := exchange(t, open(t, dir, journal.Options{Now: clock}))
	if second.At < first.At || third.At < second.At {
		t.Errorf("instants %d, %d, %d go backwards", first.At, second.At, third.At)
	}
}

// The watermark waits for open calls and for facts that the database lacks,
// and for nothing else.
func TestJournal_Watermark(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	j := open(t, t.TempDir(), journal.Options{Now: func() time.Time { return now }})
	tick := func() { now = now.Add(time.Second) }
	c := begin(t, j)
	tick()
	if w := j.Watermark(); w > c.At {
		t.Errorf("watermark %d is past the open call of %d", w, c.At)
	}
	e := ended(c)
	if err := j.Finish(e); err != nil {
		t.Fatal(err)
	}
	tick()
	if w := j.Watermark(); w > c.At {
		t.Errorf("watermark %d is past the unshipped fact of %d", w, c.At)
	}
	j.Shipped(e.FactSeq)
	tick()
	if w := j.Watermark(); w != metering.MicrosOf(now) {
		t.Errorf("idle watermark is %d, now is %d", w, metering.MicrosOf(now))
	}
}

// Segments go when everything in them is shipped and no open call needs them.
func TestJournal_ShippedSegmentsAreDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{SegmentBytes: 2048})
	held := begin(t, j)
	var last *metering.Event
	for range 40 {
		last = exchange(t, j)
	}
	many := len(segments(t, dir))
	if many < 3 {
		t.Fatalf("%d segments: the test shows nothing", many)
	}
	j.Shipped(last.FactSeq)
	if got := len(segments(t, dir)); got < 2 {
		t.Errorf("%d segments left, the one of the open call is among the deleted", got)
	}
	again := crashed(t, dir)
	if got := facts(t, again, last.FactSeq); len(got) != 1 || got[0].ID != held.ID {
		t.Errorf("the open call was not settled from what is left: %+v", got)
	}
	e := ended(held)
	if err := j.Finish(e); err != nil {
		t.Fatal(err)
	}
	j.Shipped(e.FactSeq)
	if got := len(segments(t, dir)); got >= many {
		t.Errorf("%d segments of %d are left though everything is shipped", got, many)
	}
}

// Many writers and a reader: each fact is read once and in order.
func TestJournal_ConcurrentWritersAndReader(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 50
	j := open(t, t.TempDir(), journal.Options{SegmentBytes: 16 << 10})
	done := make(chan error, writers)
	for range writers {
		calls := make([]*metering.Call, each)
		for i := range calls {
			calls[i] = newCall(t)
		}
		go func() {
			for _, c := range calls {
				if err := j.Begin(c); err != nil {
					done <- err
					return
				}
				if err := j.Finish(ended(c)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	seen := make(map[metering.ID]bool)
	var after uint64
	for len(seen) < writers*each {
		some, err := j.Facts(t.Context(), after, 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range some {
			if e.FactSeq <= after || seen[e.ID] {
				t.Fatalf("fact %d after %d, seen before: %t", e.FactSeq, after, seen[e.ID])
			}
			seen[e.ID], after = true, e.FactSeq
		}
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestRecover_EventName: a call that a crash left open is settled under the name
// that its upstream's calls have.
func TestRecover_EventName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	for _, name := range []string{"", "file-traffic"} {
		c := newCall(t)
		c.EventName = name
		if err := j.Begin(c); err != nil {
			t.Fatal(err)
		}
	}
	got := facts(t, crashed(t, dir), 0)
	if len(got) != 2 || got[0].Name != metering.EventLLM || got[1].Name != "file-traffic" {
		t.Errorf("settled as %+v", got)
	}
}
