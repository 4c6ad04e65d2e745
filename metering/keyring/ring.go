// Package keyring holds the proxy keys of all customers in memory, so that the
// data plane identifies a caller without a query. The snapshot follows the
// database by polling a version that every change of a key or customer moves.
package keyring

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering"
)

// Reasons for which a key is refused.
var (
	ErrUnknown         = errors.New("unknown key")
	ErrRevoked         = errors.New("revoked key")
	ErrExpired         = errors.New("expired key")
	ErrArchived        = errors.New("the customer of this key is archived")
	ErrUnknownCustomer = errors.New("unknown customer")
)

// ErrStale says that the keys in memory are too old to be trusted.
var ErrStale error = &UnavailableError{errors.New("the keys in memory are too old to be trusted")}

// UnavailableError says that nobody can be told who a key belongs to now.
type UnavailableError struct{ Err error }

// Error says why.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Unavailable reports that the same call may succeed later.
func (e *UnavailableError) Unavailable() bool { return true }

const (
	pollEvery   = 250 * time.Millisecond
	pollTimeout = 2 * time.Second
	loadTimeout = 30 * time.Second
)

// Source is where keys are kept.
type Source interface {
	// KeyringVersion moves with every change of a key or customer.
	KeyringVersion(ctx context.Context) (int64, error)
	// Keyring returns every key with its customer, and the version they have.
	Keyring(ctx context.Context) (int64, []metering.Principal, error)
	Customer(ctx context.Context, org, ref string) (metering.Customer, error)
	CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error)
}

// Options configure a ring. The zero value is the default.
type Options struct {
	MaxStale time.Duration    // how long keys are trusted while the source cannot be reached; 0: for ever
	Logger   *slog.Logger     // nil: slog.Default
	Now      func() time.Time // by which keys expire; nil: time.Now
}

// Ring is the snapshot. Its methods are safe for concurrent use.
type Ring struct {
	src  Source
	opts Options
	keys atomic.Pointer[snapshot]

	// Ages are measured from start by the monotonic clock, so that a step of the
	// wall clock makes no key stale and keeps none fresh.
	start   time.Time
	current atomic.Int64 // nanoseconds after start at which the snapshot was known to be current

	loading sync.Mutex
	made    sync.Map // customerName → metering.Customer made since the snapshot was read
}

type snapshot struct {
	version   int64
	byHash    map[[32]byte]*metering.Principal
	customers map[customerName]metering.Customer
}

type customerName struct{ org, external string }

// New returns a ring that knows no key until Load.
func New(src Source, o Options) *Ring {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ring{src: src, opts: o, start: time.Now()}
}

// Load reads all keys.
func (r *Ring) Load(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	at := time.Since(r.start)
	version, principals, err := r.src.Keyring(ctx)
	if err != nil {
		return fmt.Errorf("read proxy keys: %w", err)
	}
	s := &snapshot{
		version: version, byHash: make(map[[32]byte]*metering.Principal, len(principals)),
		customers: make(map[customerName]metering.Customer),
	}
	for i := range principals {
		p := &principals[i]
		if p.Key.ID != "" {
			s.byHash[p.Key.Hash] = p
		}
		s.customers[customerName{p.Customer.Org, p.Customer.ExternalID}] = p.Customer
	}
	r.keys.Store(s)
	r.made.Clear() // one that was made while we read is asked for again
	r.known(at)
	return nil
}

// known notes that the snapshot was current at an instant. Of a poll and a load
// that overlap, the later one counts.
func (r *Ring) known(at time.Duration) {
	for {
		have := r.current.Load()
		if int64(at) <= have || r.current.CompareAndSwap(have, int64(at)) {
			return
		}
	}
}

// Reload reads all keys again, at once.
func (r *Ring) Reload(ctx context.Context) error { return r.Load(ctx) }

// Loaded is when the snapshot was last known to be current; the zero Time if
// there is none yet.
func (r *Ring) Loaded() time.Time {
	if r.keys.Load() == nil {
		return time.Time{}
	}
	return r.start.Add(time.Duration(r.current.Load()))
}

// Run follows the source until ctx ends, which is no error. While the source
// cannot be reached the snapshot stays.
func (r *Ring) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := r.poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err != nil && !failing:
			r.opts.Logger.Error("proxy keys cannot be followed; those in memory hold", "for", r.opts.MaxStale, "err", err)
		case err == nil && failing:
			r.opts.Logger.Info("proxy keys are followed again")
		}
		failing = err != nil
	}
}

func (r *Ring) poll(ctx context.Context) error {
	at := time.Since(r.start)
	version, err := r.version(ctx)
	if err != nil {
		return err
	}
	if s := r.keys.Load(); s != nil && s.version == version {
		r.known(at)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	return r.Load(ctx)
}

func (r *Ring) version(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	version, err := r.src.KeyringVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the version of proxy keys: %w", err)
	}
	return version, nil
}

// Lookup returns whose key it is. It allocates nothing, and compares hashes
// only: nobody can choose one, so how long it takes tells nothing of a key.
//
// A key that was revoked stays so, whatever the clocks of this machine and the
// one that revoked it say. An unknown key may be a new one where the snapshot is
// too old, so that is not called unknown.
func (r *Ring) Lookup(secret []byte) (*metering.Principal, error) {
	if !WellFormed(secret) {
		return nil, ErrUnknown
	}
	s := r.keys.Load()
	if s == nil {
		return nil, ErrStale
	}
	p := s.byHash[sha256.Sum256(secret)]
	switch {
	case p != nil && p.Key.Revoked != 0:
		return nil, ErrRevoked
	case r.stale():
		return nil, ErrStale
	case p == nil:
		return nil, ErrUnknown
	case p.Key.Expires != 0 && p.Key.Expires <= metering.MicrosOf(r.opts.Now()):
		return nil, ErrExpired
	case p.Customer.Archived != 0:
		return nil, ErrArchived
	}
	return p, nil
}

func (r *Ring) stale() bool {
	return r.opts.MaxStale > 0 && time.Since(r.start)-time.Duration(r.current.Load()) > r.opts.MaxStale
}
