package period

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// Anchor is where the periods of a subscription are counted from: a date and a
// wall-clock time in a zone.
type Anchor struct {
	Year           int
	Month          time.Month
	Day            int // 1 to 31: the day wanted in every month that has it
	Hour, Min, Sec int
	Zone           *time.Location
	Months         int // length of a period: 1, 3, 6 or 12
}

// Validate reports what no calendar has.
func (a Anchor) Validate() error {
	date := time.Date(a.Year, a.Month, a.Day, a.Hour, a.Min, a.Sec, 0, time.UTC)
	same := date.Year() == a.Year && date.Month() == a.Month && date.Day() == a.Day &&
		date.Hour() == a.Hour && date.Minute() == a.Min && date.Second() == a.Sec
	switch {
	case a.Zone == nil:
		return fmt.Errorf("period anchor without a zone: %w", metering.ErrInvalid)
	case !same:
		return fmt.Errorf("period anchor %04d-%02d-%02d %02d:%02d:%02d is no date: %w", a.Year, a.Month, a.Day, a.Hour, a.Min, a.Sec, metering.ErrInvalid)
	case a.Months != 1 && a.Months != 3 && a.Months != 6 && a.Months != 12:
		return fmt.Errorf("period of %d months, want 1, 3, 6 or 12: %w", a.Months, metering.ErrInvalid)
	}
	return nil
}

// AnchorAt returns the anchor whose period 0 begins at the instant, to the
// second, with the day of the month as the zone shows it.
func AnchorAt(at metering.Micros, zone *time.Location, months int) Anchor {
	t := at.Time().In(zone)
	return Anchor{
		Year: t.Year(), Month: t.Month(), Day: t.Day(), Hour: t.Hour(), Min: t.Minute(), Sec: t.Second(),
		Zone: zone, Months: months,
	}
}

// Boundary is the instant at which period k begins and period k-1 ends.
func (a Anchor) Boundary(k int) metering.Micros {
	month := int(a.Month) - 1 + k*a.Months
	year := a.Year + floorDiv(month, 12)
	month -= 12 * floorDiv(month, 12)
	day := min(a.Day, daysIn(year, time.Month(month+1)))
	wall := time.Date(year, time.Month(month+1), day, a.Hour, a.Min, a.Sec, 0, time.UTC)
	return metering.MicrosOf(first(wall, a.Zone))
}

// Span is a period as instants, its end exclusive.
type Span struct {
	Start, End metering.Micros
}

// Contains reports whether the instant is in the period.
func (s Span) Contains(at metering.Micros) bool { return s.Start <= at && at < s.End }

// Period is the span of period k.
func (a Anchor) Period(k int) Span { return Span{a.Boundary(k), a.Boundary(k + 1)} }

// Index is the number of the period that contains the instant.
func (a Anchor) Index(at metering.Micros) int {
	t := at.Time().In(a.Zone)
	months := 12*(t.Year()-a.Year) + int(t.Month()-a.Month)
	k := floorDiv(months, a.Months)
	// The estimate ignores day, clock and zone changes: it is off by one at most
	// in either direction.
	for a.Boundary(k) > at {
		k--
	}
	for a.Boundary(k+1) <= at {
		k++
	}
	return k
}

// first is the first instant at which the clocks of the zone show the wall time
// or a later one. wall carries the wall time as if it were UTC. time.Date is no
// help: what it returns for a skipped hour may show the day before.
func first(wall time.Time, zone *time.Location) time.Time {
	// No offset is further from UTC than a day, so the instant is near, and two
	// changes of offset are further apart than that window is wide on either side.
	const most = 26 * time.Hour
	for at := wall.Add(-most); ; {
		in := at.In(zone)
		_, end := in.ZoneBounds()
		if !end.IsZero() && !end.After(at) {
			// Beyond the transitions that are listed, Go 1.26 gets the bounds of 31
			// December of a leap year wrong; the offset is right, so small steps do.
			end = at.Add(time.Hour)
		}
		_, offset := in.Zone()
		shown := wall.Add(-time.Duration(offset) * time.Second) // where this offset shows it
		if shown.Before(at) {
			shown = at // the clocks jumped past it
		}
		if end.IsZero() || shown.Before(end) {
			return shown.UTC()
		}
		at = end
	}
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
