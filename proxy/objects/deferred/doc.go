// Package deferred finds out what was used by work that a provider does after
// the call that asked for it: batches, background responses, Veo's videos, and the
// storage of cached content. Each has a row
// from its creation on. Workers take turns with the rows, ask the provider until
// the work has ended, and record one event for its creator, of cached content one for
// each day too. The event's external
// id is made of the object, so however often and by however many it is found
// out, it is recorded once.
package deferred
