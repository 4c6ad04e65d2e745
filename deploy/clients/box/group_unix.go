//go:build unix && !linux

package box

import "syscall"

// group starts a program in a process group of its own, so that its children are
// reached too.
func group() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
