// Package pricebook says what a call cost upstream: model, tokens, conditions
// and instant in, an exact amount out, or the reason why there is none.
//
// A [Book] is compiled from layers of the five tables of package catalogue. Per
// SKU, meter, conditions and instant the highest layer that says something
// holds; in a layer, the price that began last. Prices are exact decimals, so a
// cost is a sum of integers of pico-dollars; only what is not a whole number of
// them, such as a price for a fraction of a second, is rounded, once for each
// line.
//
// What the book does not know has no cost. It never takes the price of a model
// whose name merely begins alike, of another provider, of another service tier,
// region, deployment or speed, or of another context length, and it never says
// zero for unknown. Every fact of a call that is not the usual one has to be a
// condition of the rate, or of a modifier that multiplies it. If one thing that
// the call used has no price, the whole call has none.
//
// A reason is one of the kinds below, a colon and what is missing:
//
//	provider   the book has no prices of this provider
//	model      it has none of this model
//	meter      it has none for this class of tokens, or this other quantity
//	condition  the price depends on something that the book does not list:
//	           service tier, context length, region, speed, instant
//	ambiguous  sources disagree and none is the vendor, or two rates hold alike
//	usage      nobody looked for the usage, or it is out of range
//
// A cost that is not certain is provisional and says why: a rate that nobody
// vouches for, that was assured up to an instant that has passed, or announced
// and not confirmed since; one that follows the region where nobody says in which
// the call ran; a band of a volume whose use is not known yet; a
// calendar whose holidays are not.
//
// Which part of a prompt was cached, and whether a count includes another, is
// the dialect's business: tokens arrive here in disjoint cells.
package pricebook
