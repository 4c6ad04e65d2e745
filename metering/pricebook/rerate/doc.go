// Package rerate prices recorded events again when prices have changed. What is
// on record stays as it is: the difference is an event of its own, an adjustment
// that belongs to the same period and, where that has closed, is late usage like
// any other.
//
// Events whose cost is unknown or not certain are priced again by themselves. One
// that has an exact cost is only if somebody asks for it, naming the time.
package rerate
