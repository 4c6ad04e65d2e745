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
	pollTimeout = 5 * time.Second
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
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: slog.Default
}

// Ring is the snapshot. Its methods are safe for concurrent use.
type Ring struct {
	src     Source
	opts    Options
	keys    atomic.Pointer[snapshot]
	current atomic.Int64 // unix nanoseconds at which the snapshot was known to be current

	loading sync.Mutex
}

type snapshot struct {
	version   int64
	byHash    map[[32]byte]*metering.Principal
	customers map[customerName]metering.Customer
}

type customerName struct{ org, external string }

// New returns a ring that knows no key until Load.
func New(src Source, o Options) *Ring {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Ring{src: src, opts: o}
}

// Load reads all keys.
func (r *Ring) Load(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	at := r.opts.Now()
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
	r.current.Store(at.UnixNano())
	return nil
}

// Reload reads all keys again, at once.
func (r *Ring) Reload(ctx context.Context) error { return r.Load(ctx) }

// Loaded is when the snapshot was last known to be current.
func (r *Ring) Loaded() time.Time { return time.Unix(0, r.current.Load()) }

// Run follows the source until ctx ends, which is no error.
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
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	at := r.opts.Now()
	version, err := r.src.KeyringVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the version of proxy keys: %w", err)
	}
	if s := r.keys.Load(); s != nil && s.version == version {
		r.current.Store(max(r.current.Load(), at.UnixNano()))
		return nil
	}
	return r.Load(ctx)
}

// Lookup returns whose key it is. It allocates nothing, and compares hashes
// only: nobody can choose one, so how long it takes tells nothing of a key.
func (r *Ring) Lookup(secret []byte) (*metering.Principal, error) {
	if !WellFormed(secret) {
		return nil, ErrUnknown
	}
	s := r.keys.Load()
	if s == nil {
		return nil, ErrStale
	}
	p := s.byHash[sha256.Sum256(secret)]
	if p == nil {
		return nil, ErrUnknown
	}
	now := r.opts.Now()
	at := metering.MicrosOf(now)
	switch {
	case p.Key.Revoked != 0 && p.Key.Revoked <= at:
		return nil, ErrRevoked
	case p.Key.Expires != 0 && p.Key.Expires <= at:
		return nil, ErrExpired
	case p.Customer.Archived != 0:
		return nil, ErrArchived
	case r.opts.MaxStale > 0 && now.UnixNano()-r.current.Load() > int64(r.opts.MaxStale):
		return nil, ErrStale
	}
	return p, nil
}

// Attribute returns the principal with the customer that the call names. A
// customer that does not exist comes into being if the key may create.
func (r *Ring) Attribute(ctx context.Context, p *metering.Principal, external string) (*metering.Principal, error) {
	customer, ok := r.keys.Load().customers[customerName{p.Key.Org, external}]
	if !ok {
		var err error
		if customer, err = r.create(ctx, p, external); err != nil {
			return nil, err
		}
	}
	if customer.Archived != 0 {
		return nil, ErrArchived
	}
	return &metering.Principal{Key: p.Key, Customer: customer}, nil
}

func (r *Ring) create(ctx context.Context, p *metering.Principal, external string) (metering.Customer, error) {
	if !p.Permitted(metering.PermitCreate) {
		return metering.Customer{}, ErrUnknownCustomer
	}
	made, err := r.src.CreateCustomer(ctx, metering.Customer{
		Org: p.Key.Org, ExternalID: external, Name: external, OnLoss: metering.LossRefuse, Created: metering.MicrosOf(r.opts.Now()),
	})
	if errors.Is(err, metering.ErrConflict) { // another call or replica was first
		made, err = r.src.Customer(ctx, p.Key.Org, external)
	}
	if err != nil {
		return metering.Customer{}, fmt.Errorf("create customer %q: %w", external, &UnavailableError{err})
	}
	if err := r.Load(ctx); err != nil {
		return metering.Customer{}, &UnavailableError{err}
	}
	return made, nil
}
