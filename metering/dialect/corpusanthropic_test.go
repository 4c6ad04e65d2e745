package dialect_test

import (
	"encoding/json"
	"maps"
	"strings"
)

// anthropicEndpoints are the recorded endpoints of Anthropic.
var anthropicEndpoints = map[string]string{
	"anthropic.messages":      "anthropic",
	"anthropic.count_tokens":  "anthropic",
	"anthropic.batch_results": "anthropic",
	"anthropic.batches":       "anthropic",
	"anthropic.complete":      "anthropic",
	"anthropic.files":         "anthropic",
}

// wantedOfAnthropic is what e must yield beside what the corpus says.
func wantedOfAnthropic(e exchange, x expect) expect {
	switch e.Endpoint {
	case "anthropic.batch_results":
		if strings.Contains(e.Body, `"service_tier":"batch"`) {
			x.ServiceTier = "batch" // every line says so, the corpus only that batch rates apply
		}
	case "anthropic.batches":
		units := maps.Clone(x.Units)
		if units == nil {
			units = map[string]any{}
		}
		var batch struct {
			Counts map[string]int64 `json:"request_counts"`
		}
		if json.Unmarshal([]byte(e.Body), &batch) == nil {
			for name, n := range batch.Counts {
				units["batch_requests."+name] = n
			}
		}
		x.Units = units
	}
	return x
}
