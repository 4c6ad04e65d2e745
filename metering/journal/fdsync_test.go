package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/weirhq/weir/metering/journal"
)

// What the kernel says of an fdatasync comes back, and one that another is
// under way beside is made all the same.
func TestFdsync(t *testing.T) {
	t.Parallel()
	s := journal.NewFdsync()
	if s == nil {
		t.Skip("SKIPPED, no AIO here: fdatasync is called instead")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Sync(int(f.Fd())); !ok || err != nil {
		t.Errorf("sync of a file: submitted %t, %v", ok, err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// A pipe has no fdatasync: AIO refuses it, and the plain call says so.
	if ok, err := s.Sync(int(write.Fd())); ok || err != nil {
		t.Errorf("sync of a pipe: submitted %t, %v", ok, err)
	}
	if err := journal.SyncFile(s, write); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("sync of a pipe: %v, want EINVAL", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if err := journal.SyncFile(s, f); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(f.Close(), read.Close(), write.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}
