package reconcile

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// DayMicros is how long a day is, in microseconds.
const DayMicros = metering.Micros(24 * time.Hour / time.Microsecond)

// Day is a day of UTC, counted from 1970-01-01.
type Day int32

// DayOf is the day that an instant belongs to.
func DayOf(at metering.Micros) Day {
	d := at / DayMicros
	if at%DayMicros < 0 {
		d--
	}
	return Day(d)
}

// ParseDay reads "2026-01-31".
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("day %.20q is not like 2026-01-31: %w", s, metering.ErrInvalid)
	}
	return DayOf(metering.MicrosOf(t)), nil
}

// Start is when the day begins.
func (d Day) Start() metering.Micros { return metering.Micros(d) * DayMicros }

// String is the date.
func (d Day) String() string { return d.Start().Time().UTC().Format(time.DateOnly) }

// MarshalText writes the date.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the date.
func (d *Day) UnmarshalText(b []byte) error {
	got, err := ParseDay(string(b))
	*d = got
	return err
}
