package pricebook

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// calendar is the hours of a week, made ready to be asked.
type calendar struct {
	row      *catalogue.Calendar
	zone     *time.Location
	spans    []catalogue.Span
	holidays map[string]bool
}

func newCalendar(row *catalogue.Calendar) (*calendar, error) {
	zone, err := time.LoadLocation(row.Zone)
	if err != nil {
		return nil, fmt.Errorf("calendar %s: %w: %w", row.ID, err, metering.ErrInvalid)
	}
	spans, err := row.Spans()
	if err != nil {
		return nil, err
	}
	c := &calendar{row: row, zone: zone, spans: spans, holidays: make(map[string]bool, len(row.Holidays))}
	for _, d := range row.Holidays {
		c.holidays[d] = true
	}
	return c, nil
}

// open reports whether a call falls into the hours. Where nobody knows the
// holidays of that time yet, it does, with a doubt.
func (c *calendar) open(f *facts) (ok bool, doubt string) {
	at := f.at
	if c.row.Basis == "end" {
		at = f.end
	}
	t := at.Time().In(c.zone)
	for _, s := range c.spans {
		day := t
		from := t.Hour()*60 + t.Minute()
		if s.Day != t.Weekday() {
			// Hours that began on the day before reach into this one.
			day = t.AddDate(0, 0, -1)
			from += 24 * 60
			if s.Day != day.Weekday() {
				continue
			}
		}
		if from < s.From || from >= s.To {
			continue
		}
		if len(c.holidays) > 0 && c.holidays[day.Format(time.DateOnly)] {
			continue
		}
		if c.row.HolidaysTo != 0 && at >= c.row.HolidaysTo.Micros() {
			doubt = "calendar: holidays of " + c.row.ID + " are not known from " + c.row.HolidaysTo.String() + " on"
		}
		return true, doubt
	}
	return false, ""
}
