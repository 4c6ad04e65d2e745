package dialect_test

// anthropicEndpoints are the recorded endpoints of Anthropic.
var anthropicEndpoints = map[string]string{
	"anthropic.messages":     "anthropic",
	"anthropic.count_tokens": "anthropic",
}
