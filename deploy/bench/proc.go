package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of processor time in /proc: every Linux that Go runs on
// reports hundredths of a second to programs.
const tick = 10 * time.Millisecond

// cpu returns the user and system time that the processes and their children
// that were waited for have used, all threads.
func cpu(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		t, err := statTime(b)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		sum += t
	}
	return sum, nil
}

// statTime reads utime and stime, fields 14 and 15 of proc_pid_stat(5). The
// second field is a name in parentheses that may hold anything.
func statTime(stat []byte) (time.Duration, error) {
	i := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[i+1:]))
	if i < 0 || len(fields) < 13 {
		return 0, errors.New("unreadable stat")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}

// rss returns the resident memory of the processes in bytes.
func rss(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(b))
		if len(fields) < 2 {
			return 0, fmt.Errorf("process %d: unreadable statm", pid)
		}
		pages, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += pages * int64(os.Getpagesize())
	}
	return sum, nil
}

// children returns the processes whose parent is pid.
func children(pid int) ([]int, error) {
	var all []int
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			return nil, err
		}
		for f := range strings.FieldsSeq(string(b)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				return nil, err
			}
			all = append(all, child)
		}
	}
	return all, nil
}

// The processors of the proxies and of the load.
const (
	proxyCPU = 0
	loadCPU  = 1
)

// pin keeps a process, with all its threads of now and later, on a processor.
// On a machine with a single one there is nothing to separate.
func pin(pid, processor int) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	var set unix.CPUSet
	set.Set(processor)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin process %d: %w", pid, err)
		}
	}
	return nil
}

// startPinned starts a program that has one processor and sees no other: moved
// there later it would have made itself at home on all of them.
func startPinned(cmd *exec.Cmd, processor int) error {
	if runtime.NumCPU() < 2 {
		return cmd.Start()
	}
	// A process begins with the processors of the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var ours, its unix.CPUSet
	its.Set(processor)
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		return fmt.Errorf("pin %s: %w", cmd.Path, err)
	}
	if err := unix.SchedSetaffinity(0, &its); err != nil {
		return fmt.Errorf("pin %s: %w", cmd.Path, err)
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &ours); back != nil {
		err = errors.Join(err, fmt.Errorf("pin the load: %w", back))
	}
	return err
}

// pinSelf keeps this program off the proxies' processor.
func pinSelf() error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	runtime.GOMAXPROCS(1)
	return pin(os.Getpid(), loadCPU)
}

// raiseFiles allows as many open files as the system does: an idle stream takes
// two here.
func raiseFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
