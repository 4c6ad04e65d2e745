package proxy

import (
	"context"
	"fmt"
	"sync/atomic"
)

// defaultQueue is how many calls may wait for a connection where nobody says.
const defaultQueue = 1000

// queue bounds how many connections an upstream has in use, and how many calls
// wait for one. They are served in the order in which they came: a slot that is
// given back goes to the goroutine that has waited on the channel for longest.
type queue struct {
	slots   chan struct{} // one per connection in use
	waiting atomic.Int64
	most    int64
}

func newQueue(conns, waiting int) *queue {
	return &queue{slots: make(chan struct{}, conns), most: int64(waiting)}
}

// enter takes a slot if one is free.
func (q *queue) enter() bool {
	select {
	case q.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait takes a slot, and waits for it until ctx ends. If too many wait already,
// the error comes at once.
func (q *queue) wait(ctx context.Context) error {
	if q.enter() {
		return nil
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.most {
		return fmt.Errorf("%w, and %d calls wait for one", errBusy, q.most)
	}
	select {
	case q.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errBusy, ctx.Err())
	}
}

// leave gives a slot back.
func (q *queue) leave() { <-q.slots }
