package admission

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// Span is a stretch of the calendar that a limit counts over.
type Span string

// Spans.
const (
	Hour  Span = "hour"
	Day   Span = "day"
	Month Span = "month"
)

// At returns the span that contains an instant, in the zone; nil is UTC. Spans
// follow each other without gap or overlap, through every change of the clocks:
// a day may last 23 or 25 hours, and begins at its first instant where midnight
// is skipped or comes twice. An hour is cut where the clocks change within it.
func (s Span) At(at metering.Micros, zone *time.Location) (start, end metering.Micros, err error) {
	if zone == nil {
		zone = time.UTC
	}
	t := at.Time().In(zone)
	switch s {
	case Hour:
		first, last := hour(t)
		return metering.MicrosOf(first), metering.MicrosOf(last), nil
	case Day:
		y, m, d := t.Date()
		return metering.MicrosOf(dawn(y, m, d, zone)), metering.MicrosOf(dawn(y, m, d+1, zone)), nil
	case Month:
		y, m, _ := t.Date()
		return metering.MicrosOf(dawn(y, m, 1, zone)), metering.MicrosOf(dawn(y, m+1, 1, zone)), nil
	default:
		return 0, 0, fmt.Errorf("span %q: %w", string(s), metering.ErrInvalid)
	}
}

// Every returns the stretch of length d that contains an instant, of those that
// follow each other from anchor in both directions. d must be positive.
func Every(d, anchor, at metering.Micros) (start, end metering.Micros) {
	since := (at - anchor) % d
	if since < 0 {
		since += d
	}
	return at - since, at - since + d
}

func hour(t time.Time) (start, end time.Time) {
	start = t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	end = start.Add(time.Hour)
	from, to := t.ZoneBounds()
	if !from.IsZero() && start.Before(from) {
		start = from
	}
	if !to.IsZero() && end.After(to) {
		end = to
	}
	return start, end
}

// dawn is the first instant of a day. time.Date alone may return an instant of
// the day before where midnight does not exist, and the second midnight where
// there are two.
func dawn(y int, m time.Month, d int, zone *time.Location) time.Time {
	want := time.Date(y, m, d, 12, 0, 0, 0, time.UTC) // carries a day or month beyond its end
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if t.Day() != want.Day() {
		_, t = t.ZoneBounds() // the change skipped midnight: the day begins with it
		return t
	}
	from, _ := t.ZoneBounds()
	if from.IsZero() {
		return t
	}
	if t.Hour() != 0 || t.Minute() != 0 {
		return from
	}
	_, before := from.Add(-time.Second).Zone()
	_, after := t.Zone()
	if first := t.Add(time.Duration(after-before) * time.Second); first.Before(from) && first.Day() == want.Day() && first.Hour() == 0 {
		return first
	}
	return t
}
