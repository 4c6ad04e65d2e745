package dialect

import "strings"

// cohere is the protocol of Cohere, versions 1 and 2
// (https://docs.cohere.com/reference/about).
type cohere struct{}

var _ Dialect = cohere{}

// Name implements [Dialect].
func (cohere) Name() string { return "cohere" }

// Scanner implements [Dialect].
func (cohere) Scanner(r Route, q Request, resp Response) Scanner {
	return newScanner(r, q, resp, readerOf(r))
}

// cohereReader returns the reader of one of Cohere's endpoints.
func cohereReader(e Endpoint) reader {
	switch e {
	case "cohere.chat", "cohere.generate", "cohere.summarize", "cohere.embed", "cohere.rerank", "cohere.classify":
		return &cohereAnswer{}
	default:
		return &countReader{}
	}
}

// Inspect implements [Dialect].
func (cohere) Inspect(r Route, contentType string, body []byte) (Request, error) {
	return inspect(r, contentType, body)
}

// Route implements [Dialect]. OpenAI's paths are served below /compatibility.
func (cohere) Route(method, path string) Route {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) > maxSegments {
		return Route{Endpoint: rawEndpoint}
	}
	for i, segment := range segments {
		rest := segments[i+1:]
		switch segment {
		case "compatibility", "audio":
			// Transcriptions have OpenAI's path and form (/v2/audio/transcriptions).
			return openAI{}.Route(method, "/"+strings.Join(segments[i:], "/"))
		case "chat", "generate", "summarize", "embed", "rerank", "classify":
			if len(rest) == 0 {
				return operation(method, Endpoint("cohere."+segment))
			}
			return Route{Endpoint: rawEndpoint}
		case "tokenize", "detokenize", "check-api-key":
			if len(rest) == 0 {
				return Route{Endpoint: Endpoint("cohere." + strings.ReplaceAll(segment, "-", "_")), Class: Free}
			}
			return Route{Endpoint: rawEndpoint}
		case "models":
			return cohereModels(method, rest)
		case "embed-jobs", "batches", "datasets", "connectors", "finetuning":
			return stateful(method, Endpoint("cohere."+strings.ReplaceAll(segment, "-", "_")))
		}
	}
	return Route{Endpoint: rawEndpoint}
}

func cohereModels(method string, rest []string) Route {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		if len(rest) <= 1 {
			return Route{Endpoint: "cohere.models", Class: Free}
		}
	}
	return Route{Endpoint: rawEndpoint}
}
