package deferred

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// Registrar keeps what is created with usage to come.
type Registrar struct {
	Store Store
	Now   func() time.Time // nil: time.Now
}

// Add keeps that o, a batch, a response made in the background or an operation, was created by
// c with a request to path, which is behind the base URL, query included. One that
// is followed already is asked about at once: somebody wants to know.
func (r Registrar) Add(ctx context.Context, c *metering.Call, o dialect.Object, path string) error {
	where := Path(path, o.Kind, o.ID)
	if where == "" {
		return fmt.Errorf("where a %s made by a call to %s is asked for is not known: %w", o.Kind, c.Endpoint, metering.ErrInvalid)
	}
	now := time.Now()
	if r.Now != nil {
		now = r.Now()
	}
	d := Deferral{
		Call: *c, Kind: o.Kind, Object: o.ID, Path: where, State: StateOpen,
		Due: metering.MicrosOf(now.Add(wait(o.Kind, 0))),
	}
	if err := r.Store.Add(ctx, d); err != nil {
		return err
	}
	return r.Store.Wake(ctx, c.Org, c.Provider, o.Kind, o.ID, now.Add(wake))
}

// Deleted says that an object was deleted: how long it was there is found out at once.
func (r Registrar) Deleted(ctx context.Context, org, provider string, o dialect.Object) error {
	if o.Kind != dialect.KindCache {
		return nil
	}
	now := time.Now()
	if r.Now != nil {
		now = r.Now()
	}
	return r.Store.Wake(ctx, org, provider, o.Kind, o.ID, now)
}

// wake is how soon work is asked about that somebody wants to know of: not at
// once, so that a client that asks without a pause does not make us do the same.
const wake = time.Second
