// Package fault names the points at which the program can be made to die or to
// fail, so that tests can show what a crash there leaves behind.
//
// A binary built without the tag "faults" has none of it: [At] and [Err] are
// empty and inlined. Built with the tag, the environment variable WEIR_FAULT
// arms one point:
//
//	WEIR_FAULT=NAME:kill      SIGKILL to the process itself at the first hit
//	WEIR_FAULT=NAME:kill:3    at the third hit
//	WEIR_FAULT=NAME:error:5   Err returns ErrInjected at the first five hits
package fault

import "errors"

// ErrInjected is what [Err] returns at an armed point.
var ErrInjected = errors.New("injected fault")

// The points, in the order in which a call passes them.
const (
	JournalBeforeIntent = "journal.before_intent" // authorised, nothing written
	JournalAfterIntent  = "journal.after_intent"  // intent written, upstream not called
	ProxyAfterSend      = "proxy.after_send"      // the upstream has the request
	ProxyAfterPiece     = "proxy.after_piece"     // the client has a part of the answer, not its end
	JournalBeforeFact   = "journal.before_fact"   // answered by the upstream, fact not written
	JournalAfterFact    = "journal.after_fact"    // fact written, last byte not released
	ProxyAfterEnd       = "proxy.after_end"       // the client has the end of the answer
	JournalBeforeSync   = "journal.before_sync"   // written, not durable
	JournalAfterSync    = "journal.after_sync"    // durable

	ShipBeforeTransaction = "ship.before_transaction" // facts taken, the database has none
	ShipAfterTransaction  = "ship.after_transaction"  // the database has them, the journal does not know
	ShipBeforeSettle      = "ship.before_settle"      // known to be recorded, counters untouched
	ShipAfterSettle       = "ship.after_settle"       // counters settled
	ShipAfterShipped      = "ship.after_shipped"      // segments may be gone

	BillBeforeClose  = "bill.before_close"  // drafted, the database has nothing
	BillAfterClose   = "bill.after_close"   // the invoice is final, nobody was charged
	BillBeforeCharge = "bill.before_charge" // the payment is on record, the provider has not heard of it
	BillAfterCharge  = "bill.after_charge"  // the provider has taken it, the database does not know
)

// Names lists every point.
func Names() []string { return append(CallNames(), BillNames()...) }

// BillNames lists the points that billing passes, in order.
func BillNames() []string {
	return []string{BillBeforeClose, BillAfterClose, BillBeforeCharge, BillAfterCharge}
}

// CallNames lists the points that a call passes until it is recorded, in order.
func CallNames() []string {
	return []string{
		JournalBeforeIntent, JournalAfterIntent, ProxyAfterSend, ProxyAfterPiece,
		JournalBeforeFact, JournalAfterFact, ProxyAfterEnd, JournalBeforeSync, JournalAfterSync,
		ShipBeforeTransaction, ShipAfterTransaction, ShipBeforeSettle, ShipAfterSettle, ShipAfterShipped,
	}
}
