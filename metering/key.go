package metering

// Customer is who is metered: the organisation's own customer.
type Customer struct {
	Org        string `json:"-"`
	ID         string `json:"id"`          // UUIDv7, ours
	ExternalID string `json:"external_id"` // the organisation's, unique in it
	Name       string `json:"name"`
	// OnLoss is what happens to calls while the journal cannot be written.
	OnLoss LossPolicy `json:"on_loss"`
	// IncludeUsage and MissingUsage stand above the upstream's own policies of
	// those names; empty: the upstream's hold.
	IncludeUsage AskPolicy     `json:"include_usage,omitempty"`
	MissingUsage MissingPolicy `json:"missing_usage,omitempty"`
	Created      Micros        `json:"created_at"`
	Archived     Micros        `json:"archived_at,omitempty"` // zero: active. An archived customer's keys are refused
}

// LossPolicy decides about calls that cannot be recorded.
type LossPolicy string

const (
	// LossRefuse answers 503 before the upstream is called. The default.
	LossRefuse LossPolicy = "refuse"
	// LossPass forwards the call and counts the loss loudly.
	LossPass LossPolicy = "pass"
)

// Permit is one thing a key may do beyond calling metered and free routes for
// its own customer.
type Permit string

const (
	// PermitRaw allows unknown paths, which are recorded as unmetered.
	PermitRaw Permit = "raw"
	// PermitAttribute allows naming the customer per call.
	PermitAttribute Permit = "attribute"
	// PermitCreate lets a customer named per call come into being.
	PermitCreate Permit = "create"
)

// Key is a proxy key without its secret.
type Key struct {
	Org      string   `json:"-"`
	ID       string   `json:"id"`
	Customer string   `json:"customer_id"`
	Name     string   `json:"name"`
	Prefix   string   `json:"prefix"` // "weir_live_" or "weir_test_" and the first characters of the secret
	Last4    string   `json:"last4"`
	Hash     [32]byte `json:"-"` // SHA-256 of the whole key
	Test     bool     `json:"test"`
	Permits  []Permit `json:"permits"`
	Models   []string `json:"models"`    // exact model names that may be called; empty: all
	Upstream []string `json:"upstreams"` // names that may be called; empty: all
	Tags     []Tag    `json:"tags"`      // labels of every call; a call's own win
	Created  Micros   `json:"created_at"`
	Expires  Micros   `json:"expires_at,omitempty"` // zero: never. Set to the end of the grace period when rotated
	Revoked  Micros   `json:"revoked_at,omitempty"`
	// Replaced: the key was rotated. It never lives longer than it then got.
	Replaced bool `json:"replaced,omitempty"`
}

// Principal is who makes a call, as the data plane knows it: the key and its
// customer from one consistent snapshot.
type Principal struct {
	Key      Key
	Customer Customer
}

// Permitted reports whether the key has permission p.
func (p *Principal) Permitted(permit Permit) bool {
	for _, have := range p.Key.Permits {
		if have == permit {
			return true
		}
	}
	return false
}

// AccessToken is a token of the admin API without its secret.
type AccessToken struct {
	Org      string   `json:"-"`
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Prefix   string   `json:"prefix"`
	Last4    string   `json:"last4"`
	Hash     [32]byte `json:"-"`
	Scopes   []string `json:"scopes"` // "*", or "customers:read", "events:write", …
	Created  Micros   `json:"created_at"`
	Expires  Micros   `json:"expires_at,omitempty"`
	LastUsed Micros   `json:"last_used_at,omitempty"` // to the minute
	Revoked  Micros   `json:"revoked_at,omitempty"`
}
