package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/weirhq/weir/billing"
)

// NewProduct is what a product is made of. Interval is 1mo, 3mo, 6mo or 12mo.
type NewProduct struct {
	Name       string            `json:"name"`
	Interval   string            `json:"interval,omitempty"`
	TrialDays  int               `json:"trial_days,omitempty"`
	TrialUsage billing.TrialRule `json:"trial_usage,omitempty"`
	Prices     []NewPrice        `json:"prices,omitempty"`
}

// NewPrice is what a price is made of: Amount currency units for Per units of
// the meter, both decimals. From is for another version of a price alone; zero
// is now.
type NewPrice struct {
	Meter    string             `json:"meter"` // id or name
	Model    billing.PriceModel `json:"model,omitempty"`
	Amount   string             `json:"amount"`
	Per      int64              `json:"per,omitempty"`
	Included string             `json:"included,omitempty"`
	Currency billing.Currency   `json:"currency"`
	From     Instant            `json:"from,omitzero"`
}

// Products lists products.
func (c *Client) Products(ctx context.Context, o ListOptions) (Page[Product], error) {
	return do[Page[Product]](ctx, c, http.MethodGet, at("products"), o.params(), nil)
}

// CreateProduct makes a product.
func (c *Client) CreateProduct(ctx context.Context, n NewProduct) (Product, error) {
	return do[Product](ctx, c, http.MethodPost, at("products"), nil, n)
}

// Product shows the product of that id or name.
func (c *Client) Product(ctx context.Context, ref string) (Product, error) {
	return do[Product](ctx, c, http.MethodGet, at("products", ref), nil, nil)
}

// RenameProduct renames a product.
func (c *Client) RenameProduct(ctx context.Context, ref, name string) (Product, error) {
	return do[Product](ctx, c, http.MethodPatch, at("products", ref), nil, map[string]string{"name": name})
}

// ArchiveProduct archives a product: nobody subscribes to it from then on.
func (c *Client) ArchiveProduct(ctx context.Context, ref string) (Product, error) {
	return do[Product](ctx, c, http.MethodPost, at("products", ref, "archive"), nil, nil)
}

// AddPrice adds a version of a price.
func (c *Client) AddPrice(ctx context.Context, product string, n NewPrice) (Price, error) {
	return do[Price](ctx, c, http.MethodPost, at("products", product, "prices"), nil, n)
}

// NewSubscription is what a subscription is made of. Customer and Product are
// ids or names; AnchorDay 0 is the day on which it starts, Zone empty is UTC,
// Start zero is now.
type NewSubscription struct {
	Customer  string  `json:"customer"`
	Product   string  `json:"product"`
	AnchorDay int     `json:"anchor_day,omitempty"`
	Zone      string  `json:"zone,omitempty"`
	Start     Instant `json:"start,omitzero"`
}

// Subscriptions lists the subscriptions of a customer, or all where it is empty.
func (c *Client) Subscriptions(ctx context.Context, customer string, o ListOptions) (Page[Subscription], error) {
	return do[Page[Subscription]](ctx, c, http.MethodGet, at("subscriptions"), o.params("customer", customer), nil)
}

// CreateSubscription makes a subscription.
func (c *Client) CreateSubscription(ctx context.Context, n NewSubscription) (Subscription, error) {
	return do[Subscription](ctx, c, http.MethodPost, at("subscriptions"), nil, n)
}

// Subscription shows a subscription with its periods.
func (c *Client) Subscription(ctx context.Context, id string) (Subscription, error) {
	return do[Subscription](ctx, c, http.MethodGet, at("subscriptions", id), nil, nil)
}

// SwitchProduct lets another product hold from an instant on; zero is now.
func (c *Client) SwitchProduct(ctx context.Context, id, product string, from Instant) (Subscription, error) {
	body := struct {
		Product string  `json:"product"`
		From    Instant `json:"from,omitzero"`
	}{product, from}
	return do[Subscription](ctx, c, http.MethodPost, at("subscriptions", id, "product"), nil, body)
}

// EndSubscription ends a subscription; zero is now.
func (c *Client) EndSubscription(ctx context.Context, id string, when Instant) (Subscription, error) {
	body := struct {
		At Instant `json:"at,omitzero"`
	}{when}
	return do[Subscription](ctx, c, http.MethodPost, at("subscriptions", id, "end"), nil, body)
}

// NewCredit is what credit is made of: Units of Meter, or Amount of Currency.
type NewCredit struct {
	Customer  string           `json:"customer"`
	Meter     string           `json:"meter,omitempty"`
	Units     string           `json:"units,omitempty"`
	Amount    string           `json:"amount,omitempty"`
	Currency  billing.Currency `json:"currency,omitempty"`
	Priority  int              `json:"priority,omitempty"` // lower is used first
	Note      string           `json:"note,omitempty"`
	ExpiresAt Instant          `json:"expires_at,omitzero"`
}

// Credits lists the credit of a customer in the order in which it is used.
func (c *Client) Credits(ctx context.Context, customer string) (Credits, error) {
	return do[Credits](ctx, c, http.MethodGet, at("credits"), params("customer", customer), nil)
}

// CreateCredit gives a customer credit.
func (c *Client) CreateCredit(ctx context.Context, n NewCredit) (Credit, error) {
	return do[Credit](ctx, c, http.MethodPost, at("credits"), nil, n)
}

// VoidCredit takes back what is left of credit.
func (c *Client) VoidCredit(ctx context.Context, id string) (Credit, error) {
	return do[Credit](ctx, c, http.MethodPost, at("credits", id, "void"), nil, nil)
}

// Invoices lists the invoices of a customer, or all where it is empty, newest
// first.
func (c *Client) Invoices(ctx context.Context, customer string, o ListOptions) (Page[Invoice], error) {
	return do[Page[Invoice]](ctx, c, http.MethodGet, at("invoices"), o.params("customer", customer), nil)
}

// Invoice shows the invoice of that id or number.
func (c *Client) Invoice(ctx context.Context, ref string) (InvoiceDetail, error) {
	return do[InvoiceDetail](ctx, c, http.MethodGet, at("invoices", ref), nil, nil)
}

// PayInvoice charges what is due to the card on file, now.
func (c *Client) PayInvoice(ctx context.Context, ref string) (Payment, error) {
	return do[Payment](ctx, c, http.MethodPost, at("invoices", ref, "pay"), nil, nil)
}

// AuditInvoice computes an invoice again and compares every figure.
func (c *Client) AuditInvoice(ctx context.Context, ref string) (Audit, error) {
	return do[Audit](ctx, c, http.MethodGet, at("invoices", ref, "audit"), nil, nil)
}

// Estimate tells what a customer owes so far. sync first waits until everything
// answered before is in.
func (c *Client) Estimate(ctx context.Context, customer string, sync bool) (Estimate, error) {
	q := params()
	if sync {
		q.Set("sync", strconv.FormatBool(sync))
	}
	return do[Estimate](ctx, c, http.MethodGet, at("customers", customer, "estimate"), q, nil)
}

// Card shows the card on file; the problem's code is CodeNoCard if there is none.
func (c *Client) Card(ctx context.Context, customer string) (Card, error) {
	return do[Card](ctx, c, http.MethodGet, at("customers", customer, "method"), nil, nil)
}

// SaveCard puts on file what the customer has set up on the provider's page.
func (c *Client) SaveCard(ctx context.Context, customer, setup string) (Card, error) {
	return do[Card](ctx, c, http.MethodPost, at("customers", customer, "method"), nil, map[string]string{"setup": setup})
}

// SetupCard returns the provider's page where the customer enters a card.
func (c *Client) SetupCard(ctx context.Context, customer, returnURL string) (CardSetup, error) {
	return do[CardSetup](ctx, c, http.MethodPost, at("customers", customer, "method", "setup"), nil, map[string]string{"return_url": returnURL})
}

// PortalLink makes a link to the portal of a customer.
func (c *Client) PortalLink(ctx context.Context, customer string) (Link, error) {
	return do[Link](ctx, c, http.MethodPost, at("portal", "links"), nil, map[string]string{"customer": customer})
}

// ConsoleLink makes a link that logs an operator into the console.
func (c *Client) ConsoleLink(ctx context.Context) (Link, error) {
	return do[Link](ctx, c, http.MethodPost, at("console", "links"), nil, nil)
}

// SetPassword gives a person a password for the console.
func (c *Client) SetPassword(ctx context.Context, email, password string) (Admin, error) {
	return do[Admin](ctx, c, http.MethodPatch, at("admins", email), nil, map[string]string{"password": password})
}

// Clock tells what a sandbox takes the time to be.
func (c *Client) Clock(ctx context.Context) (ClockTime, error) {
	return do[ClockTime](ctx, c, http.MethodGet, at("clock"), nil, nil)
}

// AdvanceClock moves the clock of a sandbox: 1mo, 14d, 36h.
func (c *Client) AdvanceClock(ctx context.Context, by string) (Advanced, error) {
	return do[Advanced](ctx, c, http.MethodPost, at("clock", "advance"), nil, map[string]string{"by": by})
}
