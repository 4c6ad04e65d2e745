package sync

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// devCost is the member cost of a model of models.dev, in US dollars for a
// million tokens (packages/core/src/schema.ts of anomalyco/models.dev).
type devCost struct {
	Input       json.Number `json:"input"`
	Output      json.Number `json:"output"`
	Reasoning   json.Number `json:"reasoning"`
	CacheRead   json.Number `json:"cache_read"`
	CacheWrite  json.Number `json:"cache_write"`
	InputAudio  json.Number `json:"input_audio"`
	OutputAudio json.Number `json:"output_audio"`
}

type devTier struct {
	devCost
	Tier struct {
		Type string      `json:"type"`
		Size json.Number `json:"size"`
	} `json:"tier"`
}

type devModel struct {
	Cost *struct {
		devCost
		Tiers []devTier `json:"tiers"`
		// Over200k is the older way to write a tier; where there are tiers it repeats
		// one of them, whatever its size.
		Over200k *devCost `json:"context_over_200k"`
	} `json:"cost"`
	Limit struct {
		Context json.Number `json:"context"`
		Output  json.Number `json:"output"`
	} `json:"limit"`
	Status      string `json:"status"`
	ReleaseDate string `json:"release_date"`
	// Modes are ways to call the model; those that a service tier chooses have a
	// price that an answer shows. Speeds are left to the overlay, which multiplies
	// what a mode does not list, such as writes into the cache.
	Experimental struct {
		Modes map[string]struct {
			Cost     *devCost `json:"cost"`
			Provider struct {
				Body struct {
					ServiceTier string `json:"service_tier"`
				} `json:"body"`
			} `json:"provider"`
		} `json:"modes"`
	} `json:"experimental"`
}

// modelsDev reads https://models.dev/api.json: providers by id, each with its
// models by id.
func (s *sheet) modelsDev(text []byte) error {
	var doc map[string]struct {
		Models map[string]json.RawMessage `json:"models"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%w: %w", err, metering.ErrInvalid)
	}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		for _, id := range slices.Sorted(maps.Keys(doc[name].Models)) {
			var d devModel
			if err := json.Unmarshal(doc[name].Models[id], &d); err != nil {
				s.refuse(name+"/"+id, err)
				continue
			}
			s.devModel(provider(ModelsDev, name), id, &d)
		}
	}
	return nil
}

func (s *sheet) devModel(provider, id string, d *devModel) {
	m := s.model(provider, id)
	m.sku.Context, m.sku.MaxOutput = tokens(d.Limit.Context), tokens(d.Limit.Output)
	m.sku.Released = day(d.ReleaseDate)
	if d.Status != "" {
		m.sku.Note = note("status", d.Status)
	}
	if d.Cost == nil {
		s.add(m)
		return
	}
	d.Cost.devCost.into(m, catalogue.When{})
	for i := range d.Cost.Tiers {
		t := &d.Cost.Tiers[i]
		size := threshold(tokens(t.Tier.Size))
		if t.Tier.Type != "context" || size == 0 {
			m.fault = fmt.Sprintf("a tier of type %.40q from %.20s", t.Tier.Type, t.Tier.Size)
		}
		t.devCost.into(m, catalogue.When{Above: size})
	}
	if len(d.Cost.Tiers) == 0 && d.Cost.Over200k != nil {
		d.Cost.Over200k.into(m, catalogue.When{Above: 200_000})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Experimental.Modes)) {
		mode := d.Experimental.Modes[name]
		if tier := mode.Provider.Body.ServiceTier; mode.Cost != nil && nameable(tier) {
			mode.Cost.into(m, catalogue.When{Tier: tier})
		}
	}
	s.add(m)
}

// into adds the prices under a condition.
func (c *devCost) into(m *model, when catalogue.When) {
	wide := ""
	if countsModalities(m.sku.Provider) {
		wide = ".*"
	}
	m.price("input"+wide, c.Input, 0, 0, when)
	m.price("cache_read"+wide, c.CacheRead, 0, 0, when)
	m.price(cacheWrite(m.sku.Provider), c.CacheWrite, 0, 0, when)
	m.price("input.audio", c.InputAudio, 0, 0, when)
	m.price("output", c.Output, 0, 0, when)
	m.price("reasoning", c.Reasoning, 0, 0, when)
	m.price("output.audio", c.OutputAudio, 0, 0, when)
}

// threshold is the amount of tokens above which a tier holds. What is copied
// from Vercel's gateway has the first token of the tier instead, 200,001.
func threshold(size int64) int64 {
	if size%1000 == 1 {
		return size - 1
	}
	return size
}

// tokens reads a count; zero for what is none.
func tokens(n json.Number) int64 {
	v, err := n.Int64()
	if err != nil || v < 0 {
		return 0
	}
	return v
}

// day reads a date; zero for what is none, such as a month alone.
func day(s string) catalogue.Instant {
	i, err := catalogue.ParseInstant(s)
	if err != nil {
		return 0
	}
	return i
}
