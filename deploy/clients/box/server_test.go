package box_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/clients/box"
)

// TestServe_stops: the server and a child that does not listen to it are gone
// when the test has ended.
func TestServe_stops(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		box.Missing(t, "sh is not installed")
	}
	pids := filepath.Join(t.TempDir(), "pids")
	t.Run("serving", func(t *testing.T) {
		script := `(trap '' TERM; exec sleep 300) & echo $$ $! >` + pids + `; echo "serving on http://x"; wait`
		url := box.Serve(t, box.Server{Dir: t.TempDir(), Args: []string{"sh", "-c", script}, Ready: regexp.MustCompile(`serving on (\S+)\n`)})
		if url != "http://x" {
			t.Errorf("serves on %q", url)
		}
	})
	b, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		gone := func() bool { return syscall.Kill(pid, 0) != nil || zombie(pid) }
		tick := time.NewTicker(10 * time.Millisecond)
		for deadline := time.Now().Add(5 * time.Second); !gone(); <-tick.C {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still there", pid)
			}
		}
		tick.Stop()
	}
}

// zombie: killed, and not yet collected by the process that inherited it.
func zombie(pid int) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && strings.Contains(string(b), ") Z ")
}
