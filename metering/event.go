package metering

import "encoding/json"

// EventLLM is the name of the event that a proxied call of an LLM leaves.
const EventLLM = "llm-tokens"

// Outcome is the terminal state of a call. Every authorised call reaches
// exactly one.
type Outcome string

// Outcomes. Each has one billing rule: what the usage says is billed, whatever
// the outcome; only the usage state differs.
const (
	OutcomeComplete      Outcome = "complete"       // the answer reached its end
	OutcomeTruncated     Outcome = "truncated"      // the upstream broke off after it had begun
	OutcomeClientGone    Outcome = "client_gone"    // the client hung up before the end
	OutcomeUpstreamError Outcome = "upstream_error" // unreachable, or nothing usable came back
	OutcomeTimeout       Outcome = "timeout"        // one of our deadlines passed before an answer began
	OutcomeRefused       Outcome = "refused"        // refused by us after the intent was written
	OutcomeCrashed       Outcome = "crashed"        // this process died; settled at the next start
)

// Tag labels a call; the names of a call are unique.
type Tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Call is one authorised exchange, as known before the upstream is called. It
// is the payload of a journal intent.
type Call struct {
	ID       ID     `json:"id"`
	Org      string `json:"org"`
	Customer string `json:"customer"` // internal id
	Key      string `json:"key"`      // id of the proxy key, never the key
	// At is the authorisation instant, which decides the billing period. The
	// journal sets it; within a journal it never goes backwards.
	At Micros `json:"at"`

	Upstream  string `json:"upstream"`        // configured name
	Provider  string `json:"provider"`        // whose prices apply: the preset's provider
	Endpoint  string `json:"endpoint"`        // "openai.chat", …; "raw" if unknown
	Metered   bool   `json:"metered"`         // false: free or raw, no usage is expected
	Model     string `json:"model,omitempty"` // as requested
	Stream    bool   `json:"stream,omitempty"`
	Test      bool   `json:"test,omitempty"` // made with a test key: never billed
	Tags      []Tag  `json:"tags,omitempty"` // sorted by name
	Run       string `json:"run,omitempty"`
	ClientID  string `json:"client_id,omitempty"` // the client's own X-Request-Id: a label, never an identity
	BodyBytes int64  `json:"body_bytes,omitempty"`
	// EventName is the name of the event that the call will leave; empty: EventLLM.
	// Only an intent has it.
	EventName string `json:"event_name,omitempty"`

	// SentModel is what the upstream was asked for where an alias stood for it.
	SentModel string `json:"sent_model,omitempty"`

	// CostPolicy is which figure is the cost, where the provider states one. It is
	// decided when the call is authorised, so that a later configuration does not
	// change what is priced again; empty: CostComputed.
	CostPolicy CostPolicy `json:"cost_policy,omitempty"`

	// Session is the event of the WebSocket that the call was a turn of; zero: of
	// none. The socket itself has an event too.
	Session ID `json:"session,omitzero"`

	// Seq is the position of the intent in its journal, set by the journal.
	Seq uint64 `json:"-"`
}

// CostState says what [Event].Cost is worth.
type CostState string

const (
	// CostUnrated: nobody has priced the event yet. Only in journals.
	CostUnrated CostState = ""
	// CostExact: every cell was priced at a confirmed rate.
	CostExact CostState = "exact"
	// CostProvisional: every cell was priced, and CostReason says why the figure is
	// not certain. It counts like an exact one until it is priced again.
	CostProvisional CostState = "provisional"
	// CostFree: the exchange costs nothing by its kind or by an explicit price of zero.
	CostFree CostState = "free"
	// CostStated: another source gave the cost with the event, or the provider
	// stated it and the call's policy takes that.
	CostStated CostState = "stated"
	// CostUnpriced: there is no price, CostReason says what is missing, and the
	// cost is not zero but unknown.
	CostUnpriced CostState = "unpriced"
	// CostPriced: of a correction whose event had no cost, which it has now.
	// CostReason says why that is not certain, if it is not.
	CostPriced CostState = "priced"
	// CostWithdrawn: of a correction whose event had a cost, which it has no more.
	CostWithdrawn CostState = "withdrawn"
)

// Credentials that are no key of the operator's. Both are longer than the end of
// a key, so that none is taken for one.
const (
	CredentialClient   = "client"   // the client's own key, and its own bill
	CredentialObserved = "observed" // the client's own key at an upstream that is only watched
)

// Event is the immutable record of one finished exchange, or of usage that
// another source reported.
type Event struct {
	Call

	Name    string  `json:"name"`          // EventLLM, or what the upstream's calls are called
	End     Micros  `json:"end,omitempty"` // when the last byte had come from upstream
	Outcome Outcome `json:"outcome,omitempty"`
	Status  int     `json:"status,omitempty"` // HTTP status sent to the client; 0 if none was
	Usage   Usage   `json:"usage"`

	FirstByte  Micros `json:"first_byte,omitempty"`  // when the upstream's first body byte came
	ProviderID string `json:"provider_id,omitempty"` // the provider's request id
	BytesOut   int64  `json:"bytes_out,omitempty"`   // body bytes sent to the client
	ErrorCode  string `json:"error_code,omitempty"`  // stable code of our own error, if any

	// Attempts are the requests to upstreams, where it took more than one or the
	// call failed over.
	Attempts []Attempt `json:"attempts,omitempty"`

	// Credential is the key that the provider whose answer was passed on was called
	// with: the last four characters of the operator's, as in an Attempt, or one of
	// the labels below; empty: unknown. The provider's own report has it under an id.
	Credential string `json:"credential,omitempty"`

	// Corrects is the event whose numbers this one changes by its own; zero: none.
	Corrects ID `json:"corrects,omitzero"`

	// Pools are, of a correction, the pools of volume that the cost which it leaves
	// takes from, and how much of each had been used before: what explains the cost.
	Pools []PoolUse `json:"pools,omitempty"`

	// Journal and FactSeq are the position of the fact; empty for events that did
	// not come through a journal.
	Journal string `json:"-"`
	FactSeq uint64 `json:"-"`

	// PricedAt is the instant whose rates hold; zero: At. A batch is priced as of its
	// creation and belongs to the period in which it ended.
	PricedAt Micros `json:"priced_at,omitempty"`

	// Set by the shipper, which prices with the rates in force at PricedAt.
	Cost       Cost      `json:"cost"`
	CostState  CostState `json:"cost_state,omitempty"`
	CostReason string    `json:"cost_reason,omitempty"` // what was missing: provider, model, meter, …
	Rates      []string  `json:"rates,omitempty"`       // ids of the rates that made the cost
	Book       string    `json:"book,omitempty"`        // version of the price book

	// Computed is what the price book says where Cost is what the provider states.
	Computed *Figure `json:"computed,omitempty"`

	// Of ingested events only. ExternalID is unique in the organisation.
	// Properties is the metadata object verbatim.
	ExternalID       string          `json:"external_id,omitempty"`
	ExternalCustomer string          `json:"external_customer,omitempty"` // named before the customer existed
	Properties       json.RawMessage `json:"properties,omitempty"`
}

// Estimated reports whether the event's numbers are not all the provider's.
func (e *Event) Estimated() bool {
	switch e.Usage.State {
	case UsageEstimated, UsagePartial, UsageUnknown:
		return true
	default:
		return false
	}
}
