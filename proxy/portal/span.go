package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// Names of spans that a page can be about.
const (
	spanCurrent  = "current"  // the open period of the subscription
	spanPrevious = "previous" // the period before it
	spanMonth    = "month"    // of the calendar, where there is no subscription
	spanWeek     = "7d"
	spanMonthly  = "30d"
	spanCustom   = "custom"
)

// maxSpan bounds what a page sums up and draws.
const maxSpan = 400 * 24 * time.Hour

// span is the time that a page is about: From inclusive, To exclusive. Days are
// cut in Zone, that of the subscription's periods.
type span struct {
	Name     string
	From, To metering.Micros
	Now      metering.Micros
	Zone     *time.Location
	Choices  []choice
}

// choice leads to another span.
type choice struct {
	Label, URL string
	Current    bool
}

// spanOf reads which span a request is about: period=NAME, of the subscription
// sub=ID, or from and to, each a date or an instant.
func (s *Server) spanOf(r *http.Request, contracts []contract) (span, error) {
	v, now := r.URL.Query(), s.at()
	main, ok := mainContract(contracts, v.Get("sub"), now)
	if !ok && v.Get("sub") != "" {
		return span{}, fmt.Errorf("subscription %.40q: %w", v.Get("sub"), metering.ErrNotFound)
	}
	sp := span{Now: now, Zone: time.UTC}
	if ok {
		sp.Zone = main.zone()
	}
	var err error
	if v.Get("from")+v.Get("to") != "" {
		sp.Name = spanCustom
		err = sp.custom(v)
	} else {
		err = sp.named(v.Get("period"), main, ok)
	}
	if err != nil {
		return sp, err
	}
	return sp, sp.choose(r.URL, main, ok)
}

// named sets the ends of a span by its name.
func (sp *span) named(name string, main contract, subscribed bool) error {
	current, previous, open := periodsOf(main, sp.Now)
	if name == "" {
		name = spanMonth
		if subscribed && open {
			name = spanCurrent
		}
	}
	sp.Name = name
	today := midnight(sp.Now.Time().In(sp.Zone))
	tomorrow := today.AddDate(0, 0, 1)
	switch {
	case name == spanCurrent && open:
		sp.From, sp.To = current.Start, current.End
	case name == spanPrevious && previous != (period.Span{}):
		sp.From, sp.To = previous.Start, previous.End
	case name == spanMonth:
		first := today.AddDate(0, 0, 1-today.Day())
		sp.From, sp.To = metering.MicrosOf(first), metering.MicrosOf(first.AddDate(0, 1, 0))
	case name == spanWeek:
		sp.From, sp.To = metering.MicrosOf(tomorrow.AddDate(0, 0, -7)), metering.MicrosOf(tomorrow)
	case name == spanMonthly:
		sp.From, sp.To = metering.MicrosOf(tomorrow.AddDate(0, 0, -30)), metering.MicrosOf(tomorrow)
	default:
		return invalid("there is no period %.20q", name)
	}
	return nil
}

// custom reads the ends of a span; without a first one it is thirty days.
func (sp *span) custom(v url.Values) error {
	sp.To = sp.Now
	for _, end := range []struct {
		name string
		to   *metering.Micros
	}{{"from", &sp.From}, {"to", &sp.To}} {
		text := v.Get(end.name)
		if text == "" {
			continue
		}
		t, err := time.ParseInLocation(time.DateOnly, text, sp.Zone)
		if err != nil {
			t, err = time.Parse(time.RFC3339Nano, text)
		}
		if err != nil || t.Year() < 1970 || t.Year() > 9998 {
			return invalid("%s %.40q is neither a date like 2026-01-31 nor an instant like 2026-01-31T12:00:00Z", end.name, text)
		}
		*end.to = metering.MicrosOf(t)
	}
	if sp.From == 0 {
		sp.From = metering.MicrosOf(sp.To.Time().AddDate(0, 0, -30))
	}
	switch length := sp.To.Time().Sub(sp.From.Time()); {
	case length <= 0:
		return invalid("the period ends before it begins")
	case length > maxSpan:
		return invalid("the period is longer than %d days", maxSpan/(24*time.Hour))
	}
	return nil
}

// choose lists the spans that a reader may want instead.
func (sp *span) choose(u *url.URL, main contract, subscribed bool) error {
	names := []struct{ name, label string }{{spanMonth, "This month"}, {spanWeek, "7 days"}, {spanMonthly, "30 days"}}
	if _, previous, open := periodsOf(main, sp.Now); subscribed && open {
		names[0].name, names[0].label = spanCurrent, "This period"
		if previous != (period.Span{}) {
			names = append(names[:1], append([]struct{ name, label string }{{spanPrevious, "Last period"}}, names[1:]...)...)
		}
	}
	for _, n := range names {
		link, err := page.Query(u, "period", n.name, "from", "", "to", "")
		if err != nil {
			return err
		}
		sp.Choices = append(sp.Choices, choice{n.label, link, n.name == sp.Name})
	}
	return nil
}

// midnight is the start of a day where the day has one.
func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// String is the half-open span in words: "1 Nov 2026 00:00 to 1 Dec 2026 00:00
// UTC".
func (sp span) String() string { return spanText(period.Span{Start: sp.From, End: sp.To}, sp.Zone) }

func spanText(sp period.Span, zone *time.Location) string {
	const layout = "2 Jan 2006 15:04"
	return sp.Start.Time().In(zone).Format(layout) + " to " + sp.End.Time().In(zone).Format(layout) + " " + zone.String()
}

// instantText is an instant in a zone, with its name.
func instantText(m metering.Micros, zone *time.Location) string {
	return m.Time().In(zone).Format("2 Jan 2006 15:04") + " " + zone.String()
}

// Running reports whether the span has not ended: its figures are estimates.
func (sp span) Running() bool { return sp.From <= sp.Now && sp.Now < sp.To }

// FromDate is the first day, for a form.
func (sp span) FromDate() string { return sp.From.Time().In(sp.Zone).Format(time.DateOnly) }

// ToDate is the day on which the span ends, for a form.
func (sp span) ToDate() string { return sp.To.Time().In(sp.Zone).Format(time.DateOnly) }

// Axis is the head of a column of days.
func (sp span) Axis() string { return "Day (" + sp.Zone.String() + ")" }

// days are the days that the span touches up to now, as the store names them:
// what has not begun has no figures.
func (sp span) days() []string {
	var out []string
	end := min(sp.To, sp.Now+1)
	for t := midnight(sp.From.Time().In(sp.Zone)); metering.MicrosOf(t) < end; t = midnight(t.AddDate(0, 0, 1)) {
		out = append(out, t.Format(time.DateOnly))
	}
	return out
}

// dayPairs are the parameters that choose the calls of a day within the span.
func (sp span) dayPairs(day string) ([]any, error) {
	t, err := time.ParseInLocation(time.DateOnly, day, sp.Zone)
	if err != nil {
		return nil, fmt.Errorf("day of usage: %w", err)
	}
	return pairsOf(max(sp.From, metering.MicrosOf(t)), min(sp.To, metering.MicrosOf(midnight(t.AddDate(0, 0, 1))))), nil
}

// pairs are the parameters that choose the span on another page.
func (sp span) pairs() []any { return pairsOf(sp.From, sp.To) }

func pairsOf(from, to metering.Micros) []any {
	return []any{"from", machine(from), "to", machine(to)}
}

// machine is an instant as programs read it; empty for none.
func machine(m metering.Micros) string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(time.RFC3339Nano)
}

// periodsOf are the period of a contract that now is in, or the last open one,
// and the one before it.
func periodsOf(c contract, now metering.Micros) (current, previous period.Span, open bool) {
	for i, p := range c.Periods {
		if p.State != billing.PeriodOpen || p.Start > now || open && !p.Span().Contains(now) {
			continue
		}
		current, open = p.Span(), true
		if i > 0 {
			previous = c.Periods[i-1].Span()
		}
	}
	return current, previous, open
}
