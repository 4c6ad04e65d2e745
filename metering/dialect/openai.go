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

// openAIReader returns the reader of one of OpenAI's endpoints.
func openAIReader(e Endpoint) reader {
	switch e {
	case "openai.chat", "openai.completions", "openai.embeddings":
		return &chatReader{}
	case "openai.responses", "openai.responses_compact":
		return &responsesReader{}
	case "openai.responses_retrieve":
		return &responsesReader{earlier: true}
	case "openai.responses_input_tokens":
		return &countReader{member: "input_tokens"}
	default:
		return &countReader{}
	}
}
