// Package nightly compares each day with what the providers say of it by itself:
// once their reports have settled, and again a day later.
//
// Nothing of a look is in memory only. What is due follows from the clock and from
// the looks that are kept; a look is kept under its day, once, whoever makes it and
// however often. So a process that dies in the middle, a reply that is lost, or two
// processes that compare at the same time, come to the same.
package nightly
