package snapshot

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// skuRow reads an SKU, its aliases as exact matches and, where "dated" is yes, its
// id with a date behind it.
func skuRow(l *line, rows *catalogue.Rows) {
	s := catalogue.SKU{
		Provider: l.text("provider"), SKU: l.text("sku"), Kind: l.text("kind"), Base: l.text("base"),
		Context: l.number("context"), MaxOutput: l.number("max_output"),
		Released: l.instant("released"), Deprecated: l.instant("deprecated"), Retired: l.instant("retired"),
		MovingAlias: l.yes("moving"), Sources: l.list("sources"), Note: l.text("note"),
	}
	l.once("sku", s.Provider, s.SKU)
	rows.SKUs = append(rows.SKUs, s)
	for _, alias := range l.list("aliases") {
		l.once("alias", s.Provider, alias)
		rows.Matches = append(rows.Matches, catalogue.Match{Provider: s.Provider, Type: catalogue.MatchExact, Pattern: alias, SKU: s.SKU, Sources: s.Sources})
	}
	if l.yes("dated") {
		rows.Matches = append(rows.Matches, catalogue.Match{Provider: s.Provider, Type: catalogue.MatchDateSuffix, Pattern: s.SKU, SKU: s.SKU, Sources: s.Sources})
	}
}

func matchRow(l *line, rows *catalogue.Rows) {
	l.once("match", l.text("provider"), l.text("type"), l.text("pattern"), l.text("from"))
	rows.Matches = append(rows.Matches, catalogue.Match{
		Provider: l.text("provider"), Type: catalogue.MatchType(l.text("type")), Pattern: l.text("pattern"), SKU: l.text("sku"),
		Region: l.text("region"), Endpoint: l.text("endpoint"), Priority: int(l.number("priority")),
		From: l.instant("from"), To: l.instant("to"), Sources: l.list("sources"), Note: l.text("note"),
	})
}

// rateRow reads the prices of several meters, "meter=price" each; "meter=" has
// none, for the reason of the line or because it takes out what lies below.
func rateRow(l *line, rows *catalogue.Rows) {
	r := catalogue.Rate{
		Provider: l.text("provider"), SKU: l.text("sku"), When: when(l), Per: l.number("per"), Minimum: l.text("minimum"), Step: l.text("step"),
		From: l.instant("from"), To: l.instant("to"), Guaranteed: l.instant("guaranteed"), Confirmed: l.instant("confirmed"),
		Status: catalogue.Status(l.text("status")), Sources: l.list("sources"), Note: l.text("note"),
	}
	pairs := l.list("prices")
	if len(pairs) == 0 {
		l.fail("neither prices nor meters without one")
	}
	for _, pair := range pairs {
		meter, price, ok := strings.Cut(pair, "=")
		if !ok {
			l.fail("price %.60q is not meter=decimal", pair)
			return
		}
		r.Meter, r.Price, r.Reason = meter, nil, ""
		l.once("rate", r.Provider, r.SKU, meter, r.From.String(), r.When.Key())
		if price == "" {
			r.Reason = l.text("reason")
		} else {
			r.Price = &price
		}
		rows.Rates = append(rows.Rates, r)
	}
	if l.text("reason") != "" && !slices.ContainsFunc(pairs, func(p string) bool { return strings.HasSuffix(p, "=") }) {
		l.fail("a reason and no meter without a price")
	}
}

func modifierRow(l *line, rows *catalogue.Rows) {
	m := catalogue.Modifier{
		Provider: l.text("provider"), SKUs: l.list("skus"), Meters: l.list("meters"), Multiply: l.text("multiply"), When: when(l),
		Order: int(l.number("order")), Alone: l.yes("alone"), From: l.instant("from"), To: l.instant("to"), Status: catalogue.Status(l.text("status")),
		Sources: l.list("sources"), Note: l.text("note"),
	}
	touched := m.SKUs
	if len(touched) == 0 {
		touched = []string{catalogue.Any}
	}
	for _, sku := range touched {
		l.once("modifier", m.Provider, sku, l.text("meters"), m.From.String(), m.When.Key())
	}
	rows.Modifiers = append(rows.Modifiers, m)
}

func calendarRow(l *line, rows *catalogue.Rows) {
	l.once("calendar", l.text("id"))
	rows.Calendars = append(rows.Calendars, catalogue.Calendar{
		ID: l.text("id"), Zone: l.text("zone"), Days: l.list("days"), Ranges: l.list("ranges"), Holidays: l.list("holidays"),
		HolidaysTo: l.instant("holidays_to"), Basis: l.text("basis"), Sources: l.list("sources"), Note: l.text("note"),
	})
}

// when reads conditions: "tier=batch above=200000 region=us quality=high|medium".
// A name that is none of the known ones is an attribute; "pool", "window", "zone"
// and "beyond" make a band of a volume.
func when(l *line) catalogue.When {
	var w catalogue.When
	var v catalogue.Volume
	for _, pair := range l.list("when") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			l.fail("condition %.60q is not name=value", pair)
			return w
		}
		switch name {
		case "tier":
			w.Tier = value
		case "region":
			w.Region = value
		case "endpoint":
			w.Endpoint = value
		case "speed":
			w.Speed = value
		case "calendar":
			w.Calendar = value
		case "plan":
			w.Plan = value
		case "above":
			w.Above = count(l, name, value)
		case "counts":
			w.Counts = strings.Split(value, "|")
		case "marginal":
			w.Above, w.Marginal = count(l, name, value), true
		case "any":
			w.Any = strings.Split(value, "|")
		case "pool":
			v.Pool = value
		case "window":
			v.Window = value
		case "zone":
			v.Zone = value
		case "beyond":
			v.From = count(l, name, value)
		default:
			w.Attributes = append(w.Attributes, catalogue.Attribute{Name: name, Values: strings.Split(value, "|")})
		}
	}
	slices.SortFunc(w.Attributes, func(a, b catalogue.Attribute) int { return strings.Compare(a.Name, b.Name) })
	if v != (catalogue.Volume{}) {
		w.Volume = &v
	}
	return w
}

func count(l *line, name, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		l.fail("%s %.40q is no count", name, text)
	}
	return n
}
