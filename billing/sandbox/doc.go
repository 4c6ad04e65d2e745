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
// never kept: only its last four digits and how it behaves.
package sandbox
