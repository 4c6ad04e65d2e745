package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
)

// Billing is what the routes about money work with. Everything but Payments is
// required.
type Billing struct {
	Store    BillingStore
	Biller   Biller
	Worker   BillingWorker
	Payments CardProvider // nil: no payment provider, so no cards and no charges
}

// BillingStore is what the API needs of the billing database. A reference to
// something of another organisation is metering.ErrNotFound, a clash
// metering.ErrConflict, bad input metering.ErrInvalid.
type BillingStore interface {
	ProductStore
	SubscriptionStore
	CreditStore
	InvoiceStore
	CardStore
	DueStore
}

// ProductStore keeps products and the versions of their prices. A ref is an id
// or a name.
type ProductStore interface {
	CreateProduct(ctx context.Context, p billing.Product) (billing.Product, error)
	Product(ctx context.Context, org, ref string) (billing.Product, error)
	Products(ctx context.Context, org string, limit int, cursor string) ([]billing.Product, string, error)
	RenameProduct(ctx context.Context, org, id, name string) error
	ArchiveProduct(ctx context.Context, org, id string, at metering.Micros) error
	// AddPrice adds a version that is in force from p.From on, from now where
	// that is zero.
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
}

// CreditStore keeps grants. Grants are in the order in which they are used.
type CreditStore interface {
	CreateGrant(ctx context.Context, g billing.Grant) (billing.Grant, error)
	Grants(ctx context.Context, org, customer string) ([]billing.Grant, error)
	VoidGrant(ctx context.Context, org, id string, at metering.Micros) (billing.Grant, error)
}

// InvoiceStore keeps invoices, newest first, and what was paid of them, oldest
// first. A ref is an id or a number.
type InvoiceStore interface {
	Invoices(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Account, string, error)
	Invoice(ctx context.Context, org, ref string) (billing.Account, error)
	Payments(ctx context.Context, org, invoice string) ([]billing.Payment, error)
}

// CardStore keeps the card on file of each customer. Method is
// metering.ErrNotFound where there is none.
type CardStore interface {
	SaveMethod(ctx context.Context, m billing.PaymentMethod) (billing.PaymentMethod, error)
	Method(ctx context.Context, org, customer string) (billing.PaymentMethod, error)
}

// DueStore lists, over every organisation, what doctor looks at.
type DueStore interface {
	// Due lists open periods that ended before the instant, the oldest first.
	Due(ctx context.Context, before metering.Micros, limit int) ([]billing.Period, error)
	// Unsettled lists payments whose end is not known, the oldest first.
	Unsettled(ctx context.Context) ([]billing.Payment, error)
}

// Biller computes what is owed and proves it. It writes nothing.
type Biller interface {
	Charger
	Estimate(ctx context.Context, org, customer string, now metering.Micros) (invoicing.Estimate, error)
	Audit(ctx context.Context, org, ref string) (invoicing.AuditReport, error)
	Explain(ctx context.Context, org string, e *metering.Event) ([]invoicing.Explanation, error)
	Margins(ctx context.Context, q invoicing.MarginQuery) (invoicing.MarginReport, error)
	Costs(ctx context.Context, q invoicing.MarginQuery) (invoicing.MarginReport, error)
}

// BillingWorker does what is due.
type BillingWorker interface {
	// Settle closes what can be closed, charges, and follows payments.
	Settle(ctx context.Context) (work.Report, error)
	// Pay charges what is due of an invoice to the card on file, now.
	Pay(ctx context.Context, org, invoice string) (billing.Payment, error)
	// PayAll charges everything that is unpaid of a customer: what a new card is
	// for.
	PayAll(ctx context.Context, org, customer string) error
}

// CardProvider is the part of a billing.Provider by which cards get on file.
type CardProvider interface {
	// Name is stored with the cards.
	Name() string
	SetupURL(ctx context.Context, customer, returnURL string) (string, error)
	Method(ctx context.Context, customer, setup string) (billing.PaymentMethod, error)
}

// SandboxClock is the time of a sandbox.
type SandboxClock interface {
	Now() time.Time
	Offset() time.Duration
	// Advance moves the clock forward by months of the calendar, days and a
	// duration, and returns the time that it is then.
	Advance(ctx context.Context, months, days int, d time.Duration) (time.Time, error)
}

func (b *Billing) validate() error {
	if b != nil && (b.Store == nil || b.Biller == nil || b.Worker == nil) {
		return errors.New("api: billing needs its store, biller and worker")
	}
	return nil
}

// billed answers a request about money, where this server bills.
func billed(handle func(*Server, *call) (answer, error)) func(*Server, *call) (answer, error) {
	return func(s *Server, c *call) (answer, error) {
		if s.opts.Billing == nil {
			return answer{}, problem(CodeAbsent, "this server does not bill")
		}
		return handle(s, c)
	}
}

// found turns metering.ErrNotFound into a problem that names what was looked for.
func found(err error, what, ref string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, metering.ErrNotFound):
		return notFound(what, ref)
	default:
		return fmt.Errorf("%s %.100q: %w", what, ref, err)
	}
}

// lookup finds the names of what an answer refers to by id, each once.
type lookup struct {
	s         *Server
	c         *call
	meters    map[string]string
	products  map[string]string
	customers map[string]string
	keys      map[string]string
}

func (s *Server) lookup(c *call) *lookup {
	return &lookup{s, c, make(map[string]string), make(map[string]string), make(map[string]string), make(map[string]string)}
}

func (l *lookup) name(known map[string]string, id string, find func() (string, error)) (string, error) {
	if name, ok := known[id]; ok || id == "" {
		return name, nil
	}
	name, err := find()
	if err != nil {
		return "", fmt.Errorf("find the name of %s: %w", id, err)
	}
	known[id] = name
	return name, nil
}

func (l *lookup) meter(id string) (string, error) {
	return l.name(l.meters, id, func() (string, error) {
		m, err := l.s.opts.Store.Meter(l.c.Context(), l.c.org, id)
		return m.Name, err
	})
}

func (l *lookup) product(id string) (string, error) {
	return l.name(l.products, id, func() (string, error) {
		p, err := l.s.opts.Billing.Store.Product(l.c.Context(), l.c.org, id)
		return p.Name, err
	})
}

// customer is the external id.
func (l *lookup) customer(id string) (string, error) {
	return l.name(l.customers, id, func() (string, error) {
		c, err := l.s.opts.Store.Customer(l.c.Context(), l.c.org, id)
		return c.ExternalID, err
	})
}

// key is the name of a key, which may be empty.
func (l *lookup) key(id string) (string, error) {
	return l.name(l.keys, id, func() (string, error) {
		k, err := l.s.opts.Store.Key(l.c.Context(), l.c.org, id)
		return k.Name, err
	})
}

// each shows every item of a list.
func each[T, U any](items []T, show func(T) (U, error)) ([]U, error) {
	out := make([]U, 0, len(items))
	for _, it := range items {
		shown, err := show(it)
		if err != nil {
			return nil, err
		}
		out = append(out, shown)
	}
	return out, nil
}

// pageOf is page for items that cannot be shown without a look at the store.
func pageOf[T, U any](items []T, next string, show func(T) (U, error)) (Page[U], error) {
	shown, err := each(items, show)
	p := Page[U]{Items: shown}
	if next != "" {
		p.NextCursor = &next
	}
	return p, err
}
