// Package ship carries the facts of one journal into its two sinks: the
// database, which is the truth, and the counters, which are a view of it.
//
// The database comes first. Facts go there in order, in transactions that move
// the position of the journal in the registry from the one they expect, so that
// a fact is applied once however often it is sent and whoever sends it. The
// counters follow with the same positions; a customer whose counters are lost,
// or whose last settlement had an unknown outcome, is set anew from what the
// database knows. Counters that cannot be reached therefore hold nothing up.
//
// Every second, idle or not, the shipper beats: it tells the registry how far
// the journal is, which is what period closing, fencing and --sync rest on.
package ship
