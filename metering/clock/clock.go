// Package clock is the time that a sandbox lives in: the wall clock, moved
// forward as far as somebody wished. Everything else has the wall clock itself.
package clock

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering"
)

// Memory keeps how far the clock was moved. MoveClock never goes back.
type Memory interface {
	ClockOffset(ctx context.Context) (time.Duration, error)
	MoveClock(ctx context.Context, offset time.Duration) error
}

// Clock is a wall clock that can be moved forward. Its methods are safe for
// concurrent use.
type Clock struct {
	memory Memory
	wall   func() time.Time
	offset atomic.Int64 // ns
}

// Open returns the clock as it was left. wall is the real one.
func Open(ctx context.Context, memory Memory, wall func() time.Time) (*Clock, error) {
	offset, err := memory.ClockOffset(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the clock: %w", err)
	}
	c := &Clock{memory: memory, wall: wall}
	c.offset.Store(int64(offset))
	return c, nil
}

// Now is the time in the sandbox.
func (c *Clock) Now() time.Time { return c.wall().Add(time.Duration(c.offset.Load())) }

// Offset is how far the clock is ahead of the wall clock.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// maxOffset is as far as the clock moves: 290 years is what a duration holds.
const maxOffset = 100 * 365 * 24 * time.Hour

// Advance moves the clock forward by months of the calendar, days, and a
// duration, and returns the time that it is then. A month later than the 31st is
// the last day of the month.
func (c *Clock) Advance(ctx context.Context, months, days int, d time.Duration) (time.Time, error) {
	if months < 0 || days < 0 || d < 0 || months == 0 && days == 0 && d == 0 {
		return c.Now(), fmt.Errorf("the clock only moves forward: %w", metering.ErrInvalid)
	}
	now := c.Now().UTC()
	then := later(now, months, days).Add(d)
	offset := c.Offset() + then.Sub(now)
	if offset < c.Offset() || offset > maxOffset {
		return now, fmt.Errorf("the clock moves at most a hundred years: %w", metering.ErrInvalid)
	}
	if err := c.memory.MoveClock(ctx, offset); err != nil {
		return now, fmt.Errorf("advance the clock: %w", err)
	}
	for {
		have := c.offset.Load()
		if have >= int64(offset) || c.offset.CompareAndSwap(have, int64(offset)) {
			return c.Now(), nil
		}
	}
}

// later adds months of the calendar, without running over into the next month,
// and days.
func later(at time.Time, months, days int) time.Time {
	first := time.Date(at.Year(), at.Month()+time.Month(months), 1, at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(at.Day(), last)-1+days)
}
