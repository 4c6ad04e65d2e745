package dialect_test

// openAIEndpoints are the recorded endpoints of OpenAI and of the servers compatible with it.
var openAIEndpoints = map[string]string{
	"openai.chat":        "openai",
	"openai.responses":   "openai",
	"openai.completions": "openai",
	"openai.embeddings":  "openai",
	"openai.models":      "openai",
}
