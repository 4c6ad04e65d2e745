package pricebook_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
)

// TestPrice_states covers T40: no price, a price of zero and a price for one
// side only are three things, and an unpriced call is priced when the price has
// come, at the instant it was made.
func TestPrice_states(t *testing.T) {
	t.Parallel()
	b := book(t, "rate p free input=0 output=0\nrate p half input=1")
	f := func(model string, cells map[string]int64, state metering.CostState, reason, cost string, rates int) {
		t.Helper()
		e := call(t, "p", model, cells)
		b.Price(e)
		if e.CostState != state || e.CostReason != reason || e.Cost.String() != cost || len(e.Rates) != rates {
			t.Errorf("%s: %s, %q, %s, rates %v", model, e.CostState, e.CostReason, e.Cost, e.Rates)
		}
	}
	both := map[string]int64{"input": 1000, "output": 10}
	f("none", both, metering.CostUnpriced, "model: none", "0", 0)
	f("free", both, metering.CostFree, "", "0", 2)
	f("half", both, metering.CostUnpriced, "meter: output", "0", 0)
	f("half", map[string]int64{"input": 1000}, metering.CostExact, "", "0.001", 1)
	f("half", nil, metering.CostExact, "", "0", 0) // the provider said zero tokens, which is exact

	e := call(t, "p", "half", both)
	b.Price(e)
	later := book(t, "rate p half input=1 output=2")
	later.Price(e)
	if e.CostState != metering.CostExact || e.CostReason != "" || e.Cost.String() != "0.00102" || e.Book != later.Version() {
		t.Errorf("with its price it is %s, %q, %s by %s", e.CostState, e.CostReason, e.Cost, e.Book)
	}
}

// TestPrice_kinds: what kind of event it is decides before its tokens do.
func TestPrice_kinds(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	f := func(name string, state metering.CostState, reason string, change func(*metering.Event)) {
		t.Helper()
		e := call(t, "openai", "gpt-4o", map[string]int64{"input": 1000})
		change(e)
		b.Price(e)
		if e.CostState != state || e.CostReason != reason {
			t.Errorf("%s: %s, %q", name, e.CostState, e.CostReason)
		}
	}
	f("a model list", metering.CostFree, "", func(e *metering.Event) { e.Metered, e.Endpoint = false, "openai.models" })
	f("an error answer", metering.CostFree, "", func(e *metering.Event) { e.Usage = metering.Usage{State: metering.UsageNone} })
	f("a poll that repeats usage", metering.CostFree, "", func(e *metering.Event) { e.Usage.Flag(metering.FlagEarlierRequest) })
	f("a path nobody reads", metering.CostUnpriced, "usage: not read on this path", func(e *metering.Event) { e.Metered, e.Endpoint = false, "raw" })
	// B06: an estimate is charged like a report; the event says which it was.
	for _, state := range []metering.UsageState{metering.UsageEstimated, metering.UsagePartial, metering.UsageUnknown} {
		f(string(state), metering.CostExact, "", func(e *metering.Event) { e.Usage.State = state })
	}
	f("an unknown usage of an unknown model", metering.CostUnpriced, "model: x", func(e *metering.Event) {
		e.Usage, e.Model = metering.Usage{State: metering.UsageUnknown}, "x"
	})
	f("a call of a test key", metering.CostExact, "", func(e *metering.Event) { e.Test = true })

	stated := call(t, "openai", "gpt-4o", map[string]int64{"input": 1000})
	stated.CostState, stated.Cost = metering.CostStated, metering.Cost{Micros: 7}
	before := *stated
	b.Price(stated)
	if diff := cmp.Diff(before, *stated); diff != "" {
		t.Errorf("a stated cost was touched (-before +after)\n%s", diff)
	}
	if lines := b.Explain(stated); lines != nil {
		t.Errorf("a stated cost is explained by %v", lines)
	}
}

// TestPrice_instant covers T43 and B11: each of a thousand calls that are open
// while the price changes costs what held when it was authorised, and a later
// change alters none of them.
func TestPrice_instant(t *testing.T) {
	t.Parallel()
	now := "rate p m input=2 from:2026-01-01\nrate p m input=3 from:2026-06-01T12:00:00Z\n"
	today, tomorrow := book(t, now), book(t, now+"rate p m input=9 from:2026-07-01\n")
	change := at(t, "2026-06-01T12:00:00Z")
	for i := range 1000 {
		e := call(t, "p", "m", map[string]int64{"input": 1_000_000})
		e.At = change + metering.Micros(i-500)
		e.End = change + 60_000_000
		want, rate := "2", "p/m@2026-01-01/input"
		if i >= 500 {
			want, rate = "3", "p/m@2026-06-01T12:00:00Z/input"
		}
		for _, b := range []*pricebook.Book{today, tomorrow} {
			b.Price(e)
			if e.Cost.String() != want || len(e.Rates) != 1 || e.Rates[0] != rate {
				t.Fatalf("%d µs from the change: %s by %v, want %s", i-500, e.Cost, e.Rates, want)
			}
		}
	}
}

// TestPrice_pure covers B07: the same event and book give the same bytes,
// whatever the event said before.
func TestPrice_pure(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	e := call(t, "anthropic", "claude-sonnet-5", map[string]int64{"input": 5, "cache_read": 6, "output": 7})
	price := func() string {
		b.Price(e)
		bytes, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes)
	}
	first := price()
	e.Cost, e.CostState, e.CostReason = metering.Cost{Micros: 99}, metering.CostUnpriced, "x"
	e.Rates, e.Book = []string{"y"}, "z"
	if again := price(); again != first {
		t.Errorf("priced again it is\n%s\nat first\n%s", again, first)
	}
	if again := embedded(t).Version(); again != b.Version() || len(again) != 12 {
		t.Errorf("the same book has versions %s and %s", b.Version(), again)
	}
	other := book(t, "rate p m input=1")
	if same := book(t, "rate p m input=1"); same.Version() != other.Version() {
		t.Error("equal books differ in version")
	}
	if changed := book(t, "rate p m input=2"); changed.Version() == other.Version() {
		t.Error("different books have one version")
	}
}

// TestPrice_big draws tokens in all cells and prices of every size that is
// allowed, and adds up with package big.
func TestPrice_big(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		prices := make([]string, 0, metering.NumCells)
		micros := map[metering.Cell]int64{} // micro-dollars a million, pico-dollars each
		for i := range metering.NumCells {
			c := metering.Cell(i)
			micros[c] = rapid.Int64Range(0, 10_000*metering.MicrosPerDollar).Draw(rt, "price")
			prices = append(prices, fmt.Sprintf("%s=%d.%06d", c, micros[c]/1_000_000, micros[c]%1_000_000))
		}
		b := book(t, "rate p m "+strings.Join(prices, " "))
		e := call(t, "p", "m", nil)
		want := new(big.Int)
		for i := range e.Usage.Tokens {
			n := rapid.Int64Range(0, 1_000_000_000).Draw(rt, "tokens")
			e.Usage.Tokens[i] = n
			want.Add(want, new(big.Int).Mul(big.NewInt(n), big.NewInt(micros[metering.Cell(i)])))
		}
		b.Price(e)
		got := new(big.Int).Mul(big.NewInt(e.Cost.Micros), big.NewInt(metering.PicosPerMicro))
		if got.Add(got, big.NewInt(e.Cost.Picos)); got.Cmp(want) != 0 {
			rt.Errorf("%s costs %s pico-dollars, want %s", e.Usage.Tokens, got, want)
		}
		if sum := naive(t, b.Explain(e)); sum.Cmp(dollars(t, e.Cost.String())) != 0 {
			rt.Errorf("the lines add up to %s, the cost is %s", sum.FloatString(12), e.Cost)
		}
	})
}

// TestExplain: the lines are the arithmetic of the cost, or there are none.
func TestExplain(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	e := call(t, "anthropic", "claude-sonnet-4-5-20250929", map[string]int64{"input": 1, "cache_write_1h": 10, "output": 100})
	e.Usage.Quantities = []metering.Quantity{{Name: "web_search_requests", Amount: metering.NumberOf(2)}}
	b.Price(e)
	want := []pricebook.Line{
		{Item: "input", Quantity: metering.NumberOf(1), Price: "3", Per: 1_000_000, Rate: "anthropic/claude-sonnet-4-5@2025-09-29/input", Amount: metering.Cost{Micros: 3}},
		{Item: "cache_write_1h", Quantity: metering.NumberOf(10), Price: "6", Per: 1_000_000, Rate: "anthropic/claude-sonnet-4-5@2025-09-29/cache_write_1h", Amount: metering.Cost{Micros: 60}},
		{Item: "output", Quantity: metering.NumberOf(100), Price: "15", Per: 1_000_000, Rate: "anthropic/claude-sonnet-4-5@2025-09-29/output", Amount: metering.Cost{Micros: 1500}},
		{Item: "web_search_requests", Quantity: metering.NumberOf(2), Price: "10", Per: 1000, Rate: "overlay:anthropic/*/web_search_requests+any=tier,region,endpoint,speed", Amount: metering.Cost{Micros: 20_000}},
	}
	if diff := cmp.Diff(want, b.Explain(e)); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
	if e.Cost.String() != "0.021563" {
		t.Errorf("the cost is %s", e.Cost)
	}
	flex := call(t, "openai", "gpt-5", map[string]int64{"output": 1})
	flex.Usage.ServiceTier = "flex"
	b.Price(flex)
	if got := flex.Rates; len(got) != 1 || got[0] != "openai/gpt-5@2025-08-07/output+flex" {
		t.Errorf("rates are %v", got)
	}

	otherwise := *e
	otherwise.Cost.Micros++ // as an older book had it
	unpriced := call(t, "openai", "x", nil)
	b.Price(unpriced)
	for _, e := range []*metering.Event{&otherwise, unpriced, call(t, "openai", "gpt-4o", map[string]int64{"input": 1})} {
		if lines := b.Explain(e); lines != nil {
			t.Errorf("%s %s is explained by %v", e.Model, e.CostState, lines)
		}
	}
}

func BenchmarkBook_Price(b *testing.B) {
	book := embedded(b)
	e := call(b, "openai", "gpt-4o-mini", map[string]int64{"input": 400, "cache_read": 600, "output": 100})
	e.Usage.Model = "gpt-4o-mini-2024-07-18"
	b.ReportAllocs()
	for b.Loop() {
		if book.Price(e); e.CostState != metering.CostExact {
			b.Fatal(e.CostReason)
		}
	}
}
