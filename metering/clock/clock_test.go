package clock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/clock"
)

// memory keeps the offset in the test; broken, it keeps nothing.
type memory struct {
	offset time.Duration
	broken error
}

func (m *memory) ClockOffset(context.Context) (time.Duration, error) { return m.offset, m.broken }

func (m *memory) MoveClock(_ context.Context, offset time.Duration) error {
	if m.broken == nil {
		m.offset = offset
	}
	return m.broken
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestAdvance moves by months of the calendar without running over, by days and
// by durations, and finds the clock as it was left.
func TestAdvance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		now          string
		months, days int
		d            time.Duration
		want         string
	}{
		{"2026-01-15T10:00:00Z", 1, 0, 0, "2026-02-15T10:00:00Z"},
		{"2026-01-31T23:59:59Z", 1, 0, 0, "2026-02-28T23:59:59Z"},
		{"2028-01-31T00:00:00Z", 1, 0, 0, "2028-02-29T00:00:00Z"},
		{"2026-11-30T00:00:00Z", 3, 0, 0, "2027-02-28T00:00:00Z"},
		{"2026-02-28T00:00:00Z", 0, 1, 0, "2026-03-01T00:00:00Z"},
		{"2026-01-31T12:00:00Z", 1, 1, time.Hour, "2026-03-01T13:00:00Z"},
		{"2026-12-31T23:00:00Z", 0, 0, time.Hour, "2027-01-01T00:00:00Z"},
	} {
		wall := at(t, tt.now)
		m := &memory{}
		c, err := clock.Open(t.Context(), m, func() time.Time { return wall })
		if err != nil {
			t.Fatal(err)
		}
		then, err := c.Advance(t.Context(), tt.months, tt.days, tt.d)
		if err != nil || !then.Equal(at(t, tt.want)) || !c.Now().Equal(then) {
			t.Errorf("%s and %d months, %d days, %s: %s, %v; want %s", tt.now, tt.months, tt.days, tt.d, then, err, tt.want)
		}
		again, err := clock.Open(t.Context(), m, func() time.Time { return wall })
		if err != nil || !again.Now().Equal(then) || again.Offset() != c.Offset() {
			t.Errorf("opened again it shows %s, %v; want %s", again.Now(), err, then)
		}
	}
}

// TestAdvance_refuses what moves nothing or backwards, and stands still where
// the move cannot be kept.
func TestAdvance_refuses(t *testing.T) {
	t.Parallel()
	wall := at(t, "2026-01-15T10:00:00Z")
	m := &memory{}
	c, err := clock.Open(t.Context(), m, func() time.Time { return wall })
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]func() (time.Time, error){
		"nothing":      func() (time.Time, error) { return c.Advance(t.Context(), 0, 0, 0) },
		"back":         func() (time.Time, error) { return c.Advance(t.Context(), 0, 0, -time.Second) },
		"months back":  func() (time.Time, error) { return c.Advance(t.Context(), -1, 40, 0) },
		"two hundred":  func() (time.Time, error) { return c.Advance(t.Context(), 200*12, 0, 0) },
		"ten thousand": func() (time.Time, error) { return c.Advance(t.Context(), 10_000*12, 0, 0) },
	} {
		if then, err := by(); !errors.Is(err, metering.ErrInvalid) || !c.Now().Equal(wall) {
			t.Errorf("%s: %s, %v", name, then, err)
		}
	}
	m.broken = errors.New("the disk is full")
	if _, err := c.Advance(t.Context(), 1, 0, 0); !errors.Is(err, m.broken) || !c.Now().Equal(wall) {
		t.Errorf("a move that was not kept: %s, %v", c.Now(), err)
	}
	if _, err := clock.Open(t.Context(), m, func() time.Time { return wall }); !errors.Is(err, m.broken) {
		t.Errorf("opened without its memory: %v", err)
	}
}
