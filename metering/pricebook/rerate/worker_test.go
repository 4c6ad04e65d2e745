package rerate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/rerate"
)

// list is a store of events that nobody can price, or that breaks.
type list struct {
	rerate.Store
	events []*metering.Event

	mu     sync.Mutex
	broken error
	asked  int
}

func (l *list) breaks(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
}

func (l *list) times() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func (l *list) Unsettled(_ context.Context, _ string, at metering.Micros, after metering.ID, limit int) ([]*metering.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.broken != nil {
		return nil, l.broken
	}
	var out []*metering.Event
	for _, e := range l.events {
		if len(out) < limit && (e.At > at || e.At == at && e.ID.String() > after.String()) {
			out = append(out, e)
		}
	}
	return out, nil
}

func (l *list) Corrections(context.Context, string, metering.ID) ([]*metering.Event, []byte, error) {
	return nil, nil, nil
}

// TestWorker: it works when it begins, when it is asked to, and every hour; it
// goes through all pages; what breaks is said and tried again.
func TestWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, err := pricebook.Compile()
		if err != nil {
			t.Fatal(err)
		}
		l := &list{}
		for i := range 2500 {
			e := &metering.Event{CostState: metering.CostUnpriced, Usage: metering.Usage{State: metering.UsageExact}}
			e.At, e.Metered, e.Provider = metering.Micros(i+1), true, "p"
			l.events = append(l.events, e)
		}
		w := rerate.NewWorker(rerate.New(rerate.Options{
			Store: l, Book: func() *pricebook.Book { return b }, Complete: func(context.Context) (metering.Micros, error) { return 0, nil },
		}), "o", time.Now, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		want := func(asked int, failure error) {
			t.Helper()
			synctest.Wait()
			if s := w.Last(); l.times() != asked || !errors.Is(s.Failure, failure) || failure == nil && (s.Looked != 2500 || s.Unpriced != 2500) {
				t.Errorf("asked %d times, want %d: %+v", l.times(), asked, s)
			}
		}
		want(3, nil)
		w.Notice()
		want(6, nil)
		time.Sleep(time.Hour)
		want(9, nil)
		gone := errors.New("no database")
		l.breaks(gone)
		w.Notice()
		want(10, gone)
		l.breaks(nil)
		time.Sleep(time.Hour)
		want(13, nil)
		stop()
		<-done
	})
}

type journals []metering.JournalInfo

func (j journals) Journals(context.Context) ([]metering.JournalInfo, error) {
	if j == nil {
		return nil, errors.New("no database")
	}
	return j, nil
}

// TestComplete: the slowest journal that lives decides.
func TestComplete(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for want, j := range map[metering.Micros]journals{
		1_000_000_000: {},
		7:             {{State: metering.JournalLive, Watermark: 9}, {State: metering.JournalLive, Watermark: 7}, {State: metering.JournalLost, Watermark: 3}, {State: metering.JournalClean}},
	} {
		if got, err := rerate.Complete(t.Context(), j, now); err != nil || got != want {
			t.Errorf("%v: %d, %v, want %d", fmt.Sprint(j), got, err, want)
		}
	}
	if _, err := rerate.Complete(t.Context(), journals(nil), now); err == nil {
		t.Error("without a database there is an answer")
	}
}
