package metering

import "errors"

var (
	// ErrNotFound says that what was asked for does not exist in the caller's
	// organisation.
	ErrNotFound = errors.New("not found")

	// ErrInvalid says that the input can never be accepted as it is.
	ErrInvalid = errors.New("invalid")

	// ErrConflict says that an identifier is already taken by something else,
	// for an event: by one with other content. The first stands.
	ErrConflict = errors.New("conflict")

	// ErrFenced says that another process has taken over the journal: this one
	// must stop authorising calls at once.
	ErrFenced = errors.New("journal was taken over by another process")

	// ErrSlotLost says that the counters of a customer are unknown: never
	// written, flushed or evicted. They admit nothing that depends on them until
	// they have been restored from the database.
	ErrSlotLost = errors.New("counters of this customer are lost")
)
