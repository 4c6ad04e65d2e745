package metering

import (
	"context"
	"encoding/json"
	"time"
)

// JournalState is what the registry says of a journal.
type JournalState string

// Journal states.
const (
	JournalLive  JournalState = "live"  // a process holds it
	JournalClean JournalState = "clean" // stopped with everything shipped
	JournalLost  JournalState = "lost"  // declared lost; what it ships later is late
)

// JournalClaim asks the registry for a journal in the name of one process.
// Nonce is new for each opening and is written to the directory before the
// claim is made; Known are the nonces this directory has used, so that a
// directory whose journal another copy has claimed since is told apart from
// one that merely crashed.
type JournalClaim struct {
	Journal string
	Nonce   string
	Known   []string
	Host    string // for people: host name, process id, directory
}

// JournalLease is a granted claim: what shipping must present.
type JournalLease struct {
	Journal string
	Epoch   int64
	Shipped uint64 // last fact that the database has
}

// Beat is what a journal reports every second, idle or not.
type Beat struct {
	Lease JournalLease
	// Watermark: no call authorised before it is still open or unshipped.
	Watermark Micros
	// Clean: every fact written before it has been shipped.
	Clean Micros
	// SyncDone answers the highest sync request that was seen before shipping.
	SyncDone int64
	// Open lists the calls open for longer than a minute.
	Open []OpenCall
	// Lag is how many facts are written and not shipped.
	Lag int64
}

// OpenCall is a call that is still open.
type OpenCall struct {
	ID       ID     `json:"id"`
	Org      string `json:"org"`
	Customer string `json:"customer"`
	At       Micros `json:"at"`
}

// JournalInfo is one row of the registry, for doctor and close.
type JournalInfo struct {
	Journal   string       `json:"journal"`
	Epoch     int64        `json:"epoch"`
	State     JournalState `json:"state"`
	Host      string       `json:"host"`
	Shipped   uint64       `json:"shipped_seq"`
	Watermark Micros       `json:"watermark"`
	Clean     Micros       `json:"clean_at"`
	Beaten    Micros       `json:"beaten_at"`
	Lag       int64        `json:"lag"`
	SyncAsked int64        `json:"sync_asked"`
	SyncDone  int64        `json:"sync_done"`
	Open      []OpenCall   `json:"open"`
}

// Shipment is facts of one journal in order, priced, for one transaction. From
// is the position that the registry must have; To the one it gets.
type Shipment struct {
	Lease  JournalLease
	From   uint64
	To     uint64
	Events []*Event
}

// UsageQuery asks for usage from the hourly rollups. From is inclusive, To
// exclusive; zero means unbounded. By lists the groups in order: "model",
// "key", "day", "hour" (its start in RFC 3339, UTC), "customer", "provider",
// "upstream", "run", "name" (of the event), "test", "tag:NAME". Instants that are
// not whole hours are answered exactly, from the events of the edge hours.
type UsageQuery struct {
	Org      string
	Customer string // internal id; empty: all
	From, To Micros
	By       []string
	Only     []UsageFilter  // all of them hold
	Zone     *time.Location // for "day"; nil is UTC
}

// UsageFilter keeps the events of one group of any kind but "day" and "hour".
type UsageFilter struct {
	By    string `json:"by"`
	Value string `json:"value"` // empty: those without one
}

// GroupUnknown is the run and the upstream of events that were recorded before
// there was a record of them. No label, run or name can be it: they are printable.
const GroupUnknown = "\x01"

// UsageRow is the usage of one group.
type UsageRow struct {
	Group map[string]string `json:"group"` // by name of the group; an event without the tag has ""
	UsageTotals
}

// MeasuredRow is the quantity of a meter that one group of events has.
type MeasuredRow struct {
	Group    map[string]string `json:"group"` // as of a UsageRow
	Quantity Number            `json:"quantity"`
}

// UsageTotals are sums over events. Classes are disjoint; InputTokens and
// OutputTokens are inclusive, as providers count.
type UsageTotals struct {
	Requests int64 `json:"requests"`
	Classes
	Total        int64 `json:"total"` // sum of the classes
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
	Cost         Cost  `json:"cost_usd"`  // of the priced events alone
	Estimated    int64 `json:"estimated"` // events whose numbers are not all the provider's
	Unpriced     int64 `json:"unpriced"`  // events whose cost is unknown
	Unmetered    int64 `json:"unmetered"` // raw calls, whose usage nobody looked for
}

// EventQuery lists events, newest first, from a cursor.
type EventQuery struct {
	Org      string
	Customer string // internal id
	Key      string
	Model    string
	Name     string
	Outcome  Outcome
	Session  ID // only turns of the WebSocket with this event; zero: all
	From, To Micros
	Limit    int
	Cursor   string // opaque, from the page before
}

// QuantityQuery asks for the quantity of a meter from its rollups.
type QuantityQuery struct {
	Org      string
	Meter    string // id
	Customer string // internal id; empty: all
	From, To Micros
	Interval string // "hour", "day", "month"; empty: one row. With one, both instants are needed
	Zone     *time.Location
	Live     bool // leave out what test keys used, as a bill does
}

// QuantityRow is the quantity of one interval. Quantity is exact: an average is
// a rounded decimal with twelve places and Exact says whether it had to be.
type QuantityRow struct {
	From     Micros `json:"from"`
	Quantity string `json:"quantity"`
	Exact    bool   `json:"exact"`
	Events   int64  `json:"events"`
}

// SteadyReader reads one instant of the database.
type SteadyReader interface {
	Quantities(ctx context.Context, q QuantityQuery) ([]QuantityRow, error)
	// Positions are the last facts of each journal that the events of a customer
	// include.
	Positions(ctx context.Context, org, customer string) (map[string]uint64, error)
}

// Quarantined is a record that the database refused, cut out of the shipment so
// that the rest could pass.
type Quarantined struct {
	ID      string          `json:"id"`
	Org     string          `json:"org"`
	Journal string          `json:"journal"`
	Seq     uint64          `json:"seq"`
	Reason  string          `json:"reason"`
	Record  json.RawMessage `json:"record"`
	At      Micros          `json:"at"`
}

// IngestResult says what became of ingested events.
type IngestResult struct {
	Inserted   int      `json:"inserted"`
	Duplicates int      `json:"duplicates"` // same external id, same content
	Conflicts  []string `json:"conflicts"`  // external ids that stand with other content; the first stands
}
