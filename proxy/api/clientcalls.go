package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/weirhq/weir/metering"
)

func at(segments ...string) []string { return segments }

// NewCustomer is what a customer is made of.
type NewCustomer struct {
	ExternalID string              `json:"external_id"`
	Name       string              `json:"name"`
	OnLoss     metering.LossPolicy `json:"on_loss,omitempty"`

	IncludeUsage metering.AskPolicy     `json:"include_usage,omitempty"`
	MissingUsage metering.MissingPolicy `json:"missing_usage,omitempty"`
}

// CustomerChange is what to change of a customer; nil keeps.
type CustomerChange struct {
	Name   *string              `json:"name,omitempty"`
	OnLoss *metering.LossPolicy `json:"on_loss,omitempty"`
	// A pointer to "" gives the customer's own policy up.
	IncludeUsage *metering.AskPolicy     `json:"include_usage,omitempty"`
	MissingUsage *metering.MissingPolicy `json:"missing_usage,omitempty"`
}

// Customers lists customers.
func (c *Client) Customers(ctx context.Context, o ListOptions) (Page[Customer], error) {
	return do[Page[Customer]](ctx, c, http.MethodGet, at("customers"), o.params(), nil)
}

// CreateCustomer makes a customer.
func (c *Client) CreateCustomer(ctx context.Context, n NewCustomer) (Customer, error) {
	return do[Customer](ctx, c, http.MethodPost, at("customers"), nil, n)
}

// Customer shows the customer of that id or external id.
func (c *Client) Customer(ctx context.Context, ref string) (Customer, error) {
	return do[Customer](ctx, c, http.MethodGet, at("customers", ref), nil, nil)
}

// UpdateCustomer changes a customer.
func (c *Client) UpdateCustomer(ctx context.Context, ref string, ch CustomerChange) (Customer, error) {
	return do[Customer](ctx, c, http.MethodPatch, at("customers", ref), nil, ch)
}

// ArchiveCustomer archives a customer, whose keys are refused from then on.
func (c *Client) ArchiveCustomer(ctx context.Context, ref string) (Customer, error) {
	return do[Customer](ctx, c, http.MethodPost, at("customers", ref, "archive"), nil, nil)
}

// NewKey is what a key is made of. Customer is an id or external id.
type NewKey struct {
	Customer  string            `json:"customer"`
	Name      string            `json:"name,omitempty"`
	Test      bool              `json:"test,omitempty"`
	Permits   []string          `json:"permits,omitempty"`
	Models    []string          `json:"models,omitempty"`
	Upstreams []string          `json:"upstreams,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	ExpiresAt Instant           `json:"expires_at,omitzero"`
}

// KeyChange is what to change of a key; nil keeps.
type KeyChange struct {
	Name      *string            `json:"name,omitempty"`
	Permits   *[]string          `json:"permits,omitempty"`
	Models    *[]string          `json:"models,omitempty"`
	Upstreams *[]string          `json:"upstreams,omitempty"`
	Tags      *map[string]string `json:"tags,omitempty"`
	ExpiresAt *Instant           `json:"expires_at,omitempty"` // the zero Instant: never
}

// Keys lists the keys of a customer, or all where it is empty.
func (c *Client) Keys(ctx context.Context, customer string, o ListOptions) (Page[Key], error) {
	return do[Page[Key]](ctx, c, http.MethodGet, at("keys"), o.params("customer", customer), nil)
}

// CreateKey makes a key; the answer alone has its secret.
func (c *Client) CreateKey(ctx context.Context, n NewKey) (Key, error) {
	return do[Key](ctx, c, http.MethodPost, at("keys"), nil, n)
}

// Key shows a key.
func (c *Client) Key(ctx context.Context, id string) (Key, error) {
	return do[Key](ctx, c, http.MethodGet, at("keys", id), nil, nil)
}

// UpdateKey changes what a key may do.
func (c *Client) UpdateKey(ctx context.Context, id string, ch KeyChange) (Key, error) {
	return do[Key](ctx, c, http.MethodPatch, at("keys", id), nil, ch)
}

// RotateKey makes a key that replaces another, which works on for graceSeconds.
func (c *Client) RotateKey(ctx context.Context, id string, graceSeconds int64) (RotatedKey, error) {
	return do[RotatedKey](ctx, c, http.MethodPost, at("keys", id, "rotate"), nil, map[string]int64{"grace_seconds": graceSeconds})
}

// RevokeKey revokes a key.
func (c *Client) RevokeKey(ctx context.Context, id string) (Key, error) {
	return do[Key](ctx, c, http.MethodPost, at("keys", id, "revoke"), nil, nil)
}

// NewMeter is what a meter is made of.
type NewMeter struct {
	Name        string             `json:"name"`
	Filter      *Clause            `json:"filter,omitempty"`
	Aggregation metering.Aggregate `json:"aggregation"`
}

// Meters lists meters.
func (c *Client) Meters(ctx context.Context, o ListOptions) (Page[Meter], error) {
	return do[Page[Meter]](ctx, c, http.MethodGet, at("meters"), o.params(), nil)
}

// CreateMeter makes a meter.
func (c *Client) CreateMeter(ctx context.Context, n NewMeter) (Meter, error) {
	return do[Meter](ctx, c, http.MethodPost, at("meters"), nil, n)
}

// Meter shows the meter of that id or name.
func (c *Client) Meter(ctx context.Context, ref string) (Meter, error) {
	return do[Meter](ctx, c, http.MethodGet, at("meters", ref), nil, nil)
}

// RenameMeter renames a meter.
func (c *Client) RenameMeter(ctx context.Context, ref, name string) (Meter, error) {
	return do[Meter](ctx, c, http.MethodPatch, at("meters", ref), nil, map[string]string{"name": name})
}

// ArchiveMeter archives a meter.
func (c *Client) ArchiveMeter(ctx context.Context, ref string) (Meter, error) {
	return do[Meter](ctx, c, http.MethodPost, at("meters", ref, "archive"), nil, nil)
}

// QuantityOptions ask what a meter measured. Empty fields do not narrow.
type QuantityOptions struct {
	Customer string
	From, To string // RFC 3339, a date in Zone, or a span from now
	Interval string // hour, day, month
	Zone     string
}

// Quantities tells what a meter measured.
func (c *Client) Quantities(ctx context.Context, ref string, o QuantityOptions) (Quantities, error) {
	q := params("customer", o.Customer, "from", o.From, "to", o.To, "interval", o.Interval, "zone", o.Zone)
	return do[Quantities](ctx, c, http.MethodGet, at("meters", ref, "quantities"), q, nil)
}

// EventOptions choose events. Empty fields do not narrow.
type EventOptions struct {
	ListOptions
	Customer, Key, Model, Name, Outcome string
	From, To                            string
}

// Events lists events, newest first.
func (c *Client) Events(ctx context.Context, o EventOptions) (Page[Event], error) {
	q := o.params("customer", o.Customer, "key", o.Key, "model", o.Model, "name", o.Name, "outcome", o.Outcome, "from", o.From, "to", o.To)
	return do[Page[Event]](ctx, c, http.MethodGet, at("events"), q, nil)
}

// Event shows the event that any of its ids names.
func (c *Client) Event(ctx context.Context, ref string) (Event, error) {
	return do[Event](ctx, c, http.MethodGet, at("events", ref), nil, nil)
}

// CorrectEvent says what the usage of an event was, and returns the correction.
func (c *Client) CorrectEvent(ctx context.Context, ref string, st UsageStatement) (Event, error) {
	return do[Event](ctx, c, http.MethodPost, at("events", ref, "usage"), nil, st)
}

// Ingest sends a batch, {"events": […]}, as it is.
func (c *Client) Ingest(ctx context.Context, batch json.RawMessage) (Ingested, error) {
	return do[Ingested](ctx, c, http.MethodPost, at("events", "ingest"), nil, batch)
}

// UsageOptions ask for usage. Empty fields do not narrow.
type UsageOptions struct {
	Customer string
	By       string // groups joined with commas
	From, To string
	Zone     string
	Sync     bool // wait until everything answered before is in
}

// Usage tells what was used.
func (c *Client) Usage(ctx context.Context, o UsageOptions) (UsageAnswer, error) {
	q := params("customer", o.Customer, "by", o.By, "from", o.From, "to", o.To, "zone", o.Zone)
	if o.Sync {
		q.Set("sync", strconv.FormatBool(o.Sync))
	}
	return do[UsageAnswer](ctx, c, http.MethodGet, at("usage"), q, nil)
}

// Upstreams lists upstreams.
func (c *Client) Upstreams(ctx context.Context) (Upstreams, error) {
	return do[Upstreams](ctx, c, http.MethodGet, at("upstreams"), nil, nil)
}

// NewToken is what an access token is made of.
type NewToken struct {
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	ExpiresAt Instant  `json:"expires_at,omitzero"`
}

// Tokens lists access tokens.
func (c *Client) Tokens(ctx context.Context, o ListOptions) (Page[Token], error) {
	return do[Page[Token]](ctx, c, http.MethodGet, at("tokens"), o.params(), nil)
}

// CreateToken makes an access token; the answer alone has its secret.
func (c *Client) CreateToken(ctx context.Context, n NewToken) (Token, error) {
	return do[Token](ctx, c, http.MethodPost, at("tokens"), nil, n)
}

// RevokeToken revokes an access token.
func (c *Client) RevokeToken(ctx context.Context, id string) (RevokedToken, error) {
	return do[RevokedToken](ctx, c, http.MethodPost, at("tokens", id, "revoke"), nil, nil)
}

// Doctor has the server look at itself.
func (c *Client) Doctor(ctx context.Context) (Diagnosis, error) {
	return do[Diagnosis](ctx, c, http.MethodGet, at("doctor"), nil, nil)
}
