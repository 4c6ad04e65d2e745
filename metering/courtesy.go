package metering

import (
	"runtime"
	"time"
)

// slice is how long work behind the calls may keep a processor that a call is
// waiting for. The runtime itself takes it away after 10 ms, which on a machine
// with one processor is what a first token would then come late.
const slice = 500 * time.Microsecond

// Courtesy is for long work that nobody waits for, in small steps. The zero
// value is ready; it belongs to one goroutine.
type Courtesy struct{ since time.Time }

// Step is called between two steps. It lets other goroutines run if this one has
// kept its processor for long.
func (c *Courtesy) Step() {
	now := time.Now()
	if now.Sub(c.since) < slice {
		return
	}
	if !c.since.IsZero() {
		runtime.Gosched()
		now = time.Now()
	}
	c.since = now
}
