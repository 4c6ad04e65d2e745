// Package objects knows who has created what providers keep: files, batches,
// stored responses and what else is reached by an id. To a provider all of it is
// the operator's.
//
// An object that is created by a call of its own gets a row before its creator
// has the id. Answers that a provider stores are too many for that: their owner is
// the customer of the event that has their id, and until that event is shipped the
// replica that has passed the answer on remembers it. The items of such answers,
// which clients refer to one by one, get rows soon afterwards; one that is lost
// with its process can be sent whole instead.
package objects
