package period_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(t testing.TB, s string) metering.Micros {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return metering.MicrosOf(parsed)
}

// TestBoundary_golden compares with boundaries found by looking at every minute,
// B18, P03, P17.
func TestBoundary_golden(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/boundaries.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	n := 0
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var zoneName, date, want string
		var months, k int
		if _, err := fmt.Sscan(lines.Text(), &zoneName, &date, &months, &k, &want); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		a := period.Anchor{Year: day.Year(), Month: day.Month(), Day: day.Day(), Zone: zone(t, zoneName), Months: months}
		if got := a.Boundary(k); got != at(t, want) {
			t.Errorf("%s anchor %s, period %d of %d months: %s, want %s", zoneName, date, k, months, got.Time(), want)
		}
		n++
	}
	if err := lines.Err(); err != nil || n < 2000 {
		t.Fatalf("%d boundaries compared: %v", n, err)
	}
}

// TestBoundary_clock: wall-clock times that are skipped or shown twice.
func TestBoundary_clock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		zone, wall, want, why string
	}{
		{"America/Santiago", "2024-09-08 00:00", "2024-09-08T04:00:00Z", "midnight is skipped"},
		{"America/Havana", "2024-03-10 00:00", "2024-03-10T05:00:00Z", "midnight is skipped"},
		{"America/New_York", "2024-03-10 02:30", "2024-03-10T07:00:00Z", "skipped"},
		{"Australia/Lord_Howe", "2024-10-06 02:15", "2024-10-05T15:30:00Z", "half an hour is skipped"},
		{"Pacific/Apia", "2011-12-30 00:00", "2011-12-30T10:00:00Z", "the whole day is skipped"},
		{"America/New_York", "2024-11-03 01:30", "2024-11-03T05:30:00Z", "shown twice"},
		{"America/Havana", "2024-11-03 00:30", "2024-11-03T04:30:00Z", "shown twice"},
		{"Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06T14:45:00Z", "shown twice"},
		{"Asia/Kolkata", "2024-05-05 00:00", "2024-05-04T18:30:00Z", "nothing special"},
	} {
		t.Run(tt.zone+" "+tt.wall, func(t *testing.T) {
			t.Parallel()
			wall, err := time.Parse("2006-01-02 15:04", tt.wall)
			if err != nil {
				t.Fatal(err)
			}
			a := period.Anchor{Year: wall.Year(), Month: wall.Month(), Day: wall.Day(), Hour: wall.Hour(), Min: wall.Minute(), Zone: zone(t, tt.zone), Months: 1}
			if got := a.Boundary(0); got != at(t, tt.want) {
				t.Errorf("%s: %s, want %s", tt.why, got.Time(), tt.want)
			}
		})
	}
}

// TestPeriods_tile: no gap, no overlap, and every instant is in exactly the
// period that Index says, for 100 years of every anchor, B18.
func TestPeriods_tile(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "America/New_York", "America/Santiago", "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "Asia/Beirut", "Africa/Casablanca", "America/Sao_Paulo"}
	rapid.Check(t, func(t *rapid.T) {
		a := period.Anchor{
			Year: rapid.IntRange(1990, 2060).Draw(t, "year"), Month: time.Month(rapid.IntRange(1, 12).Draw(t, "month")), Day: rapid.IntRange(1, 31).Draw(t, "day"),
			Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Min: rapid.IntRange(0, 59).Draw(t, "min"),
			Months: rapid.SampledFrom([]int{1, 3, 6, 12}).Draw(t, "months"),
		}
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		a.Zone = loc
		k := rapid.IntRange(-600, 600).Draw(t, "k")
		this, next := a.Period(k), a.Period(k+1)
		if this.End != next.Start || this.Start >= this.End {
			t.Fatalf("period %d is %v, the next one %v", k, this, next)
		}
		inside := this.Start + metering.Micros(rapid.Int64Range(0, int64(this.End-this.Start-1)).Draw(t, "inside"))
		for _, instant := range []metering.Micros{this.Start, inside, this.End - 1} {
			if got := a.Index(instant); got != k || !this.Contains(instant) {
				t.Fatalf("%s is in period %d, want %d", instant.Time(), got, k)
			}
		}
	})
}

// TestAnchorAt: a subscription that starts on the 31st keeps the 31st, P03.
func TestAnchorAt(t *testing.T) {
	t.Parallel()
	start := at(t, "2024-01-31T09:00:00Z")
	a := period.AnchorAt(start, zone(t, "UTC"), 1)
	if got := a.Boundary(0); got != start {
		t.Errorf("period 0 begins at %s", got.Time())
	}
	for k, want := range []string{"2024-01-31T09:00:00Z", "2024-02-29T09:00:00Z", "2024-03-31T09:00:00Z", "2024-04-30T09:00:00Z"} {
		if got := a.Boundary(k); got != at(t, want) {
			t.Errorf("boundary %d: %s, want %s", k, got.Time(), want)
		}
	}
	yearly := period.Anchor{Year: 2024, Month: time.February, Day: 29, Zone: time.UTC, Months: 12}
	for k, want := range map[int]string{1: "2025-02-28T00:00:00Z", 4: "2028-02-29T00:00:00Z"} {
		if got := yearly.Boundary(k); got != at(t, want) {
			t.Errorf("year %d: %s, want %s", k, got.Time(), want)
		}
	}
}

func TestAnchor_validate(t *testing.T) {
	t.Parallel()
	good := period.Anchor{Year: 2024, Month: 2, Day: 29, Zone: time.UTC, Months: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, spoil := range []func(*period.Anchor){
		func(a *period.Anchor) { a.Day = 30 },
		func(a *period.Anchor) { a.Hour = 24 },
		func(a *period.Anchor) { a.Zone = nil },
		func(a *period.Anchor) { a.Months = 2 },
	} {
		bad := good
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// TestBoundary_yearsEnd computes boundaries around the end of every year of a
// century, in every zone of the golden vectors: it must end, and tile.
func TestBoundary_yearsEnd(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "America/New_York", "America/Santiago", "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "Asia/Beirut", "Europe/Berlin"} {
		for _, hour := range []int{0, 2, 23} {
			a := period.Anchor{Year: 2026, Month: time.December, Day: 31, Hour: hour, Zone: zone(t, name), Months: 1}
			last := a.Boundary(-1)
			for k := range 12 * 100 {
				next := a.Boundary(k)
				if days := next.Time().Sub(last.Time()).Hours() / 24; days < 27 || days > 32 {
					t.Fatalf("%s, %d h: period %d has %.2f days", name, hour, k-1, days)
				}
				if a.Index(next) != k || a.Index(next-1) != k-1 {
					t.Fatalf("%s, %d h: period %d is found as %d", name, hour, k, a.Index(next))
				}
				last = next
			}
		}
	}
}
