package journal_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"sync"

	"github.com/weirhq/weir/metering/journal"
)

// opKind is a change to a directory.
type opKind string

const (
	opCreate   opKind = "create"
	opWrite    opKind = "write"
	opSync     opKind = "sync"
	opTruncate opKind = "truncate"
	opRename   opKind = "rename"
	opRemove   opKind = "remove"
	opSyncDir  opKind = "sync dir"
)

// op is one change that was made, or a sync that was asked for.
type op struct {
	kind   opKind
	path   string // base name; of an open file the name it was created under
	file   int    // of a write or a sync of an open file: which creation
	to     string // of a rename
	data   []byte // of a write: what was taken
	size   int64  // of a truncation
	failed bool   // a sync that returned an error
}

// recorder carries every change to a directory out, without the syncs, which
// nobody here waits for, and keeps the trace of them.
type recorder struct {
	mu    sync.Mutex
	trace []op
	files int

	// fail is asked before each change, the mutex held. With an error it is not
	// made, but for the first taken bytes of a write. Nil never fails.
	fail func(op) (taken int, err error)
}

// do appends o to the trace if it may happen.
func (r *recorder) do(o op, make func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.locked(o, make)
}

func (r *recorder) locked(o op, make func() error) error {
	if r.fail != nil {
		if _, err := r.fail(o); err != nil {
			if (o.kind == opSync || o.kind == opSyncDir) && !errors.Is(err, errKilled) {
				o.failed = true
				r.trace = append(r.trace, o)
			}
			return err
		}
	}
	if err := make(); err != nil {
		return err
	}
	r.trace = append(r.trace, o)
	return nil
}

func (r *recorder) set(fail func(op) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

// len is the number of changes so far.
func (r *recorder) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.trace)
}

func (r *recorder) Create(path string) (journal.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var f journal.File
	number := r.files
	err := r.locked(op{kind: opCreate, path: filepath.Base(path), file: number}, func() (err error) {
		f, err = journal.Disk{}.Create(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.files++
	return &recordedFile{r: r, f: f, path: filepath.Base(path), number: number}, nil
}

func (r *recorder) Rename(from, to string) error {
	return r.do(op{kind: opRename, path: filepath.Base(from), to: filepath.Base(to)}, func() error {
		return journal.Disk{}.Rename(from, to)
	})
}

func (r *recorder) Remove(path string) error {
	return r.do(op{kind: opRemove, path: filepath.Base(path)}, func() error { return journal.Disk{}.Remove(path) })
}

func (r *recorder) Truncate(path string, size int64) error {
	return r.do(op{kind: opTruncate, path: filepath.Base(path), size: size}, func() error {
		return journal.Disk{}.Truncate(path, size)
	})
}

func (r *recorder) Sync(path string) error {
	return r.do(op{kind: opSync, path: filepath.Base(path), file: -1}, func() error { return nil })
}

func (r *recorder) SyncDir(path string) error {
	return r.do(op{kind: opSyncDir, path: filepath.Base(path)}, func() error { return nil })
}

type recordedFile struct {
	r      *recorder
	f      journal.File
	path   string
	number int
}

func (f *recordedFile) Write(p []byte) (int, error) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	o := op{kind: opWrite, path: f.path, file: f.number, data: bytes.Clone(p)}
	var failed error
	if f.r.fail != nil {
		var taken int
		if taken, failed = f.r.fail(o); failed != nil {
			o.data = o.data[:taken]
		}
	}
	n, err := f.f.Write(o.data)
	if err != nil {
		return n, err
	}
	if len(o.data) > 0 {
		f.r.trace = append(f.r.trace, o)
	}
	return n, failed
}

func (f *recordedFile) Sync() error {
	return f.r.do(op{kind: opSync, path: f.path, file: f.number}, func() error { return nil })
}

func (f *recordedFile) Close() error { return f.f.Close() }
