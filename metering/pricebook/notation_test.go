package pricebook_test

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// rows reads tables from a notation of these tests, a row or several rates a line:
//
//	rate p m input=1 output=2 tier:flex above:1000 from:2026-01-01
//	match p date_suffix m m
//	modifier p 0.5 tier:batch meters:tokens skus:m
//	calendar night zone:UTC days:mon,tue ranges:22:00-02:00
//	sku p m replace
func rows(tb testing.TB, text string) catalogue.Rows {
	tb.Helper()
	var out catalogue.Rows
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		o := map[string]string{}
		for _, x := range f[2:] {
			if k, v, ok := strings.Cut(x, ":"); ok && !strings.Contains(k, "=") {
				o[k] = v
			}
		}
		switch f[0] {
		case "sku":
			out.SKUs = append(out.SKUs, catalogue.SKU{Provider: f[1], SKU: f[2], Replace: slices.Contains(f[3:], "replace")})
		case "match":
			out.Matches = append(out.Matches, catalogue.Match{
				Provider: f[1], Type: catalogue.MatchType(f[2]), Pattern: f[3], SKU: f[4], Region: o["region"], Endpoint: o["endpoint"],
				From: instantOf(tb, o["from"]), To: instantOf(tb, o["to"]), Priority: number[int](tb, o["priority"]),
			})
		case "rate":
			for _, x := range f[3:] {
				if meter, price, ok := strings.Cut(x, "="); ok && !strings.Contains(meter, ":") {
					out.Rates = append(out.Rates, rate(tb, f[1], f[2], meter, price, o))
				}
			}
		case "modifier":
			out.Modifiers = append(out.Modifiers, catalogue.Modifier{
				ID: o["id"], Provider: f[1], Multiply: f[2], When: when(tb, o), SKUs: list(o["skus"]), Meters: list(o["meters"]), Alone: slices.Contains(f, "alone"),
				From: instantOf(tb, o["from"]), To: instantOf(tb, o["to"]), Order: number[int](tb, o["order"]), Status: catalogue.Status(o["status"]), Supersedes: o["supersedes"],
			})
		case "calendar":
			out.Calendars = append(out.Calendars, catalogue.Calendar{
				ID: f[1], Zone: o["zone"], Days: list(o["days"]), Ranges: list(o["ranges"]), Holidays: list(o["holidays"]),
				HolidaysTo: instantOf(tb, o["holidays_to"]), Basis: o["basis"],
			})
		case "plan":
			out.Plans = append(out.Plans, catalogue.Plan{Provider: f[1], Plan: f[2]})
		default:
			tb.Fatalf("%q is no row", line)
		}
	}
	return out
}

func rate(tb testing.TB, provider, sku, meter, price string, o map[string]string) catalogue.Rate {
	tb.Helper()
	r := catalogue.Rate{
		ID: o["id"], Provider: provider, SKU: sku, Meter: meter, When: when(tb, o), Per: number[int64](tb, o["per"]),
		Minimum: o["minimum"], Step: o["step"], Status: catalogue.Status(o["status"]), Supersedes: o["supersedes"],
		From: instantOf(tb, o["from"]), To: instantOf(tb, o["to"]), Guaranteed: instantOf(tb, o["guaranteed"]), Confirmed: instantOf(tb, o["confirmed"]),
	}
	switch {
	case price == "null":
	case strings.HasPrefix(price, "?"):
		r.Reason = "condition: " + price[1:]
	default:
		r.Price = &price
	}
	return r
}

func when(tb testing.TB, o map[string]string) catalogue.When {
	tb.Helper()
	w := catalogue.When{
		Tier: o["tier"], Region: o["region"], Endpoint: o["endpoint"], Speed: o["speed"], Calendar: o["calendar"], Plan: o["plan"], Any: list(o["any"]),
		Above: number[int64](tb, cmp.Or(o["above"], o["marginal"])), Counts: list(o["counts"]), Marginal: o["marginal"] != "",
	}
	for _, name := range []string{"quality", "size"} {
		if o[name] != "" {
			w.Attributes = append(w.Attributes, catalogue.Attribute{Name: name, Values: list(o[name])})
		}
	}
	if o["pool"] != "" {
		w.Volume = &catalogue.Volume{Pool: o["pool"], Window: cmp.Or(o["window"], "day"), Zone: o["zone"], From: number[int64](tb, o["beyond"])}
	}
	return w
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func number[T int | int64](tb testing.TB, s string) T {
	tb.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return T(n)
}

func instantOf(tb testing.TB, s string) catalogue.Instant {
	tb.Helper()
	i, err := catalogue.ParseInstant(s)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

func layer(tb testing.TB, level catalogue.Level, text string) *catalogue.Layer {
	tb.Helper()
	l, err := catalogue.NewLayer(level, rows(tb, text))
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// book compiles texts into a book, the first as the embedded layer, the second as
// the operator's.
func book(tb testing.TB, texts ...string) *pricebook.Book {
	tb.Helper()
	var layers []*catalogue.Layer
	for i, text := range texts {
		layers = append(layers, layer(tb, []catalogue.Level{catalogue.Embedded, catalogue.Operator}[i], text))
	}
	b, err := pricebook.Compile(layers...)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
