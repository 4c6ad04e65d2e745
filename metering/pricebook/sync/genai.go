package sync

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// genaiProvider is an element of prices/new_data/v2/data.json of
// pydantic/genai-prices (its data.schema.json).
type genaiProvider struct {
	ID     string            `json:"id"`
	Models []json.RawMessage `json:"models"`
}

type genaiModel struct {
	ID         string          `json:"id"`
	Match      genaiMatch      `json:"match"`
	Context    json.Number     `json:"context_window"`
	Deprecated bool            `json:"deprecated"`
	Prices     json.RawMessage `json:"prices"`
	Variants   []genaiVariant  `json:"price_variants"`
}

// genaiVariant is prices of a way to call a model, by the name that it has in the
// request. Each price is overridden on its own; of a list the first that has begun
// holds, and the latest is the first.
type genaiVariant struct {
	When map[string]string `json:"when"`
	genaiPeriod
}

// way is the condition of the variant; ok is false for one that no answer shows.
func (v *genaiVariant) way() (when catalogue.When, ok bool) {
	if len(v.When) != 1 {
		return when, false
	}
	switch {
	case v.When["service_tier"] == "flex", v.When["service_tier"] == "priority":
		when.Tier = v.When["service_tier"]
	case v.When["processing"] == "batch":
		when.Tier = "batch"
	case v.When["speed"] == "fast":
		when.Speed = "fast"
	default:
		return when, false
	}
	return when, true
}

// genaiMatch is the part of a tree of conditions that names ids. Beginnings,
// parts and patterns of ids are not read: "claude-opus-5" would take the price
// of claude-opus-5-5.
type genaiMatch struct {
	Equals string       `json:"equals"`
	Or     []genaiMatch `json:"or"`
}

func (g *genaiMatch) ids() []string {
	var out []string
	if g.Equals != "" {
		out = append(out, g.Equals)
	}
	for i := range g.Or {
		out = append(out, g.Or[i].ids()...)
	}
	return out
}

// genaiPeriod is prices from a day on: the last one of a list that has begun
// holds.
type genaiPeriod struct {
	Constraint *struct {
		StartDate string `json:"start_date"`
	} `json:"constraint"`
	Prices map[string]json.RawMessage `json:"prices"`
}

// genAIPrices reads version 2 of the data of pydantic/genai-prices: a list of
// providers with lists of models. What providers fall back to is not read.
func (s *sheet) genAIPrices(text []byte) error {
	var doc []genaiProvider
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%w: %w", err, metering.ErrInvalid)
	}
	for _, p := range doc {
		for i, raw := range p.Models {
			var g genaiModel
			err := json.Unmarshal(raw, &g)
			var periods []genaiPeriod
			if err == nil {
				periods, err = g.periods()
			}
			if err != nil {
				s.refuse(fmt.Sprintf("%s/%d", p.ID, i), err)
				continue
			}
			s.genaiModel(provider(GenAIPrices, p.ID), &g, periods)
		}
	}
	return nil
}

// periods reads prices, which are one object or a list of periods.
func (g *genaiModel) periods() ([]genaiPeriod, error) {
	var list []genaiPeriod
	if len(g.Prices) > 0 && g.Prices[0] == '[' {
		err := json.Unmarshal(g.Prices, &list)
		return list, err
	}
	list = make([]genaiPeriod, 1)
	err := json.Unmarshal(g.Prices, &list[0].Prices)
	return list, err
}

func (s *sheet) genaiModel(provider string, g *genaiModel, periods []genaiPeriod) {
	m := s.model(provider, g.ID)
	m.sku.Context, m.aliases = tokens(g.Context), g.Match.ids()
	if g.Deprecated {
		m.sku.Note = "status: deprecated"
	}
	var from catalogue.Instant
	for i := range periods {
		start := len(m.rates)
		if c := periods[i].Constraint; c != nil {
			next := day(c.StartDate)
			if next <= from {
				m.fault = "prices by the hour, or periods out of order"
			}
			for j := range m.rates { // a period ends all that was before, also what it does not list
				if m.rates[j].To == 0 {
					m.rates[j].To = next
				}
			}
			from = next
		} else if i > 0 {
			m.fault = "two prices since ever"
		}
		m.genaiPrices(periods[i].Prices, catalogue.When{})
		for j := start; j < len(m.rates); j++ {
			m.rates[j].From = from
		}
	}
	m.genaiVariants(g.Variants)
	s.add(m)
}

// genaiVariants adds the prices of ways to call the model.
func (m *model) genaiVariants(list []genaiVariant) {
	for i := range list {
		v := &list[i]
		when, ok := v.way()
		var from catalogue.Instant
		if c := v.Constraint; c != nil {
			from = day(c.StartDate)
			ok = ok && from != 0
		}
		if !ok {
			continue
		}
		start := len(m.rates)
		m.genaiPrices(v.Prices, when)
		for j := start; j < len(m.rates); j++ {
			m.rates[j].From = from
		}
	}
}

// genaiPrices adds the prices of a period. Units that no dialect counts are left
// out.
func (m *model) genaiPrices(prices map[string]json.RawMessage, when catalogue.When) {
	wide := ""
	if countsModalities(m.sku.Provider) {
		wide = ".*"
	}
	names := map[string]string{
		"input_mtok": "input" + wide, "cache_read_mtok": "cache_read" + wide, "cache_write_mtok": cacheWrite(m.sku.Provider),
		"cache_write_5m_mtok": "cache_write_5m", "cache_write_1h_mtok": "cache_write_1h", "output_mtok": "output",
		"input_text_mtok": "input", "output_text_mtok": "output", "cache_text_read_mtok": "cache_read",
		"input_audio_mtok": "input.audio", "cache_audio_read_mtok": "cache_read.audio", "output_audio_mtok": "output.audio",
		"input_image_mtok": "input.image", "cache_image_read_mtok": "cache_read.image", "output_image_mtok": "output.image",
		"input_video_mtok": "input.video", "cache_video_read_mtok": "cache_read.video", "output_video_mtok": "output.video",
		"output_reasoning_mtok": "reasoning",
	}
	seen := make(map[string]bool)
	for _, key := range slices.Sorted(maps.Keys(prices)) {
		meter := names[key]
		if meter == "" || seen[meter] { // text of both kinds of names: the general one comes first in order
			continue
		}
		seen[meter] = true
		m.genaiPrice(meter, prices[key], when)
	}
	if fee := searchMeter(m.sku.Provider, ""); fee != "" && when.Key() == "" {
		var n json.Number
		if raw, ok := prices["web_searches_kcount"]; ok && json.Unmarshal(raw, &n) == nil {
			m.price(fee, n, 0, 1000, anyCall())
		}
	}
}

// genaiPrice adds a number, or a base and tiers: the whole call is charged at
// the price of the tier that its input exceeds.
func (m *model) genaiPrice(meter string, raw json.RawMessage, when catalogue.When) {
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		m.price(meter, n, 0, 0, when)
		return
	}
	var tiered struct {
		Base  json.Number `json:"base"`
		Tiers []struct {
			Start json.Number `json:"start"`
			Price json.Number `json:"price"`
		} `json:"tiers"`
	}
	if err := json.Unmarshal(raw, &tiered); err != nil {
		m.fault = "the price of " + meter + " is neither a number nor tiers"
		return
	}
	m.price(meter, tiered.Base, 0, 0, when)
	for _, t := range tiered.Tiers {
		start := tokens(t.Start)
		if start == 0 {
			m.fault = "a tier of " + meter + " from " + fmt.Sprintf("%.20q", t.Start)
		}
		above := when
		above.Above = start
		m.price(meter, t.Price, 0, 0, above)
	}
}

// searchMeter is what dialects count of a provider's web searches; empty if that
// is not known. unit is per_query, per_prompt or not said.
func searchMeter(provider, unit string) string {
	switch {
	case provider == "anthropic":
		return "web_search_requests"
	case provider == "openai":
		return "web_search_call.search"
	case countsModalities(provider) && unit == "per_query":
		return "web_search_queries"
	case countsModalities(provider) && unit == "per_prompt":
		return "grounded"
	}
	return ""
}

// anyCall are the conditions of a fee that is the same for every call.
func anyCall() catalogue.When {
	return catalogue.When{Any: []string{"tier", "region", "endpoint", "speed"}}
}
