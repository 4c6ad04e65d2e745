package invoicing_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// someContract draws a contract of one long period, with products that come and
// go, prices that change and perhaps a trial.
func someContract(t *rapid.T) (billing.Contract, billing.Period) {
	const day = metering.Micros(24 * time.Hour / time.Microsecond)
	start := metering.MicrosOf(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	at := func(label string) metering.Micros {
		return start + day*metering.Micros(rapid.IntRange(0, 27).Draw(t, label)) + metering.Micros(rapid.Int64Range(0, int64(day)-1).Draw(t, label+" of the day"))
	}
	c := billing.Contract{Products: make(map[string]billing.Product), Meters: map[string]string{"m1": "one", "m2": "two"}}
	for p := range rapid.IntRange(1, 3).Draw(t, "products") {
		product := billing.Product{ID: fmt.Sprint("p", p), Name: fmt.Sprint("product ", p), Months: 1}
		for _, meter := range []string{"m1", "m2"} {
			for v := range rapid.IntRange(0, 3).Draw(t, "versions") {
				price := billing.Price{
					ID: fmt.Sprint(product.ID, meter, v), Meter: meter, Model: billing.PerUnit, Currency: billing.USD, Per: 1,
					Amount: metering.NumberOf(rapid.Int64Range(0, 9).Draw(t, "amount")), Included: metering.NumberOf(rapid.Int64Range(0, 50).Draw(t, "included")),
				}
				if v > 0 || rapid.Bool().Draw(t, "late") {
					price.From = at("from")
				}
				product.Prices = append(product.Prices, price)
			}
		}
		c.Products[product.ID] = product
	}
	c.Subscription = billing.Subscription{
		ID: "s", Currency: billing.USD, Anchor: period.AnchorAt(start, time.UTC, 1), Start: start, Trial: billing.TrialFree,
		Phases: []billing.Phase{{From: start, Product: "p0"}},
	}
	if rapid.Bool().Draw(t, "trial") {
		c.Subscription.TrialEnd = at("trial end")
	}
	for range rapid.IntRange(0, 3).Draw(t, "switches") {
		next := billing.Phase{From: at("switch"), Product: fmt.Sprint("p", rapid.IntRange(0, len(c.Products)-1).Draw(t, "to"))}
		if last := c.Subscription.Phases[len(c.Subscription.Phases)-1]; next.From > last.From {
			c.Subscription.Phases = append(c.Subscription.Phases, next)
		}
	}
	p := billing.Period{Subscription: "s", Start: start, End: start + 28*day, State: billing.PeriodOpen}
	c.Periods = []billing.Period{p}
	return c, p
}

// TestSegments: at any instant a meter is in exactly one segment, that of the
// price in force, and in none only where there is no price, B09.
func TestSegments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, p := someContract(t)
		segments := invoicing.Segments(c, p)
		var instants []metering.Micros
		for _, s := range segments {
			instants = append(instants, s.Span.Start, s.Span.End-1, s.Span.End)
		}
		for range 20 {
			instants = append(instants, p.Start+metering.Micros(rapid.Int64Range(0, int64(p.End-p.Start)-1).Draw(t, "instant")))
		}
		for _, at := range instants {
			if !p.Span().Contains(at) {
				continue
			}
			for meter := range c.Meters {
				want, priced := billing.InForce(c.Products[c.Subscription.ProductAt(at)].Versions(meter), at)
				var got []invoicing.Segment
				for _, s := range segments {
					if s.Price.Meter == meter && s.Span.Contains(at) {
						got = append(got, s)
					}
				}
				if priced != (len(got) == 1) || len(got) > 1 {
					t.Fatalf("meter %s at %v is in %d segments; it has a price: %v", meter, at.Time(), len(got), priced)
				}
				if priced && (got[0].Price.ID != want.ID || got[0].Trial != (at < c.Subscription.TrialEnd)) {
					t.Fatalf("meter %s at %v: segment %+v, price in force %s", meter, at.Time(), got[0], want.ID)
				}
			}
		}
	})
}

// TestDraft_pure: the same contract and usage are the same bytes, B07; the lines
// add up to the subtotal and the quantity of every unit is on one line, B20, B09.
func TestDraft_pure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, p := someContract(t)
		used := make(map[string][]metering.Micros) // a unit at each instant
		for meter := range c.Meters {
			for range rapid.IntRange(0, 40).Draw(t, "units") {
				used[meter] = append(used[meter], p.Start+metering.Micros(rapid.Int64Range(0, int64(p.End-p.Start)-1).Draw(t, "at")))
			}
		}
		measure := func(meter string, span period.Span) (invoicing.Quantity, error) {
			var q invoicing.Quantity
			for _, at := range used[meter] {
				if span.Contains(at) {
					q.Events++
					q.Amount = q.Amount.Add(metering.NumberOf(1))
				}
			}
			return q, nil
		}
		v, err := invoicing.Draft(c, p, measure)
		if err != nil {
			t.Fatal(err)
		}
		again, err := invoicing.Draft(c, p, measure)
		if err != nil {
			t.Fatal(err)
		}
		first, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Fatalf("two drafts differ:\n%s\n%s", first, second)
		}
		var sum, units int64
		for _, l := range v.Lines {
			sum += l.Amount.Minor
			units += l.Quantity.Units
			if !l.Quantity.Sub(l.Free).Sub(l.Covered).Sub(l.Charged).IsZero() {
				t.Fatalf("line %+v does not add up", l)
			}
		}
		var want int64
		for meter, list := range used {
			for _, at := range list {
				if _, ok := billing.InForce(c.Products[c.Subscription.ProductAt(at)].Versions(meter), at); ok {
					want++
				}
			}
		}
		if sum != v.Subtotal.Minor || units != want || v.Total.Minor != v.Subtotal.Minor-v.Credit.Minor {
			t.Fatalf("lines sum to %d and %d units, subtotal %s, %d units were used", sum, units, v.Subtotal, want)
		}
	})
}
