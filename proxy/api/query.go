package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// Bounds of pages.
const (
	defaultLimit = 50
	maxLimit     = 100
)

// query reads the parameters of a request as strictly as object reads a body.
type query struct {
	values url.Values
	now    time.Time
	zone   *time.Location
	faults *faults
}

func readQuery(u *url.URL, now time.Time, f *faults) (*query, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid(FieldError{"query", "cannot be read: percent signs stand before two hexadecimal digits, fields are joined with &"})
	}
	for _, name := range sortedNames(values) {
		for _, v := range values[name] {
			if !utf8.ValidString(name+v) || strings.ContainsRune(name+v, 0) {
				return nil, invalid(FieldError{fmt.Sprintf("query.%.60q", name), "is not valid UTF-8 or has a NUL character"})
			}
		}
	}
	return &query{values: values, now: now, zone: time.UTC, faults: f}, nil
}

func sortedNames(v url.Values) []string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (q *query) fault(name, format string, args ...any) {
	q.faults.add("query."+name, format, args...)
}

// text takes a parameter of at most max bytes; absent is empty.
func (q *query) text(name string, maximum int) string {
	values := q.values[name]
	delete(q.values, name)
	switch {
	case len(values) == 0:
		return ""
	case len(values) > 1:
		q.fault(name, "is given %d times", len(values))
	case len(values[0]) > maximum:
		q.fault(name, "is longer than %d bytes", maximum)
	}
	return values[0]
}

// list takes a parameter that may be repeated, of at most max bytes each.
func (q *query) list(name string, maximum int) []string {
	values := q.values[name]
	delete(q.values, name)
	for _, v := range values {
		if len(v) > maximum {
			q.fault(name, "is longer than %d bytes", maximum)
		}
	}
	return values
}

func (q *query) boolean(name string) bool {
	s := q.text(name, 5)
	if s != "" && s != "true" && s != "false" {
		q.fault(name, "must be true or false")
	}
	return s == "true"
}

func (q *query) limit() int {
	s := q.text("limit", 10)
	if s == "" {
		return defaultLimit
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxLimit {
		q.fault("limit", "must be a whole number from 1 to %d", maxLimit)
		return defaultLimit
	}
	return n
}

func (q *query) cursor() string { return q.text("cursor", 500) }

// zoned takes the time zone, in which dates are read from then on.
func (q *query) zoned() *time.Location {
	zone, err := ParseZone(q.text("zone", 60))
	if err != nil {
		q.fault("zone", "must be a time zone like Europe/Berlin")
		return q.zone
	}
	q.zone = zone
	return zone
}

// instant takes an instant, date or span; zero where it is absent.
func (q *query) instant(name string) metering.Micros {
	s := q.text(name, 60)
	if s == "" {
		return 0
	}
	m, err := ParseTime(s, q.now, q.zone)
	if err != nil {
		q.fault(name, "must be an instant (2026-01-31T12:00:00Z), a date (2026-01-31) or a span from now (-24h, -7d)")
	}
	return m
}

// span takes from and to.
func (q *query) span() (from, to metering.Micros) {
	from, to = q.instant("from"), q.instant("to")
	if to != 0 && from > to {
		q.fault("to", "is before from")
	}
	return from, to
}

// close reports the parameters that nobody took, and everything else that is
// wrong.
func (q *query) close() error {
	for _, name := range sortedNames(q.values) {
		q.fault(fmt.Sprintf("%.60s", name), "is unknown")
	}
	return q.faults.problem()
}
