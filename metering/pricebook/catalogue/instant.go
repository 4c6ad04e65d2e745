package catalogue

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// Instant is a point in time, written as a date (its first instant in UTC) or in
// RFC 3339. Zero is no instant.
type Instant metering.Micros

// InstantOf returns t.
func InstantOf(t time.Time) Instant { return Instant(metering.MicrosOf(t)) }

// ParseInstant reads a date or an RFC 3339 instant; empty is zero.
func ParseInstant(s string) (Instant, error) {
	if s == "" {
		return 0, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return InstantOf(t), nil
		}
	}
	return 0, fmt.Errorf("%.40q is neither a date nor an instant: %w", s, metering.ErrInvalid)
}

// Micros is the instant as events have it.
func (i Instant) Micros() metering.Micros { return metering.Micros(i) }

// String is a date where the instant is the first of a day, else RFC 3339;
// empty for zero.
func (i Instant) String() string {
	if i == 0 {
		return ""
	}
	t := metering.Micros(i).Time()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}

// MarshalText writes what String does.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what ParseInstant does.
func (i *Instant) UnmarshalText(b []byte) (err error) {
	*i, err = ParseInstant(string(b))
	return err
}
