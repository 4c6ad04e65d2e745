// Package admission is the arithmetic of the counters: what a [Slot] answers to
// a hold, what a settlement changes, what a restore may set, and when holds and
// windows end. It is pure: the instant is passed in, and nothing here waits,
// locks or talks to anyone.
//
// The in-process counter keeps a Slot per customer; the Redis counter does the
// same in its scripts and is compared with a Slot by the suite in meteringtest.
//
// Three rules carry everything else:
//
//   - a hold fits if, in every window it claims, what is used, what is held and
//     what it asks for are together at most the limit;
//   - a settlement applies if the slot has everything before it and not yet
//     itself, so that replays change nothing and gaps are noticed;
//   - a slot is never set from a snapshot that knows less of some journal.
//
// Amounts are never negative. Sums stop at the greatest int64, which no limit
// exceeds: a window that is full that far stays full.
package admission
