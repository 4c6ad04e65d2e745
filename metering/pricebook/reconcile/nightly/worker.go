package nightly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// Provider is one whose days are compared.
type Provider struct {
	Name string
	// Fetch asks for its reports, page by page.
	Fetch func(ctx context.Context, from, to reconcile.Day, take func(costs bool, page []byte) error) error
	// Compare is how exact both sides have to agree; its days are set here.
	Compare reconcile.Options
}

// Options are what a [Worker] works with.
type Options struct {
	Org       string
	Providers []Provider
	Store     Store
	// After is how long after the end of a day its first look is due.
	After time.Duration
	// Lead reports whether this process is the one of the installation that compares.
	// What it has said holds for [Lease].
	Lead func(ctx context.Context) (bool, error)
	// Complete is the instant up to which everything that was called is on record. A
	// day is not compared before that.
	Complete func(ctx context.Context) (metering.Micros, error)
	Now      func() time.Time
	Logger   *slog.Logger
}

// Worker compares days. Its methods are not safe for concurrent use.
type Worker struct{ o Options }

// Times of the work.
const (
	begin       = 5 * time.Second  // after the start: a new journal says how far it is with its first beat
	every       = time.Minute      // between two looks at what is due
	longest     = 15 * time.Minute // that one comparison may take
	Lease       = 20 * time.Minute // for which a leader may go on without asking again
	firstWait   = 15 * time.Minute // after a failure
	longestWait = 4 * time.Hour
	boundary    = metering.Micros(time.Minute / time.Microsecond)
)

// Bounds of what is kept.
const (
	maxRows    = 1000 // of a report
	maxFailure = 500  // bytes
)

// New returns a worker; it does nothing before Run or Work.
func New(o Options) *Worker { return &Worker{o} }

// Run works until ctx ends.
func (w *Worker) Run(ctx context.Context) {
	next := time.NewTimer(begin)
	defer next.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		err := w.Work(ctx)
		switch {
		case err != nil && !failing && ctx.Err() == nil:
			w.o.Logger.Error("days are not compared with what providers say", "error", err)
		case err == nil && failing:
			w.o.Logger.Info("days are compared with what providers say again")
		}
		failing = err != nil
		next.Reset(every)
	}
}

// Work makes the looks that are due now, if this process leads. The error is of the
// database; what goes wrong with a provider is noted there, and holds up no other.
func (w *Worker) Work(ctx context.Context) error {
	var errs []error
	for i := range w.o.Providers {
		errs = append(errs, w.provider(ctx, &w.o.Providers[i]))
	}
	return errors.Join(errs...)
}

// provider makes the looks of one, until one fails.
func (w *Worker) provider(ctx context.Context, p *Provider) error {
	for {
		n, some, err := w.next(ctx, p)
		if err != nil || !some {
			return err
		}
		if leads, err := w.o.Lead(ctx); err != nil || !leads {
			return err
		}
		// Whoever led before may have made it while this process asked.
		if again, some, err := w.next(ctx, p); err != nil || !some || again != n {
			return err
		}
		if ok, err := w.ready(ctx, p, n); err != nil || !ok {
			return err
		}
		if ok, err := w.look(ctx, p, n); err != nil || !ok {
			return err
		}
	}
}

// ready reports whether everything that was called on the day is on record. Where
// it is not yet, the look waits; one that has waited for long has failed.
func (w *Worker) ready(ctx context.Context, p *Provider, n Night) (bool, error) {
	complete, err := w.o.Complete(ctx)
	if err != nil {
		return false, fmt.Errorf("what is on record: %w", err)
	}
	if complete >= (n.Day+1).Start()+boundary {
		return true, nil
	}
	now := metering.MicrosOf(w.o.Now())
	if n.Day > Expected(now, metering.Micros(w.o.After/time.Microsecond)) {
		return false, nil
	}
	why := fmt.Errorf("only what was called until %s is on record: weir doctor shows the journals that are behind", complete.Time().UTC().Format(time.RFC3339))
	return false, w.failed(ctx, p, n, why, now)
}

// next is the oldest look that is due.
func (w *Worker) next(ctx context.Context, p *Provider) (n Night, some bool, err error) {
	now, after := metering.MicrosOf(w.o.Now()), metering.Micros(w.o.After/time.Microsecond)
	s, err := w.o.Store.BeginNights(ctx, w.o.Org, p.Name, latest(now, after))
	if err != nil {
		return n, false, err
	}
	done, err := w.o.Store.Nights(ctx, w.o.Org, p.Name, latest(now, after)-back)
	if err != nil {
		return n, false, err
	}
	if list := due(&s, done, now, after); len(list) > 0 {
		return list[0], true, nil
	}
	return n, false, nil
}

// look makes one, and reports whether it went well.
func (w *Worker) look(ctx context.Context, p *Provider, n Night) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	r, err := w.compare(bounded, p, n.Day)
	if ctx.Err() != nil {
		return false, nil // it says nothing of the provider
	}
	if err != nil && bounded.Err() != nil {
		err = fmt.Errorf("it took longer than %s: %w", longest, err)
	}
	at := metering.MicrosOf(w.o.Now())
	if err == nil {
		r.Prune(maxRows)
		if err = w.o.Store.KeepNight(ctx, w.o.Org, n, r, at); err == nil {
			w.o.Logger.Info("a day was compared with what the provider says", "provider", p.Name, "day", n.Day.String(), "look", int(n.Look), "verdict", string(r.Verdict))
			return true, nil
		}
	}
	return false, w.failed(ctx, p, n, err, at)
}

// failed notes why a look did not come to its end.
func (w *Worker) failed(ctx context.Context, p *Provider, n Night, err error, at metering.Micros) error {
	text := strings.TrimSuffix(err.Error(), ": "+metering.ErrInvalid.Error())
	text = text[:min(len(text), maxFailure)] // a precision of %s would count characters
	text = strings.ToValidUTF8(strings.ReplaceAll(fmt.Sprintf("%s: %s", n.Day, text), "\x00", "?"), "?")
	s, err := w.o.Store.BeginNights(ctx, w.o.Org, p.Name, n.Day)
	if err != nil {
		return fmt.Errorf("after %s: %w", text, err)
	}
	wait := longestWait
	if s.Failures < 5 {
		wait = min(firstWait<<s.Failures, longestWait)
	}
	w.o.Logger.Warn("a day could not be compared with what the provider says", "provider", p.Name, "day", n.Day.String(), "error", text, "again_in", wait.String())
	return w.o.Store.FailNight(ctx, w.o.Org, p.Name, text, at+metering.Micros(wait/time.Microsecond), at)
}

// compare asks the provider for a day and sets what was recorded against it.
func (w *Worker) compare(ctx context.Context, p *Provider, day reconcile.Day) (*reconcile.Report, error) {
	reader, err := reconcile.NewReader(p.Name)
	if err != nil {
		return nil, err
	}
	if err := p.Fetch(ctx, day, day+1, func(costs bool, page []byte) error {
		if costs {
			return reader.ReadCosts("a page", strings.NewReader(string(page)))
		}
		return reader.Read("a page", strings.NewReader(string(page)))
	}); err != nil {
		return nil, err
	}
	export, err := reader.Export()
	if err != nil {
		return nil, err
	}
	recorded, err := w.o.Store.Recorded(ctx, reconcile.Query{Org: w.o.Org, Provider: p.Name, From: day, To: day + 1, Boundary: boundary})
	if err != nil {
		return nil, err
	}
	o := p.Compare
	o.From, o.To, o.Today = day, day+1, 0
	return reconcile.Compare(export, recorded, o)
}
