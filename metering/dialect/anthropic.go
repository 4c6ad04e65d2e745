package dialect

import "strings"

// anthropic is the messages protocol of Anthropic, also as Vertex serves it.
type anthropic struct{}

var _ Dialect = anthropic{}

// Name implements [Dialect].
func (anthropic) Name() string { return "anthropic" }

// Scanner implements [Dialect].
func (anthropic) Scanner(r Route, q Request, resp Response) Scanner {
	return newScanner(r, q, resp, readerOf(r))
}

// anthropicReader returns the reader of one of Anthropic's endpoints.
func anthropicReader(e Endpoint) reader {
	switch e {
	case "anthropic.messages":
		return &messagesReader{}
	case "anthropic.count_tokens":
		return &countReader{member: "input_tokens"}
	case "anthropic.complete":
		return &completeReader{}
	case "anthropic.batches":
		return &messageBatchReader{}
	case "anthropic.batch_results":
		return &messageResultsReader{}
	default:
		return &countReader{}
	}
}

// Inspect implements [Dialect].
func (anthropic) Inspect(r Route, contentType string, body []byte) (Request, error) {
	return inspect(r, contentType, body)
}

// classify decides what a path is. Anthropic serves OpenAI's chat beside its own API
// (https://docs.anthropic.com/en/api/openai-sdk).
func (anthropic) classify(method, path string) Route {
	if r, ok := rawPredict(method, path); ok {
		return r
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) > maxSegments {
		return Route{Endpoint: rawEndpoint}
	}
	for i, segment := range segments {
		rest := segments[i+1:]
		switch segment {
		case "messages":
			return messagesRoute(method, rest)
		case "complete":
			if len(rest) == 0 {
				return operation(method, "anthropic.complete")
			}
		case "models":
			return anthropicModels(method, rest)
		case "files", "skills", "organizations", "sessions", "agents", "environments", "experimental":
			return stateful(method, Endpoint("anthropic."+segment))
		case "chat":
			if len(rest) == 1 && rest[0] == "completions" {
				return operation(method, "openai.chat")
			}
		}
	}
	return Route{Endpoint: rawEndpoint}
}

// messagesRoute classifies what stands behind "messages".
func messagesRoute(method string, rest []string) Route {
	switch {
	case len(rest) == 0:
		return operation(method, "anthropic.messages")
	case len(rest) == 1 && rest[0] == "count_tokens":
		return Route{Endpoint: "anthropic.count_tokens", Class: Free}
	case rest[0] == "batches" && len(rest) == 3 && rest[2] == "results":
		return stateful(method, "anthropic.batch_results")
	case rest[0] == "batches":
		return stateful(method, "anthropic.batches")
	default:
		return Route{Endpoint: rawEndpoint}
	}
}

func anthropicModels(method string, rest []string) Route {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		if len(rest) <= 1 {
			return Route{Endpoint: "anthropic.models", Class: Free}
		}
	}
	return Route{Endpoint: rawEndpoint}
}

// rawPredict recognises Anthropic's models on Vertex:
// …/publishers/anthropic/models/MODEL:rawPredict and :streamRawPredict.
func rawPredict(method, path string) (Route, bool) {
	model, verb, ok := modelVerb(path)
	if !ok {
		return Route{}, false
	}
	if strings.HasPrefix(model, "count-tokens") {
		return Route{Endpoint: "anthropic.count_tokens", Class: Free}, true
	}
	switch verb {
	case "rawPredict", "streamRawPredict":
		r := operation(method, "anthropic.messages")
		r.Model, r.Stream, r.Location = model, verb == "streamRawPredict", pathLocation(path)
		return r, true
	default:
		return Route{}, false
	}
}
