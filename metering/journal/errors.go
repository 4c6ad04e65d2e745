package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked says that another process holds the directory.
	ErrLocked = errors.New("journal is locked by another process")

	// ErrParked says that a fact could not be written yet. It is kept in memory
	// and written when the directory can be written again.
	ErrParked = errors.New("fact is kept in memory until the journal can be written")

	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("journal is closed")

	// ErrFinished says that the call has ended already, or never began here.
	ErrFinished = errors.New("call is not open in this journal")
)

// CorruptError says that the journal is damaged in a way that a crash cannot
// cause, or was written in a format that this release does not know. Nothing
// was changed.
type CorruptError struct {
	File   string // path of the damaged file
	Offset int64  // where in the file
	What   string
	Remedy string
}

// Error names the file, the place and what to do.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal is damaged: %s at byte %d: %s. %s", e.File, e.Offset, e.What, e.Remedy)
}

const (
	remedyRestore = "Nothing was changed. Restore the file from a copy of the volume; " +
		"or move the journal directory away, start with an empty one and declare this journal lost: " +
		"what it had not shipped is then missing from the bill"
	remedyRelease = "Nothing was changed. Start the release that wrote it, or a later one"
)
