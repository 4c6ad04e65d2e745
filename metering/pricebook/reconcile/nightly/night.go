package nightly

import (
	"context"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// Look is which comparison of a day it is.
type Look int

// Looks. The second is there because a provider's report of a day may go on
// growing for hours after it has ended.
const (
	First  Look = 1 // once the report has settled
	Second Look = 2 // a day after that
)

// Night is one look at a day.
type Night struct {
	Day  reconcile.Day
	Look Look
}

// State is how the comparisons of a provider went, over all processes.
type State struct {
	Provider  string
	Since     reconcile.Day     // the first day that they are about
	Tried     metering.Micros   // the last try, whatever came of it; zero: there was none
	Succeeded metering.Micros   // the last that came to its end; zero: none did
	Failures  int               // in a row; zero: the last try went well
	Failure   string            // why the last try failed
	NotBefore metering.Micros   // when to try again after a failure
	Day       reconcile.Day     // the latest day that was compared, if Succeeded is not zero
	Verdict   reconcile.Verdict // of that day, by its latest look
	Gap       string            // of that day: [reconcile.Report.Gap]
}

// Store keeps what was compared.
type Store interface {
	reconcile.Source
	// BeginNights returns the state of a provider. One that has none begins with the
	// day since.
	BeginNights(ctx context.Context, org, provider string, since reconcile.Day) (State, error)
	// Nights returns the looks that were made at days from since on.
	Nights(ctx context.Context, org, provider string, since reconcile.Day) ([]Night, error)
	// KeepNight keeps the report of a look and notes that it went well, both or
	// neither. A look that was kept before stays as it is.
	KeepNight(ctx context.Context, org string, n Night, r *reconcile.Report, at metering.Micros) error
	// FailNight notes why a look did not come to its end.
	FailNight(ctx context.Context, org, provider, failure string, notBefore, at metering.Micros) error
}

// back is how many days that were missed are made up for.
const back = 7

// latest is the last day whose first look is due: it ended so long ago.
func latest(now, after metering.Micros) reconcile.Day { return reconcile.DayOf(now-after) - 1 }

// due are the looks that are due and were not made, the oldest first. A first look
// that was missed is not made up for once the second is due.
func due(s *State, done []Night, now, after metering.Micros) []Night {
	if now < s.NotBefore {
		return nil
	}
	last := latest(now, after)
	var out []Night
	for d := max(s.Since, last-back+1); d <= last; d++ {
		n := Night{d, First}
		if d < last {
			n.Look = Second
		}
		if !slices.Contains(done, n) {
			out = append(out, n)
		}
	}
	return out
}

// Expected is the latest day that must have been compared by now: its first look
// was due so long ago that a failure has been tried again often.
func Expected(now, after metering.Micros) reconcile.Day { return latest(now-grace, after) }

// grace is how late a look may be before somebody should know: twice the longest
// wait between two tries.
const grace = 2 * metering.Micros(longestWait/time.Microsecond)
