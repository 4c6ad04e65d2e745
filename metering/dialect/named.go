package dialect

import "strings"

// Named returns the dialect of a configured name; that named "custom" is made by
// [Custom].
func Named(name string) (Dialect, bool) {
	switch name {
	case "openai":
		return openAI{}, true
	case "anthropic":
		return anthropic{}, true
	case "gemini":
		return gemini{}, true
	case "bytes":
		return byteSource{}, true
	case "s3":
		return s3{}, true
	case "cohere":
		return cohere{}, true
	case "bedrock":
		return bedrock{}, true
	default:
		return nil, false
	}
}

// readerOf returns the reader of an endpoint, whichever dialect routed to it:
// Google and Anthropic serve OpenAI's paths beside their own.
func readerOf(r Route) reader {
	protocol, _, _ := strings.Cut(string(r.Endpoint), ".")
	switch protocol {
	case "openai":
		return openAIReader(r.Endpoint)
	case "alephalpha", "deepgram", "huggingface", "llamacpp", "mistral", "ollama", "replicate", "sagemaker", "watsonx":
		return nativeAPIReader(r.Endpoint)
	case "anthropic":
		return anthropicReader(r.Endpoint)
	case "gemini":
		return geminiReader(r.Endpoint)
	case "cohere":
		return cohereReader(r.Endpoint)
	case "bedrock":
		return bedrockReader(r.Endpoint, Response{})
	default:
		return &countReader{}
	}
}
