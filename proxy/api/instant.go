package api

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Instant is an instant of the API: RFC 3339 in UTC with microseconds. The zero
// Instant is null.
type Instant metering.Micros

// instantOf is the instant of a time; the zero time is none.
func instantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(metering.MicrosOf(t))
}

const instantLayout = "2006-01-02T15:04:05.000000Z"

// String is the text of the instant, "-" for none.
func (i Instant) String() string {
	if i == 0 {
		return "-"
	}
	return metering.Micros(i).Time().Format(instantLayout)
}

// MarshalJSON writes the text, or null for the zero Instant.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(i.String())
}

// UnmarshalJSON reads RFC 3339 or null.
func (i *Instant) UnmarshalJSON(b []byte) error {
	*i = 0
	if string(b) == "null" {
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("instant: %w", err)
	}
	m, err := parseInstant(s)
	*i = Instant(m)
	return err
}

// year9999 is where RFC 3339 ends.
const year9999 = 253402300800_000_000

// parseInstant reads RFC 3339 with an offset.
func parseInstant(s string) (metering.Micros, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not an instant like 2026-01-31T12:00:00Z: %w", s, metering.ErrInvalid)
	}
	m := metering.MicrosOf(t)
	if m <= 0 || m >= year9999 {
		return 0, fmt.Errorf("%.40q is not between 1970 and 9999: %w", s, metering.ErrInvalid)
	}
	return m, nil
}

// ParseTime reads an instant as people give it: RFC 3339, a date, which is its
// midnight in zone, "now", or a span before or after now: -24h, -7d, +30m.
func ParseTime(s string, now time.Time, zone *time.Location) (metering.Micros, error) {
	switch {
	case s == "now":
		return metering.MicrosOf(now), nil
	case s != "" && (s[0] == '-' || s[0] == '+'):
		d, err := ParseSpan(s[1:])
		if err != nil {
			return 0, err
		}
		if s[0] == '-' {
			d = -d
		}
		m := metering.MicrosOf(now.Add(d))
		if m <= 0 || m >= year9999 {
			return 0, fmt.Errorf("%.40q from now is not between 1970 and 9999: %w", s, metering.ErrInvalid)
		}
		return m, nil
	case len(s) == len(time.DateOnly):
		t, err := time.ParseInLocation(time.DateOnly, s, zone)
		if err != nil {
			return 0, fmt.Errorf("%.40q is not a date: %w", s, metering.ErrInvalid)
		}
		return parseInstant(t.Format(time.RFC3339Nano))
	default:
		m, err := parseInstant(s)
		if err != nil {
			return 0, fmt.Errorf("%.40q is neither an instant (2026-01-31T12:00:00Z), a date (2026-01-31) nor a span from now (-24h, -7d): %w", s, metering.ErrInvalid)
		}
		return m, nil
	}
}

// ParseSpan reads a duration that may also count days and weeks: 90s, 24h, 7d,
// 2w. It is never negative.
func ParseSpan(s string) (time.Duration, error) {
	unit := time.Duration(0)
	switch {
	case strings.HasSuffix(s, "d"):
		unit = 24 * time.Hour
	case strings.HasSuffix(s, "w"):
		unit = 7 * 24 * time.Hour
	}
	if unit > 0 {
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
		if err == nil {
			return time.Duration(n) * unit, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || unit > 0 {
		return 0, fmt.Errorf("%.40q is not a span of time like 90s, 24h, 7d or 2w: %w", s, metering.ErrInvalid)
	}
	return d, nil
}

// ParseZone reads an IANA time zone; empty is UTC. The server's own zone has no
// name here: an answer must not depend on where it runs.
func ParseZone(s string) (*time.Location, error) {
	if s == "Local" {
		return nil, fmt.Errorf("time zone %q is not a place: %w", s, metering.ErrInvalid)
	}
	zone, err := time.LoadLocation(s)
	if err != nil {
		return nil, fmt.Errorf("time zone %.60q is unknown, use one like Europe/Berlin: %w", s, metering.ErrInvalid)
	}
	return zone, nil
}
