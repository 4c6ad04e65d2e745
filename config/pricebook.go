package config

import (
	"net/url"
	"strconv"
	"time"
)

// Pricebook configures what the program knows of providers' prices. The prices
// that it ships are enough to begin with.
type Pricebook struct {
	// File is the path of your own prices, in YAML or JSON, above those of the
	// program and of feeds: `weir pricebook export` shows the form. It is read again
	// when it changes; one that contradicts itself is refused, and what was read
	// before stays. Default: none.
	File string `yaml:"file"`

	// Sync follows a catalogue on the network.
	Sync PriceSync `yaml:"sync"`
}

// PriceSync configures how a catalogue of prices is followed.
type PriceSync struct {
	// Enabled says whether it is. Default false: nobody is asked.
	Enabled bool `yaml:"enabled"`

	// URL is the document. Default https://models.dev/api.json.
	URL string `yaml:"url"`

	// Shape is how it writes prices: "models.dev", "genai-prices" (version 2) or
	// "litellm". Default models.dev.
	Shape string `yaml:"shape"`

	// Every is the time between two looks. Default 6h.
	Every time.Duration `yaml:"every"`

	// Checkers are other catalogues. A change that one of them has too applies itself
	// however large it is; no price is taken from them. Default: those of
	// genai-prices and litellm.
	Checkers []PriceFeed `yaml:"checkers"`
}

// PriceFeed is a document of prices.
type PriceFeed struct {
	URL   string `yaml:"url"`
	Shape string `yaml:"shape"`
}

// Shapes of documents of prices.
const (
	ShapeModelsDev = "models.dev"
	ShapeGenAI     = "genai-prices"
	ShapeLiteLLM   = "litellm"
)

func defaultPriceSync() PriceSync {
	return PriceSync{
		URL: "https://models.dev/api.json", Shape: ShapeModelsDev, Every: 6 * time.Hour,
		Checkers: []PriceFeed{
			{URL: "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json", Shape: ShapeGenAI},
			{URL: "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json", Shape: ShapeLiteLLM},
		},
	}
}

func (s PriceSync) validate(p *problems) {
	feed := func(path string, f PriceFeed) {
		if u, err := url.Parse(f.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			p.add(path+".url", "want the http(s) address of a document")
		}
		choice(p, path+".shape", f.Shape, ShapeModelsDev, ShapeGenAI, ShapeLiteLLM)
	}
	feed("pricebook.sync", PriceFeed{s.URL, s.Shape})
	for i, f := range s.Checkers {
		feed("pricebook.sync.checkers["+strconv.Itoa(i)+"]", f)
	}
	if s.Every < time.Minute {
		p.add("pricebook.sync.every", "must be a minute at least")
	}
}
