//go:build faults

package fault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// point is the one that WEIR_FAULT arms.
type point struct {
	name  string
	kill  bool
	count int64
	hits  atomic.Int64
}

var armed = sync.OnceValue(func() *point { return parse(os.Getenv("WEIR_FAULT")) })

// parse reads NAME:kill[:N] or NAME:error[:N]. A value that arms nothing would
// make a test that cannot fail, so it ends the process.
func parse(value string) *point {
	if value == "" {
		return nil
	}
	parts := strings.Split(value, ":")
	p := &point{name: parts[0], count: 1}
	ok := len(parts) == 2 || len(parts) == 3
	if ok {
		p.kill = parts[1] == "kill"
		ok = p.kill || parts[1] == "error"
	}
	if ok && len(parts) == 3 {
		n, err := strconv.ParseInt(parts[2], 10, 64)
		ok = err == nil && n > 0
		p.count = n
	}
	known := false
	for _, name := range Names() {
		known = known || name == p.name
	}
	if !ok || !known {
		fmt.Fprintf(os.Stderr, "WEIR_FAULT=%s: want NAME:kill[:N] or NAME:error[:N] with NAME of %s\n", value, strings.Join(Names(), ", "))
		os.Exit(2)
	}
	return p
}

// At is a point at which the process may be killed.
func At(name string) {
	p := armed()
	if p == nil || p.name != name || !p.kill || p.hits.Add(1) != p.count {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // the signal is on its way; nothing more may happen here
}

// Err is a point at which an operation may fail.
func Err(name string) error {
	p := armed()
	if p == nil || p.name != name || p.kill || p.hits.Add(1) > p.count {
		return nil
	}
	return fmt.Errorf("%s: %w", name, ErrInjected)
}
