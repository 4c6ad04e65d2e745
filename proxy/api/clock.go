package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// ClockTime is what a sandbox takes the time to be.
type ClockTime struct {
	Now           Instant `json:"now"`
	AheadSeconds  int64   `json:"ahead_seconds"` // of the wall clock
	AheadDuration string  `json:"ahead"`         // the same for people: "744h0m0s"
}

// Advanced is what became of moving the clock.
type Advanced struct {
	ClockTime
	Invoices []Invoice `json:"invoices"` // issued since, oldest first; the last maxAdvanced of them
	// Waiting says why something that is due has not closed yet.
	Waiting []string `json:"waiting"`
}

// Bounds of moving the clock.
const (
	maxAdvanced = 500 // invoices that the answer has
	// settleFor is how long the answer waits for everything due: a period closes
	// once every journal has passed its end, and a journal beats every second.
	settleFor  = 30 * time.Second
	settlePoll = 200 * time.Millisecond
)

// advance is how far a clock is moved: months of the calendar, days, and a
// duration.
type advance struct {
	months, days int
	d            time.Duration
}

// parseAdvance reads 1mo, 1y, 14d, 2w or a duration like 36h.
func parseAdvance(s string) (advance, error) {
	bad := fmt.Errorf("%.40q is not a span of time like 1mo, 14d or 36h: %w", s, metering.ErrInvalid)
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
		count := int(n)
		units := map[string]advance{"mo": {months: count}, "y": {months: 12 * count}, "d": {days: count}, "w": {days: 7 * count}}
		if a, ok := units[s[len(digits):]]; ok {
			if count == 0 {
				return a, bad
			}
			return a, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return advance{}, bad
	}
	return advance{d: d}, nil
}

func (s *Server) clockTime() (ClockTime, error) {
	if s.opts.Clock == nil {
		return ClockTime{}, problem(CodeSandboxOnly, "the time of a server that bills in earnest is not moved; `weir sandbox` has a clock")
	}
	ahead := s.opts.Clock.Offset()
	return ClockTime{instantOf(s.opts.Clock.Now()), int64(ahead / time.Second), ahead.Round(time.Second).String()}, nil
}

func (s *Server) showClock(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	return answered(s.clockTime())
}

func (s *Server) advanceClock(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	text := o.text("by", 1, 40)
	by, err := parseAdvance(text)
	if text != "" && err != nil {
		o.fault("by", "must be a span of time like 1mo, 14d or 36h")
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if _, err := s.clockTime(); err != nil {
		return answer{}, err
	}
	then, err := s.opts.Clock.Advance(c.Context(), by.months, by.days, by.d)
	if err != nil {
		return answer{}, fmt.Errorf("advance the clock: %w", err)
	}
	var out Advanced
	if out.Waiting, err = s.settleDue(c.Context()); err != nil {
		return answer{}, err
	}
	if out.Invoices, err = s.issuedSince(c, metering.MicrosOf(then)); err != nil {
		return answer{}, err
	}
	out.ClockTime, err = s.clockTime()
	return answered(out, err)
}

// settleDue does everything that is due, and returns what was still waiting when
// its time was up.
func (s *Server) settleDue(ctx context.Context) ([]string, error) {
	if s.opts.Billing == nil {
		return []string{}, nil
	}
	deadline := time.NewTimer(settleFor)
	defer deadline.Stop()
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for {
		if err := s.sync(ctx); err != nil {
			return nil, err
		}
		report, err := s.opts.Billing.Worker.Settle(ctx)
		if err != nil {
			return nil, fmt.Errorf("settle what is due: %w", err)
		}
		if len(report.Waiting) == 0 {
			left, err := s.opts.Billing.Store.Due(ctx, metering.MicrosOf(s.opts.Clock.Now()), 1)
			if err != nil {
				return nil, fmt.Errorf("look for what is due: %w", err)
			}
			if len(left) == 0 {
				return []string{}, nil
			}
			report.Waiting = []string{"another process is closing periods"}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("settle what is due: %w", ctx.Err())
		case <-deadline.C:
			return orEmpty(report.Waiting), nil
		case <-tick.C:
		}
	}
}

// issuedSince lists the organisation's invoices issued from an instant on,
// oldest first. Whichever process closed the periods, these are what came of it.
func (s *Server) issuedSince(c *call, since metering.Micros) ([]Invoice, error) {
	out := []Invoice{}
	if s.opts.Billing == nil {
		return out, nil
	}
	for cursor := ""; ; {
		list, next, err := s.opts.Billing.Store.Invoices(c.Context(), c.org, "", maxLimit, cursor)
		if err != nil {
			return nil, fmt.Errorf("invoices issued: %w", err)
		}
		fresh := true
		for _, a := range list {
			if fresh = a.Invoice.Issued >= since; !fresh || len(out) == maxAdvanced {
				break
			}
			out = append(out, showInvoice(a))
		}
		if next == "" || !fresh || len(out) == maxAdvanced {
			slices.Reverse(out)
			return out, nil
		}
		cursor = next
	}
}
