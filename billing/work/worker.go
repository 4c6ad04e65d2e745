// Package work does what billing has to do when time passes: close periods that
// every journal has passed, charge what is due, find out about charges whose
// reply was lost, and book credit that expired. One process of an installation
// does it at a time, under a fenced lease; a process that has lost the lease
// without knowing writes nothing.
package work

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Store is what the worker needs of the billing store.
type Store interface {
	Acquire(ctx context.Context, name, holder string, ttl time.Duration, now time.Time) (lease billing.Lease, ok bool, err error)
	Release(ctx context.Context, l billing.Lease) error
	Due(ctx context.Context, before metering.Micros, limit int) ([]billing.Period, error)
	Contract(ctx context.Context, org, subscription string) (billing.Contract, error)
	Close(ctx context.Context, c billing.Closing) error
	Method(ctx context.Context, org, customer string) (billing.PaymentMethod, error)
	Unsettled(ctx context.Context) ([]billing.Payment, error)
	Unpaid(ctx context.Context, org, customer string) ([]billing.Account, error)
	Invoice(ctx context.Context, org, ref string) (billing.Account, error)
	StartPayment(ctx context.Context, p billing.Payment) (billing.Payment, error)
	SettlePayment(ctx context.Context, org, id string, r billing.ChargeResult, at metering.Micros) (billing.Payment, error)
	Ended(ctx context.Context, since, until metering.Micros) ([]billing.Period, error)
	Reopen(ctx context.Context, lease billing.Lease, p billing.Period) error
	Expiring(ctx context.Context, before metering.Micros) ([]billing.Grant, error)
	ExpireGrant(ctx context.Context, org, id string, at metering.Micros) (billing.Grant, error)
}

// Drafter computes invoices.
type Drafter interface {
	Draft(ctx context.Context, c billing.Contract, p billing.Period) (billing.Invoice, error)
}

// Journals is the registry by which a period knows that nothing of it is still
// to come.
type Journals interface {
	Journals(ctx context.Context) ([]metering.JournalInfo, error)
	DeclareLost(ctx context.Context, journal string) error
}

// Options are what a [Worker] works with. Provider may be nil: then nothing is
// charged, and invoices stay open.
type Options struct {
	Store    Store
	Drafter  Drafter
	Journals Journals
	Provider billing.Provider
	Holder   string           // names this process among those that could do the work
	Now      func() time.Time // the time that periods end by; nil: time.Now
	Wall     func() time.Time // the time that leases and silence are measured by; nil: time.Now
	Every    time.Duration    // between two looks; 0: 1 s
	MaxWait  time.Duration    // after which a silent journal is declared lost; 0: 24 h
	Logger   *slog.Logger
}

// Worker does the work of billing. Its methods are safe for concurrent use.
type Worker struct {
	o Options

	mu     sync.Mutex      // one round at a time in this process
	looked metering.Micros // when what is in no hurry was looked at
}

const (
	leaseName = "billing"
	leaseTTL  = 30 * time.Second
	// batch is how many periods one look takes up.
	batch = 200
	// seldom is how often what is in no hurry is looked at: usage that came after
	// the end of a subscription, and credit that has expired.
	seldom = metering.Micros(time.Hour / time.Microsecond)
	// drafts is how often a closing is drafted again because something changed
	// meanwhile.
	drafts = 5
)

// New returns a worker.
func New(o Options) *Worker {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.MaxWait == 0 {
		o.MaxWait = 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Worker{o: o}
}

// Report says what a round of work has done.
type Report struct {
	Closed   int      `json:"closed"`   // periods
	Invoices []string `json:"invoices"` // ids of those that were issued
	Paid     int      `json:"paid"`     // payments that succeeded
	Failed   int      `json:"failed"`   // payments that were declined
	Unknown  int      `json:"unknown"`  // payments whose end is not known
	Expired  int      `json:"expired"`  // grants
	Waiting  []string `json:"waiting"`  // why something that is due has not closed
}

func (r *Report) add(s Report) {
	r.Closed += s.Closed
	r.Invoices = append(r.Invoices, s.Invoices...)
	r.Paid += s.Paid
	r.Failed += s.Failed
	r.Unknown = s.Unknown
	r.Expired += s.Expired
	r.Waiting = s.Waiting
}

// Run works until the context ends.
func (w *Worker) Run(ctx context.Context) error {
	ticker := time.NewTicker(w.o.Every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		_, err := w.Settle(ctx)
		switch {
		case err == nil && failing:
			w.o.Logger.Info("billing works again")
		case err != nil && ctx.Err() == nil && !failing:
			w.o.Logger.Error("billing work", "error", err)
		}
		failing = err != nil
	}
}

// Settle does everything that is due, until nothing more can be done now.
func (w *Worker) Settle(ctx context.Context) (Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var total Report
	for {
		lease, ok, err := w.o.Store.Acquire(ctx, leaseName, w.o.Holder, leaseTTL, w.o.Wall())
		if err != nil {
			return total, err
		}
		if !ok {
			return total, nil // another process is at it
		}
		round, err := w.round(ctx, lease)
		total.add(round)
		if err != nil || round.Closed == 0 {
			return total, err
		}
	}
}

// round closes what is due once, and follows payments and grants. What goes
// wrong with one period holds up no other.
func (w *Worker) round(ctx context.Context, lease billing.Lease) (Report, error) {
	var r Report
	var errs []error
	now := metering.MicrosOf(w.o.Now())
	look := now >= w.looked+seldom
	if look {
		errs = append(errs, w.late(ctx, lease, now))
	}
	due, err := w.o.Store.Due(ctx, now, batch)
	errs = append(errs, err)
	for _, p := range due {
		err := w.close(ctx, lease, p, &r)
		if errors.Is(err, metering.ErrFenced) {
			return r, err
		}
		errs = append(errs, err)
	}
	errs = append(errs, w.settlePayments(ctx, &r))
	if look {
		errs = append(errs, w.expire(ctx, now, &r))
		w.looked = now
	}
	return r, errors.Join(errs...)
}

// expire books what is left of grants that have expired, once no open period
// can use them any more.
func (w *Worker) expire(ctx context.Context, now metering.Micros, r *Report) error {
	grants, err := w.o.Store.Expiring(ctx, now)
	if err != nil {
		return err
	}
	var errs []error
	for _, g := range grants {
		if _, err := w.o.Store.ExpireGrant(ctx, g.Org, g.ID, now); err != nil {
			errs = append(errs, fmt.Errorf("expire grant %s: %w", g.ID, err))
			continue
		}
		r.Expired++
	}
	return errors.Join(errs...)
}
