package metering

import "context"

// Unit is what a counter counts.
type Unit string

// Units. Counters count nano-units where a unit is divisible and know nothing
// of money: UnitCost is nano-dollars of upstream cost, rounded up per event.
const (
	UnitRequests Unit = "requests"
	UnitTokens   Unit = "tokens"
	UnitCost     Unit = "cost"
)

// Window is the span of time over which a limit or a counter adds up. Start and
// End are instants, End exclusive; a window is identified by all its fields: on
// the first of a month, the day and the month begin together.
type Window struct {
	Unit  Unit
	Key   string // id of a proxy key, or empty for the whole customer
	Start Micros
	End   Micros
}

// Claim is one bound that a call must fit in.
type Claim struct {
	Window Window
	Limit  int64 // most that may be used and held together
	Amount int64 // held for this call; holds round up
}

// Slot names the counters of one customer: everything a decision touches lies
// in one slot, so that a cluster decides on one node.
type Slot struct {
	Org      string
	Customer string
}

// Hold asks for admission of one call. ID is the event id: asking again gets
// the first answer for as long as the hold is open. A refusal and a hold that
// was closed are remembered for a while; whoever asks again after that is
// answered anew, and the last answer is the one that holds.
type Hold struct {
	Slot   Slot
	ID     ID
	Claims []Claim
	// TTL is after how long an unsettled hold expires, by the counter's own clock.
	TTL Micros
	// Now is the authorisation instant, which selects rate windows.
	Now Micros
}

// Decision is the answer to a Hold. A refused hold holds nothing.
type Decision struct {
	Allowed bool
	Refused int   // index of the claim that did not fit; -1 if Allowed
	Left    int64 // of the tightest claim, after this hold if it was allowed
}

// Settlement is one fact applied to a slot: it releases the hold of the call and
// adds what the call used. The position makes it apply exactly once: Prev is
// the position of the fact before it of the same journal and customer, zero
// for the first.
type Settlement struct {
	Slot    Slot
	Journal string
	Prev    uint64
	Seq     uint64
	ID      ID
	Add     []Addition
}

// Addition adds an amount to a window.
type Addition struct {
	Window Window
	Amount int64
}

// Snapshot is what the database knows of a slot: the totals of the windows that
// are still open and, for each journal, up to which fact they include it.
type Snapshot struct {
	Slot      Slot
	Totals    []Addition
	Positions map[string]uint64
}

// Counter enforces limits and shows running totals. It is a view: it may lose
// everything at any time and is restored from the database. Implementations
// are safe for concurrent use and must pass meteringtest.TestCounter.
type Counter interface {
	// Admit decides and places the hold in one step. A slot that is lost refuses
	// with ErrSlotLost. Any other error means that the outcome is unknown; asking
	// again with the same ID is safe.
	Admit(ctx context.Context, h Hold) (Decision, error)

	// Settle applies facts in order, each once: a position that the slot already
	// has is skipped and its hold is released all the same. It returns, per
	// settlement, nil, or ErrSlotLost if the slot is absent or does not have
	// Prev; such a settlement changes nothing.
	Settle(ctx context.Context, batch []Settlement) ([]error, error)

	// Restore sets a slot from what the database knows, unless the slot already
	// knows more of some journal. Holds of a slot that exists stay. It reports
	// whether the slot now is at least the snapshot.
	Restore(ctx context.Context, s Snapshot) (bool, error)

	// Totals returns what the slot has used in the windows asked for, and what
	// is held on top. ErrSlotLost if the slot is absent.
	Totals(ctx context.Context, slot Slot, windows []Window) (used, held []int64, err error)
}
