package catalogue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

func price(s string) *string { return &s }

// TestNewLayer: rows come back from their text as they were, equal rows have
// equal versions, and every rate has an id of its own.
func TestNewLayer(t *testing.T) {
	t.Parallel()
	rows := catalogue.Rows{
		SKUs:    []catalogue.SKU{{Provider: "p", SKU: "m", Context: 1000}},
		Matches: []catalogue.Match{{Provider: "p", Type: catalogue.MatchExact, Pattern: "alias", SKU: "m"}},
		Rates: []catalogue.Rate{
			{Provider: "p", SKU: "m", Meter: "input", Price: price("2.5")},
			{Provider: "p", SKU: "m", Meter: "input", Price: price("5"), When: catalogue.When{Tier: "flex", Above: 272_000}},
			{Provider: "p", SKU: "m", Meter: "input", Price: price("3"), Supersedes: "p/m/input"},
		},
		Modifiers: []catalogue.Modifier{{Provider: "p", Multiply: "1.1", When: catalogue.When{Region: "us"}}},
		Calendars: []catalogue.Calendar{{ID: "c", Ranges: []string{"22:00-02:00"}, Holidays: []string{"2026-10-01"}}},
	}
	l, err := catalogue.NewLayer(catalogue.Operator, rows)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range l.Rates {
		ids = append(ids, r.ID)
	}
	want := []string{"operator:p/m/input", "operator:p/m/input+flex>272000", "operator:p/m/input~2"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	if rows.Rates[0].ID != "" {
		t.Error("the rows that were given have changed")
	}
	text, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := catalogue.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.Rows, back); diff != "" {
		t.Error(diff)
	}
	again, err := catalogue.NewLayer(catalogue.Operator, back)
	if err != nil || again.Version != l.Version {
		t.Errorf("the version of the same rows is %s, was %s (%v)", again.Version, l.Version, err)
	}
}

// TestNewLayer_refuses: what is not certain to be meant is refused, and the
// message says what it is.
func TestNewLayer_refuses(t *testing.T) {
	t.Parallel()
	rate := func(change func(*catalogue.Rate)) catalogue.Rows {
		r := catalogue.Rate{Provider: "p", SKU: "m", Meter: "input", Price: price("1")}
		change(&r)
		return catalogue.Rows{Rates: []catalogue.Rate{r}}
	}
	for want, rows := range map[string]catalogue.Rows{
		"sku is needed":            rate(func(r *catalogue.Rate) { r.SKU = "" }),
		"empty price":              rate(func(r *catalogue.Rate) { r.Price = price("") }),
		"no decimal from 0":        rate(func(r *catalogue.Rate) { r.Price = price("-1") }),
		"price \"1,5\"":            rate(func(r *catalogue.Rate) { r.Price = price("1,5") }),
		"costs are in USD":         rate(func(r *catalogue.Rate) { r.Currency = "EUR" }),
		"a reason why not":         rate(func(r *catalogue.Rate) { r.Reason = "condition: x" }),
		"all meters":               rate(func(r *catalogue.Rate) { r.Meter = catalogue.AllMeters }),
		"is not \"condition":       rate(func(r *catalogue.Rate) { r.Price, r.Reason = nil, "who knows" }),
		"ends (2026-01-01) before": rate(func(r *catalogue.Rate) { r.From, r.To = 1767225600000000, 1767225600000000 }),
		"status":                   rate(func(r *catalogue.Rate) { r.Status = "maybe" }),
		"above 0":                  rate(func(r *catalogue.Rate) { r.When.Marginal = true }),
		"white space":              rate(func(r *catalogue.Rate) { r.SKU = "a b" }),
		"zone":                     rate(func(r *catalogue.Rate) { r.When.Volume = &catalogue.Volume{Pool: "x", Window: "day", Zone: "Mars"} }),
		"does not end in a dot":    {Matches: []catalogue.Match{{Provider: "p", Type: catalogue.MatchRegionPrefix, Pattern: "gpt-4", SKU: catalogue.Any}}},
		"pattern":                  {Matches: []catalogue.Match{{Provider: "p", Type: catalogue.MatchRegex, Pattern: "(", SKU: "m"}}},
		"only a region prefix":     {Matches: []catalogue.Match{{Provider: "p", Type: catalogue.MatchExact, Pattern: "x", SKU: catalogue.Any}}},
		"type":                     {Matches: []catalogue.Match{{Provider: "p", Type: "prefix", Pattern: "x", SKU: "m"}}},
		"multiply":                 {Modifiers: []catalogue.Modifier{{Provider: "p", Multiply: "half"}}},
		"range":                    {Calendars: []catalogue.Calendar{{ID: "c", Ranges: []string{"9-17"}}}},
		"day":                      {Calendars: []catalogue.Calendar{{ID: "c", Days: []string{"monday"}, Ranges: []string{"09:00-17:00"}}}},
		"it stands for all":        {SKUs: []catalogue.SKU{{Provider: "p", SKU: catalogue.Any}}},
	} {
		if _, err := catalogue.NewLayer(catalogue.Embedded, rows); !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", rows, err, want)
		}
	}
	for _, text := range []string{`{"rates":[{"provider":"p","prize":"1"}]}`, `{} {}`, `[]`, ``} {
		if _, err := catalogue.Decode([]byte(text)); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
