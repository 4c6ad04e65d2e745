package api

import (
	"encoding/json"

	"github.com/weirhq/weir/metering"
)

// Page is one page of a list. NextCursor is null on the last one.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// page makes the page of the items as the API shows them.
func page[T, U any](items []T, next string, show func(T) U) Page[U] {
	p := Page[U]{Items: make([]U, 0, len(items))}
	for _, it := range items {
		p.Items = append(p.Items, show(it))
	}
	if next != "" {
		p.NextCursor = &next
	}
	return p
}

// Customer is a customer of the organisation.
type Customer struct {
	ID         string              `json:"id"`
	ExternalID string              `json:"external_id"`
	Name       string              `json:"name"`
	OnLoss     metering.LossPolicy `json:"on_loss"`
	// IncludeUsage and MissingUsage are "" where the upstream's policies hold.
	IncludeUsage metering.AskPolicy     `json:"include_usage"`
	MissingUsage metering.MissingPolicy `json:"missing_usage"`
	CreatedAt    Instant                `json:"created_at"`
	ArchivedAt   Instant                `json:"archived_at"`
}

func showCustomer(c metering.Customer) Customer {
	if c.OnLoss == "" {
		c.OnLoss = metering.LossRefuse
	}
	return Customer{c.ID, c.ExternalID, c.Name, c.OnLoss, c.IncludeUsage, c.MissingUsage, Instant(c.Created), Instant(c.Archived)}
}

// Key is a proxy key. Secret is the key itself and present only in the answer
// that made it.
type Key struct {
	ID         string            `json:"id"`
	Secret     string            `json:"key,omitempty"`
	CustomerID string            `json:"customer_id"`
	Name       string            `json:"name"`
	Prefix     string            `json:"prefix"`
	Last4      string            `json:"last4"`
	Test       bool              `json:"test"`
	Permits    []metering.Permit `json:"permits"`
	Models     []string          `json:"models"`    // empty: all
	Upstreams  []string          `json:"upstreams"` // empty: all
	Tags       map[string]string `json:"tags"`
	CreatedAt  Instant           `json:"created_at"`
	ExpiresAt  Instant           `json:"expires_at"`
	RevokedAt  Instant           `json:"revoked_at"`
}

func showKey(k metering.Key) Key {
	return Key{
		ID: k.ID, CustomerID: k.Customer, Name: k.Name, Prefix: k.Prefix, Last4: k.Last4, Test: k.Test,
		Permits: orEmpty(k.Permits), Models: orEmpty(k.Models), Upstreams: orEmpty(k.Upstream), Tags: tagMap(k.Tags),
		CreatedAt: Instant(k.Created), ExpiresAt: Instant(k.Expires), RevokedAt: Instant(k.Revoked),
	}
}

// RotatedKey is the key that replaces another, and until when the other works.
type RotatedKey struct {
	Key
	Replaces          string  `json:"replaces"`
	ReplacesExpiresAt Instant `json:"replaces_expires_at"`
}

// Token is an access token. Secret is the token itself and present only in the
// answer that made it.
type Token struct {
	ID         string   `json:"id"`
	Secret     string   `json:"token,omitempty"`
	Name       string   `json:"name"`
	Prefix     string   `json:"prefix"`
	Last4      string   `json:"last4"`
	Scopes     []string `json:"scopes"`
	CreatedAt  Instant  `json:"created_at"`
	ExpiresAt  Instant  `json:"expires_at"`
	LastUsedAt Instant  `json:"last_used_at"` // to the minute
	RevokedAt  Instant  `json:"revoked_at"`
}

func showToken(t metering.AccessToken) Token {
	return Token{
		ID: t.ID, Name: t.Name, Prefix: t.Prefix, Last4: t.Last4, Scopes: orEmpty(t.Scopes),
		CreatedAt: Instant(t.Created), ExpiresAt: Instant(t.Expires), LastUsedAt: Instant(t.LastUsed), RevokedAt: Instant(t.Revoked),
	}
}

// Meter turns events into a quantity.
type Meter struct {
	ID          string             `json:"id"`
	Name        string             `json:"name"`
	Filter      Clause             `json:"filter"`
	Aggregation metering.Aggregate `json:"aggregation"`
	CreatedAt   Instant            `json:"created_at"`
	ArchivedAt  Instant            `json:"archived_at"`
}

func showMeter(m metering.Meter) Meter {
	return Meter{m.ID, m.Name, showFilter(m.Filter), m.Aggregate, Instant(m.Created), Instant(m.Archived)}
}

// Clause is a condition (property, operator, value), or a filter (conjunction,
// clauses), which the root of a meter's tree always is.
type Clause struct {
	Property string            `json:"property,omitempty"`
	Operator metering.Operator `json:"operator,omitempty"`
	Value    metering.Value    `json:"value,omitzero"`

	Conjunction metering.Conjunction `json:"conjunction,omitempty"`
	Clauses     []Clause             `json:"clauses,omitzero"` // of a filter never nil; empty matches every event
}

func showFilter(f metering.Filter) Clause {
	c := Clause{Conjunction: f.Conjunction, Clauses: make([]Clause, 0, len(f.Clauses))}
	if c.Conjunction == "" {
		c.Conjunction = metering.And
	}
	for _, part := range f.Clauses {
		if part.Filter != nil {
			c.Clauses = append(c.Clauses, showFilter(*part.Filter))
			continue
		}
		c.Clauses = append(c.Clauses, Clause{Property: part.Property, Operator: part.Operator, Value: part.Value})
	}
	return c
}

// Quantities is the answer to a question about a meter.
type Quantities struct {
	Meter string     `json:"meter_id"`
	Items []Quantity `json:"items"`
}

// Quantity is the quantity of one interval, exact but for averages that have no
// end, which Exact says.
type Quantity struct {
	From     Instant `json:"from"`
	Quantity string  `json:"quantity"`
	Exact    bool    `json:"exact"`
	Events   int64   `json:"events"`
}

// Ingested says what became of a batch.
type Ingested struct {
	Inserted   int      `json:"inserted"`
	Duplicates int      `json:"duplicates"` // same external id, same content
	Conflicts  []string `json:"conflicts"`  // external ids whose first event, with other content, stands
}

// Upstream is where the data plane forwards to; it holds no credential.
type Upstream struct {
	Name     string `json:"name"` // first segment of the client's path
	Preset   string `json:"preset"`
	Dialect  string `json:"dialect"`
	Provider string `json:"provider"` // whose prices apply
	BaseURL  string `json:"base_url"`
	Default  bool   `json:"default"` // gets /v1/ too
	Test     bool   `json:"test"`    // test keys may call it
	// ClientPath is what a client's base URL has after the address: "/openai/v1".
	ClientPath string `json:"-"`
	// SDKURLs are the base URLs to give to an SDK.
	SDKURLs []string `json:"sdk_base_urls"`

	Fallback  []string   `json:"fallback"`  // upstreams that get a call when nothing is left to ask here
	InUse     int        `json:"in_use"`    // connections that serve a call now
	Waiting   int        `json:"waiting"`   // calls that wait for one
	Endpoints []Endpoint `json:"endpoints"` // what calls go to
}

// Line is one step of the arithmetic that made a cost: quantity × price / per.
type Line struct {
	Item     string        `json:"item"`               // token cell or other quantity
	Quantity string        `json:"quantity"`           // exact decimal
	Price    string        `json:"price"`              // US dollars for Per units, exact decimal
	Per      int64         `json:"per"`                // 1000000 for tokens
	Multiply []string      `json:"multiply,omitempty"` // exact decimals, of the modifiers
	Rate     string        `json:"rate"`               // id of the rate in the price book, and behind it those of its modifiers
	Amount   metering.Cost `json:"amount"`             // US dollars
}

// Status is the outcome of a check.
type Status string

// Outcomes, from good to bad.
const (
	StatusOK   Status = "ok"
	StatusWarn Status = "warn"
	StatusFail Status = "fail"
)

// Diagnosis is what doctor found; Status is the worst of the checks.
type Diagnosis struct {
	Status Status  `json:"status"`
	Checks []Check `json:"checks"`
}

// Check is one thing that doctor looked at.
type Check struct {
	Name     string `json:"name"`
	Status   Status `json:"status"`
	Measured string `json:"measured"`         // what was seen, with its unit
	Remedy   string `json:"remedy,omitempty"` // what to do, unless it is ok
}

// Database is what main measures of the database for doctor.
type Database struct {
	Engine string          // "sqlite" or "postgres", with the version
	Schema string          // version of the schema
	Bytes  int64           // size; 0: unknown
	Ahead  metering.Micros // how far its clock is ahead of ours
	// Trouble is what will go wrong if nobody looks; empty: nothing.
	Trouble string
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func tagMap(tags []metering.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Name] = t.Value
	}
	return m
}

// raw is JSON that is kept as it is; absent is null.
func raw(b json.RawMessage) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("null")
	}
	return b
}
