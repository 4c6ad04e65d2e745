package catalogue

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Check reports every row that is not certain to be meant. It looks at rows one
// by one; whether they fit each other and the other layers is found out when a
// book is made of them.
func (r *Rows) Check() error {
	var errs []error
	check := func(what string, i int, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %d: %w", what, i+1, err))
		}
	}
	for i := range r.SKUs {
		check("sku", i, r.SKUs[i].check())
	}
	for i := range r.Matches {
		check("match", i, r.Matches[i].check())
	}
	for i := range r.Rates {
		check("rate", i, r.Rates[i].check())
	}
	for i := range r.Modifiers {
		check("modifier", i, r.Modifiers[i].check())
	}
	for i := range r.Calendars {
		check("calendar", i, r.Calendars[i].check())
	}
	for i := range r.Plans {
		check("plan", i, named("provider", r.Plans[i].Provider, "plan", r.Plans[i].Plan))
	}
	const most = 20
	if len(errs) > most {
		errs = append(errs[:most], fmt.Errorf("and %d more", len(errs)-most))
	}
	return errors.Join(errs...)
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, metering.ErrInvalid)...)
}

// named holds that names are there and fit an id.
func named(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		const most = 200
		switch name, value := pairs[i], pairs[i+1]; {
		case value == "":
			return invalid("%s is needed", name)
		case len(value) > most || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return invalid("%s %.60q is longer than %d bytes or has white space in it", name, value, most)
		}
	}
	return nil
}

func ordered(from, to Instant) error {
	if to != 0 && to <= from {
		return invalid("it ends (%s) before it begins (%s)", to, from)
	}
	return nil
}

func (s *SKU) check() error {
	if err := named("provider", s.Provider, "sku", s.SKU); err != nil {
		return err
	}
	if s.SKU == Any {
		return invalid("%q is no SKU: it stands for all of them", Any)
	}
	if s.Context < 0 || s.MaxOutput < 0 {
		return invalid("%s/%s: limits below zero", s.Provider, s.SKU)
	}
	return nil
}

func (m *Match) check() error {
	if err := named("provider", m.Provider, "pattern", m.Pattern, "sku", m.SKU); err != nil {
		return err
	}
	switch m.Type {
	case MatchExact, MatchDateSuffix:
	case MatchRegionPrefix:
		if end := m.Pattern[len(m.Pattern)-1]; end != '.' && end != '/' && end != ':' {
			return invalid("region prefix %q does not end in a dot, slash or colon: it would match the beginning of a name", m.Pattern)
		}
	case MatchRegex:
		if _, err := regexp.Compile(m.Pattern); err != nil {
			return invalid("pattern: %v", err)
		}
	default:
		return invalid("type %.40q", m.Type)
	}
	if m.SKU == Any && m.Type != MatchRegionPrefix {
		return invalid("only a region prefix can lead to %q", Any)
	}
	return ordered(m.From, m.To)
}

func (r *Rate) check() error {
	if err := named("id", r.ID, "provider", r.Provider, "sku", r.SKU, "meter", r.Meter); err != nil {
		return err
	}
	fail := func(err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", r.ID, err)
		}
		return nil
	}
	switch r.Status {
	case "", StatusConfirmed, StatusPromo, StatusScheduled, StatusProvisional, StatusRegional, StatusCancelled:
	default:
		return fail(invalid("status %.40q", r.Status))
	}
	if r.Currency != "" && r.Currency != "USD" {
		return fail(invalid("currency %.10q: costs are in USD", r.Currency))
	}
	if r.Per < 0 {
		return fail(invalid("per %d", r.Per))
	}
	switch kind, _, _ := strings.Cut(r.Reason, ":"); {
	case r.Price == nil && r.Reason != "" && kind != "condition" && kind != "ambiguous":
		return fail(invalid("reason %.60q is not \"condition: …\" or \"ambiguous: …\"", r.Reason))
	case r.Price != nil && r.Reason != "":
		return fail(invalid("it has a price and a reason why not"))
	case r.Price != nil && r.Meter == AllMeters:
		return fail(invalid("a price for all meters"))
	}
	for _, n := range []struct{ name, text string }{{"price", text(r.Price)}, {"minimum", r.Minimum}, {"step", r.Step}} {
		if v, err := metering.ParseNumber(n.text); n.text != "" && (err != nil || v.Units < 0 || v.Units > maxPrice) {
			return fail(invalid("%s %.40q is no decimal from 0 to %d", n.name, n.text, int64(maxPrice)))
		}
	}
	if r.Price != nil && *r.Price == "" {
		return fail(invalid("an empty price: null is unknown, \"0\" is free"))
	}
	return fail(errors.Join(r.When.check(), ordered(r.From, r.To)))
}

// maxPrice is the highest number that is not taken for a slip. The dearest known
// price is 600 dollars for a million tokens.
const maxPrice = 10_000

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (w *When) check() error {
	for _, name := range append([]string{w.Tier, w.Region, w.Endpoint, w.Speed, w.Calendar, w.Plan}, w.Counts...) {
		if name == "" {
			continue
		}
		if err := named("condition", name); err != nil {
			return err
		}
	}
	if w.Above < 0 || w.Above == 0 && (w.Marginal || len(w.Counts) > 0) {
		return invalid("above %d", w.Above)
	}
	for _, c := range w.Counts {
		if c == "input" || c == "output" {
			continue
		}
		if _, err := metering.ParseCell(c); err != nil {
			return fmt.Errorf("counts: %w", err)
		}
	}
	if !slices.IsSortedFunc(w.Attributes, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) }) {
		return invalid("attributes are not sorted by name")
	}
	for _, a := range w.Attributes {
		if err := named("attribute", a.Name); err != nil || len(a.Values) == 0 {
			return errors.Join(err, invalid("attribute %.40q has no values", a.Name))
		}
	}
	for _, fact := range w.Any {
		if fact != "tier" && fact != "region" && fact != "endpoint" && fact != "speed" {
			return invalid("any %.40q", fact)
		}
	}
	if v := w.Volume; v != nil {
		if err := named("pool", v.Pool); err != nil {
			return err
		}
		if v.Window != "day" && v.Window != "month" || v.From < 0 {
			return invalid("window %.20q from %d", v.Window, v.From)
		}
		return zone(v.Zone)
	}
	return nil
}

func (m *Modifier) check() error {
	if err := named("id", m.ID, "provider", m.Provider, "multiply", m.Multiply); err != nil {
		return err
	}
	if n, err := metering.ParseNumber(m.Multiply); err != nil || n.Units < 0 || n.Units > 100 {
		return invalid("%s: multiply %.40q is no decimal from 0 to 100", m.ID, m.Multiply)
	}
	if m.Status != "" && m.Status != StatusConfirmed && m.Status != StatusProvisional {
		return invalid("%s: status %.40q is not that of a modifier", m.ID, m.Status)
	}
	if m.When.Volume != nil || m.When.Marginal {
		return invalid("%s: a modifier has no bands", m.ID)
	}
	if err := errors.Join(m.When.check(), ordered(m.From, m.To)); err != nil {
		return fmt.Errorf("%s: %w", m.ID, err)
	}
	return nil
}

func (c *Calendar) check() error {
	if err := named("id", c.ID); err != nil {
		return err
	}
	if _, err := c.Spans(); err != nil {
		return err
	}
	if c.Basis != "" && c.Basis != "request" && c.Basis != "end" {
		return invalid("%s: basis %.40q", c.ID, c.Basis)
	}
	for _, d := range c.Holidays {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			return invalid("%s: holiday %.40q", c.ID, d)
		}
	}
	return zone(c.Zone)
}

func zone(name string) error {
	if _, err := time.LoadLocation(name); err != nil {
		return invalid("zone %.60q: %v", name, err)
	}
	return nil
}
