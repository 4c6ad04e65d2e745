package api

import (
	"context"

	"github.com/weirhq/weir/metering"
)

// Store is what the API needs of the database. Everything is scoped by the
// organisation: a reference to something of another one is
// metering.ErrNotFound.
type Store interface {
	CustomerStore
	KeyStore
	TokenStore
	MeterStore
	EventStore
	JournalStore
	AnswerStore
}

// CustomerStore keeps customers. A ref is an id or an external id.
type CustomerStore interface {
	CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error)
	Customer(ctx context.Context, org, ref string) (metering.Customer, error)
	Customers(ctx context.Context, org string, limit int, cursor string) ([]metering.Customer, string, error)
	UpdateCustomer(ctx context.Context, c metering.Customer) error
	ArchiveCustomer(ctx context.Context, org, id string, at metering.Micros) error
}

// KeyStore keeps proxy keys.
type KeyStore interface {
	CreateKey(ctx context.Context, k metering.Key) (metering.Key, error)
	Key(ctx context.Context, org, id string) (metering.Key, error)
	Keys(ctx context.Context, org, customerID string, limit int, cursor string) ([]metering.Key, string, error)
	UpdateKey(ctx context.Context, k metering.Key) error
	// RotateKey makes fresh and lets the old key expire at graceUntil, at once.
	RotateKey(ctx context.Context, org, oldID string, fresh metering.Key, graceUntil metering.Micros) (metering.Key, error)
	RevokeKey(ctx context.Context, org, id string, at metering.Micros) error
}

// TokenStore keeps access tokens.
type TokenStore interface {
	CreateToken(ctx context.Context, t metering.AccessToken) (metering.AccessToken, error)
	Tokens(ctx context.Context, org string, limit int, cursor string) ([]metering.AccessToken, string, error)
	// TokenByHash returns expired and revoked tokens too.
	TokenByHash(ctx context.Context, hash [32]byte) (metering.AccessToken, error)
	RevokeToken(ctx context.Context, org, id string, at metering.Micros) error
	TouchToken(ctx context.Context, org, id string, at metering.Micros) error
}

// MeterStore keeps meters and their quantities. A ref is an id or a name.
type MeterStore interface {
	CreateMeter(ctx context.Context, m metering.Meter) (metering.Meter, error)
	Meter(ctx context.Context, org, ref string) (metering.Meter, error)
	Meters(ctx context.Context, org string, limit int, cursor string) ([]metering.Meter, string, error)
	RenameMeter(ctx context.Context, org, id, name string) error
	ArchiveMeter(ctx context.Context, org, id string, at metering.Micros) error
	Quantities(ctx context.Context, q metering.QuantityQuery) ([]metering.QuantityRow, error)
}

// EventStore keeps events and what follows from them. An event's ref is any of
// its ids.
type EventStore interface {
	Ingest(ctx context.Context, org string, events []*metering.Event) (metering.IngestResult, error)
	Event(ctx context.Context, org, ref string) (*metering.Event, error)
	Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error)
	Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error)
	// Corrections are those of an event, and the content of the latest.
	Corrections(ctx context.Context, org string, of metering.ID) ([]*metering.Event, []byte, error)
	// Correct records a correction of an event that had as many before.
	Correct(ctx context.Context, c *metering.Event, before int, content []byte) error
	// StatedCosts compares what providers state with what the price book says.
	StatedCosts(ctx context.Context, q metering.StatedQuery) ([]metering.StatedRow, error)
	Quarantined(ctx context.Context, org string, limit int) ([]metering.Quarantined, error)
}

// JournalStore is the registry of journals.
type JournalStore interface {
	Journals(ctx context.Context) ([]metering.JournalInfo, error)
	// AskSync asks every live journal to ship what it has and returns, per
	// journal, the SyncDone to wait for.
	AskSync(ctx context.Context) (map[string]int64, error)
}

// AnswerStore remembers answers for a day at least. The first answer of a key
// stands; a later SaveAnswer changes nothing and is no error.
type AnswerStore interface {
	Answer(ctx context.Context, org, key string) (hash [32]byte, status int, body []byte, ok bool, err error)
	SaveAnswer(ctx context.Context, org, key string, hash [32]byte, status int, body []byte) error
}

// Ring is the snapshot of proxy keys that this process serves from. The API has
// it read again after each change, so that a new key works and a revoked one
// is refused from the answer on; other replicas follow by polling.
type Ring interface {
	Reload(ctx context.Context) error
}

// Pricer sets what an event cost upstream. It is pure.
type Pricer interface {
	Price(e *metering.Event)
}
