// Package sandbox is a payment provider for trying things out. It behaves like
// one outside: it has a memory of its own that survives whatever happens to
// Weir, a page where a customer enters a card, and cards that go wrong in the
// ways in which real ones do.
//
//	4242 4242 4242 4242   succeeds
//	4000 0000 0000 0002   is declined
//	4000 0000 0000 9995   is declined for insufficient funds
//	4000 0025 0000 3155   has to be confirmed by the customer
//	4000 0000 0000 0341   is charged, and the reply is lost
//	4000 0000 0000 0119   loses the first request before anything is charged
//
// Any date that is not past and any three digits do. The number of a card is
// never kept: only its last four digits and how it behaves. The numbers are those
// that https://docs.stripe.com/testing has for the same, where it has one.
//
// Of a charge whose reply is lost, Charge returns billing.ErrChargeUnknown after
// it is on record, and Find tells the truth; sent again, it is answered like any
// other. Of one whose request is lost, Charge returns the same and Find
// metering.ErrNotFound; sent again, it is charged. Losses are remembered too: each
// key loses one request, however often the process is started again.
//
// The memory is one file of JSON lines. A record is synced before anything that
// follows from it is said, a lock keeps two processes from having one file, and
// the line that a crash has left unfinished is cut off. Anything else that cannot
// be read is an error, as a provider that forgets a key would charge it again. The
// file grows by some 400 bytes with each charge and never shrinks.
package sandbox
