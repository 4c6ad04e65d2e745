package admission

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// Bounds of what one slot keeps and one call may carry. Beyond them a call is
// metering.ErrInvalid, or [ErrFull] where it depends on what the slot holds.
const (
	MaxClaims    = 64      // of one hold
	MaxAdditions = 256     // of one settlement
	MaxEntries   = 1 << 16 // windows, open holds and journals of one slot
	MaxName      = 255     // bytes of an organisation, customer, unit, key or journal
	Remembered   = 32      // answers kept after their hold was closed or refused
)

const (
	// Grace is for how long a window is still counted after it has ended, unless
	// an implementation is told otherwise: facts arrive late and clocks differ.
	Grace = time.Hour
	// MaxTTL is the longest that a hold may live.
	MaxTTL = 31 * 24 * time.Hour
	// SweepEvery is how often at most a slot looks for windows that have ended.
	SweepEvery = 10 * time.Minute
)

var (
	// ErrFull says that a slot keeps as much as it may. Nothing was changed.
	ErrFull = errors.New("counters of this customer are full")

	// ErrEnded says that a window ended longer ago than the grace period. Its
	// total is no longer kept; the database has it.
	ErrEnded = fmt.Errorf("the window has ended: %w", metering.ErrInvalid)
)

// CheckHold reports what can never be answered about h.
func CheckHold(h *metering.Hold) error {
	if err := CheckSlot(h.Slot); err != nil {
		return err
	}
	switch {
	case h.ID.IsZero():
		return fmt.Errorf("hold without an id: %w", metering.ErrInvalid)
	case h.TTL <= 0 || h.TTL > metering.Micros(MaxTTL/time.Microsecond):
		return fmt.Errorf("hold for %d µs: %w", h.TTL, metering.ErrInvalid)
	case len(h.Claims) > MaxClaims:
		return fmt.Errorf("hold with %d claims: %w", len(h.Claims), metering.ErrInvalid)
	}
	for i := range h.Claims {
		c := &h.Claims[i]
		if err := CheckWindow(&c.Window); err != nil {
			return fmt.Errorf("claim %d: %w", i, err)
		}
		if c.Amount < 0 || c.Limit < 0 {
			return fmt.Errorf("claim %d of %d within %d: %w", i, c.Amount, c.Limit, metering.ErrInvalid)
		}
	}
	return nil
}

// CheckSettlement reports what can never be applied of s.
func CheckSettlement(s *metering.Settlement) error {
	if err := CheckSlot(s.Slot); err != nil {
		return err
	}
	switch {
	case s.Journal == "" || len(s.Journal) > MaxName:
		return fmt.Errorf("settlement of a journal with a name of %d bytes: %w", len(s.Journal), metering.ErrInvalid)
	case s.Seq == 0:
		return fmt.Errorf("settlement without a position: %w", metering.ErrInvalid)
	case len(s.Add) > MaxAdditions:
		return fmt.Errorf("settlement with %d additions: %w", len(s.Add), metering.ErrInvalid)
	}
	return checkAdditions(s.Add)
}

// CheckSnapshot reports what can never be restored from s.
func CheckSnapshot(s *metering.Snapshot) error {
	if err := CheckSlot(s.Slot); err != nil {
		return err
	}
	if n := len(s.Totals) + len(s.Positions); n > MaxEntries {
		return fmt.Errorf("snapshot with %d totals and positions: %w", n, metering.ErrInvalid)
	}
	for journal := range s.Positions {
		if journal == "" || len(journal) > MaxName {
			return fmt.Errorf("position of a journal with a name of %d bytes: %w", len(journal), metering.ErrInvalid)
		}
	}
	return checkAdditions(s.Totals)
}

func checkAdditions(add []metering.Addition) error {
	for i := range add {
		if err := CheckWindow(&add[i].Window); err != nil {
			return fmt.Errorf("addition %d: %w", i, err)
		}
		if add[i].Amount < 0 {
			return fmt.Errorf("addition %d of %d: %w", i, add[i].Amount, metering.ErrInvalid)
		}
	}
	return nil
}

// CheckSlot reports whether s can name counters.
func CheckSlot(s metering.Slot) error {
	if s.Org == "" || s.Customer == "" || len(s.Org) > MaxName || len(s.Customer) > MaxName {
		return fmt.Errorf("slot with names of %d and %d bytes: %w", len(s.Org), len(s.Customer), metering.ErrInvalid)
	}
	return nil
}

// CheckWindow reports whether w can be counted.
func CheckWindow(w *metering.Window) error {
	switch {
	case w.Unit == "" || len(w.Unit) > MaxName || len(w.Key) > MaxName:
		return fmt.Errorf("window with names of %d and %d bytes: %w", len(w.Unit), len(w.Key), metering.ErrInvalid)
	case w.End <= w.Start:
		return fmt.Errorf("window from %d to %d: %w", w.Start, w.End, metering.ErrInvalid)
	}
	return nil
}

// Ended reports whether w ended at least grace before now.
func Ended(w *metering.Window, grace, now metering.Micros) bool { return w.End <= now-grace }
