package nightly_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
)

// memory is a store for one provider that lives in the test.
type memory struct {
	mu     sync.Mutex
	state  nightly.State
	made   []string
	nights []nightly.Night
	broken error
}

// with changes what the store has.
func (m *memory) with(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *memory) Recorded(context.Context, reconcile.Query) ([]reconcile.Recorded, error) {
	return nil, nil
}

func (m *memory) BeginNights(_ context.Context, _, provider string, since reconcile.Day) (nightly.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state.Provider == "" {
		m.state = nightly.State{Provider: provider, Since: since}
	}
	return m.state, m.broken
}

func (m *memory) Nights(context.Context, string, string, reconcile.Day) ([]nightly.Night, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nights, nil
}

func (m *memory) KeepNight(_ context.Context, _ string, n nightly.Night, r *reconcile.Report, at metering.Micros) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nights = append(m.nights, n)
	m.made = append(m.made, fmt.Sprintf("%s: look %d at %s, %s", at.Time().UTC().Format("01-02 15:04"), n.Look, n.Day, r.Verdict))
	return nil
}

func (m *memory) FailNight(_ context.Context, _, _, failure string, notBefore, at metering.Micros) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Failures, m.state.NotBefore = m.state.Failures+1, notBefore
	m.made = append(m.made, fmt.Sprintf("%s: %s", at.Time().UTC().Format("01-02 15:04"), failure))
	return nil
}

// TestWorker_Run: within a minute after a day has settled it is compared, again
// a day later, and again after a provider that did not answer for too long; a
// database that fails is met again at the next look.
func TestWorker_Run(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		var hang, stopped atomic.Bool
		w := nightly.New(nightly.Options{
			Org: "o", Store: m, After: 6 * time.Hour, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Lead:     func(context.Context) (bool, error) { return true, nil },
			Complete: func(context.Context) (metering.Micros, error) { return metering.MicrosOf(time.Now()), nil },
			Providers: []nightly.Provider{{Name: "openai", Fetch: func(ctx context.Context, from, to reconcile.Day, take func(bool, []byte) error) error {
				if hang.Load() {
					<-ctx.Done()
					return fmt.Errorf("ask: %w", ctx.Err())
				}
				return take(false, fmt.Appendf(nil, `{"data":[{"start_time":%d,"end_time":%d,"results":[]}]}`, int64(from.Start())/1e6, int64(to.Start())/1e6))
			}}},
		})
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			w.Run(ctx) // the bubble begins at midnight of 2000-01-01
			stopped.Store(true)
		}()
		advance := func(d time.Duration, want ...string) {
			t.Helper()
			m.with(func() { m.made = nil })
			time.Sleep(d)
			synctest.Wait()
			m.with(func() {
				if diff := cmp.Diff(want, m.made); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		// What was settled when it began is the first day that it is about.
		advance(time.Minute, "01-01 00:00: look 1 at 1999-12-30, unknown")
		advance(5*time.Hour + 59*time.Minute)
		advance(6*time.Second, "01-01 06:00: look 2 at 1999-12-30, unknown", "01-01 06:00: look 1 at 1999-12-31, unknown")
		advance(23*time.Hour + 59*time.Minute)
		hang.Store(true)
		advance(16*time.Minute, "01-02 06:15: 1999-12-31: it took longer than 15m0s: ask: context deadline exceeded")
		hang.Store(false)
		m.with(func() { m.broken = errors.New("no database") })
		advance(20 * time.Minute)
		m.with(func() { m.broken = nil })
		advance(time.Minute, "01-02 06:36: look 2 at 1999-12-31, unknown", "01-02 06:36: look 1 at 2000-01-01, unknown")
		stop()
		synctest.Wait()
		if !stopped.Load() {
			t.Error("it runs on")
		}
	})
}

// TestExpected: a day is missed eight hours after its first look was due.
func TestExpected(t *testing.T) {
	t.Parallel()
	const hour = metering.Micros(time.Hour / time.Microsecond)
	due := reconcile.Day(101).Start() + 6*hour
	if got := nightly.Expected(due+8*hour-1, 6*hour); got != 99 {
		t.Errorf("before: day %d", got)
	}
	if got := nightly.Expected(due+8*hour, 6*hour); got != 100 {
		t.Errorf("after: day %d", got)
	}
}
