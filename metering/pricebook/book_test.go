package pricebook_test

import (
	"encoding/csv"
	"io"
	"math/big"
	"os"
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
	f("vertex", "claude-sonnet-4-5", "", "model: claude-sonnet-4-5")
	f("azure_openai", "gpt-4o-2024-05-13", "", "model: gpt-4o-2024-05-13")
	f("azure_openai", "our-deployment", "", "model: our-deployment")
	f("openai", "ft:gpt-4o-2024-08-06:acme::abc", "", "model: ft:gpt-4o-2024-08-06:acme::abc")
	f("openai", "", "", "model: none was named")
	f("gemini", "gemini-2.5-pro", "", "provider: gemini") // a preset's name, not a provider's
	f("", "gpt-4o", "", "provider: ")
}

// TestPrice_time: a price holds from its first instant and up to the last
// before the next.
func TestPrice_time(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	f := func(provider, model, when, wantFrom, wantReason string) {
		t.Helper()
		e := call(t, provider, model, map[string]int64{"input": 1})
		e.At = at(t, when)
		b.Price(e)
		from := ""
		if len(e.Rates) == 1 {
			from = e.Rates[0]
		}
		if e.CostReason != wantReason || (from == "") != (wantReason != "") || !strings.Contains(from, wantFrom) {
			t.Errorf("%s at %s: %s, %q; want from %q, %q", model, when, from, e.CostReason, wantFrom, wantReason)
		}
	}
	f("openai", "gpt-5.6-luna", "2026-07-08T23:59:59.999999Z", "", "condition: no price of input of gpt-5.6-luna was in force at 2026-07-08T23:59:59Z")
	f("openai", "gpt-5.6-luna", "2026-07-29T23:59:59.999999Z", "@2026-07-09/", "")
	f("openai", "gpt-5.6-luna", "2026-07-30T00:00:00Z", "@2026-07-30/", "")
	f("deepseek", "deepseek-v4-pro", "2026-08-16T15:59:59.999999Z", "", "")
	f("deepseek", "deepseek-v4-pro", "2026-08-16T16:00:00Z", "", "condition: time of day, holidays excluded")
	f("openai", "gpt-5.6", "2026-11-21T23:59:59Z", "@2026-08-21/", "")
	f("openai", "gpt-5.6", "2026-11-22", "", "condition: a promotional price that was assured through 2026-11-21 only")
	f("google", "gemini-3.6-flash", "2027-01-01", "", "condition: the price announced for this date is not confirmed")
	f("mistral", "mistral-small-latest", "2026-11-20", "", "ambiguous: sources give 0.1/0.3, 0.15/0.6 and 0.06/0.18")
	f("perplexity", "sonar", "2026-11-20", "", "condition: a request fee for each call by context size")
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

// record is a line of the embedded file, read without the package.
type record struct {
	provider, model, aliases, from, tier, above string
	prices                                      map[string]*big.Rat
}

func records(t *testing.T) []record {
	t.Helper()
	f, err := os.Open("prices.csv")
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(f)
	r.Comment = '#'
	var out []record
	for {
		fields, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if fields[0] == "provider" {
			continue
		}
		rec := record{fields[0], fields[1], fields[2], fields[4], fields[6], fields[7], map[string]*big.Rat{}}
		for pair := range strings.FieldsSeq(fields[8]) {
			class, price, _ := strings.Cut(pair, "=")
			rec.prices[strings.TrimSuffix(class, ".*")] = dollars(t, price)
		}
		out = append(out, rec)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEmbedded_plausible looks for slips of the kinds that catalogues have:
// cached input dearer than fresh, writes cheaper, input and output swapped, a
// long prompt or a tier at odds with the standard price, a provider that no
// preset has.
func TestEmbedded_plausible(t *testing.T) {
	t.Parallel()
	presets := config.Presets()
	known := make([]string, 0, len(presets))
	for _, p := range presets {
		known = append(known, p.Provider)
	}
	base := map[string]record{}
	for _, r := range records(t) {
		name := r.provider + "/" + r.model + "@" + r.from
		if !slices.Contains(known, r.provider) {
			t.Errorf("%s: no preset has this provider", name)
		}
		atMost := func(a, b string) {
			if x, y := r.prices[a], r.prices[b]; x != nil && y != nil && x.Cmp(y) > 0 {
				t.Errorf("%s%s%s: %s costs more than %s", name, r.tier, r.above, a, b)
			}
		}
		atMost("cache_read", "input")
		atMost("cache_read.audio", "input.audio")
		atMost("input", "cache_write_5m")
		atMost("input", "cache_write_30m")
		atMost("cache_write_5m", "cache_write_1h")
		if out := r.prices["output"]; out != nil && out.Sign() > 0 {
			atMost("input", "output")
		}
		if r.tier == "" && r.above == "" {
			base[name] = r
			continue
		}
		for class, price := range r.prices {
			standard := base[name].prices[class]
			if standard == nil {
				standard = base[name].prices[strings.TrimSuffix(class, "."+class[strings.LastIndex(class, ".")+1:])]
			}
			if standard == nil {
				t.Errorf("%s: %s has a price under a condition only", name, class)
				continue
			}
			cheaper := r.tier == "batch" || r.tier == "flex"
			if c := price.Cmp(standard); standard.Sign() > 0 && (c == 0 || (c < 0) != cheaper) {
				t.Errorf("%s %s%s: %s is %s, standard %s", name, r.tier, r.above, class, price.FloatString(6), standard.FloatString(6))
			}
		}
	}
	if len(base) < 200 {
		t.Errorf("the book has only %d models", len(base))
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
}
