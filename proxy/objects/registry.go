package objects

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// Row is what is kept of an object.
type Row struct {
	Org      string
	Provider string
	Object   dialect.Object
	Customer string // who has created it; "" of one that is only known to be deleted
	Key      string // id of the key that was used
	Event    string // id of the event of the call
	Created  metering.Micros
	Deleted  metering.Micros // 0: it is there
}

// Store keeps rows. Its methods are safe for concurrent use.
type Store interface {
	// Find returns the rows of those objects that have one.
	Find(ctx context.Context, org, provider string, list []dialect.Object) ([]Row, error)

	// Insert keeps rows that are new and returns how many were; a row that is there
	// stands.
	Insert(ctx context.Context, rows []Row) (fresh int64, err error)

	// Delete marks an object as deleted, whether it has a row or not.
	Delete(ctx context.Context, org, provider string, o dialect.Object, at metering.Micros) error

	// Purge drops the rows of items created before an instant.
	Purge(ctx context.Context, before metering.Micros) error

	// Ready returns an error if nothing can be written now.
	Ready(ctx context.Context) error
}

// Events knows whose call the usage of an object belongs to.
type Events interface {
	// ObjectOwner returns the customer of the first event of a provider whose usage
	// belongs to the object of that id; metering.ErrNotFound if there is none.
	ObjectOwner(ctx context.Context, org, provider, object string) (string, error)
}

// Deferrals is told of work whose usage the provider reports later.
type Deferrals interface {
	// Add keeps that o, a batch, a response made in the background, an operation that
	// makes videos or content that is cached, was created by c with a request to path, which is behind the
	// base URL, query included; behind a # is what the request has asked for that the
	// object does not say. It is durable when it returns and can be told again.
	Add(ctx context.Context, c *metering.Call, o dialect.Object, path string) error

	// Deleted says that o is gone by somebody's wish. Of what is not followed nothing
	// happens.
	Deleted(ctx context.Context, org, provider string, o dialect.Object) error
}

// Options configure a [Registry].
type Options struct {
	Store     Store     // required
	Events    Events    // required
	Deferrals Deferrals // nil: nobody follows such work

	// Wait is how long an object that is not known is waited for: another replica
	// may not have shipped its event yet. 0: 1.5 s.
	Wait time.Duration

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: slog.Default
}

const (
	// again is how often an object that is waited for is looked up.
	again = 150 * time.Millisecond
	// queued is how many items may wait for their rows.
	queued = 1 << 14
	// remembered is how many objects a registry remembers at most, at up to some 400
	// bytes each.
	remembered = 1 << 16
)

// Registry answers from memory where it can and from the database otherwise. It
// is safe for concurrent use. Somebody must run [Registry.Run].
type Registry struct {
	o       Options
	cache   cache
	items   chan Row
	dropped atomic.Int64
}

// New returns a registry that knows nothing yet.
func New(o Options) *Registry {
	if o.Wait <= 0 {
		o.Wait = 1500 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Registry{o: o, cache: newCache(remembered), items: make(chan Row, queued)}
}

// Owned returns nil if the customer has created all of the objects. Otherwise the
// error wraps metering.ErrNotFound, after the same time whether one is another's
// or nobody's.
func (r *Registry) Owned(ctx context.Context, org, customer, provider string, list []dialect.Object) error {
	q := query{org, customer, provider}
	missing, foreign, err := r.look(ctx, q, list)
	if err != nil || len(missing) == 0 && !foreign {
		return err
	}
	until := time.NewTimer(r.o.Wait)
	defer until.Stop()
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for an object: %w", ctx.Err())
		case <-until.C:
			return fmt.Errorf("one of %d objects: %w", len(list), metering.ErrNotFound)
		case <-tick.C:
			if foreign {
				continue
			}
			if missing, foreign, err = r.look(ctx, q, missing); err != nil || len(missing) == 0 && !foreign {
				return err
			}
		}
	}
}

// Foreign returns an error that wraps metering.ErrNotFound if one of the objects
// is another customer's, or was deleted. It does not wait: whoever knows an id
// that is not on record yet has made it, or was told it by the operator.
func (r *Registry) Foreign(ctx context.Context, org, customer, provider string, list []dialect.Object) error {
	_, foreign, err := r.look(ctx, query{org, customer, provider}, list)
	if err == nil && foreign {
		err = fmt.Errorf("one of %d objects: %w", len(list), metering.ErrNotFound)
	}
	return err
}

// query is whose objects of whom are looked for.
type query struct{ org, customer, provider string }

func (q query) key(o dialect.Object) cacheKey { return cacheKey{q.org, q.provider, o} }

// look returns which of the objects nobody is known to have created, and whether
// one is another customer's.
func (r *Registry) look(ctx context.Context, q query, list []dialect.Object) (missing []dialect.Object, foreign bool, err error) {
	for _, o := range list {
		known, ok := r.cache.get(q.key(o))
		switch {
		case !ok || !known.sure:
			missing = append(missing, o)
		case known.customer != q.customer:
			foreign = true
		}
	}
	if len(missing) == 0 || foreign {
		return missing, foreign, nil
	}
	found, err := r.find(ctx, q, missing)
	left := missing[:0]
	for _, o := range missing {
		customer, ok := found[o]
		if noted, hinted := r.cache.get(q.key(o)); !ok && hinted {
			customer, ok = noted.customer, true // its event has not been shipped yet
		}
		switch {
		case !ok:
			left = append(left, o)
		case customer != q.customer:
			foreign = true
		}
	}
	if len(left) == 0 {
		return nil, foreign, nil // what is remembered needs no database
	}
	return left, foreign, err
}

// find asks the database for owners. What is deleted has the owner "".
func (r *Registry) find(ctx context.Context, q query, list []dialect.Object) (map[dialect.Object]string, error) {
	rows, err := r.o.Store.Find(ctx, q.org, q.provider, list)
	if err != nil {
		return nil, fmt.Errorf("owners of objects: %w", err)
	}
	found := make(map[dialect.Object]string, len(list))
	for _, row := range rows {
		customer := row.Customer
		if row.Deleted != 0 {
			customer = ""
		}
		found[row.Object] = customer
	}
	for _, o := range list {
		if _, ok := found[o]; ok || o.Kind == dialect.KindItem {
			continue
		}
		customer, err := r.byEvent(ctx, q, o)
		switch {
		case err == nil:
			found[o] = customer
		case !errors.Is(err, metering.ErrNotFound):
			return nil, fmt.Errorf("owner of an object by its event: %w", err)
		}
	}
	for o, customer := range found {
		if customer != "" {
			r.cache.put(q.key(o), owner{customer, true})
		}
	}
	return found, nil
}

// byEvent finds the creator of an object that has no row: an answer, or an object
// whose row could not be written.
func (r *Registry) byEvent(ctx context.Context, q query, o dialect.Object) (string, error) {
	customer, err := r.o.Events.ObjectOwner(ctx, q.org, q.provider, o.ID)
	if o.Kind == dialect.KindBatch && errors.Is(err, metering.ErrNotFound) {
		return r.o.Events.ObjectOwner(ctx, q.org, q.provider, "batches/"+o.ID) // as Google's are called in events
	}
	return customer, err
}

// Ready returns an error if nothing could be recorded now.
func (r *Registry) Ready(ctx context.Context) error { return r.o.Store.Ready(ctx) }

// Noted remembers an object whose owner will be found by its event, or in the
// case of an item soon gets a row.
func (r *Registry) Noted(c *metering.Call, o dialect.Object) {
	r.cache.put(cacheKey{c.Org, c.Provider, o}, owner{c.Customer, false})
	if o.Kind != dialect.KindItem {
		return
	}
	select {
	case r.items <- r.row(c, o):
	default:
		r.dropped.Add(1)
	}
}

// Dropped is how many items got no row because too many were waiting or the
// database refused them.
func (r *Registry) Dropped() int64 { return r.dropped.Load() }

func (r *Registry) row(c *metering.Call, o dialect.Object) Row {
	return Row{
		Org: c.Org, Provider: c.Provider, Object: o, Customer: c.Customer, Key: c.Key, Event: c.ID.String(), Created: metering.MicrosOf(r.o.Now()),
	}
}

// Created records an object durably. The first customer stays its owner.
func (r *Registry) Created(ctx context.Context, c *metering.Call, o dialect.Object, path string) error {
	key := cacheKey{c.Org, c.Provider, o}
	if known, ok := r.cache.get(key); !ok || !known.sure || known.customer != c.Customer {
		fresh, err := r.o.Store.Insert(ctx, []Row{r.row(c, o)})
		if err != nil {
			return fmt.Errorf("record a %s: %w", o.Kind, err)
		}
		if fresh == 1 {
			r.cache.put(key, owner{c.Customer, true})
		}
	}
	switch {
	case r.o.Deferrals == nil:
		return nil
	case o.Kind == dialect.KindBatch, o.Kind == dialect.KindResponse, o.Kind == dialect.KindCache:
	case o.Kind == dialect.KindOperation && strings.Contains(path, "#"):
	default:
		return nil
	}
	if err := r.o.Deferrals.Add(ctx, c, o, path); err != nil {
		return fmt.Errorf("defer the usage of a %s: %w", o.Kind, err)
	}
	return nil
}

// Deleted records that an object is gone.
func (r *Registry) Deleted(ctx context.Context, org, provider string, o dialect.Object) error {
	r.cache.drop(cacheKey{org, provider, o})
	if err := r.o.Store.Delete(ctx, org, provider, o, metering.MicrosOf(r.o.Now())); err != nil {
		return fmt.Errorf("record that a %s is deleted: %w", o.Kind, err)
	}
	if r.o.Deferrals == nil {
		return nil
	}
	if err := r.o.Deferrals.Deleted(ctx, org, provider, o); err != nil {
		return fmt.Errorf("end what a %s used: %w", o.Kind, err)
	}
	return nil
}
