package admission_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

func zoneOf(t rapid.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("zone %s: %v", name, err)
	}
	return zone
}

func TestSpan_At(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		span       admission.Span
		zone       string
		at         string
		start, end string
	}{
		{"hour in UTC", admission.Hour, "UTC", "2026-03-01T10:59:59.999999Z", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"},
		{"hour of a zone half an hour off", admission.Hour, "Asia/Kolkata", "2026-03-01T10:31:00Z", "2026-03-01T10:30:00Z", "2026-03-01T11:30:00Z"},
		{"hour cut by a change of half an hour", admission.Hour, "Australia/Lord_Howe", "2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"},
		{"day in UTC", admission.Day, "UTC", "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"day of 23 hours", admission.Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"day of 25 hours", admission.Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"day whose midnight is skipped", admission.Day, "America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"},
		{"day before it", admission.Day, "America/Santiago", "2026-09-06T03:59:59Z", "2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z"},
		{"day whose midnight comes twice", admission.Day, "America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"day that did not exist is skipped", admission.Day, "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"month", admission.Month, "UTC", "2024-02-29T23:59:59Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"month over the year's end, in a zone", admission.Month, "America/New_York", "2026-12-31T23:00:00Z", "2026-12-01T05:00:00Z", "2027-01-01T05:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start, end, err := tt.span.At(instant(t, tt.at), zoneOf(t, tt.zone))
			if err != nil || start != instant(t, tt.start) || end != instant(t, tt.end) {
				t.Errorf("%s at %s = %s – %s, %v; want %s – %s", tt.span, tt.at,
					start.Time().Format(time.RFC3339), end.Time().Format(time.RFC3339), err, tt.start, tt.end)
			}
		})
	}
}

func instant(t testing.TB, s string) metering.Micros {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return metering.MicrosOf(at)
}

func TestSpan_UnknownIsInvalid(t *testing.T) {
	t.Parallel()
	if _, _, err := admission.Span("week").At(0, nil); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a span that does not exist: %v", err)
	}
}

// Spans tile time: an instant lies in its span, every instant of a span has the
// same span, and the next one begins where it ends.
func TestSpan_TilesTime(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/Santiago", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Atlantic/Azores"}
	rapid.Check(t, func(t *rapid.T) {
		zone := zoneOf(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		span := rapid.SampledFrom([]admission.Span{admission.Hour, admission.Day, admission.Month}).Draw(t, "span")
		at := metering.Micros(rapid.Int64Range(0, 2_500_000_000).Draw(t, "second")) * 1_000_000
		start, end, err := span.At(at, zone)
		if err != nil || at < start || at >= end {
			t.Fatalf("%v is not in %v – %v: %v", at.Time(), start.Time(), end.Time(), err)
		}
		inside := metering.Micros(rapid.Int64Range(int64(start), int64(end)-1).Draw(t, "inside"))
		for _, other := range []metering.Micros{start, inside, end - 1} {
			if s, e, err := span.At(other, zone); s != start || e != end || err != nil {
				t.Fatalf("%v is in %v – %v, %v in %v – %v: %v", at.Time(), start.Time(), end.Time(), other.Time(), s.Time(), e.Time(), err)
			}
		}
		if next, _, err := span.At(end, zone); next != end || err != nil {
			t.Fatalf("after %v – %v the next begins at %v: %v", start.Time(), end.Time(), next.Time(), err)
		}
	})
}

func TestEvery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name               string
		d, anchor, at      metering.Micros
		wantStart, wantEnd metering.Micros
	}{
		{"at the anchor", 5, 100, 100, 100, 105},
		{"last instant", 5, 100, 104, 100, 105},
		{"next", 5, 100, 105, 105, 110},
		{"before the anchor", 5, 100, 99, 95, 100},
		{"a whole length before", 5, 100, 95, 95, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start, end := admission.Every(tt.d, tt.anchor, tt.at)
			if start != tt.wantStart || end != tt.wantEnd {
				t.Errorf("Every(%d, %d, %d) = %d, %d; want %d, %d", tt.d, tt.anchor, tt.at, start, end, tt.wantStart, tt.wantEnd)
			}
		})
	}
}
