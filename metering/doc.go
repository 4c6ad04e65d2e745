// Package metering measures what callers use and bounds how much they may use.
//
// It owns the facts that everything else is derived from and the types that
// carry them:
//
//   - a [Call] is one authorised exchange, known before the upstream is called;
//   - an [Event] is the immutable record of how it ended, or of a usage event
//     another source reported;
//   - [Tokens] are disjoint cells, never a total; [Usage] adds what the provider
//     said about them;
//   - a [Meter] turns events into quantities;
//   - a [Limit] bounds an amount over time, and a [Counter] enforces it.
//
// The package has no I/O. Storage and counters live in the subpackages journal,
// sqlstore, memory and redis, held to the suites in meteringtest. Nothing here
// knows of HTTP, and nothing here knows what a customer is charged: package
// billing imports this one, never the reverse.
//
// Units: tokens are counts, upstream cost is exact in pico-dollars ([Cost]),
// instants are microseconds since 1970 UTC ([Micros]).
package metering
