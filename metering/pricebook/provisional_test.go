package pricebook_test

import (
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
)

// outcome is what a call came to, in one text.
func outcome(e *metering.Event) string {
	s := string(e.CostState)
	if e.CostState != metering.CostUnpriced {
		s += " " + e.Cost.String()
	}
	if e.CostReason != "" {
		s += " " + e.CostReason
	}
	return s
}

// TestPrice_calendar covers hours of the week with their boundaries, the next
// day's part of a night, holidays, and those that nobody knows yet.
func TestPrice_calendar(t *testing.T) {
	t.Parallel()
	b := book(t, `
		calendar peak days:mon,tue,wed,thu,fri ranges:01:00-04:00,06:00-10:00 holidays:2026-10-01,2026-10-02 holidays_to:2027-01-01
		calendar night zone:Asia/Shanghai days:sat ranges:22:00-02:00
		rate p m input=0.66
		rate p m input=1.32 calendar:peak
		rate p n input=1
		rate p n input=0.5 calendar:night`)
	f := func(model, when, want string) {
		t.Helper()
		e := call(t, "p", model, map[string]int64{"input": 1_000_000})
		e.At = at(t, when)
		b.Price(e)
		if got := outcome(e); got != want {
			t.Errorf("%s at %s: %s, want %s", model, when, got, want)
		}
	}
	f("m", "2026-11-20T00:59:59.999999Z", "exact 0.66") // a Friday
	f("m", "2026-11-20T01:00:00Z", "exact 1.32")
	f("m", "2026-11-20T03:59:59.999999Z", "exact 1.32")
	f("m", "2026-11-20T04:00:00Z", "exact 0.66")
	f("m", "2026-11-20T09:00:00Z", "exact 1.32")
	f("m", "2026-11-21T02:00:00Z", "exact 0.66") // a Saturday
	f("m", "2026-10-01T02:00:00Z", "exact 0.66") // a Thursday, and a holiday
	f("m", "2026-10-08T02:00:00Z", "exact 1.32")
	f("m", "2027-01-01T02:00:00Z", "provisional 1.32 calendar: holidays of peak are not known from 2027-01-01 on")
	f("m", "2027-01-01T12:00:00Z", "exact 0.66")
	f("n", "2026-11-21T13:59:59Z", "exact 1")
	f("n", "2026-11-21T14:00:00Z", "exact 0.5") // 22:00 on Saturday in Shanghai
	f("n", "2026-11-21T17:59:59Z", "exact 0.5") // 01:59 on Sunday
	f("n", "2026-11-21T18:00:00Z", "exact 1")
	f("n", "2026-11-22T15:00:00Z", "exact 1") // Sunday night

	// Hours can be those in which the answer ended.
	end := book(t, "calendar c ranges:06:00-10:00 basis:end\nrate p m input=1\nrate p m input=2 calendar:c")
	e := call(t, "p", "m", map[string]int64{"input": 1_000_000})
	e.At, e.End = at(t, "2026-11-20T05:59:59Z"), at(t, "2026-11-20T06:00:01Z")
	costs(t, end, e, "2")
}

// TestPrice_provisional: an announced price has to be confirmed again, an assured
// one does not outlive its assurance, and the figure stands meanwhile.
func TestPrice_provisional(t *testing.T) {
	t.Parallel()
	f := func(row, want string) {
		t.Helper()
		e := call(t, "p", "m", map[string]int64{"input": 1_000_000})
		b := book(t, row)
		b.Price(e)
		if got := outcome(e); got != want {
			t.Errorf("%s: %s, want %s", row, got, want)
		}
		if lines := b.Explain(e); e.CostState != metering.CostUnpriced && len(lines) != 1 {
			t.Errorf("%s is explained by %v", row, lines)
		}
	}
	f("rate p m input=4 status:promo guaranteed:2026-11-21", "exact 4")
	f("rate p m input=4 status:promo guaranteed:2026-11-20", "provisional 4 rate: p/m/input was assured until 2026-11-20 only")
	f("rate p m input=4 status:promo guaranteed:2026-11-01 confirmed:2026-10-31", "provisional 4 rate: p/m/input was assured until 2026-11-01 only")
	f("rate p m input=4 status:promo guaranteed:2026-11-01 confirmed:2026-11-01", "exact 4")
	f("rate p m input=4 status:scheduled from:2026-11-10", "provisional 4 rate: p/m@2026-11-10/input was announced, and has not been confirmed since")
	f("rate p m input=4 status:scheduled from:2026-11-10 confirmed:2026-11-07", "provisional 4 rate: p/m@2026-11-10/input was announced, and has not been confirmed since")
	f("rate p m input=4 status:scheduled from:2026-11-10 confirmed:2026-11-08", "exact 4")
	f("rate p m input=4 status:scheduled from:2026-11-21 confirmed:2026-11-20", "unpriced condition: no price of input of m was in force at 2026-11-20T00:00:00Z")
	f("rate p m input=4 status:provisional", "provisional 4 rate: p/m/input is not vouched for")
}

// TestPrice_bands: a free allowance that calls share is charged provisionally at
// the dearest band, and exactly as soon as it is known what came before.
func TestPrice_bands(t *testing.T) {
	t.Parallel()
	b := book(t, `
		rate p m search=0 pool:grounding zone:America/Los_Angeles
		rate p m search=35 pool:grounding zone:America/Los_Angeles beyond:1500 per:1000
		rate p v search=1 pool:month window:month
		rate p v search=0.5 pool:month window:month beyond:10
		rate p gap search=1 pool:late beyond:10`)
	f := func(model string, n, before int64, known bool, want string, lines int) {
		t.Helper()
		e := call(t, "p", model, nil)
		e.Usage.Quantities = []metering.Quantity{{Name: "search", Amount: metering.NumberOf(n)}}
		used := func(pool string, window metering.Micros) (metering.Number, bool) {
			if model == "m" && (pool != "grounding" || window != at(t, "2026-11-19T08:00:00Z")) || model == "v" && window != at(t, "2026-11-01") {
				t.Errorf("asked for %s of %s", pool, window.Time())
			}
			return metering.NumberOf(before), known
		}
		b.PriceIn(e, used)
		if got := outcome(e); got != want {
			t.Errorf("%d after %d: %s, want %s", n, before, got, want)
		}
		if got := b.ExplainIn(e, used); len(got) != lines {
			t.Errorf("%d after %d is explained by %v", n, before, got)
		}
	}
	doubt := " volume: how much of grounding was used before in its day is not known yet"
	f("m", 2, 0, false, "provisional 0.07"+doubt, 1)
	f("m", 2, 0, true, "free 0", 1)
	f("m", 2, 1498, true, "free 0", 1)
	f("m", 2, 1499, true, "exact 0.035", 2)
	f("m", 2, 1500, true, "exact 0.07", 1)
	f("v", 30, 0, false, "provisional 30 volume: how much of month was used before in its month is not known yet", 1)
	f("v", 30, 5, true, "exact 17.5", 2)
	f("gap", 30, 5, true, "unpriced meter: search", 0)
	f("gap", 30, 15, true, "exact 30", 1)

	e := call(t, "p", "m", nil)
	e.Usage.Quantities = []metering.Quantity{{Name: "search", Amount: metering.NumberOf(3)}}
	uses := b.Uses(e)
	if len(uses) != 1 || uses[0] != (pricebook.Use{
		Pool: "grounding", Window: at(t, "2026-11-19T08:00:00Z"), Until: at(t, "2026-11-20T08:00:00Z"), Units: metering.NumberOf(3),
	}) {
		t.Errorf("it takes %+v", uses)
	}
}

// TestBook_Find_types: each type of match finds what it says, in the order of
// types, and nothing by its beginning (T39).
func TestBook_Find_types(t *testing.T) {
	t.Parallel()
	b := book(t, `
		rate p base-1 input=1
		rate p base-1-20260101 input=2
		rate p vendor.base-1 input=3
		rate p tuned input=4
		rate p special input=5
		modifier p 1.1 region:us
		modifier p 1.2 region:eu
		match p date_suffix base-1 base-1
		match p date_suffix vendor.base-1 vendor.base-1
		match p exact name base-1 to:2026-06-01
		match p exact name tuned from:2026-06-01 to:2026-12-01
		match p region_prefix us. * region:us
		match p region_prefix eu. vendor.base-1 region:eu
		match p regex ft:base-1(-\d+)?:.* tuned
		match p regex .*:special special
		match p regex twice-.* tuned
		match p regex .*-twice special`, `
		match p exact base-1-20260404 special`)
	f := func(id, want string) {
		t.Helper()
		e := call(t, "p", "", map[string]int64{"input": 1_000_000})
		e.Usage.Model = id
		costs(t, b, e, want)
	}
	f("base-1", "1")
	f("base-1-20260202", "1")
	f("base-1@20260202", "1")
	f("base-1-2026-02-02", "1")
	f("base-1-20260101", "2") // an entry of its own
	f("base-1-20260404", "5") // the operator's word
	f("base-1-turbo", "model: base-1-turbo")
	f("base-10", "model: base-10")
	f("name", "4")
	f("us.vendor.base-1", "3.3")
	f("us.vendor.base-1-20260202", "3.3")
	f("us.base-1", "1.1")
	f("eu.vendor.base-1", "3.6")
	f("eu.base-1", "model: eu.base-1")
	f("us.us.base-1", "model: us.us.base-1")
	f("ft:base-1:org::id", "4")
	f("ft:base-1-0613:org::id", "4")
	f("xft:base-1:org", "model: xft:base-1:org")
	f("ft:base-1:special", "ambiguous: the id ft:base-1:special fits ft:base-1(-\\d+)?:.* and .*:special")
	f("twice-twice", "ambiguous: the id twice-twice fits twice-.* and .*-twice")
	f("BASE-1", "model: BASE-1")
	e := call(t, "p", "name", map[string]int64{"input": 1})
	e.At = at(t, "2026-12-01")
	costs(t, b, e, "condition: name meant nothing at 2026-12-01T00:00:00Z")
}
