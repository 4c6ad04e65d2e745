package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// F3, on a real volume of 256 KiB: filled to the last byte, used on while it is
// full, given room again, and audited after a kill.
func TestDiskFull_RealVolume(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("SKIPPED, needs the right to mount a tmpfs: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := tryOpen(filepath.Join(dir, "journal"), journal.Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	begun := make(map[metering.ID]bool) // and whether the fact was taken
	full := false
	for n := 0; !full && n < 1000; n++ {
		c := newCall(t)
		err := j.Begin(c)
		if full = errors.Is(err, syscall.ENOSPC); full {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		begun[c.ID] = false
		if n%8 == 0 {
			continue // stays open
		}
		err = j.Finish(ended(c))
		if err != nil && !errors.Is(err, journal.ErrParked) {
			t.Fatal(err)
		}
		begun[c.ID] = true
		full = err != nil
	}
	if !full || len(begun) < 100 {
		t.Fatalf("the volume took %d calls and was full: %t", len(begun), full)
	}
	for range 20 {
		if err := j.Begin(newCall(t)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("begin on a full volume: %v", err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		if s := j.Status(); s.Down == nil && s.Parked == 0 && s.Durable == s.Written {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("10 s after there is room: %+v", j.Status())
		}
	}
	last := exchange(t, j)
	begun[last.ID] = true

	again := crashed(t, filepath.Join(dir, "journal"))
	found := make(map[metering.ID]bool)
	for _, e := range facts(t, again, 0) {
		taken, known := begun[e.ID]
		if !known || found[e.ID] || taken != (e.Outcome == metering.OutcomeComplete) {
			t.Errorf("call %s ended as %s; begun here: %t, fact taken: %t, seen before: %t", e.ID, e.Outcome, known, taken, found[e.ID])
		}
		found[e.ID] = true
	}
	if len(found) != len(begun) {
		t.Errorf("%d calls have a fact, %d began", len(found), len(begun))
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
