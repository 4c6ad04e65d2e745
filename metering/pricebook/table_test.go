package pricebook_test

import (
	"encoding/csv"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
)

// tableRows are the lines of the table of price facts that the snapshot was made
// from, by column. Without the table the test is skipped, and in CI it fails.
func tableRows(t *testing.T) []map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "model-prices.csv"))
	if os.IsNotExist(err) {
		if os.Getenv("CI") == "true" {
			t.Fatal("the table of prices is not beside this repository, and CI=true forbids skipping")
		}
		t.Skip("SKIPPED: the table of prices is not beside this repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	out := make([]map[string]string, 0, len(lines))
	for _, fields := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = fields[i]
		}
		out = append(out, row)
	}
	return out
}

// tokenColumn is a column of the table that has a price of tokens.
type tokenColumn struct {
	name, cell, tier string
	above            bool // the length from which longer prompts are priced apart
}

func tokenColumns() []tokenColumn {
	classes := []tokenColumn{
		{name: "input", cell: "input"}, {name: "cached_input", cell: "cache_read"}, {name: "output", cell: "output"},
		{name: "cache_write_5m", cell: "cache_write_5m"}, {name: "cache_write_1h", cell: "cache_write_1h"},
	}
	all := slices.Clone(classes)
	for _, c := range classes {
		all = append(all, tokenColumn{c.name + "_above", c.cell, "", true})
	}
	for _, tier := range []string{"batch", "flex", "priority"} {
		for _, c := range classes[:3] {
			all = append(all, tokenColumn{tier + "_" + c.name, c.cell, tier, false})
		}
	}
	return append(all, tokenColumn{name: "reasoning_output", cell: "reasoning"},
		tokenColumn{name: "audio_input", cell: "input.audio"}, tokenColumn{name: "cached_audio_input", cell: "cache_read.audio"},
		tokenColumn{name: "audio_output", cell: "output.audio"}, tokenColumn{name: "image_input", cell: "input.image"},
		tokenColumn{name: "image_output", cell: "output.image"})
}

// of is the class that a model's provider counts such tokens as.
func (c *tokenColumn) of(row map[string]string) string {
	openai := row["provider"] == "openai" || row["provider"] == "azure_openai" && strings.HasPrefix(row["model_id"], "gpt")
	switch {
	case openai && c.cell == "cache_write_5m": // OpenAI keeps what was written for 30 minutes
		return "cache_write_30m"
	case row["provider"] == "google" && strings.HasSuffix(row["model_id"], "-tts") && c.cell == "output":
		return "output.audio"
	default:
		return c.cell
	}
}

// held is an instant at which the prices of a row hold.
func held(t *testing.T, row map[string]string) metering.Micros {
	t.Helper()
	when := row["effective_from"]
	switch {
	case row["row_kind"] == "current" && row["time_window"] == "":
		when = "2026-11-20"
	case row["row_kind"] == "current":
		when = "2026-11-23" // a Monday
	case when == "2026-08-16":
		when = "2026-08-17" // the change was at 16:00 UTC
	case when == "" && row["effective_to"] != "":
		return at(t, row["effective_to"]) - 1
	case when == "":
		when = row["release_date"]
	}
	if strings.HasPrefix(row["time_window"], "peak") {
		when += "T02:00:00Z"
	}
	return at(t, when)
}

// TestEmbedded_table prices a call for every price of tokens in the table, of the
// model and of each of its other names, with fractions of the table's own
// decimals. What differs, or has no price, is on a list that says why.
func TestEmbedded_table(t *testing.T) {
	t.Parallel()
	b, same, used := embedded(t), 0, map[string]bool{}
	left, names := unlike()
	for _, row := range tableRows(t) {
		for _, name := range append([]string{row["model_id"]}, strings.FieldsFunc(row["match_aliases"], func(r rune) bool { return r == ';' })...) {
			if names[row["provider"]+"/"+name] != "" {
				if s, _, reason := b.Find(row["provider"], name, held(t, row)); reason == "" && s.SKU == row["model_id"] {
					t.Errorf("%s is taken for %s: it need not be listed", name, s.SKU)
				}
				used[row["provider"]+"/"+name] = true
				continue
			}
			for _, c := range tokenColumns() {
				if row[c.name] == "" {
					continue
				}
				got, want := priceOf(t, b, row, name, c)
				key := row["provider"] + "/" + row["model_id"] + " " + c.name
				if row["row_kind"] == "historical" {
					key += " once"
				}
				switch listed := left[key] != ""; {
				case got == want && listed:
					t.Errorf("%s of %s is %s as in the table: it need not be listed", key, name, got)
				case got != want && !listed:
					t.Errorf("%s %s of %s: %s, by the table %s", row["agreement"], key, name, got, want)
				case got == want:
					same++
				}
				used[key] = true
			}
		}
	}
	for _, list := range []map[string]string{left, names} {
		for key := range list {
			if !used[key] {
				t.Errorf("%s is listed and not in the table", key)
			}
		}
	}
	if same < 4000 {
		t.Errorf("only %d prices were compared", same)
	}
	t.Logf("%d prices are those of the table, %d are not", same, len(left))
}

// priceOf is what one price of the table comes to, by the book and by the table.
func priceOf(t *testing.T, b *pricebook.Book, row map[string]string, name string, c tokenColumn) (got, want string) {
	t.Helper()
	cell, sum := c.of(row), new(big.Rat)
	tokens := map[string]int64{cell: 1000}
	if c.above {
		threshold, err := strconv.ParseInt(row["tier_threshold_tokens"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if cell == "output" {
			tokens["input"] = threshold + 1
			sum = times(t, threshold+1, row["input_above"])
		} else {
			tokens[cell] = threshold + 1
		}
	}
	e := call(t, row["provider"], name, tokens)
	e.At, e.Usage.ServiceTier = held(t, row), c.tier
	sum.Add(sum, times(t, tokens[cell], row[c.name]))
	if _, fee, ok := strings.Cut(row["per_request_fees"], "web_search_low_context="); ok && row["provider"] == "perplexity" {
		e.Usage.Attributes = []metering.Tag{{Name: "context_size", Value: "low"}}
		price, _, _ := strings.Cut(fee, "/1k")
		sum.Add(sum, new(big.Rat).Quo(dollars(t, price), big.NewRat(1000, 1)))
	}
	if b.Price(e); e.CostState == metering.CostUnpriced {
		return e.CostReason, sum.FloatString(12)
	}
	return dollars(t, e.Cost.String()).FloatString(12), sum.FloatString(12)
}

// unlike are prices of the table that the book has not, and names that it does
// not take for the model, and why.
func unlike() (prices, names map[string]string) {
	prices = map[string]string{}
	except := func(why string, models []string, columns ...string) {
		for _, m := range models {
			for _, c := range columns {
				prices[m+" "+c] = why
			}
		}
	}
	one := func(models ...string) []string { return models }
	const fee = "a search fee for each call that no answer tells"
	except(fee, one("openai/gpt-4o-mini-search-preview", "openai/gpt-5-search-api"), "input", "cached_input", "output")
	except(fee, one("openai/gpt-4o-search-preview"), "input", "output")
	const rounded = "others have the ratio of the model's other prices, of which this is a rounding"
	except(rounded, one("openai/gpt-5.4"), "batch_cached_input", "flex_cached_input")
	except(rounded, one("openai/o4-mini"), "flex_cached_input")
	except(rounded, one("azure_openai/gpt-4.1-nano", "azure_openai/o4-mini"), "cached_input")
	except(rounded, one("vertex/gemini-2.5-flash", "vertex/gemini-2.5-flash-lite", "vertex/gemini-2.5-pro", "fireworks/deepseek-v4-pro"), "priority_cached_input")
	const disagree = "sources disagree and none is the vendor"
	except(disagree, one("openai/gpt-5.5"), "priority_input", "priority_cached_input", "priority_output")
	except(disagree, one("mistral/ministral-3b-latest", "mistral/ministral-8b-latest", "mistral/mistral-small-latest"), "input", "output")
	except("a conversion from another currency, by a reseller", one("mistral/mistral-large-4-0"), "input", "output")
	except(disagree, one("fireworks/glm-5p2", "fireworks/gpt-oss-120b"), "cached_input")
	except(disagree, one("fireworks/gpt-oss-120b"), "priority_cached_input")
	except("the later price, in an earlier period", one("openai/o3"), "cached_input once")
	except("the vendor's page no longer has it, and three sources had three prices",
		one("deepseek/deepseek-chat", "deepseek/deepseek-reasoner"), "input once", "cached_input once", "output once")
	except("a catalogue repeats the lower price, the vendor doubles it",
		one("vertex/claude-sonnet-4-5"), "cached_input_above", "cache_write_5m_above", "cache_write_1h_above")
	const odd = "the model does nothing of the kind, or it costs more than without the discount"
	except(odd, one("vertex/gemini-2.5-flash"), "cache_write_5m", "image_output")
	except(odd, one("vertex/gemini-3.1-pro-preview"), "image_output")
	except(odd, one("bedrock/amazon.nova-lite-v1:0", "bedrock/amazon.nova-micro-v1:0", "bedrock/amazon.nova-pro-v1:0", "bedrock/us.amazon.nova-pro-v1"), "batch_cached_input")
	return prices, map[string]string{
		"openai/gpt-4o-latest":                 "a name of catalogues, which no list of the vendor's that was read has",
		"bedrock/amazon.titan-embed-text-v2:0": "it costs a fifth, and a catalogue took it for the earlier version",
		"azure_openai/gpt-4o-2024-05-13":       "it cost 5/15 at OpenAI, and a catalogue takes it for the later version",
	}
}
