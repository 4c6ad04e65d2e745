package dialect_test

import (
	"encoding/json"
	"maps"
)

// cohereEndpoints are the recorded endpoints of Cohere.
var cohereEndpoints = map[string]string{
	"cohere.chat":     "cohere",
	"cohere.embed":    "cohere",
	"cohere.generate": "cohere",
	"cohere.rerank":   "cohere",
	"cohere.tokenize": "cohere",
}

// correctedCohere is what an exchange of Cohere must yield. The corpus lists
// cached_tokens as a part of the input, and flags that they are not: they count
// processed tokens (448 of 763 processed, 257 billed), and no price depends on
// them. Here they are a quantity, and the cells are what is billed.
func correctedCohere(x expect) expect {
	x.Units = maps.Clone(x.Units)
	if x.Units == nil {
		x.Units = map[string]any{}
	}
	if x.Cached > 0 {
		x.Units["cached_tokens"] = json.Number(plain(x.Cached))
	}
	x.Cached = 0
	if processed, ok := x.Units["tokens_processed"].(map[string]any); ok {
		for name, n := range processed {
			x.Units["tokens_processed."+name] = n
		}
	}
	delete(x.Units, "tokens_processed")
	return x
}
