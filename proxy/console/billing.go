package console

import (
	"context"
	"io"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
)

// Billing is what the billing pages work with. PDF may be nil: then there is no
// link to one.
type Billing struct {
	Store  BillingStore
	Biller Biller
	Worker BillingWorker
	// PDF writes an invoice as a document, with what was paid of it.
	PDF func(w io.Writer, a billing.Account, payments []billing.Payment) error
}

// BillingStore is what the pages need of the billing database. A reference to
// something of another organisation is metering.ErrNotFound, a clash
// metering.ErrConflict, bad input metering.ErrInvalid.
type BillingStore interface {
	ProductStore
	SubscriptionStore
	CreditStore
	InvoiceStore
}

// ProductStore keeps products and the versions of their prices. A ref is an id
// or a name.
type ProductStore interface {
	CreateProduct(ctx context.Context, p billing.Product) (billing.Product, error)
	Product(ctx context.Context, org, ref string) (billing.Product, error)
	Products(ctx context.Context, org string, limit int, cursor string) ([]billing.Product, string, error)
	RenameProduct(ctx context.Context, org, id, name string) error
	ArchiveProduct(ctx context.Context, org, id string, at metering.Micros) error
	AddPrice(ctx context.Context, org string, p billing.Price, now metering.Micros) (billing.Price, error)
}

// SubscriptionStore keeps subscriptions and their periods.
type SubscriptionStore interface {
	CreateSubscription(ctx context.Context, s billing.Subscription) (billing.Subscription, error)
	Subscription(ctx context.Context, org, id string) (billing.Subscription, error)
	Subscriptions(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Subscription, string, error)
	SwitchProduct(ctx context.Context, org, id string, ph billing.Phase, now metering.Micros) (billing.Subscription, error)
	EndSubscription(ctx context.Context, org, id string, at, now metering.Micros) (billing.Subscription, error)
	Periods(ctx context.Context, org, subscription string) ([]billing.Period, error)
	// Due lists open periods of every organisation that ended before the instant,
	// the oldest first.
	Due(ctx context.Context, before metering.Micros, limit int) ([]billing.Period, error)
}

// CreditStore keeps grants; Grants are in the order in which they are used.
type CreditStore interface {
	CreateGrant(ctx context.Context, g billing.Grant) (billing.Grant, error)
	Grants(ctx context.Context, org, customer string) ([]billing.Grant, error)
	VoidGrant(ctx context.Context, org, id string, at metering.Micros) (billing.Grant, error)
}

// InvoiceStore keeps invoices, newest first, and what was paid of them. A ref
// is an id or a number.
type InvoiceStore interface {
	Invoices(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Account, string, error)
	Invoice(ctx context.Context, org, ref string) (billing.Account, error)
	Payments(ctx context.Context, org, invoice string) ([]billing.Payment, error)
	// Unsettled lists the payments of every organisation whose end is not known.
	Unsettled(ctx context.Context) ([]billing.Payment, error)
	Method(ctx context.Context, org, customer string) (billing.PaymentMethod, error)
}

// Biller computes what is owed and proves it. It writes nothing.
type Biller interface {
	Estimate(ctx context.Context, org, customer string, now metering.Micros) (invoicing.Estimate, error)
	Audit(ctx context.Context, org, ref string) (invoicing.AuditReport, error)
	Explain(ctx context.Context, org string, e *metering.Event) ([]invoicing.Explanation, error)
	Margins(ctx context.Context, q invoicing.MarginQuery) (invoicing.MarginReport, error)
}

// BillingWorker does what is due.
type BillingWorker interface {
	// Settle does everything that is due now.
	Settle(ctx context.Context) (work.Report, error)
	// Pay charges what is due of an invoice to the card on file.
	Pay(ctx context.Context, org, invoice string) (billing.Payment, error)
}
