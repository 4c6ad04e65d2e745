package page

import (
	"fmt"
	"net/url"
	"time"

	"github.com/weirhq/weir/metering"
)

// Period is the span of time that a page is about: From inclusive, To
// exclusive. The presets end with the hour or day that is running, so that
// their figures come from whole hours.
type Period struct {
	Name     string // of the preset, or "custom"
	From, To metering.Micros
	Now      metering.Micros
}

// Presets are the names of periods, the shortest first.
func Presets() []string { return []string{"24h", "7d", "30d", "month"} }

// maxPeriod bounds what a page sums up and draws.
const maxPeriod = 400 * 24 * time.Hour

// ParsePeriod reads period=24h|7d|30d|month, or from and to, each a date, which
// is its midnight in UTC, or an instant. Without any it is the preset.
func ParsePeriod(v url.Values, now time.Time, preset string) (Period, error) {
	now = now.UTC()
	if v.Get("from") != "" || v.Get("to") != "" {
		return customPeriod(v, now)
	}
	if name := v.Get("period"); name != "" {
		preset = name
	}
	tomorrow := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)
	var from, to time.Time
	switch preset {
	case "24h":
		to = now.Truncate(time.Hour).Add(time.Hour)
		from = to.Add(-24 * time.Hour)
	case "7d":
		from, to = tomorrow.AddDate(0, 0, -7), tomorrow
	case "30d":
		from, to = tomorrow.AddDate(0, 0, -30), tomorrow
	case "month":
		from = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
		to = from.AddDate(0, 1, 0)
	default:
		return Period{}, fmt.Errorf("period %.20q is none of %v: %w", preset, Presets(), metering.ErrInvalid)
	}
	return Period{preset, metering.MicrosOf(from), metering.MicrosOf(to), metering.MicrosOf(now)}, nil
}

func customPeriod(v url.Values, now time.Time) (Period, error) {
	p := Period{Name: "custom", To: metering.MicrosOf(now.Truncate(time.Hour).Add(time.Hour)), Now: metering.MicrosOf(now)}
	for _, end := range []struct {
		name string
		to   *metering.Micros
	}{{"from", &p.From}, {"to", &p.To}} {
		text := v.Get(end.name)
		if text == "" {
			continue
		}
		t, err := time.ParseInLocation(time.DateOnly, text, time.UTC)
		if err != nil {
			t, err = time.Parse(time.RFC3339Nano, text)
		}
		if err != nil || t.Year() < 1970 || t.Year() > 9998 {
			return Period{}, fmt.Errorf("%s %.40q is neither a date like 2026-01-31 nor an instant like 2026-01-31T12:00:00Z: %w", end.name, text, metering.ErrInvalid)
		}
		*end.to = metering.MicrosOf(t)
	}
	if p.From == 0 {
		p.From = metering.MicrosOf(p.To.Time().AddDate(0, 0, -30))
	}
	switch span := p.To.Time().Sub(p.From.Time()); {
	case span <= 0:
		return Period{}, fmt.Errorf("the period ends before it begins: %w", metering.ErrInvalid)
	case span > maxPeriod:
		return Period{}, fmt.Errorf("the period is longer than %d days: %w", maxPeriod/(24*time.Hour), metering.ErrInvalid)
	}
	return p, nil
}

// Presets is for the partial "period".
func (p Period) Presets() []string { return Presets() }

// String is the half-open span in words: "1 Nov 2026 00:00 to 1 Dec 2026 00:00
// UTC".
func (p Period) String() string {
	const layout = "2 Jan 2006 15:04"
	return p.From.Time().Format(layout) + " to " + p.To.Time().Format(layout) + " UTC"
}

// Running reports whether the period has not ended: its figures are estimates.
func (p Period) Running() bool { return p.From <= p.Now && p.Now < p.To }

// FromDate is the first day, for a form.
func (p Period) FromDate() string { return p.From.Time().Format(time.DateOnly) }

// ToDate is the day on which the period ends, not itself in it where it ends at
// midnight.
func (p Period) ToDate() string { return p.To.Time().Format(time.DateOnly) }

// FromText and ToText are the ends for links: a date where they are midnight.
func (p Period) FromText() string { return endText(p.From) }

// ToText is FromText for the other end.
func (p Period) ToText() string { return endText(p.To) }

func endText(m metering.Micros) string {
	t := m.Time()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}

// Buckets of time.
const (
	Hourly = "hour"
	Daily  = "day"
)

// DefaultBucket is an hour for up to two days, else a day.
func (p Period) DefaultBucket() string {
	if p.To.Time().Sub(p.From.Time()) <= 48*time.Hour {
		return Hourly
	}
	return Daily
}

// Buckets are the starts of the hours or days in UTC that the period touches up
// to now: what has not begun has no figures.
func (p Period) Buckets(bucket string) []time.Time {
	step := 24 * time.Hour
	if bucket == Hourly {
		step = time.Hour
	}
	end := min(p.To, p.Now+1)
	var out []time.Time
	for t := p.From.Time().Truncate(step); metering.MicrosOf(t) < end; t = t.Add(step) {
		out = append(out, t)
	}
	return out
}

// BucketLabel is how the axis names the start of a bucket.
func BucketLabel(t time.Time, bucket string) string {
	if bucket == Hourly {
		return t.UTC().Format("2006-01-02 15:00")
	}
	return t.UTC().Format(time.DateOnly)
}
