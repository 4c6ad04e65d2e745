package console

import (
	"context"

	"github.com/weirhq/weir/metering"
)

// Store is what the pages need of the database. A reference to something of
// another organisation is metering.ErrNotFound, a clash metering.ErrConflict,
// bad input metering.ErrInvalid.
type Store interface {
	CustomerStore
	KeyStore
	MeterStore
	EventStore
	SessionStore
	Journals(ctx context.Context) ([]metering.JournalInfo, error)
}

// CustomerStore keeps customers. A ref is an id or an external id.
type CustomerStore interface {
	CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error)
	Customer(ctx context.Context, org, ref string) (metering.Customer, error)
	Customers(ctx context.Context, org string, limit int, cursor string) ([]metering.Customer, string, error)
	ArchiveCustomer(ctx context.Context, org, id string, at metering.Micros) error
}

// KeyStore keeps proxy keys.
type KeyStore interface {
	CreateKey(ctx context.Context, k metering.Key) (metering.Key, error)
	Key(ctx context.Context, org, id string) (metering.Key, error)
	Keys(ctx context.Context, org, customerID string, limit int, cursor string) ([]metering.Key, string, error)
	RotateKey(ctx context.Context, org, oldID string, fresh metering.Key, graceUntil metering.Micros) (metering.Key, error)
	RevokeKey(ctx context.Context, org, id string, at metering.Micros) error
}

// MeterStore keeps meters and their quantities. A ref is an id or a name.
type MeterStore interface {
	CreateMeter(ctx context.Context, m metering.Meter) (metering.Meter, error)
	Meter(ctx context.Context, org, ref string) (metering.Meter, error)
	Meters(ctx context.Context, org string, limit int, cursor string) ([]metering.Meter, string, error)
	ArchiveMeter(ctx context.Context, org, id string, at metering.Micros) error
	Quantities(ctx context.Context, q metering.QuantityQuery) ([]metering.QuantityRow, error)
}

// EventStore reads events and what follows from them. An event's ref is any of
// its ids. Usage can be grouped by "hour" too, the start of it in RFC 3339.
type EventStore interface {
	Event(ctx context.Context, org, ref string) (*metering.Event, error)
	Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error)
	// Corrections are those of an event in their order, and the content of the latest.
	Corrections(ctx context.Context, org string, of metering.ID) ([]*metering.Event, []byte, error)
	Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error)
	// StatedCosts compares what providers state of calls with what the price book
	// says.
	StatedCosts(ctx context.Context, q metering.StatedQuery) ([]metering.StatedRow, error)
	Quarantined(ctx context.Context, org string, limit int) ([]metering.Quarantined, error)
}

// SessionStore keeps who may sign in and who has. The hash of a secret is its
// SHA-256.
type SessionStore interface {
	LinkStore
	AdminByEmail(ctx context.Context, org, email string) (metering.Admin, error)
	// UseLink uses a link up: a second use, one that expired and one that never
	// was are metering.ErrNotFound.
	UseLink(ctx context.Context, hash [32]byte, kind string, now metering.Micros) (metering.Session, error)
	CreateSession(ctx context.Context, s metering.Session) error
	SessionByHash(ctx context.Context, hash [32]byte, kind string, now metering.Micros) (metering.Session, error)
	EndSession(ctx context.Context, hash [32]byte) error
	// LoginFailed notes a failed attempt and returns how many there were lately,
	// this one included; LoginFailures only counts.
	LoginFailed(ctx context.Context, org, email string, now metering.Micros) (int, error)
	LoginFailures(ctx context.Context, org, email string, now metering.Micros) (int, error)
}

// LinkStore keeps one-use links.
type LinkStore interface {
	CreateLink(ctx context.Context, link metering.Session) error
}

// Ring is the snapshot of proxy keys that this process serves from. It is read
// again after each change, so that a new key works and a revoked one is refused
// from the answer on.
type Ring interface {
	Reload(ctx context.Context) error
}
