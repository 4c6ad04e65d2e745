package api

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

func micros(t *testing.T, s string) metering.Micros {
	t.Helper()
	m, err := parseInstant(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAnchorOn: the period that contains the start, for days before and after it
// and for months that lack the day.
func TestAnchorOn(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		start       string
		zone        *time.Location
		months, day int
		from, until string // of the period
	}{
		{"2026-02-10T12:00:00Z", time.UTC, 1, 0, "2026-02-10T12:00:00Z", "2026-03-10T12:00:00Z"},
		{"2026-02-10T12:00:00Z", time.UTC, 1, 10, "2026-02-10T12:00:00Z", "2026-03-10T12:00:00Z"},
		{"2026-02-10T12:00:00Z", time.UTC, 1, 5, "2026-02-05T12:00:00Z", "2026-03-05T12:00:00Z"},
		{"2026-02-10T12:00:00Z", time.UTC, 1, 15, "2026-01-15T12:00:00Z", "2026-02-15T12:00:00Z"},
		{"2026-02-10T12:00:00Z", time.UTC, 1, 31, "2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z"},
		{"2026-02-28T12:00:00Z", time.UTC, 1, 31, "2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"},
		{"2026-03-01T12:00:00Z", time.UTC, 1, 31, "2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z"},
		{"2026-05-01T00:00:00Z", time.UTC, 1, 31, "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z"},
		{"2026-03-01T12:00:00Z", time.UTC, 3, 31, "2026-02-28T12:00:00Z", "2026-05-31T12:00:00Z"},
		{"2026-05-15T12:00:00Z", time.UTC, 6, 31, "2026-04-30T12:00:00Z", "2026-10-31T12:00:00Z"},
		{"2026-03-01T12:00:00Z", time.UTC, 12, 31, "2026-02-28T12:00:00Z", "2027-02-28T12:00:00Z"},
		{"2027-03-01T12:00:00Z", time.UTC, 12, 30, "2027-02-28T12:00:00Z", "2028-02-29T12:00:00Z"},
		{"2026-05-15T12:00:00Z", time.UTC, 12, 31, "2026-04-30T12:00:00Z", "2027-04-30T12:00:00Z"},
		{"2026-01-31T23:30:00Z", berlin, 1, 31, "2026-01-30T23:30:00Z", "2026-02-27T23:30:00Z"}, // the 1st there, at 00:30
	} {
		start := micros(t, tt.start)
		a := anchorOn(start, tt.zone, tt.months, tt.day)
		if err := a.Validate(); err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		span := a.Period(a.Index(start))
		if from, until := micros(t, tt.from), micros(t, tt.until); span.Start != from || span.End != until {
			t.Errorf("%+v: the period is %s to %s", tt, Instant(span.Start), Instant(span.End))
		}
	}
}

// TestAnchorOn_always: whatever is asked for, the anchor is a date, stands at or
// before the start, and every boundary after it is on the day or on the last of a
// month that lacks it.
func TestAnchorOn_always(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		start := metering.Micros(rapid.Int64Range(1, 1_700_000_000).Draw(t, "start")) * 1_000_000
		months, day := rapid.SampledFrom([]int{1, 3, 6, 12}).Draw(t, "months"), rapid.IntRange(1, 31).Draw(t, "day")
		a := anchorOn(start, zone, months, day)
		if err := a.Validate(); err != nil {
			t.Fatalf("%+v: %v", a, err)
		}
		k := a.Index(start)
		if k < 0 || a.Boundary(0) > start {
			t.Fatalf("anchor %+v is after the start %s", a, Instant(start))
		}
		if since := start.Time().Sub(a.Boundary(k).Time()); months == 1 && since > 32*24*time.Hour {
			t.Fatalf("the period began %s before the start", since)
		}
		for ; k < a.Index(start)+13; k++ {
			// A boundary in an hour that the clocks skip is shown later, even a day.
			shown := a.Boundary(k).Time().In(zone)
			last := time.Date(shown.Year(), shown.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
			if want := min(day, last); shown.Day() != want && !(shown.Hour() == 0 || shown.Hour() == 1) {
				t.Fatalf("boundary %d of %+v is on the %d., want %d", k, a, shown.Day(), want)
			}
		}
	})
}
