// Package period computes the boundaries of billing periods: pure functions of
// an anchor, which is a wall-clock time in a customer's zone.
//
// Three rules keep periods tiling for ever. A boundary is computed from the
// anchor and its number, never from the boundary before it, so that the 31st
// comes back after February. A day that a month lacks is its last one. And a
// wall-clock time means the first instant at which the clocks of the zone show
// it or a later one: the earlier of two where an hour is repeated, the end of
// the gap where one is skipped.
package period
