package dialect

import "github.com/weirhq/weir/metering"

// Sockets is a dialect whose API also speaks over WebSockets.
type Sockets interface {
	Dialect

	// Socket classifies the canonical path of a request that asks to become a
	// WebSocket; false: the API has none there.
	Socket(path string) (Route, bool)

	// Session reads the messages of one socket of that route. q is what the path
	// and the query said.
	Session(r Route, q Request) Session
}

// Session reads usage while the messages of one WebSocket pass. A socket is a
// sequence of turns, some at the same time, each an exchange of its own with its
// own model and usage. Session never retains or changes p and its memory is
// bounded, whatever comes. It is used by one goroutine at a time.
type Session interface {
	// Sent sees a whole message of the client before it goes on.
	Sent(p []byte, binary bool)

	// Received sees a whole message of the upstream before it goes on, and returns
	// the turns that it ends: their facts must be written before it is released.
	Received(p []byte, binary bool) []Turn

	// Snapshot returns what the turns that have not ended have used so far, and
	// what belongs to none, for a checkpoint.
	Snapshot() metering.Usage

	// Close returns the turns that had not ended, as far as is known, and what the
	// socket used beside turns. It is called exactly once.
	Close(end End) (open []Turn, rest metering.Usage)
}

// Turn is one exchange inside a socket.
type Turn struct {
	// Model is the model that was asked for, "" if only the answer names one.
	Model string
	Usage metering.Usage
}
