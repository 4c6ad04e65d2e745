package portal

import (
	"context"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

// Store is what the pages need of the metering database. A reference to
// something of another organisation is metering.ErrNotFound.
type Store interface {
	SessionStore
	KeyStore
	UsageStore
	// Customer takes an id or an external id.
	Customer(ctx context.Context, org, ref string) (metering.Customer, error)
}

// SessionStore keeps one-use links and who is signed in. The hash of a secret is
// its SHA-256.
type SessionStore interface {
	LinkStore
	// UseLink uses a link up: a second use, one that expired and one that never
	// was are metering.ErrNotFound.
	UseLink(ctx context.Context, hash [32]byte, kind string, now metering.Micros) (metering.Session, error)
	CreateSession(ctx context.Context, s metering.Session) error
	SessionByHash(ctx context.Context, hash [32]byte, kind string, now metering.Micros) (metering.Session, error)
	EndSession(ctx context.Context, hash [32]byte) error
}

// LinkStore keeps one-use links.
type LinkStore interface {
	CreateLink(ctx context.Context, link metering.Session) error
}

// KeyStore keeps proxy keys.
type KeyStore interface {
	CreateKey(ctx context.Context, k metering.Key) (metering.Key, error)
	Key(ctx context.Context, org, id string) (metering.Key, error)
	Keys(ctx context.Context, org, customerID string, limit int, cursor string) ([]metering.Key, string, error)
	RevokeKey(ctx context.Context, org, id string, at metering.Micros) error
}

// UsageStore reads what was used.
type UsageStore interface {
	Event(ctx context.Context, org, ref string) (*metering.Event, error)
	Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error)
	Usage(ctx context.Context, q metering.UsageQuery) ([]metering.UsageRow, metering.UsageTotals, error)
	Meter(ctx context.Context, org, ref string) (metering.Meter, error)
	Journals(ctx context.Context) ([]metering.JournalInfo, error)
}

// Ring is the snapshot of proxy keys that this process serves from. It is read
// again after each change, so that a new key works and a revoked one is refused
// from the answer on.
type Ring interface {
	Reload(ctx context.Context) error
}

// BillingStore is what the pages need of the billing database. A reference to
// something of another organisation is metering.ErrNotFound.
type BillingStore interface {
	SubscriptionStore
	InvoiceStore
	CardStore
	// Grants are in the order in which they are used.
	Grants(ctx context.Context, org, customer string) ([]billing.Grant, error)
}

// SubscriptionStore reads what a customer is subscribed to.
type SubscriptionStore interface {
	Product(ctx context.Context, org, ref string) (billing.Product, error)
	Subscriptions(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Subscription, string, error)
	Periods(ctx context.Context, org, subscription string) ([]billing.Period, error)
}

// InvoiceStore reads invoices, the newest first, and what was paid of them. A
// ref is an id or a number.
type InvoiceStore interface {
	Invoices(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Account, string, error)
	Invoice(ctx context.Context, org, ref string) (billing.Account, error)
	Payments(ctx context.Context, org, invoice string) ([]billing.Payment, error)
	// Unpaid lists what is to be paid, the oldest first.
	Unpaid(ctx context.Context, org, customer string) ([]billing.Account, error)
}

// CardStore keeps the card on file; metering.ErrNotFound: there is none.
type CardStore interface {
	Method(ctx context.Context, org, customer string) (billing.PaymentMethod, error)
	SaveMethod(ctx context.Context, m billing.PaymentMethod) (billing.PaymentMethod, error)
}

// Biller computes what is owed. It writes nothing.
type Biller interface {
	Estimate(ctx context.Context, org, customer string, now metering.Micros) (invoicing.Estimate, error)
	Charges(ctx context.Context, org string, q metering.UsageQuery, rows []metering.UsageRow) (invoicing.Charges, error)
	Explain(ctx context.Context, org string, e *metering.Event) ([]invoicing.Explanation, error)
}
