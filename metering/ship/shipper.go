package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
)

// Journal is what is shipped. *journal.Journal is one.
type Journal interface {
	ID() string
	// Claim makes a claim whose nonce is durable in the directory; Claimed says
	// that the registry has granted it.
	Claim() (metering.JournalClaim, error)
	Claimed(nonce string) error
	// Facts returns facts after a position, in order, as soon as there is one.
	Facts(ctx context.Context, after uint64, max int) ([]*metering.Event, error)
	// LastFact is the last fact written, Floor the last one that the directory
	// does not hold any more, and Parked how many wait to be written.
	LastFact() uint64
	Floor() uint64
	Parked() int
	// Recorded says that the database has the facts up to seq, Shipped that the
	// counters have them too.
	Recorded(seq uint64)
	Shipped(seq uint64)
	// Watermark: no call authorised before it is open or unrecorded.
	Watermark() metering.Micros
	OpenCalls(olderThan time.Duration) []metering.OpenCall
	// Fence stops the journal from authorising calls.
	Fence(err error)
}

// Store is the database. An error that wraps metering.ErrFenced is final; after
// any other one the same call can be made again, whatever became of the first.
type Store interface {
	ClaimJournal(ctx context.Context, c metering.JournalClaim) (metering.JournalLease, error)
	Ship(ctx context.Context, s metering.Shipment) error
	// Beat returns the highest sync request.
	Beat(ctx context.Context, b metering.Beat) (int64, error)
	ReleaseJournal(ctx context.Context, l metering.JournalLease) error
	// Snapshot reads totals and positions at one instant.
	Snapshot(ctx context.Context, slot metering.Slot, windows []metering.Window) (metering.Snapshot, error)
}

// Pricer sets what an event cost upstream, from the prices in force at its
// authorisation. It is pure.
type Pricer interface {
	Price(e *metering.Event)
}

// Options configure a shipper. The zero value is the default.
type Options struct {
	// Gather is how long a fact may wait for others to share its transaction;
	// zero is 250 ms, negative is not at all. Sync cuts it short.
	Gather time.Duration
	// Batch is how many facts one transaction takes at most; zero is 1000.
	Batch int
	// Beat is the time between two beats; zero is a second.
	Beat time.Duration
	// Drain bounds the shipping of what is left when Run is told to end; zero is
	// 10 s.
	Drain time.Duration
	// Timeout bounds one call to the database or the counters; zero is 30 s.
	Timeout time.Duration
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: slog.Default
}

// countersTimeout bounds one step of the counters, which facts wait for.
const countersTimeout = 3 * time.Second

// Shipper ships one journal. Its methods are safe for concurrent use; Claim is
// called once, before Run.
type Shipper struct {
	journal Journal
	store   Store
	pricer  Pricer
	counts  *settler
	opts    Options
	log     *slog.Logger

	lease metering.JournalLease // set by Claim
	nudge chan struct{}         // somebody waits for facts to be shipped
	beats chan struct{}         // a beat is wanted now

	mu       sync.Mutex
	recorded uint64 // last fact that the database has
	moved    chan struct{}
	clean    metering.Micros
	asked    int64  // highest sync request seen
	goal     uint64 // what has to be recorded before it is answered
	done     int64  // highest sync request answered
	failure  error  // why the database takes nothing now
	since    time.Time
	fenced   error
}

// New returns a shipper for the journal.
func New(j Journal, store Store, counter metering.Counter, pricer Pricer, o Options) *Shipper {
	if o.Gather == 0 {
		o.Gather = 250 * time.Millisecond
	}
	if o.Batch <= 0 {
		o.Batch = 1000
	}
	if o.Beat <= 0 {
		o.Beat = time.Second
	}
	if o.Drain <= 0 {
		o.Drain = 10 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	log := o.Logger.With("journal", j.ID())
	return &Shipper{
		journal: j, store: store, pricer: pricer, opts: o, log: log,
		counts: newSettler(j.ID(), store, counter, min(o.Timeout, countersTimeout), o.Now, log),
		nudge:  make(chan struct{}, 1),
		beats:  make(chan struct{}, 1),
		moved:  make(chan struct{}),
	}
}

// Claim takes the journal in the registry for this process. It fails with
// metering.ErrFenced if a copy of the directory has claimed it since this one
// was last used, and if the database lacks facts that the directory no longer
// holds.
func (s *Shipper) Claim(ctx context.Context) error {
	claim, err := s.journal.Claim()
	if err != nil {
		return fmt.Errorf("claim journal: %w", err)
	}
	lease, err := s.store.ClaimJournal(ctx, claim)
	if errors.Is(err, metering.ErrFenced) {
		s.fence(err)
		return fmt.Errorf("claim journal %s: %w: a copy of this directory is, or was, in use elsewhere; "+
			"go on with that one, or start with an empty data directory", s.journal.ID(), err)
	}
	if err != nil {
		return fmt.Errorf("claim journal %s in the database: %w", s.journal.ID(), err)
	}
	if err := s.journal.Claimed(claim.Nonce); err != nil {
		return fmt.Errorf("keep the claim of journal %s: %w", s.journal.ID(), err)
	}
	if floor := s.journal.Floor(); lease.Shipped < floor {
		return fmt.Errorf("journal %s was shipped to fact %d, but this database has it only to fact %d: "+
			"it is another database, or was restored from a copy; name the database that has them, "+
			"or, if everything the journal holds was shipped, start with an empty data directory: %w",
			s.journal.ID(), floor, lease.Shipped, metering.ErrConflict)
	}
	s.lease = lease
	s.mu.Lock()
	s.recorded = lease.Shipped
	s.mu.Unlock()
	s.journal.Recorded(lease.Shipped)
	return nil
}

// Run ships until ctx ends, then what is left, and gives the journal back. It
// returns an error that wraps metering.ErrFenced as soon as another process has
// taken the journal over.
func (s *Shipper) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var beating sync.WaitGroup
	beating.Go(func() {
		if err := s.keepBeating(ctx); err != nil {
			stop(err)
		}
	})
	err := s.keepShipping(ctx)
	stop(err)
	beating.Wait()
	if err == nil {
		if cause := context.Cause(ctx); errors.Is(cause, metering.ErrFenced) {
			err = cause
		}
	}
	if err != nil {
		return err
	}
	return s.finish(context.WithoutCancel(ctx))
}

// finish ships what is left, bounded, and releases the journal if that was all.
func (s *Shipper) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Drain)
	defer cancel()
	for s.position() < s.journal.LastFact() {
		facts, err := s.journal.Facts(ctx, s.position(), s.opts.Batch)
		if err == nil {
			err = s.deliver(ctx, facts)
		}
		if err != nil {
			return fmt.Errorf("ship what is left: %d facts stay in the journal for the next start: %w",
				s.journal.LastFact()-s.position(), err)
		}
	}
	if err := s.beat(ctx); err != nil {
		return fmt.Errorf("last beat: %w", err)
	}
	if n := len(s.journal.OpenCalls(0)); n > 0 || s.journal.Parked() > 0 {
		s.log.Warn("journal is left with calls that did not end; the next start settles them", "open", n)
		return nil
	}
	if err := s.store.ReleaseJournal(ctx, s.lease); err != nil {
		return fmt.Errorf("release journal: %w", err)
	}
	return nil
}

// Sync returns when every fact written before the call is in the database.
func (s *Shipper) Sync(ctx context.Context) error {
	const look = 20 * time.Millisecond // at facts that could not be written yet
	for s.journal.Parked() > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for facts that cannot be written: %w", ctx.Err())
		case <-time.After(look):
		}
	}
	last := s.journal.LastFact()
	for {
		s.mu.Lock()
		recorded, moved, fenced := s.recorded, s.moved, s.fenced
		s.mu.Unlock()
		if recorded >= last {
			return nil
		}
		if fenced != nil {
			return fenced
		}
		poke(s.nudge)
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the journal to be shipped: %w", ctx.Err())
		case <-moved:
		}
	}
}

// Status is what a person wants to know about shipping.
type Status struct {
	Recorded uint64    // last fact that the database has
	Lag      int64     // facts written and not recorded
	Failure  error     // why the database takes nothing now; nil if it does
	Since    time.Time // of the failure
	Dirty    int       // customers whose counters wait to be set anew
}

// Status reports the state of shipping.
func (s *Shipper) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{
		Recorded: s.recorded, Lag: lag(s.journal.LastFact(), s.recorded),
		Failure: s.failure, Since: s.since, Dirty: s.counts.dirty(),
	}
}

// lag counts positions, which are records and not only facts: it is zero
// exactly when nothing is left and never less than the number of facts.
func lag(last, recorded uint64) int64 {
	if last <= recorded {
		return 0
	}
	return int64(last - recorded)
}

func (s *Shipper) position() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recorded
}

// fence stops this process from authorising calls.
func (s *Shipper) fence(err error) {
	s.journal.Fence(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fenced == nil {
		s.fenced = err
		close(s.moved)
		s.moved = make(chan struct{})
	}
}

// poke leaves a signal unless there is one already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
