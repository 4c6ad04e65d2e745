package api

import (
	"time"

	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// anchorOn returns the anchor of a subscription that starts at an instant and
// whose periods are cut on a day of the month, at the time of day at which it
// starts. day 0 is the day on which it starts.
//
// The last boundary up to the start is in the start's month or the month before,
// on that day or on the last of a month that lacks it. An anchor has the day
// itself, so it stands as many whole periods earlier as it takes to reach a month
// that has it: counted from there, the boundaries are the same.
func anchorOn(start metering.Micros, zone *time.Location, months, day int) period.Anchor {
	a := period.AnchorAt(start, zone, months)
	if day == 0 || day == a.Day {
		return a
	}
	a.Day = day
	if clamped(a).Boundary(0) > start {
		a = earlier(a, 1)
	}
	if months == 12 {
		// Each year has the same month, so a day that it always lacks is its last
		// one: 29 for February, which some years have.
		a.Day = min(a.Day, longest(a.Month))
	}
	for clamped(a).Day != a.Day {
		a = earlier(a, months)
	}
	return a
}

// earlier is the anchor some months before, whose month may lack the day.
func earlier(a period.Anchor, months int) period.Anchor {
	first := time.Date(a.Year, a.Month-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	a.Year, a.Month = first.Year(), first.Month()
	return a
}

// clamped is the anchor on the last day of its month, where that lacks the day.
func clamped(a period.Anchor) period.Anchor {
	a.Day = min(a.Day, time.Date(a.Year, a.Month+1, 0, 0, 0, 0, 0, time.UTC).Day())
	return a
}

// longest is the last day that a month ever has.
func longest(m time.Month) int {
	const leap = 2000
	return time.Date(leap, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
