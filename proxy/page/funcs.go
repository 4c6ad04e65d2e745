package page

import (
	"fmt"
	"html"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// funcs are the functions of templates; the package comment lists them.
func (s *Site) funcs() template.FuncMap {
	return template.FuncMap{
		"asset":    s.files.url,
		"ago":      s.ago,
		"badge":    badge,
		"between":  between,
		"bucket":   BucketLabel,
		"clock":    clock,
		"cost":     cost,
		"csvcell":  CSVCell,
		"day":      day,
		"decimal":  decimal,
		"duration": Duration,
		"href":     Href,
		"instant":  instant,
		"money":    money,
		"number":   number,
		"percent":  percent,
		"price":    Price,
		"query":    Query,
		"share":    share,
		"short":    short,
		"tokens":   tokens,
	}
}

// data is a figure as it is read, with the exact value for machines and for who
// points at it.
func data(shown, value, title string) template.HTML {
	class := ""
	if strings.HasPrefix(value, "-") {
		class = ` class="negative"`
	}
	return template.HTML(fmt.Sprintf(`<data%s value="%s" title="%s">%s</data>`, //nolint:gosec // every part is escaped
		class, html.EscapeString(value), html.EscapeString(title), html.EscapeString(shown)))
}

func integer(v any) (int64, error) {
	switch n := v.(type) {
	case int64:
		return n, nil
	case int:
		return int64(n), nil
	case uint64:
		return int64(n), nil //nolint:gosec // a position of a journal
	case metering.Micros:
		return int64(n), nil
	default:
		return 0, fmt.Errorf("%T is not a whole number", v)
	}
}

func number(v any) (template.HTML, error) {
	n, err := integer(v)
	if err != nil {
		return "", err
	}
	return NumberHTML(n), nil
}

func tokens(v any) (template.HTML, error) {
	n, err := integer(v)
	if err != nil {
		return "", err
	}
	return TokensHTML(n), nil
}

func cost(c metering.Cost) template.HTML { return data(Cost(c), c.String(), "$"+c.String()) }

func decimal(v any) template.HTML {
	text := fmt.Sprint(v)
	return data(group(text), text, text)
}

// money takes "12.35 USD", a Stringer that says so, or amount and currency.
func money(v any, currency ...any) (template.HTML, error) {
	amount := fmt.Sprint(v)
	if len(currency) == 0 {
		a, c, ok := strings.Cut(amount, " ")
		if !ok {
			return "", fmt.Errorf("the amount %q has no currency", amount)
		}
		return MoneyHTML(a, c), nil
	}
	c := fmt.Sprint(currency[0])
	return MoneyHTML(amount, c), nil
}

func percent(part, whole any) (string, error) {
	p, err := integer(part)
	if err != nil {
		return "", err
	}
	w, err := integer(whole)
	if err != nil {
		return "", err
	}
	return Percent(p, w), nil
}

// share draws part of whole as a bar. Width is an attribute of SVG: a style in
// the markup is what the policy forbids.
func share(part, whole any) (template.HTML, error) {
	p, err := integer(part)
	if err != nil {
		return "", err
	}
	w, err := integer(whole)
	if err != nil {
		return "", err
	}
	var width int64
	if w > 0 {
		width = min(max(perMille(p, w), 0), 1000)
	}
	if p > 0 {
		width = max(width, 10) // something is never drawn as nothing
	}
	return template.HTML(fmt.Sprintf(`<span class="share"><svg aria-hidden="true" width="100%%" height="6"><rect width="%d.%d%%" height="6" rx="3"/></svg>%s</span>`, //nolint:gosec // numbers
		width/10, width%10, html.EscapeString(Percent(p, w)))), nil
}

func microsOf(v any) (metering.Micros, error) {
	switch t := v.(type) {
	case metering.Micros:
		return t, nil
	case time.Time:
		if t.IsZero() {
			return 0, nil
		}
		return metering.MicrosOf(t), nil
	default:
		return 0, fmt.Errorf("%T is not an instant", v)
	}
}

func timeTag(m metering.Micros, shown string) template.HTML {
	if m == 0 {
		return template.HTML(html.EscapeString(shown)) //nolint:gosec // escaped
	}
	machine := m.Time().Format(machineLayout)
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, machine, machine, html.EscapeString(shown))) //nolint:gosec // escaped
}

func instant(v any) (template.HTML, error) {
	m, err := microsOf(v)
	if err != nil {
		return "", err
	}
	return timeTag(m, Instant(m)), nil
}

// clock is an instant for a list whose head says that it is UTC.
func clock(v any) (template.HTML, error) {
	m, err := microsOf(v)
	if err != nil {
		return "", err
	}
	if m == 0 {
		return timeTag(m, "–"), nil
	}
	return timeTag(m, m.Time().Format("01-02 15:04:05")), nil
}

func day(v any) (template.HTML, error) {
	m, err := microsOf(v)
	if err != nil {
		return "", err
	}
	if m == 0 {
		return timeTag(m, "–"), nil
	}
	return timeTag(m, m.Time().Format(time.DateOnly)), nil
}

func (s *Site) ago(v any) (template.HTML, error) {
	m, err := microsOf(v)
	if err != nil {
		return "", err
	}
	return timeTag(m, Ago(s.opts.Now(), m)), nil
}

// between is the span of time from one instant to another, a dash where either
// is unknown.
func between(from, to metering.Micros) string {
	if from == 0 || to == 0 {
		return "–"
	}
	return Duration(to.Time().Sub(from.Time()))
}

func short(v any) template.HTML {
	id := fmt.Sprint(v)
	if id == "" {
		return "–"
	}
	return template.HTML(fmt.Sprintf(`<code title="%s">%s</code>`, html.EscapeString(id), html.EscapeString(Short(id)))) //nolint:gosec // escaped
}

// badge says a state in words; the colour only repeats it.
func badge(kind string, text any) (template.HTML, error) {
	marks := map[string]string{"ok": "✓", "warn": "!", "bad": "✕", "info": "i", "plain": ""}
	mark, ok := marks[kind]
	if !ok {
		return "", fmt.Errorf("there is no badge of kind %q", kind)
	}
	if mark != "" {
		mark = `<span aria-hidden="true">` + mark + `</span> `
	}
	return template.HTML(fmt.Sprintf(`<span class="badge %s">%s%s</span>`, kind, mark, html.EscapeString(fmt.Sprint(text)))), nil //nolint:gosec // escaped
}

// Query is u with parameters changed, pairs of name and value; an empty value
// removes one. A cursor belongs to the list it came from, so that it goes
// unless it is among the pairs.
func Query(u *url.URL, pairs ...any) (string, error) {
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("the parameter %q has no value", pairs[len(pairs)-1])
	}
	values := u.Query()
	values.Del("cursor")
	for pair := range slices.Chunk(pairs, 2) {
		name, value := fmt.Sprint(pair[0]), fmt.Sprint(pair[1])
		values.Del(name)
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(values) == 0 {
		return u.EscapedPath(), nil
	}
	return u.EscapedPath() + "?" + values.Encode(), nil
}

// Href is a path with parameters, pairs of name and value; those without a
// value are left out.
func Href(path string, pairs ...any) (string, error) {
	return Query(&url.URL{Path: path}, pairs...)
}
