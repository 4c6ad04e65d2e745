package catalogue

import (
	"slices"
	"strings"
	"time"
)

// Span is hours of one weekday in minutes from its midnight; To may lie beyond
// 1,440, in the next day.
type Span struct {
	Day      time.Weekday
	From, To int
}

// Spans are the hours of a week.
func (c *Calendar) Spans() ([]Span, error) {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	days := c.Days
	if len(days) == 0 {
		days = names
	}
	if len(c.Ranges) == 0 {
		return nil, invalid("%s has no ranges", c.ID)
	}
	var out []Span
	for _, name := range days {
		day := slices.Index(names, name)
		if day < 0 {
			return nil, invalid("%s: day %.20q is none of %v", c.ID, name, names)
		}
		for _, r := range c.Ranges {
			a, b, ok := strings.Cut(r, "-")
			from, err1 := minute(a)
			to, err2 := minute(b)
			if !ok || err1 != nil || err2 != nil || from == to || from == dayMinutes {
				return nil, invalid("%s: range %.40q is not like 01:00-04:00", c.ID, r)
			}
			if to < from {
				to += dayMinutes
			}
			out = append(out, Span{time.Weekday(day), from, to})
		}
	}
	return out, nil
}

const dayMinutes = 24 * 60

func minute(s string) (int, error) {
	if s == "24:00" {
		return dayMinutes, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, err
	}
	return t.Hour()*60 + t.Minute(), nil
}
