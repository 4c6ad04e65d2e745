package dialect

import "strings"

// gemini is the protocol of Google's generative language API and of Vertex.
type gemini struct{}

var _ Dialect = gemini{}

// Name implements [Dialect].
func (gemini) Name() string { return "gemini" }

// Scanner implements [Dialect].
func (gemini) Scanner(r Route, q Request, resp Response) Scanner {
	return newScanner(r, q, resp, readerOf(r))
}

// geminiReader returns the reader of one of Google's endpoints.
func geminiReader(e Endpoint) reader {
	switch e {
	case "gemini.generate_content", "gemini.stream_generate_content", "gemini.embed_content":
		return &contentReader{}
	case "gemini.count_tokens":
		return &countReader{member: "totalTokens"}
	case "gemini.predict":
		return &predictReader{}
	case "gemini.batches":
		return &batchReader{}
	case "gemini.files_content":
		return &batchFileReader{}
	case "gemini.cached_contents":
		return &cacheReader{}
	case "gemini.files", "gemini.operations", "gemini.long_running":
		return &objectReader{}
	case "gemini.interactions":
		return &interactionReader{}
	case "gemini.interactions_retrieve":
		return earlierReader{&interactionReader{}}
	default:
		return &countReader{}
	}
}

// Inspect implements [Dialect].
func (gemini) Inspect(r Route, contentType string, body []byte) (Request, error) {
	return inspect(r, contentType, body)
}

// classify decides what a path is. OpenAI's paths are served below /v1beta/openai/
// and, on Vertex, below …/endpoints/openapi/.
func (gemini) classify(method, path string) Route {
	if r, ok := rawPredict(method, path); ok {
		return r
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) > maxSegments {
		return Route{Endpoint: rawEndpoint}
	}
	for i, segment := range segments {
		switch segment {
		case "openai", "openapi":
			return openAI{}.Route(method, "/"+strings.Join(segments[i+1:], "/"))
		case "models", "tunedModels":
			return geminiModels(method, path, segment, segments[i+1:])
		case "interactions":
			return interactionRoute(method, segments[i+1:])
		case "files":
			if strings.HasSuffix(path, ":download") {
				return stateful(method, "gemini.files_content")
			}
			return stateful(method, "gemini.files")
		case "operations", "batches", "corpora", "fileSearchStores", "reasoningEngines",
			"ragCorpora", "datasets", "tuningJobs", "batchPredictionJobs":
			return stateful(method, Endpoint("gemini."+segment))
		case "cachedContents":
			return stateful(method, "gemini.cached_contents")
		}
		if strings.HasPrefix(segment, "google.ai.generativelanguage.") {
			return stateful(method, "gemini.live")
		}
	}
	return Route{Endpoint: rawEndpoint}
}

// geminiModels classifies what stands behind "models".
func geminiModels(method, path, collection string, rest []string) Route {
	model, verb, ok := modelVerb(path)
	if !ok {
		switch {
		case len(rest) > 1:
			return stateful(method, "gemini.long_running") // models/MODEL/operations/ID
		case collection == "models" && (method == "GET" || method == "HEAD" || method == "OPTIONS"):
			return Route{Endpoint: "gemini.models", Class: Free}
		default:
			return stateful(method, "gemini.tuned_models")
		}
	}
	var r Route
	switch verb {
	case "generateContent":
		r = operation(method, "gemini.generate_content")
	case "streamGenerateContent":
		r = operation(method, "gemini.stream_generate_content")
		r.Stream = true
	case "countTokens", "computeTokens":
		r = Route{Endpoint: "gemini.count_tokens", Class: Free}
	case "batchGenerateContent", "asyncBatchEmbedContent":
		r = stateful(method, "gemini.batches")
	case verbLongRunning, "fetchPredictOperation":
		r = stateful(method, "gemini.long_running")
	case "embedContent", "batchEmbedContents":
		r = operation(method, "gemini.embed_content")
	case "predict":
		r = operation(method, "gemini.predict")
	default:
		r = Route{Endpoint: rawEndpoint}
	}
	r.Model = model
	return r
}

// interactionRoute classifies what stands behind "interactions".
func interactionRoute(method string, rest []string) Route {
	switch {
	case len(rest) == 0:
		return operation(method, "gemini.interactions")
	case len(rest) == 1 && method == "GET":
		return stateful(method, "gemini.interactions_retrieve")
	default:
		return stateful(method, "gemini.interactions_change")
	}
}

// modelVerb splits the last segment of a path, MODEL:verb behind "models" or
// "tunedModels". A colon may be percent-encoded: it is the same path to Google.
func modelVerb(path string) (model, verb string, ok bool) {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return "", "", false
	}
	last := path[slash+1:]
	switch before := path[:slash]; {
	case strings.HasSuffix(before, "/models"), strings.HasSuffix(before, "/tunedModels"):
	default:
		return "", "", false
	}
	at, width := strings.LastIndexByte(last, ':'), 1
	if enc := max(strings.LastIndex(last, "%3A"), strings.LastIndex(last, "%3a")); enc > at {
		at, width = enc, 3
	}
	if at <= 0 {
		return "", "", false
	}
	return last[:at], last[at+width:], true
}
