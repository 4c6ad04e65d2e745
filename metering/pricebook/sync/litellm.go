package sync

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// perToken is the power of ten between a price for a token and one for a million.
const perToken = 6

// liteModel is what is read by name of an entry of litellm's document. Prices are
// in all its other members, whose names say what they are for.
type liteModel struct {
	Provider   string          `json:"litellm_provider"`
	Mode       string          `json:"mode"`
	Input      json.RawMessage `json:"max_input_tokens"`
	Output     json.RawMessage `json:"max_output_tokens"`
	Deprecated string          `json:"deprecation_date"`
	Search     json.RawMessage `json:"search_context_cost_per_query"`
	SearchUnit string          `json:"web_search_billing_unit"`
	Alias      string          `json:"alias_of"`
	OffPeak    json.RawMessage `json:"off_peak_pricing"`
	Tiers      json.RawMessage `json:"tiered_pricing"`
}

// liteLLM reads model_prices_and_context_window.json of BerriAI/litellm: models
// by name, in US dollars for one token.
func (s *sheet) liteLLM(text []byte) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%w: %w", err, metering.ErrInvalid)
	}
	delete(doc, "sample_spec") // says what the members mean
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		var l liteModel
		var members map[string]json.RawMessage
		err := json.Unmarshal(doc[name], &members)
		if err == nil {
			err = json.Unmarshal(doc[name], &l)
		}
		if err == nil && l.Alias != "" {
			s.entries++ // a name of litellm's own, "azure_ai/gpt-sol-latest": no provider knows it
			continue
		}
		if err == nil && l.Provider == "" {
			err = fmt.Errorf("no litellm_provider: %w", metering.ErrInvalid)
		}
		if err != nil {
			s.refuse(name, err)
			continue
		}
		s.liteModel(name, &l, members)
	}
	return nil
}

func (s *sheet) liteModel(name string, l *liteModel, members map[string]json.RawMessage) {
	ours := provider(LiteLLM, l.Provider)
	id, ok := liteID(name, ours)
	if !ok {
		s.entries++
		return
	}
	m := s.model(ours, id)
	m.sku.Kind = liteKind(l.Mode)
	m.sku.Context, m.sku.MaxOutput = count(l.Input), count(l.Output)
	m.sku.Deprecated = day(l.Deprecated)
	if !absent(l.OffPeak) {
		m.fault = "prices by the hour" // its others are those of the dear hours
	}
	m.litePrices(members, 0)
	m.liteTiers(l.Tiers)
	m.liteOtherUnits(members)
	m.liteSearch(l)
	s.add(m)
}

// litePrices adds the prices for tokens, each of them for input of more than above
// tokens.
func (m *model) litePrices(members map[string]json.RawMessage, above int64) {
	for _, key := range slices.Sorted(maps.Keys(members)) {
		meter, when, ok := liteMeter(key, m.sku.Provider)
		if !ok {
			continue
		}
		var n json.Number
		if err := json.Unmarshal(members[key], &n); err != nil {
			m.fault = note(key, err.Error())
			continue
		}
		if when.Above == 0 {
			when.Above = above
		}
		m.price(meter, n, perToken, 0, when)
	}
}

// liteTiers adds the prices of ranges of input, of which the first may be there
// as prices without a range too. A range has its upper end and not its lower one:
// the same models at other hosts change their price above it.
func (m *model) liteTiers(raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	var tiers []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &tiers); err != nil {
		m.fault = note("tiered_pricing", err.Error())
		return
	}
	base := model{sku: m.sku, rates: m.rates}
	slices.SortStableFunc(base.rates, compareRates)
	for _, tier := range tiers {
		if absent(tier["range"]) {
			continue // by something else, such as the results of a search
		}
		var ends []json.Number
		if err := json.Unmarshal(tier["range"], &ends); err != nil || len(ends) != 2 {
			m.fault = note("tiered_pricing", "a range "+string(tier["range"]))
			return
		}
		start, ok := decimal(ends[0], 0) // 256000.0
		above, err := strconv.ParseInt(start, 10, 64)
		if !ok || err != nil {
			m.fault = note("tiered_pricing", "a range from "+ends[0].String())
			return
		}
		part := model{sku: m.sku}
		part.litePrices(tier, above)
		slices.SortStableFunc(part.rates, compareRates)
		if m.fault = cmp.Or(m.fault, part.fault); m.fault != "" {
			return
		}
		if !base.join(&part) {
			m.fault = "its ranges of input and its other prices differ"
			return
		}
	}
	m.rates = base.rates
}

// liteOtherUnits takes a price of zero for tokens back where something else has a
// price, images or queries: the model is not free, it is not charged by the token.
func (m *model) liteOtherUnits(members map[string]json.RawMessage) {
	if slices.ContainsFunc(m.rates, func(r catalogue.Rate) bool { return *r.Price != "0" }) {
		return
	}
	for key, raw := range members {
		var n json.Number
		if !strings.Contains(key, "_cost_per_") || json.Unmarshal(raw, &n) != nil {
			continue
		}
		if price, ok := decimal(n, perToken); ok && price != "0" {
			m.rates = nil
			return
		}
	}
}

// absent reports whether a member is not there, or null.
func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// count reads a number of tokens, for which some entries have a sentence.
func count(raw json.RawMessage) int64 {
	var n json.Number
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return tokens(n)
}

// liteID is the id that calls name of a model: without the provider in front of
// it. Prices of single regions, "azure/eu/gpt-4o" and
// "bedrock/us-east-1/anthropic.claude-v1", have ids that no call names: ok is false.
func liteID(name, ours string) (id string, ok bool) {
	first, rest, found := strings.Cut(name, "/")
	if !found || provider(LiteLLM, first) != ours {
		return name, true
	}
	region, _, nested := strings.Cut(rest, "/")
	switch {
	case nested && ours == "azure_openai" && slices.Contains([]string{"us", "eu", "global", "global-standard"}, region):
		return "", false
	case nested && ours == "bedrock" && awsRegion.MatchString(region):
		return "", false
	}
	return rest, true
}

var awsRegion = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

// liteKind is what an SKU with that mode is.
func liteKind(mode string) string {
	switch mode {
	case "chat", "completion", "responses":
		return "chat"
	case "image_generation", "image_edit":
		return "image"
	case "audio_transcription", "audio_speech":
		return "audio"
	case "video_generation":
		return "video"
	case "embedding", "rerank", "moderation":
		return mode
	}
	return ""
}

var aboveTokens = regexp.MustCompile(`_above_([0-9]{1,6})k_tokens$`)

// liteMeter reads the name of a price for tokens: what is counted, and behind it
// in any order a context length, a life time in the cache and a service tier.
// Prices for seconds, characters, pixels and pages are rounded to a few digits
// there and left out.
func liteMeter(key, provider string) (meter string, when catalogue.When, ok bool) {
	hour := false
	for {
		if m := aboveTokens.FindStringSubmatch(key); m != nil {
			n, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil || n == 0 || when.Above != 0 {
				return "", when, false
			}
			key, when.Above = strings.TrimSuffix(key, m[0]), n*1000
			continue
		}
		if rest, found := strings.CutSuffix(key, "_above_1hr"); found && !hour {
			key, hour = rest, true
			continue
		}
		i := strings.LastIndexByte(key, '_')
		tier := map[string]string{"batches": "batch", "flex": "flex", "priority": "priority"}[key[i+1:]]
		if i < 0 || tier == "" || when.Tier != "" {
			break
		}
		key, when.Tier = key[:i], tier
	}
	meter = liteStem(key, provider)
	if hour {
		if key != "cache_creation_input_token_cost" {
			return "", when, false
		}
		meter = "cache_write_1h"
	}
	return meter, when, meter != ""
}

func liteStem(stem, provider string) string {
	wide := ""
	if countsModalities(provider) {
		wide = ".*"
	}
	return map[string]string{
		"input_cost_per_token":                  "input" + wide,
		"cache_read_input_token_cost":           "cache_read" + wide,
		"cache_creation_input_token_cost":       cacheWrite(provider),
		"output_cost_per_token":                 "output",
		"output_cost_per_reasoning_token":       "reasoning",
		"input_cost_per_audio_token":            "input.audio",
		"cache_read_input_audio_token_cost":     "cache_read.audio",
		"cache_creation_input_audio_token_cost": cacheWrite(provider) + ".audio",
		"output_cost_per_audio_token":           "output.audio",
		"input_cost_per_image_token":            "input.image",
		"cache_read_input_image_token_cost":     "cache_read.image",
		"output_cost_per_image_token":           "output.image",
		"input_cost_per_video_token":            "input.video",
		"output_cost_per_video_token":           "output.video",
	}[stem]
}

// liteSearch adds what a web search costs, in US dollars for one: a price for
// each amount of context that is asked for, or one for all.
func (m *model) liteSearch(l *liteModel) {
	meter := searchMeter(m.sku.Provider, l.SearchUnit)
	if meter == "" || absent(l.Search) {
		return
	}
	const perThousand = 3
	var one json.Number
	if json.Unmarshal(l.Search, &one) == nil {
		m.price(meter, one, perThousand, 1000, anyCall())
		return
	}
	var sizes map[string]json.Number
	if err := json.Unmarshal(l.Search, &sizes); err != nil {
		m.fault = note("search_context_cost_per_query", err.Error())
		return
	}
	low, medium, high := sizes["search_context_size_low"], sizes["search_context_size_medium"], sizes["search_context_size_high"]
	if low == medium && medium == high {
		m.price(meter, low, perThousand, 1000, anyCall())
		return
	}
	for _, size := range []string{"low", "medium", "high"} {
		when := anyCall()
		when.Attributes = []catalogue.Attribute{{Name: "context_size", Values: []string{size}}}
		m.price(meter, sizes["search_context_size_"+size], perThousand, 1000, when)
	}
}
