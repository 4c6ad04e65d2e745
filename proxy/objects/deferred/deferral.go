package deferred

import (
	"context"
	"time"

	"github.com/weirhq/weir/metering"
)

// State is how far a deferral is.
type State string

// States of a deferral.
const (
	StateOpen State = "open" // its usage is not known yet
	StateDone State = "done" // it is recorded, or there was none
	// StateLost: the provider no longer tells, or never did until GiveUp. The usage
	// is recorded as unknown.
	StateLost State = "lost"
)

// Deferral is work of a provider whose usage is not known yet.
type Deferral struct {
	// Call is the call that created the object: whose it is, through which upstream,
	// with which tags. Its instant is when its prices were pinned.
	Call metering.Call

	Kind   string // of the object: dialect.KindBatch, KindResponse, KindOperation or KindCache
	Object string // the provider's id
	// Path is where the object is asked for, behind the upstream's base URL, query
	// included. Behind a # is what its request has asked for that it does not say
	// itself, see [dialect.Request.Remembered], or what it said when it was last seen.
	Path string

	State State
	Due   metering.Micros // not asked before
	Tries int             // answers that said nothing final, failures included
	Error string          // of the latest failure, for people; never a provider's bytes
	Done  metering.Micros // when it ended; 0: open

	// Fence is presented with every change: it moves with whoever takes the row.
	Fence int64
}

// Store keeps deferrals. Its methods are safe for concurrent use; what is asked
// for and is not there is metering.ErrNotFound.
type Store interface {
	// Add keeps a deferral that is new; one of the same object stands.
	Add(ctx context.Context, d Deferral) error

	// Take returns up to n open deferrals that are due at now and that nobody else
	// has, for ttl. Each has a fence that nobody had before.
	Take(ctx context.Context, now time.Time, ttl time.Duration, n int) ([]Deferral, error)

	// Put keeps what became of a deferral and lets others have it. If somebody else
	// took it meanwhile that is metering.ErrFenced and nothing changes.
	Put(ctx context.Context, d Deferral) error

	// Wake makes an open deferral due at once; of one that is not there nothing
	// happens.
	Wake(ctx context.Context, org, provider, kind, object string, now time.Time) error

	// Open counts the open deferrals of every organisation, and how many of them
	// have failed at least tries times in a row.
	Open(ctx context.Context, tries int) (open, failing int64, err error)
}

// Events is where usage is recorded. An external id stands for one event for
// ever: the same again is a duplicate.
type Events interface {
	Ingest(ctx context.Context, org string, events []*metering.Event) (metering.IngestResult, error)
}

// Pricer says what an event cost.
type Pricer interface {
	Price(e *metering.Event)
}
