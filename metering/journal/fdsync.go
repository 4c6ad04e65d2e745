package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// fdsync runs fdatasync(2) through Linux AIO: the kernel does it in a thread of
// its own and tells an eventfd, on which the goroutine waits as on a socket. A
// plain fdatasync holds a processor of Go's scheduler until sysmon takes it
// away, with GOMAXPROCS=1 the only one, and wakes two threads each time: at 200
// a second that was half of what the journal cost.
//
// Where the kernel has no AIO, or forbids it, fdatasync is called.
type fdsync struct {
	mu      sync.Mutex
	context uintptr
	done    *os.File // eventfd
	fd      uint32
	control *control
}

// control is the kernel's struct iocb on little-endian machines; the request
// and the pointer to it that io_submit wants lie together so that they are
// allocated once.
type control struct {
	data      uint64
	key       uint32
	rwFlags   uint32
	opcode    uint16
	priority  int16
	fd        uint32
	buf       uint64
	bytes     uint64
	offset    int64
	reserved  uint64
	flags     uint32
	eventFile uint32
}

// event is the kernel's struct io_event.
type event struct {
	data, object uint64
	result       int64
	result2      int64
}

const (
	opFdatasync   = 3 // IOCB_CMD_FDSYNC
	flagEventFile = 1 // IOCB_FLAG_RESFD
)

// newFdsync returns nil where there is no AIO.
func newFdsync() *fdsync {
	const eventfdFlags = syscall.O_NONBLOCK | syscall.O_CLOEXEC
	if probe := uint16(1); *(*byte)(unsafe.Pointer(&probe)) != 1 {
		return nil // struct iocb differs on big-endian machines
	}
	s := &fdsync{control: new(control)}
	if _, _, errno := syscall.Syscall(syscall.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&s.context)), 0); errno != 0 {
		return nil
	}
	fd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, eventfdFlags, 0)
	if errno != 0 {
		s.destroy()
		return nil
	}
	s.fd = uint32(fd)
	s.done = os.NewFile(fd, "eventfd")
	return s
}

func (s *fdsync) destroy() error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IO_DESTROY, s.context, 0, 0); errno != 0 {
		return fmt.Errorf("io_destroy: %w", errno)
	}
	return nil
}

func (s *fdsync) close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.done.Close(), s.destroy())
}

// sync reports whether it could submit fd; only then err says how it went.
func (s *fdsync) sync(fd int) (ok bool, err error) {
	if s == nil || !s.mu.TryLock() {
		return false, nil
	}
	defer s.mu.Unlock()
	*s.control = control{opcode: opFdatasync, fd: uint32(fd), flags: flagEventFile, eventFile: s.fd}
	request := s.control
	n, _, errno := syscall.Syscall(syscall.SYS_IO_SUBMIT, s.context, 1, uintptr(unsafe.Pointer(&request)))
	if errno != 0 || n != 1 {
		return false, nil
	}
	var count [8]byte
	if _, err := s.done.Read(count[:]); err != nil {
		return true, fmt.Errorf("wait for fdatasync: %w", err)
	}
	if binary.NativeEndian.Uint64(count[:]) != 1 {
		return true, errors.New("more than one fdatasync ended")
	}
	var e event
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_IO_GETEVENTS, s.context, 1, 1, uintptr(unsafe.Pointer(&e)), 0, 0)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			return true, fmt.Errorf("io_getevents: %w", errno)
		case n != 1:
			return true, errors.New("io_getevents has no event")
		}
		break
	}
	runtime.KeepAlive(request)
	if e.result < 0 {
		return true, syscall.Errno(-e.result)
	}
	return true, nil
}
