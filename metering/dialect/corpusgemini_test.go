package dialect_test

// geminiEndpoints are the recorded endpoints of Google.
var geminiEndpoints = map[string]string{
	"gemini.generate_content":        "gemini",
	"gemini.stream_generate_content": "gemini",
	"gemini.count_tokens":            "gemini",
}
