package pricebook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// priced is a million input tokens of m of p, changed, and what it costs, or the
// reason why it does not.
func priced(t *testing.T, b *pricebook.Book, want string, change func(*metering.Event)) {
	t.Helper()
	e := call(t, "p", "m", map[string]int64{"input": 1_000_000})
	if change != nil {
		change(e)
	}
	costs(t, b, e, want)
}

// TestPrice_facts: an unusual fact of the call is a condition of the rate, or of
// a modifier, or there is no price; a rate of its own wins over a modifier.
func TestPrice_facts(t *testing.T) {
	t.Parallel()
	b := book(t, `
		rate p m input=10
		rate p m input=4 tier:flex
		rate p m input=30 tier:priority region:us
		modifier p 0.5 tier:batch
		modifier p 1.1 region:us
		modifier p 6 speed:fast skus:m
		modifier p 2 endpoint:dedicated meters:output`)
	f := func(want, tier, region, raw string) {
		t.Helper()
		priced(t, b, want, func(e *metering.Event) {
			e.Usage.ServiceTier, e.Usage.Region, e.Usage.Raw = tier, region, []byte(raw)
		})
	}
	f("10", "", "", "")
	f("4", "flex", "", "")
	f("5", "batch", "", "")
	f("11", "", "us", "")
	f("5.5", "batch", "us", "")
	f("4.4", "flex", "us", "") // the rate of the tier, and the region on top
	f("30", "priority", "us", "")
	f("condition: service tier priority", "priority", "", "")
	f("condition: region eu", "", "eu", "")
	f("condition: service tier batch, region eu", "batch", "eu", "")
	f("60", "", "", `{"speed":"fast"}`)
	f("33", "batch", "us", `{"speed":"fast"}`)
	f("condition: deployment provisioned", "", "", `{"trafficType":"PROVISIONED_THROUGHPUT"}`)
}

// TestPrice_any: a fee can hold for any tier, unless a rate is for that tier.
func TestPrice_any(t *testing.T) {
	t.Parallel()
	b := book(t, "rate p m search=3 any:tier,speed\nrate p m search=2 tier:batch\nrate p m fetch=3")
	f := func(want, item, tier, region string) {
		t.Helper()
		e := call(t, "p", "m", nil)
		e.Usage.ServiceTier, e.Usage.Region = tier, region
		e.Usage.Quantities = []metering.Quantity{{Name: item, Amount: metering.NumberOf(1)}}
		costs(t, b, e, want)
	}
	f("3", "search", "", "")
	f("3", "search", "flex", "")
	f("2", "search", "batch", "")
	f("condition: service tier flex, region us", "search", "flex", "us")
	f("condition: service tier flex", "fetch", "flex", "")
}

// TestPrice_modifiers: what consumes a fact, what always holds, what cannot be
// combined, what follows what.
func TestPrice_modifiers(t *testing.T) {
	t.Parallel()
	batch := func(e *metering.Event) { e.Usage.ServiceTier = "batch" }
	both := func(e *metering.Event) { e.Usage.ServiceTier, e.Usage.Region = "batch", "us" }
	base := "rate p m input=10\n"
	priced(t, book(t, base+"modifier p 0.5 tier:batch\nmodifier p 0.25 tier:batch skus:m"), "2.5", batch)
	priced(t, book(t, base+"modifier p 0.5 tier:batch\nmodifier p 0.4 tier:batch region:us\nmodifier p 2 region:us"), "4", both)
	priced(t, book(t, base+"modifier p 0.5 tier:batch alone\nmodifier p 2 region:us"), "condition: p/*/x0.5+batch cannot be combined with another modifier", both)
	priced(t, book(t, base+"modifier p 0.5 tier:batch from:2026-12-01"), "condition: service tier batch", batch)
	priced(t, book(t, base+"modifier p 0.5 tier:batch\nmodifier p 0.6 tier:batch from:2026-06-01"), "6", batch)
	priced(t, book(t, base+"modifier p 0.5 tier:batch", "modifier p 0.7 tier:batch"), "7", batch)
	// A negotiated discount holds for everything, beside the rest (T45).
	priced(t, book(t, base+"modifier p 0.5 tier:batch", "modifier p 0.9"), "4.5", batch)
	priced(t, book(t, base, "modifier p 0.9\nmodifier p 0.5 above:2000000"), "9", nil)
	priced(t, book(t, base, "plan p gold"), "10", nil)
	priced(t, book(t, base+"modifier p 0.8 plan:gold", "plan p gold"), "8", nil)
	priced(t, book(t, base+"modifier p 0.8 plan:gold", "plan p silver"), "10", nil)
	// A third of a pico-dollar is rounded once, for the line, half away from zero.
	odd := call(t, "p", "m", map[string]int64{"input": 3})
	costs(t, book(t, "rate p m input=0.0000005"), odd, "0.000000000002")
	costs(t, book(t, "rate p m input=0.0000001\nmodifier p 1.5"), odd, "0")
	costs(t, book(t, "rate p m input=0.000001\nmodifier p 1.5"), odd, "0.000000000005")
}

// TestPrice_layers: per meter, conditions and instant the highest layer holds; a
// null takes out, replace opts out, superseding corrects.
func TestPrice_layers(t *testing.T) {
	t.Parallel()
	low := "rate p m input=10 output=20\nrate p m input=4 tier:flex\nrate p m input=50 above:5000000\nmodifier p 0.5 tier:batch skus:m\nmatch p exact alias m"
	flex := func(e *metering.Event) { e.Usage.ServiceTier = "flex" }
	batch := func(e *metering.Event) { e.Usage.ServiceTier = "batch" }
	output := func(e *metering.Event) {
		e.Usage.Tokens = call(t, "p", "m", map[string]int64{"output": 1_000_000}).Usage.Tokens
	}
	alias := func(e *metering.Event) { e.Model = "alias" }
	priced(t, book(t, low, "rate p m input=9"), "9", nil)
	priced(t, book(t, low, "rate p m input=9"), "20", output)
	priced(t, book(t, low, "rate p m input=9"), "4", flex)
	priced(t, book(t, low, "rate p m input=9 from:2026-12-01"), "10", nil)
	priced(t, book(t, low, "rate p m input=9 to:2026-06-01"), "10", nil)
	priced(t, book(t, low, "rate p m input=null"), "meter: input", nil)
	priced(t, book(t, low, "rate p m input=null"), "4", flex)
	priced(t, book(t, low, "rate p m input=?not_ours"), "condition: not_ours", nil)
	priced(t, book(t, low, "rate p m input=9"), "4.5", batch)
	priced(t, book(t, low, "sku p m replace\nrate p m input=9"), "9", nil)
	priced(t, book(t, low, "sku p m replace\nrate p m input=9"), "meter: output", output)
	priced(t, book(t, low, "sku p m replace\nrate p m input=9"), "condition: service tier flex", flex)
	priced(t, book(t, low, "sku p m replace\nrate p m input=9"), "condition: service tier batch", batch)
	priced(t, book(t, low, "sku p m replace\nrate p m input=9"), "model: alias", alias)
	priced(t, book(t, low), "10", alias)
	priced(t, book(t, low, "rate p n input=1\nmatch p exact alias n"), "1", alias)
	priced(t, book(t, "rate p m input=10 id:old\nrate p m input=8 supersedes:old"), "8", nil)
	priced(t, book(t, "rate p m input=10 id:old", "rate p m input=null supersedes:old"), "meter: input", nil)
	priced(t, book(t, "rate p m input=10\nrate p m input=8 status:cancelled from:2026-11-01"), "10", nil)
	// A reason for all meters yields to a price of a higher layer, meter by meter.
	unknown := "rate p m input=10 output=20\nrate p m *=?nobody_knows from:2026-06-01"
	priced(t, book(t, unknown), "condition: nobody_knows", nil)
	priced(t, book(t, unknown, "rate p m input=9"), "9", nil)
	priced(t, book(t, unknown, "rate p m input=9"), "condition: nobody_knows", output)
	priced(t, book(t, unknown+"\nrate p m input=12 from:2026-07-01"), "12", nil)
}

// TestPrice_meters: a rate of every SKU yields to one of its own, one of every
// modality to one of its own, and a higher layer's to neither.
func TestPrice_meters(t *testing.T) {
	t.Parallel()
	b := book(t, "rate p m input.*=1 input.audio=5 output=2\nrate p * search=3 per:1000\nrate p n search=4 input=1 per:1000")
	f := func(model, item, want string) {
		t.Helper()
		e := call(t, "p", model, map[string]int64{})
		if _, err := metering.ParseCell(item); err == nil {
			e = call(t, "p", model, map[string]int64{item: 1_000_000})
		} else {
			e.Usage.Quantities = []metering.Quantity{{Name: item, Amount: metering.NumberOf(1000)}}
		}
		costs(t, b, e, want)
	}
	f("m", "input", "1")
	f("m", "input.image", "1")
	f("m", "input.document", "1")
	f("m", "input.audio", "5")
	f("m", "cache_read", "meter: cache_read")
	f("m", "output.image", "meter: output.image")
	f("m", "reasoning", "2")
	f("m", "reasoning.audio", "meter: reasoning.audio")
	f("m", "search", "3")
	f("n", "search", "4")
	f("m", "fetch", "meter: fetch")
	costs(t, book(t, "rate p m output=2 reasoning=3"), call(t, "p", "m", map[string]int64{"reasoning": 1_000_000}), "3")
	over := book(t, "rate p m input.*=1 input.audio=5", "rate p m input.*=7")
	costs(t, over, call(t, "p", "m", map[string]int64{"input.audio": 1_000_000}), "7")
}

// TestPrice_attributes: what an image is like selects its price; where that is
// not said, or not listed, there is none.
func TestPrice_attributes(t *testing.T) {
	t.Parallel()
	b := book(t, `
		rate p m images=0.04 quality:low
		rate p m images=0.08 quality:high size:1024x1024,auto
		rate p m images=0.12 quality:high size:1536x1024
		rate p both images=1 quality:high
		rate p both images=2 size:big
		rate p any images=1
		rate p any images=2 quality:high`)
	f := func(model, quality, size, want string) {
		t.Helper()
		e := call(t, "p", model, nil)
		e.Usage.Quantities = []metering.Quantity{{Name: "images", Amount: metering.NumberOf(2)}}
		for _, a := range []metering.Tag{{Name: "quality", Value: quality}, {Name: "size", Value: size}} {
			if a.Value != "" {
				e.Usage.Attributes = append(e.Usage.Attributes, a)
			}
		}
		costs(t, b, e, want)
	}
	f("m", "low", "", "0.08")
	f("m", "high", "auto", "0.16")
	f("m", "high", "1536x1024", "0.24")
	f("m", "high", "huge", "condition: size huge")
	f("m", "", "", "condition: quality is not said")
	f("any", "", "", "2")
	f("any", "low", "", "2")
	f("any", "high", "", "4")
	f("both", "high", "big", "ambiguous: p/both/images+quality=high and p/both/images+size=big hold alike")
}

// TestPrice_context_scopes: thresholds of the whole call count what they say, and
// marginal ones charge only what is beyond.
func TestPrice_context_scopes(t *testing.T) {
	t.Parallel()
	whole := book(t, "rate p m input=1 output=10\nrate p m input=2 output=20 above:1000 counts:input,output")
	costs(t, whole, call(t, "p", "m", map[string]int64{"input": 900, "output": 100}), "0.0019")
	costs(t, whole, call(t, "p", "m", map[string]int64{"input": 900, "output": 101}), "0.00382")
	fresh := book(t, "rate p m input=1 cache_read=1\nrate p m input=2 cache_read=2 above:1000 counts:input.audio,cache_read")
	costs(t, fresh, call(t, "p", "m", map[string]int64{"input": 5000, "cache_read": 1000}), "0.006")
	costs(t, fresh, call(t, "p", "m", map[string]int64{"input": 5000, "cache_read": 1001}), "0.012002")
	steps := book(t, "rate p m input=1\nrate p m input=2 above:1000\nrate p m input=3 above:2000")
	costs(t, steps, call(t, "p", "m", map[string]int64{"input": 2000}), "0.004")
	costs(t, steps, call(t, "p", "m", map[string]int64{"input": 2001}), "0.006003")
	marginal := book(t, "rate p m input=1 output=1\nrate p m input=2 marginal:1000\nrate p m input=5 marginal:3000")
	costs(t, marginal, call(t, "p", "m", map[string]int64{"input": 1000, "output": 5000}), "0.006")
	costs(t, marginal, call(t, "p", "m", map[string]int64{"input": 1001}), "0.001002")
	costs(t, marginal, call(t, "p", "m", map[string]int64{"input": 4000}), "0.01")
}

// TestPrice_units: seconds are fractions, a minimum and whole steps are the
// rate's, and a price of nothing is free (T40, T42).
func TestPrice_units(t *testing.T) {
	t.Parallel()
	b := book(t, `
		rate p whisper audio_seconds=0.006 per:60
		rate p groq audio_seconds=0.111 per:3600 minimum:10
		rate p whole audio_seconds=1 step:1
		rate p free audio_seconds=0`)
	f := func(model, seconds, want string) {
		t.Helper()
		n, err := metering.ParseNumber(seconds)
		if err != nil {
			t.Fatal(err)
		}
		e := call(t, "p", model, nil)
		e.Usage.Quantities = []metering.Quantity{{Name: "audio_seconds", Amount: n}}
		costs(t, b, e, want)
	}
	f("whisper", "3.7", "0.00037")
	f("whisper", "0.0000000001", "0") // less than half a pico-dollar
	f("groq", "3.7", "0.000308333333")
	f("groq", "10.01", "0.000308641667")
	f("whole", "3.000000000001", "4")
	f("whole", "3", "3")
	f("free", "3.7", "0")
	f("free", "-1", "usage: audio_seconds is out of range")
	f("whisper", "2000000000000000", "usage: audio_seconds is out of range")
	e := call(t, "p", "free", nil)
	e.Usage.Quantities = []metering.Quantity{{Name: "audio_seconds", Amount: metering.NumberOf(1)}}
	if b.Price(e); e.CostState != metering.CostFree {
		t.Errorf("an explicit price of nothing is %s", e.CostState)
	}
}

// TestCompile_refuses: rows that contradict each other, or refer to nothing.
func TestCompile_refuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"rate p m input=1\nrate p m input=2 id:x":                                     "hold at one time",
		"rate p m input=1 id:x\nrate p m output=2 id:x":                               "two rates are called x",
		"rate p m input=1 calendar:never":                                             "there is no calendar",
		"match p exact a m":                                                           "which is no SKU",
		"rate p m input=1\nrate p n input=1\nmatch p exact a m\nmatch p exact a n":    "means m and n at one time",
		"rate p m input=1\nmodifier p 0.5 tier:batch\nmodifier p 0.6 tier:batch id:y": "hold at one time",
		"sku p m\nsku p m":                                                            "two rows of p/m",
		"rate p m s=1 pool:a\nrate p m s=2 pool:b beyond:5":                           "different pools",
		"rate p m input=1 id:x\nmodifier p 2 id:x":                                    "two modifiers are called x",
		"rate p m input=1\nrate p n input=1\nmatch p exact a m to:2026-02-01\nmatch p exact a n from:2026-01-31": "means m and n",
	} {
		b, err := pricebook.Compile(layer(t, catalogue.Embedded, text))
		if b != nil || !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	// Equal prices twice, and an alias that moves, are no contradiction.
	book(t, "rate p m input=1\nrate p m input=1 id:x\nrate p n input=1\nmatch p exact a m to:2026-02-01\nmatch p exact a n from:2026-02-01")
	one := layer(t, catalogue.Operator, "rate p m input=1")
	if _, err := pricebook.Compile(one, one); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("two layers of one level: %v", err)
	}
}

// TestPrice_region: "*" is any region but the global one and yields to what names
// the region; a price that follows the region is certain only where that is known.
func TestPrice_region(t *testing.T) {
	t.Parallel()
	b := book(t, `
		rate p m input=1 status:regional
		rate p n input=1
		rate p n input=3 region:*
		rate p n input=4 region:jp
		rate p k input=1 status:regional
		modifier p 2 region:* status:provisional
		modifier p 1.1 region:* skus:m
		modifier p 1.2 region:eu skus:m
		modifier p 1 region:us`)
	f := func(model, region, want string) {
		t.Helper()
		e := call(t, "p", model, map[string]int64{"input": 1_000_000})
		e.Usage.Region = region
		b.Price(e)
		if got := outcome(e); got != want {
			t.Errorf("%s in %q: %s, want %s", model, region, got, want)
		}
	}
	f("m", "", "provisional 1 region: p/m/input follows the region, and that of the call is not known")
	f("m", "not_available", "provisional 1 region: p/m/input follows the region, and that of the call is not known")
	f("m", "global", "exact 1")
	f("m", "ap", "exact 1.1")
	f("m", "eu", "exact 1.2")
	f("m", "us", "exact 1.1")
	f("n", "", "exact 1")
	f("n", "global", "exact 1")
	f("n", "ap", "exact 3")
	f("n", "jp", "exact 4")
	f("k", "global", "exact 1")
	f("k", "us", "exact 1")
	f("k", "ap", "provisional 2 rate: p/*/x2+region=* is not vouched for")

	// Whoever sets a price in a higher layer vouches for it in every region, whatever
	// it is a price of.
	b = book(t, "rate p n input=1\nmodifier p 1 region:* meters:* status:provisional\nmodifier p 2 region:eu meters:* status:provisional",
		"rate p m input=5 units=7\nrate p m fee=3 any:region,tier")
	f("m", "ap", "exact 5")
	f("m", "eu", "provisional 10 rate: p/*/x2+region=eu is not vouched for")
	f("n", "ap", "provisional 1 rate: p/*/x1+region=* is not vouched for")
	e := call(t, "p", "m", nil)
	e.Usage.Region, e.Usage.Quantities = "ap", []metering.Quantity{{Name: "units", Amount: metering.NumberOf(2)}}
	costs(t, b, e, "14")
	e.Usage.Region, e.Usage.Quantities = "eu", []metering.Quantity{{Name: "fee", Amount: metering.NumberOf(1)}}
	costs(t, b, e, "3")
}
