package console

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
)

// invalid is what is wrong with a form.
func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, metering.ErrInvalid)...)
}

// zoneOf reads the name of a time zone; empty is UTC.
func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if name == "Local" { // is a zone to Go and means another one on each machine
		return nil, invalid("%q is not the name of a time zone", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, invalid("%.60q is not the name of a time zone, such as Europe/Berlin", name)
	}
	return zone, nil
}

// instantField reads an instant: as a browser's field writes it, in the zone,
// or with an offset of its own. An empty field is zero.
func instantField(r *http.Request, name string, zone *time.Location) (metering.Micros, error) {
	text := strings.TrimSpace(r.PostFormValue(name))
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly, "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return micros(t, text)
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, invalid("%.40q is neither a date like 2026-01-31 nor a time like 2026-01-31T12:00", text)
	}
	return micros(t, text)
}

func micros(t time.Time, text string) (metering.Micros, error) {
	if t.Year() < 1971 || t.Year() > 9998 {
		return 0, invalid("%.40q is too far away", text)
	}
	return metering.MicrosOf(t), nil
}

// numberField reads an exact decimal, with commas between its digits or
// without. An empty field is zero.
func numberField(r *http.Request, name string) (metering.Number, error) {
	return parseNumber(r.PostFormValue(name))
}

func parseNumber(text string) (metering.Number, error) {
	text = strings.NewReplacer(",", "", "_", "", " ", "").Replace(strings.TrimSpace(text))
	if text == "" {
		return metering.Number{}, nil
	}
	return metering.ParseNumber(text)
}

// wholeField reads a whole number; an empty field is the default.
func wholeField(r *http.Request, name string, otherwise int64) (int64, error) {
	text := strings.NewReplacer(",", "", "_", "", " ", "").Replace(strings.TrimSpace(r.PostFormValue(name)))
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, invalid("%.40q is not a whole number", text)
	}
	return n, nil
}

// onceForms lets a form take effect once, however often its button is pressed:
// what has no other identity, such as credit, would be given twice.
type onceForms struct {
	mu    sync.Mutex
	used  map[string]bool
	order []string // the oldest first
}

// maxOnce bounds how many forms are remembered.
const maxOnce = 10_000

func newOnceForms() *onceForms { return &onceForms{used: make(map[string]bool)} }

// mint names a form that is about to be shown.
func (o *onceForms) mint() string { return rand.Text() }

// claim takes a name; false if it was taken. A form without one can always be
// sent.
func (o *onceForms) claim(name string) bool {
	if name == "" {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.used[name] {
		return false
	}
	o.used[name] = true
	o.order = append(o.order, name)
	if len(o.order) > maxOnce {
		delete(o.used, o.order[0])
		o.order = o.order[1:]
	}
	return true
}

// release gives a name back, because nothing came of the form.
func (o *onceForms) release(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.used, name)
	o.order = slices.DeleteFunc(o.order, func(n string) bool { return n == name })
}
