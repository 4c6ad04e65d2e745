package sync

import (
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Shape is how a document writes prices.
type Shape string

// Shapes of documents.
const (
	// ModelsDev is https://models.dev/api.json: providers, their models, US dollars
	// for a million tokens.
	ModelsDev Shape = "models.dev"
	// GenAIPrices is version 2 of the data of pydantic/genai-prices: the same, with
	// the days from which prices hold.
	GenAIPrices Shape = "genai-prices"
	// LiteLLM is model_prices_and_context_window.json of BerriAI/litellm: US dollars
	// for a single token.
	LiteLLM Shape = "litellm"
)

// ParseShape reads the name of a shape.
func ParseShape(s string) (Shape, error) {
	switch shape := Shape(s); shape {
	case ModelsDev, GenAIPrices, LiteLLM:
		return shape, nil
	}
	return "", fmt.Errorf("shape %.40q is none of %s, %s, %s: %w", s, ModelsDev, GenAIPrices, LiteLLM, metering.ErrInvalid)
}
