package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Attribute returns the principal with the customer that the call names. A
// customer that does not exist comes into being if the key may create; where two
// replicas create the same one at once, both get the one that stands.
//
// The error is ErrUnknownCustomer, ErrArchived, metering.ErrInvalid for a name
// that no customer can have, or an [UnavailableError].
func (r *Ring) Attribute(ctx context.Context, p *metering.Principal, external string) (*metering.Principal, error) {
	name := customerName{p.Key.Org, external}
	customer, ok := r.customer(name)
	if !ok {
		var err error
		if customer, err = r.create(ctx, p, name); err != nil {
			return nil, err
		}
	}
	if customer.Archived != 0 {
		return nil, ErrArchived
	}
	return &metering.Principal{Key: p.Key, Customer: customer}, nil
}

// customer looks in memory alone.
func (r *Ring) customer(name customerName) (metering.Customer, bool) {
	if s := r.keys.Load(); s != nil {
		if c, ok := s.customers[name]; ok {
			return c, true
		}
	}
	if c, ok := r.made.Load(name); ok {
		return c.(metering.Customer), true
	}
	return metering.Customer{}, false
}

func (r *Ring) create(ctx context.Context, p *metering.Principal, name customerName) (metering.Customer, error) {
	if !p.Permitted(metering.PermitCreate) {
		return metering.Customer{}, ErrUnknownCustomer
	}
	made, err := r.src.CreateCustomer(ctx, metering.Customer{
		Org: name.org, ExternalID: name.external, Name: name.external, OnLoss: metering.LossRefuse,
	})
	if errors.Is(err, metering.ErrConflict) { // another call or replica was first
		made, err = r.found(ctx, name)
	}
	switch {
	case errors.Is(err, metering.ErrInvalid):
		return metering.Customer{}, fmt.Errorf("create customer %q: %w", name.external, err)
	case err != nil:
		return metering.Customer{}, fmt.Errorf("create customer %q: %w", name.external, &UnavailableError{err})
	}
	// Not read again from the source: where a thousand customers come into being,
	// that would be a thousand times all keys. The next poll does it once.
	r.made.Store(name, made)
	return made, nil
}

// found reads a customer that somebody else has made. Its external id may be the
// id of another one, which a reference would find first.
func (r *Ring) found(ctx context.Context, name customerName) (metering.Customer, error) {
	c, err := r.src.Customer(ctx, name.org, name.external)
	if err == nil && c.ExternalID != name.external {
		err = fmt.Errorf("it is the id of another customer: %w", metering.ErrInvalid)
	}
	return c, err
}
