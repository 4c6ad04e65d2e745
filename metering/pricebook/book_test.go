package pricebook_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/config"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
)

func embedded(tb testing.TB) *pricebook.Book {
	tb.Helper()
	layers, err := pricebook.Embedded()
	if err != nil {
		tb.Fatal(err)
	}
	b, err := pricebook.Compile(layers...)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func at(tb testing.TB, s string) metering.Micros {
	tb.Helper()
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if parsed, err := time.Parse(layout, s); err == nil {
			return metering.MicrosOf(parsed)
		}
	}
	tb.Fatalf("%q is no instant", s)
	return 0
}

// TestBook_Find covers T39: an exact id, an alias and a listed or permitted
// date find a model, and nothing else does. Each name that must not be found is
// one that a catalogue matching by prefix, by family or by another provider
// would find (prices.md, "how an id finds its entry").
func TestBook_Find(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	f := func(provider, model, wantModel, wantReason string) {
		t.Helper()
		sku, _, reason := b.Find(provider, model, at(t, "2026-11-20"))
		if sku.SKU != wantModel || reason != wantReason {
			t.Errorf("%s of %s is %q (%s), want %q (%s)", model, provider, sku.SKU, reason, wantModel, wantReason)
		}
	}
	f("openai", "gpt-4o", "gpt-4o", "")
	f("openai", "gpt-4o-2024-08-06", "gpt-4o", "")
	f("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "") // 5/15, not 2.5/10
	f("openai", "gpt-4o-2025-01-01", "", "model: gpt-4o-2025-01-01")
	f("openai", "gpt-5-2025-08-07", "gpt-5", "")
	f("openai", "gpt-5-2026-12-31", "gpt-5", "") // the base permits any date
	f("openai", "gpt-5-20261231", "gpt-5", "")
	f("openai", "gpt-5-2026-12", "", "model: gpt-5-2026-12")
	f("openai", "gpt-5-turbo", "", "model: gpt-5-turbo")
	f("openai", "gpt-5.6", "gpt-5.6-sol", "")
	f("anthropic", "claude-opus-5", "claude-opus-5", "")
	f("anthropic", "claude-opus-5-5", "claude-opus-5-5", "")
	f("anthropic", "claude-opus-5-5-20260922", "claude-opus-5-5", "")
	f("anthropic", "claude-opus-5-7", "", "model: claude-opus-5-7")
	f("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5", "")
	f("anthropic", "Claude-Sonnet-4-5", "", "model: Claude-Sonnet-4-5")
	f("google", "gemini-2.5-pro", "gemini-2.5-pro", "")
	f("google", "gemini-2.5-pro-preview-05-06", "", "model: gemini-2.5-pro-preview-05-06")
	f("google", "models/gemini-2.5-pro", "", "model: models/gemini-2.5-pro")
	f("google", "gpt-4o", "", "model: gpt-4o")
	f("vertex", "claude-sonnet-4-5", "claude-sonnet-4-5", "") // its own price, and not Anthropic's
	f("vertex", "claude-3-haiku", "", "model: claude-3-haiku")
	f("azure_openai", "gpt-4o-2024-05-13", "", "model: gpt-4o-2024-05-13")
	f("azure_openai", "our-deployment", "", "model: our-deployment")
	f("openai", "ft:gpt-4o-2024-08-06:acme::abc", "ft:gpt-4o", "")
	f("openai", "ft:gpt-4o-2024-05-13:acme::abc", "", "model: ft:gpt-4o-2024-05-13:acme::abc")
	f("bedrock", "eu.anthropic.claude-sonnet-4-6", "eu.anthropic.claude-sonnet-4-6", "") // a price of its own
	f("bedrock", "apac.anthropic.claude-sonnet-4-6", "anthropic.claude-sonnet-4-6", "")
	f("openai", "", "", "model: none was named")
	f("gemini", "gemini-2.5-pro", "", "provider: gemini") // a preset's name, not a provider's
	f("", "gpt-4o", "", "provider: ")
}

// TestPrice_time: a price holds from its first instant and up to the last
// before the next.
func TestPrice_time(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	f := func(provider, model, when, wantRate, want string) {
		t.Helper()
		e := call(t, provider, model, map[string]int64{"input": 1_000_000})
		e.At = at(t, when)
		b.Price(e)
		if got := outcome(e); got != want || !strings.Contains(strings.Join(e.Rates, ","), wantRate) {
			t.Errorf("%s at %s: %s by %v; want %s by %q", model, when, got, e.Rates, want, wantRate)
		}
	}
	f("openai", "gpt-5.6-luna", "2026-07-08T23:59:59.999999Z", "", "unpriced condition: no price of input of gpt-5.6-luna was in force at 2026-07-08T23:59:59Z")
	f("openai", "gpt-5.6-luna", "2026-07-29T23:59:59.999999Z", "@2026-07-09/input>272000", "exact 2")
	f("openai", "gpt-5.6-luna", "2026-07-30T00:00:00Z", "@2026-07-30/input>272000", "exact 0.4")
	f("deepseek", "deepseek-v4-pro", "2026-08-16T15:59:59.999999Z", "v4-pro/input", "exact 0.435")
	f("deepseek", "deepseek-v4-pro", "2026-08-16T16:00:00Z", "", "exact 0.66") // a Sunday
	f("deepseek", "deepseek-v4-pro", "2026-08-17T00:59:59Z", "", "exact 0.66")
	f("deepseek", "deepseek-v4-pro", "2026-08-17T01:00:00Z", "+calendar=deepseek-peak", "exact 1.32")
	f("deepseek", "deepseek-v4-pro", "2026-12-31T02:00:00Z", "+calendar=deepseek-peak", "exact 1.32") // a Thursday
	f("deepseek", "deepseek-v4-pro", "2027-01-04T02:00:00Z", "+calendar=deepseek-peak", "provisional 1.32 calendar: holidays of deepseek-peak are not known from 2027-01-01 on")
	f("deepseek", "deepseek-v4-flash", "2026-08-22T01:00:00Z", "+calendar=deepseek-peak-daily", "exact 0.44") // a Saturday
	f("deepseek", "deepseek-v4-flash", "2026-09-10T00:00:00Z", "deepseek-flash@2026-09-10", "exact 0.15")     // the name means another model
	f("openai", "gpt-5.6", "2026-11-21T23:59:59Z", "@2026-08-21/", "exact 8")
	f("openai", "gpt-5.6", "2026-11-22", "@2026-08-21/", "provisional 8 rate: openai/gpt-5.6-sol@2026-08-21/input>272000 was assured until 2026-11-22 only")
	f("google", "gemini-3.6-flash", "2026-12-31T23:59:59Z", "", "exact 0.75")
	f("google", "gemini-3.6-flash", "2027-01-01", "", "provisional 1.5 rate: google/gemini-3.6-flash@2027-01-01/input.* was announced, and has not been confirmed since")
	f("mistral", "mistral-small-latest", "2026-11-20", "", "unpriced ambiguous: sources give 0.1/0.3, 0.15/0.6 and 0.06/0.18")
	f("perplexity", "sonar", "2026-11-20", "", "unpriced condition: context_size is not said")
}

// TestBook_Find_allocations: finding a price leaves no garbage.
func TestBook_Find_allocations(t *testing.T) {
	b, now := embedded(t), at(t, "2026-11-25")
	for _, model := range []string{"gpt-4o", "gpt-4o-2024-08-06", "gpt-5-2026-12-31"} {
		if n := testing.AllocsPerRun(100, func() {
			if sku, _, _ := b.Find("openai", model, now); sku.SKU == "" {
				t.Fatal("not found")
			}
		}); n != 0 {
			t.Errorf("%s is found with %v allocations", model, n)
		}
	}
}

func BenchmarkBook_Find(b *testing.B) {
	book, now := embedded(b), at(b, "2026-11-25")
	for _, model := range []string{"gpt-4o-mini-2024-07-18", "gpt-5-2026-12-31"} {
		b.Run(model, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if sku, _, _ := book.Find("openai", model, now); sku.SKU == "" {
					b.Fatal("not found")
				}
			}
		})
	}
}

// TestEmbedded_plausible looks for slips of the kinds that catalogues have:
// cached input dearer than fresh, writes cheaper, input and output swapped, a
// long prompt or a tier at odds with the standard price, a provider that no
// preset has, a rate nobody is named for.
func TestEmbedded_plausible(t *testing.T) {
	t.Parallel()
	var known []string
	for _, p := range config.Presets() {
		known = append(known, p.Provider)
	}
	layers, err := pricebook.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	type key struct{ sku, when string } // and the instant from which it holds
	prices := map[key]map[string]*big.Rat{}
	for _, l := range layers {
		for _, r := range l.Rates {
			if !slices.Contains(known, r.Provider) {
				t.Errorf("%s: no preset has this provider", r.ID)
			}
			if len(r.Sources) == 0 {
				t.Errorf("%s has no source", r.ID)
			}
			if r.Price == nil || r.When.Volume != nil {
				continue
			}
			k := key{r.Provider + "/" + r.SKU + "@" + r.From.String(), r.When.Key()}
			if prices[k] == nil {
				prices[k] = map[string]*big.Rat{}
			}
			prices[k][strings.TrimSuffix(r.Meter, ".*")] = dollars(t, *r.Price)
		}
	}
	models := 0
	for k, p := range prices {
		atMost := func(a, b string) {
			if x, y := p[a], p[b]; x != nil && y != nil && x.Cmp(y) > 0 {
				t.Errorf("%s%s: %s costs more than %s", k.sku, k.when, a, b)
			}
		}
		atMost("cache_read", "input")
		atMost("cache_read.audio", "input.audio")
		atMost("input", "cache_write_5m")
		atMost("input", "cache_write_30m")
		atMost("cache_write_5m", "cache_write_1h")
		if out := p["output"]; out != nil && out.Sign() > 0 {
			atMost("input", "output")
		}
		if k.when == "" {
			models++
		}
		if tier := strings.TrimPrefix(k.when, "+"); tier != "batch" && tier != "flex" && tier != "priority" && !strings.HasPrefix(k.when, ">") {
			continue
		}
		for class, price := range p {
			standard := prices[key{k.sku, ""}][class]
			if standard == nil {
				standard = prices[key{k.sku, ""}][strings.TrimSuffix(class, "."+class[strings.LastIndex(class, ".")+1:])]
			}
			if standard == nil {
				t.Errorf("%s%s: %s has a price under a condition only", k.sku, k.when, class)
				continue
			}
			cheaper := k.when == "+batch" || k.when == "+flex"
			if c := price.Cmp(standard); standard.Sign() > 0 && (c == 0 || (c < 0) != cheaper) {
				t.Errorf("%s%s: %s is %s, standard %s", k.sku, k.when, class, price.FloatString(6), standard.FloatString(6))
			}
		}
	}
	if models < 600 {
		t.Errorf("the book has only %d models", models)
	}
}

// TestEmbedded_settled pins what the sources disagree on and prices.md settled;
// the number is that of its table "disagreements".
func TestEmbedded_settled(t *testing.T) {
	t.Parallel()
	f := func(number int, provider, model, when, item, want string) {
		t.Helper()
		e := call(t, provider, model, map[string]int64{item: 1_000_000})
		e.At = at(t, when)
		embedded(t).Price(e)
		if got := e.Cost.String(); e.CostState != metering.CostExact || got != want {
			t.Errorf("row %d: %s of %s at %s is %s (%s), want %s", number, item, model, when, got, e.CostReason, want)
		}
	}
	now := "2026-11-20"
	f(1, "anthropic", "claude-sonnet-5", now, "input", "2")
	f(1, "anthropic", "claude-sonnet-5", now, "output", "10")
	f(2, "anthropic", "claude-opus-5-5", now, "output", "20")
	f(3, "anthropic", "claude-fable-5-1", now, "cache_read", "0.25")
	f(3, "anthropic", "claude-fable-5", now, "cache_read", "1")
	f(18, "openai", "gpt-4o-2024-05-13", now, "output", "15")
	f(19, "openai", "o3", now, "input", "2")
	f(19, "openai", "o3", "2025-06-09", "output", "40")
	f(30, "mistral", "mistral-large-latest", now, "output", "1.5")
	f(31, "mistral", "mistral-medium-latest", now, "output", "7.5")
	f(4, "anthropic", "claude-sonnet-5-5", "2026-10-06", "cache_read", "0.2")
	f(4, "anthropic", "claude-sonnet-5-5", "2026-10-07", "cache_read", "0.1")
	f(5, "anthropic", "claude-3-haiku-20240307", now, "cache_write_1h", "0.5")
	f(6, "anthropic", "claude-3-opus-20240229", now, "cache_write_1h", "30")
	f(8, "bedrock", "us.anthropic.claude-opus-4-8", now, "output", "27.5")
	f(9, "bedrock", "au.anthropic.claude-opus-4-6-v1", now, "input", "5.5")
	f(10, "openai", "gpt-5.6-sol", now, "output", "20")
	f(11, "openai", "gpt-5.6-luna", now, "output", "1.2")
	f(16, "openai", "gpt-realtime-2", now, "output", "24")
	f(20, "openai", "gpt-image-1", now, "input.image", "10")
	f(20, "openai", "gpt-image-1", now, "output", "40")
	f(21, "google", "gemini-3.6-flash", now, "output", "3.75")
	f(21, "google", "gemini-3.7-flash", now, "output", "3.75")
	f(23, "google", "gemini-2.5-flash-image", now, "output", "2.5")
	f(23, "google", "gemini-2.5-flash-image", now, "output.image", "30")
	f(24, "google", "gemini-2.5-flash-preview-tts", now, "output.audio", "10")
	f(28, "deepseek", "deepseek-v4-pro", "2026-11-20T00:00:00Z", "output", "1.98")
	f(28, "deepseek", "deepseek-v4-pro", "2026-11-20T02:00:00Z", "output", "3.96")
	f(34, "xai", "grok-4.20", now, "output", "2.5")
	f(40, "azure_openai", "gpt-4", now, "output", "60")
}
