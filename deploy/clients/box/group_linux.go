package box

import "syscall"

// group starts a program in a process group of its own, so that its children are
// reached too, and has it killed when the tests are.
func group() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
