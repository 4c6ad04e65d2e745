package deferred

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// Options configure a [Worker].
type Options struct {
	Store    Store    // required
	Events   Events   // required
	Pricer   Pricer   // nil: events stay unpriced
	Provider Provider // required

	// Every is how long it waits between rounds; 0: 2 seconds.
	Every time.Duration
	// Lease is how long a row stays with who took it; 0: 5 minutes.
	Lease time.Duration
	// GiveUp is after how long work is called lost; 0: 35 days. Providers keep
	// batches for 29 to 30 days.
	GiveUp time.Duration

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

// Worker asks providers what became of deferred work.
type Worker struct{ o Options }

// New returns a worker that is not running.
func New(o Options) (*Worker, error) {
	if o.Store == nil || o.Events == nil || o.Provider == nil {
		return nil, errors.New("deferred usage: a store, events and a provider are required")
	}
	if o.Every <= 0 {
		o.Every = 2 * time.Second
	}
	if o.Lease <= 0 {
		o.Lease = 5 * time.Minute
	}
	if o.GiveUp <= 0 {
		o.GiveUp = 35 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Worker{o: o}, nil
}

// settling is how long an object may be unknown to its provider after its
// creation.
const settling = time.Hour

// perRound is how many rows are taken at a time: few, so that replicas share the
// work and a lease outlasts them.
const perRound = 8

// Run asks until ctx ends. Failures are logged and tried again.
func (w *Worker) Run(ctx context.Context) error {
	ticker := time.NewTicker(w.o.Every)
	defer ticker.Stop()
	for {
		more := true
		for more && ctx.Err() == nil {
			n, err := w.Round(ctx)
			if err != nil && ctx.Err() == nil {
				w.o.Logger.Warn("look for deferred usage", "error", err)
			}
			more = n == perRound && err == nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Round asks once for what is due and returns how many rows that were. One that
// fails does not hold up the others.
func (w *Worker) Round(ctx context.Context) (int, error) {
	due, err := w.o.Store.Take(ctx, w.o.Now(), w.o.Lease, perRound)
	if err != nil {
		return 0, fmt.Errorf("take deferred usage: %w", err)
	}
	var errs []error
	for i := range due {
		if err := w.follow(ctx, &due[i]); err != nil {
			errs = append(errs, fmt.Errorf("%s %s of %s: %w", due[i].Kind, due[i].Object, due[i].Call.Provider, err))
		}
	}
	return len(due), errors.Join(errs...)
}

// follow asks for one object and keeps what came of it. The event is recorded
// first: if this process dies in between, it is found out again and recorded
// once.
func (w *Worker) follow(ctx context.Context, d *Deferral) error {
	found, asked := w.o.Provider.Find(ctx, d)
	now := metering.MicrosOf(w.o.Now())
	age := time.Duration(now-d.Call.At) * time.Microsecond
	switch {
	case asked == nil && found != nil:
		if found.Ended <= d.Call.At || found.Ended > now {
			found.Ended = now
		}
		if err := w.record(ctx, d, found); err != nil {
			return err
		}
		if found.Part > 0 {
			d.Due = now // there may be more of them
		} else {
			d.State, d.Done = StateDone, now
		}
	case now-ends(d) > metering.Micros(w.o.GiveUp/time.Microsecond), age > settling && errors.Is(asked, ErrGone):
		lost := &Found{Ended: now, Usage: metering.Usage{State: metering.UsageUnknown, Flags: []metering.Flag{metering.FlagUnreadable}}}
		if err := w.record(ctx, d, lost); err != nil {
			return err
		}
		w.o.Logger.Error("the usage of deferred work cannot be found out",
			"kind", d.Kind, "object", d.Object, "provider", d.Call.Provider, "customer", d.Call.Customer, "error", asked)
		d.State, d.Done = StateLost, now
	default:
		d.Tries++
		d.Due = now + metering.Micros(wait(d.Kind, d.Tries)/time.Microsecond)
	}
	d.Error = ""
	if asked != nil {
		d.Error = clip(asked.Error())
	}
	if err := w.o.Store.Put(ctx, *d); err != nil {
		return fmt.Errorf("keep what became of it: %w", err)
	}
	return asked
}

// record writes the event of work that has ended. The price is that of the book
// at the creation.
func (w *Worker) record(ctx context.Context, d *Deferral, found *Found) error {
	e := event(d, found)
	if w.o.Pricer != nil {
		w.o.Pricer.Price(e)
	} else {
		e.CostState, e.CostReason = metering.CostUnpriced, "no price book"
	}
	result, err := w.o.Events.Ingest(ctx, e.Org, []*metering.Event{e})
	if err != nil {
		return fmt.Errorf("record its usage: %w", err)
	}
	if len(result.Conflicts) > 0 {
		return fmt.Errorf("record its usage: %s stands for another event: %w", result.Conflicts[0], metering.ErrConflict)
	}
	return nil
}

// wait is how long to let a provider work: responses take seconds to minutes,
// batches minutes to a day, and content is cached for as long as somebody wants.
func wait(kind string, tries int) time.Duration {
	first, most := 2*time.Second, 30*time.Second
	if kind == dialect.KindBatch {
		first, most = 15*time.Second, 5*time.Minute
	}
	if kind == dialect.KindCache { // looked at soon, for it says how large it is only while it is there
		most = 5 * time.Minute
	}
	for range min(tries, 16) {
		if first = first * 3 / 2; first >= most {
			return most
		}
	}
	return first
}

// maxError bounds what is kept of a failure.
const maxError = 200

func clip(s string) string {
	if len(s) > maxError {
		s = strings.ToValidUTF8(s[:maxError], "")
	}
	return s
}
