package deferred

import (
	"context"
	"errors"

	"github.com/weirhq/weir/metering"
)

// ErrGone says that the provider no longer knows the object.
var ErrGone = errors.New("the provider does not know the object any more")

// Found is what a provider says of work that has ended, or of a part of it.
type Found struct {
	Usage  metering.Usage
	Ended  metering.Micros // as the provider says; 0: it does not
	Status int             // of the last answer
	// Part is which part of work it is that goes on, counted from 1 and each the same
	// whenever it is found; 0: the work has ended, and this is the rest of it.
	Part int64
}

// Provider asks upstreams about their objects.
type Provider interface {
	// Find asks once what became of the work. nil without an error: it goes on. d.Path
	// has then, and with a part, what is to be remembered of it.
	// ErrGone: nobody will ever say. Any other error: try again later.
	Find(ctx context.Context, d *Deferral) (*Found, error)
}
