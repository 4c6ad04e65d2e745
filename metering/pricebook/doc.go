// Package pricebook says what a call cost upstream: model, tokens, conditions
// and instant in, an exact amount out, or the reason why there is none.
//
// A [Book] is a set of prices as their vendors publish them, each in force from
// one instant to another; a price is never edited but followed by the next.
// Prices are decimals of US dollars for a million tokens with at most six
// places, which makes each an integer of pico-dollars per token, so that a cost
// is a sum of integers and is rounded nowhere.
//
// What the book does not know has no cost. It never takes the price of a model
// whose name merely begins alike, of another provider, of another service tier
// or context length, and it never says zero for unknown. If one class of tokens
// that the call used has no price, the whole call has none.
//
// A reason is one of the kinds below, a colon and what is missing:
//
//	provider   the book has no prices of this provider
//	model      it has none of this model
//	time       it has none that were in force at that instant
//	meter      it has none for this class of tokens, or this other quantity
//	condition  the price depends on something that the book does not list:
//	           service tier, context length, region, speed, time of day
//	ambiguous  sources disagree, and none is the vendor
//	usage      nobody looked for the usage, or it is out of range
//
// Which part of a prompt was cached, and whether a count includes another, is
// the dialect's business: tokens arrive here in disjoint cells. Prices for data
// residency (OpenAI) and for kinds of deployment (Azure) leave no trace in an
// answer; the book has those of the standard endpoints and of Global Standard.
package pricebook
