package rerate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
)

// Worker prices events again by itself: when prices have changed, when it begins,
// and every hour, because time alone ends the windows of volumes.
type Worker struct {
	rerater *Rerater
	org     string
	log     *slog.Logger
	now     func() time.Time
	notice  chan struct{}

	mu   sync.Mutex
	last Summary
}

// Summary is what a pass of a worker did.
type Summary struct {
	At       time.Time // zero: there was none yet
	Looked   int
	Repriced int
	Added    metering.Cost
	Unpriced int
	Unsure   int
	Failure  error // why it did not come to the end
}

// every is the time between two passes that nothing has asked for.
const every = time.Hour

// NewWorker returns a worker for an organisation.
func NewWorker(r *Rerater, org string, now func() time.Time, log *slog.Logger) *Worker {
	return &Worker{rerater: r, org: org, log: log, now: now, notice: make(chan struct{}, 1)}
}

// Notice asks for a pass soon. It does not wait.
func (w *Worker) Notice() {
	select {
	case w.notice <- struct{}{}:
	default: // one is asked for already
	}
}

// Last is what the last pass did.
func (w *Worker) Last() Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Run works until ctx ends.
func (w *Worker) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		s := w.pass(ctx)
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		w.last = s
		w.mu.Unlock()
		switch {
		case s.Failure != nil:
			w.log.Error("events could not all be priced again", "looked", s.Looked, "error", s.Failure)
		case s.Repriced > 0:
			w.log.Info("events were priced again", "looked", s.Looked, "repriced", s.Repriced, "added_usd", s.Added.String(), "unpriced", s.Unpriced)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.notice:
		case <-tick.C:
		}
	}
}

// pass looks at everything that is not settled.
func (w *Worker) pass(ctx context.Context) Summary {
	s := Summary{At: w.now()}
	q := Request{Org: w.org}
	for {
		got, err := w.rerater.Run(ctx, q)
		s.Looked, s.Repriced, s.Added = s.Looked+got.Looked, s.Repriced+got.Repriced, s.Added.Add(got.Added)
		s.Unpriced, s.Unsure = s.Unpriced+got.Unpriced, s.Unsure+got.Unsure
		if err != nil {
			s.Failure = err
			return s
		}
		if got.Cursor == "" {
			return s
		}
		q.Cursor = got.Cursor
	}
}

// Journals knows the journals of the installation.
type Journals interface {
	Journals(ctx context.Context) ([]metering.JournalInfo, error)
}

// Complete is the instant up to which every event is on record: what all live
// journals have passed. Without one it is now.
func Complete(ctx context.Context, j Journals, now time.Time) (metering.Micros, error) {
	list, err := j.Journals(ctx)
	if err != nil {
		return 0, err
	}
	at := metering.MicrosOf(now)
	for _, x := range list {
		if x.State == metering.JournalLive {
			at = min(at, x.Watermark)
		}
	}
	return at, nil
}
