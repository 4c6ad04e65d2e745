// Package sync reads catalogues of prices from the network into the layer
// Synced, and lets through only what is likely to be meant.
//
// A feed is one document at one URL in a known [Shape]. [Read] turns its bytes
// into rows; [Compare] decides, change by change, what of them takes effect: a
// change applies itself if a second feed says the same or it moves a price by
// less than a fifth; what looks like a slip is held until somebody decides.
// Nothing is ever averaged. A document that cannot be read, or from which much
// has vanished, changes nothing: the last good layer stays.
//
// A feed that states no dates tells what a price is, not since when. The rate
// then begins at the instant at which it was first seen, and says so.
//
// The name is that of the standard library's package; importers call it
// pricesync.
package sync
