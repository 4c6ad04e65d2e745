package e2e_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering/meteringtest"
)

// TestSecondProcess: a directory is held by one process at a time.
func TestSecondProcess(t *testing.T) {
	program(t)
	o := newOracle(t)
	opts := options{data: t.TempDir(), config: oracleConfig(o.URL)}
	first := start(t, opts)
	second, _ := launch(t, opts)
	if code := second.wait(20 * time.Second); code == 0 {
		t.Error("a second process on the same directory ended with 0")
	}
	if log := second.tail(4000); !strings.Contains(log, "another process") && !strings.Contains(log, "locked") {
		t.Errorf("the message does not say that another process holds the directory:\n%s", log)
	}
	l := &load{key: first.customer("acme"), answered: make(map[string]answer)}
	l.target.Store(&first.proxy)
	l.call(t.Context())
	if len(l.answered) != 1 {
		t.Errorf("the first process no longer answers:\n%s", first.tail(4000))
	}
}

// TestMovedDirectory: what a killed process wrote is shipped by the process
// that gets its directory, wherever it lies now.
func TestMovedDirectory(t *testing.T) {
	program(t)
	o := newOracle(t)
	base := t.TempDir()
	opts := options{data: filepath.Join(base, "a"), config: oracleConfig(o.URL)}
	p := start(t, opts)
	l := &load{key: p.customer("acme"), answered: make(map[string]answer)}
	l.target.Store(&p.proxy)
	for range 30 {
		l.call(t.Context())
	}
	p.kill()
	moved := filepath.Join(base, "b")
	if err := os.Rename(opts.data, moved); err != nil {
		t.Fatal(err)
	}
	opts.data = moved
	p = start(t, opts)
	l.target.Store(&p.proxy)
	l.call(t.Context())
	audit(t, p, l, o)
}

// TestZombie: a process whose directory was copied and started elsewhere is
// fenced: it stops taking calls and ends, and nothing it answered is counted
// twice. The process that took over goes on.
func TestZombie(t *testing.T) {
	program(t)
	database := meteringtest.Postgres(t)
	o := newOracle(t)
	base := t.TempDir()
	opts := options{data: filepath.Join(base, "a"), config: oracleConfig(o.URL), env: []string{"DATABASE_URL=" + database}}
	zombie := start(t, opts)
	l := &load{key: zombie.customer("acme"), answered: make(map[string]answer)}
	l.target.Store(&zombie.proxy)
	for range 30 {
		l.call(t.Context())
	}
	zombie.usage("acme") // everything shipped: what follows is the heir's
	copied := filepath.Join(base, "b")
	if out, err := exec.Command("cp", "-a", opts.data, copied).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v\n%s", err, out)
	}
	opts.data = copied
	heir := start(t, opts)
	if code := zombie.wait(10 * time.Second); code == 0 {
		t.Error("the fenced process ended with 0")
	}
	if log := zombie.tail(4000); !strings.Contains(log, "taken over") {
		t.Errorf("the fenced process does not say why it ended:\n%s", log)
	}
	l.target.Store(&heir.proxy)
	for range 10 {
		l.call(t.Context())
	}
	audit(t, heir, l, o)
}

// TestTwoReplicasKilled: two replicas on one database and one Redis under
// load, each killed and started again in turn.
func TestTwoReplicasKilled(t *testing.T) {
	program(t)
	env := []string{"DATABASE_URL=" + meteringtest.Postgres(t), "REDIS_URL=" + meteringtest.Redis(t)}
	o := newOracle(t)
	opts := [2]options{}
	var replicas [2]*process
	for i := range opts {
		opts[i] = options{data: t.TempDir(), config: oracleConfig(o.URL), env: env}
		replicas[i] = start(t, opts[i])
	}
	// The first admin token belongs to the directory that made it; both are valid.
	l := &load{key: replicas[0].customer("acme"), answered: make(map[string]answer)}
	eventually(t, 2*time.Second, "the key works on the other replica", func() bool {
		return status(t, replicas[1].proxy+"/v1/models", l.key) != http.StatusUnauthorized
	})
	l.target.Store(&replicas[0].proxy)
	ctx, cancel := context.WithCancel(t.Context())
	wait := l.run(ctx, 6)
	for i := range 8 {
		turn := i % 2
		l.target.Store(&replicas[turn].proxy)
		timer := time.NewTimer(300 * time.Millisecond)
		<-timer.C
		replicas[turn].kill()
		l.target.Store(&replicas[1-turn].proxy)
		replicas[turn] = start(t, opts[turn])
	}
	cancel()
	wait()
	audit(t, replicas[0], l, o)
	audit(t, replicas[1], l, o)
}

// eventually polls until a condition holds or the limit has passed.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-tick.C
	}
}

// status returns the status of a GET with a key.
func status(t testing.TB, url, key string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
