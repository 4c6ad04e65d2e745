package e2e_test

import (
	"context"
	"testing"
	"time"
)

// TestTerminate stops the program with SIGTERM under load and starts it again:
// every call it had taken is answered to its end, it exits with 0 and leaves a
// journal that has nothing to ship. T47, F23.
func TestTerminate(t *testing.T) {
	program(t)
	o := newOracle(t)
	opts := options{data: t.TempDir(), config: oracleConfig(o.URL)}
	p := start(t, opts)
	l := &load{key: p.customer("acme"), answered: make(map[string]answer)}
	l.target.Store(&p.proxy)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		wait := l.run(ctx, 6)
		timer := time.NewTimer(400 * time.Millisecond)
		<-timer.C
		if code := p.stop(); code != 0 {
			t.Errorf("SIGTERM: exit %d\n%s", code, p.tail(4000))
		}
		cancel()
		wait()
		o.mu.Lock()
		served := len(o.served)
		o.mu.Unlock()
		if len(l.answered) != served {
			t.Errorf("%d calls were served by the upstream, %d of them answered", served, len(l.answered))
		}
		p = start(t, opts)
		l.target.Store(&p.proxy)
	}
	var doctor struct {
		Checks []struct{ Name, Status, Measured string }
	}
	p.decode(&doctor, "doctor")
	for _, c := range doctor.Checks {
		if c.Name == "orphaned intents" && c.Status != "ok" {
			t.Errorf("%s: %s", c.Name, c.Measured)
		}
	}
	audit(t, p, l, o)
}
