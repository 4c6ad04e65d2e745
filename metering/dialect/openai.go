package dialect

// openAI is the protocol of OpenAI and of the servers compatible with it.
type openAI struct{}

var _ Dialect = openAI{}

// Name implements [Dialect].
func (openAI) Name() string { return "openai" }

// Scanner implements [Dialect].
func (openAI) Scanner(r Route, q Request, resp Response) Scanner {
	return newScanner(r, q, resp, readerOf(r))
}

// readerOf returns the reader of an endpoint, whichever dialect routed to it:
// Google and Anthropic serve OpenAI's paths beside their own.
func readerOf(r Route) reader {
	switch r.Endpoint {
	case "openai.chat", "openai.completions", "openai.embeddings":
		return &chatReader{}
	case "openai.responses", "openai.responses_compact":
		return &responsesReader{}
	case "openai.responses_retrieve":
		return &responsesReader{earlier: true}
	case "openai.responses_input_tokens", "anthropic.count_tokens":
		return &countReader{member: "input_tokens"}
	case "gemini.count_tokens":
		return &countReader{member: "totalTokens"}
	case "anthropic.messages":
		return &messagesReader{}
	case "gemini.generate_content", "gemini.stream_generate_content", "gemini.embed_content":
		return &contentReader{}
	default:
		return &countReader{}
	}
}
