package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// files is every change that the journal makes to its directory, so that tests
// can make each one fail and replay crashes.
type files interface {
	// Create makes a new file for appending; an existing one is emptied.
	Create(path string) (file, error)
	Rename(from, to string) error
	Remove(path string) error
	Truncate(path string, size int64) error
	// Sync makes the data of a file that is not open durable.
	Sync(path string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(path string) error
}

// file is a file opened for appending.
type file interface {
	Write(p []byte) (int, error)
	// Sync is fdatasync(2). After an error the kernel may have dropped the dirty
	// pages, so a second call that succeeds would prove nothing.
	Sync() error
	Close() error
}

// disk is the real thing.
type disk struct{}

func (disk) Create(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	// The descriptor stays with f, which puts it into blocking mode: regular files
	// know no other.
	return osFile{f: f, fd: int(f.Fd())}, nil
}

func (disk) Rename(from, to string) error           { return os.Rename(from, to) }
func (disk) Remove(path string) error               { return os.Remove(path) }
func (disk) Truncate(path string, size int64) error { return os.Truncate(path, size) }
func (disk) Sync(path string) error                 { return syncPath(path) }
func (disk) SyncDir(path string) error              { return syncPath(path) }

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// osFile calls the kernel itself: the locks and the poller of os.File cost a
// tenth of a small write. Its user does not close it during a write or a sync.
type osFile struct {
	f  *os.File
	fd int
}

// Write writes all of p unless it returns an error.
func (f osFile) Write(p []byte) (int, error) {
	var done int
	for done < len(p) {
		n, err := syscall.Write(f.fd, p[done:])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return done, &os.PathError{Op: "write", Path: f.f.Name(), Err: err}
		case n == 0:
			return done, &os.PathError{Op: "write", Path: f.f.Name(), Err: io.ErrUnexpectedEOF}
		}
		done += n
	}
	runtime.KeepAlive(f.f)
	return done, nil
}

// Sync flushes data and size but not the times of the file.
func (f osFile) Sync() error {
	for {
		err := syscall.Fdatasync(f.fd)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		runtime.KeepAlive(f.f)
		if err != nil {
			return &os.PathError{Op: "fdatasync", Path: f.f.Name(), Err: err}
		}
		return nil
	}
}

func (f osFile) Close() error { return f.f.Close() }

// makeDir makes dir and what is missing above it, each durable in its parent.
func makeDir(fsys files, dir string) error {
	_, err := os.Stat(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := makeDir(fsys, parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return fsys.SyncDir(parent)
}

// replaceFile writes a small file so that after a crash either the old or the
// new content is there, whole.
func replaceFile(fsys files, path string, content []byte) error {
	tmp := path + ".tmp"
	f, err := fsys.Create(tmp)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.Rename(tmp, path)
	}
	if err == nil {
		err = fsys.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
