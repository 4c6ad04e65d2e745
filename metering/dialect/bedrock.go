package dialect

import "strings"

// bedrock is the protocol of Amazon Bedrock: Converse, and InvokeModel with the
// bodies of the models' own makers
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html).
// The same hosts, and those of bedrock-mantle, speak OpenAI and Anthropic too.
type bedrock struct{}

var (
	_ Dialect = bedrock{}
	_ Pathed  = bedrock{}
)

// Name implements [Dialect].
func (bedrock) Name() string { return "bedrock" }

// Scanner implements [Dialect].
func (bedrock) Scanner(r Route, q Request, resp Response) Scanner {
	if isBedrock(r.Endpoint) {
		return newScanner(r, q, resp, bedrockReader(r.Endpoint, resp))
	}
	return newScanner(r, q, resp, readerOf(r))
}

// bedrockReader returns the reader of one of Bedrock's endpoints.
func bedrockReader(e Endpoint, resp Response) reader {
	switch e {
	case "bedrock.converse", "bedrock.converse_stream":
		return &converseReader{}
	case "bedrock.invoke", "bedrock.invoke_stream":
		return newInvokeReader(resp)
	case "bedrock.count_tokens":
		return &countReader{member: "inputTokens"}
	default:
		return &countReader{}
	}
}

// isBedrock reports whether an endpoint is Bedrock's own.
func isBedrock(e Endpoint) bool { return strings.HasPrefix(string(e), "bedrock.") }

// Inspect implements [Dialect]. The path names the model.
func (bedrock) Inspect(r Route, contentType string, body []byte) (Request, error) {
	return inspect(r, contentType, body)
}

// Route implements [Dialect]. An encoded slash is part of an identifier and
// separates nothing.
func (bedrock) Route(method, path string) Route {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) > maxSegments {
		return Route{Endpoint: rawEndpoint}
	}
	for i, segment := range segments {
		rest := segments[i+1:]
		switch segment {
		case "model":
			return modelRoute(method, rest)
		case "openai":
			return openAI{}.Route(method, "/"+strings.Join(rest, "/"))
		case "anthropic":
			return anthropic{}.Route(method, "/"+strings.Join(rest, "/"))
		case "v1":
			if len(rest) > 0 && rest[0] == "messages" {
				return anthropic{}.Route(method, "/"+strings.Join(rest, "/"))
			}
			return openAI{}.Route(method, "/"+strings.Join(rest, "/"))
		}
		if r, ok := bedrockCollection(method, segment, rest); ok {
			return r
		}
	}
	return Route{Endpoint: rawEndpoint}
}

// modelRoute classifies what stands behind "model": an identifier and an
// operation. The bidirectional stream needs HTTP/2 and is not known here.
func modelRoute(method string, rest []string) Route {
	if len(rest) != 2 || rest[0] == "" {
		return Route{Endpoint: rawEndpoint}
	}
	var r Route
	switch rest[1] {
	case "converse":
		r = operation(method, "bedrock.converse")
	case "converse-stream":
		r = operation(method, "bedrock.converse_stream")
		r.Stream = true
	case "invoke":
		r = operation(method, "bedrock.invoke")
	case "invoke-with-response-stream":
		r = operation(method, "bedrock.invoke_stream")
		r.Stream = true
	case "count-tokens":
		r = Route{Endpoint: "bedrock.count_tokens", Class: Free}
	default:
		return Route{Endpoint: rawEndpoint}
	}
	r.Model = bedrockModel(rest[0])
	return r
}

// bedrockModel is the identifier that a path segment stands for: colons and
// slashes are the only characters of identifiers that need encoding. Prefixes of
// regions and inference profiles stay: prices differ by them.
func bedrockModel(segment string) string {
	if !strings.Contains(segment, "%") {
		return segment
	}
	return strings.NewReplacer("%3A", ":", "%3a", ":", "%2F", "/", "%2f", "/").Replace(segment)
}

// bedrockCollection classifies collections by the segment that names them. What
// AWS or the account offers to everybody is free to be read; the rest has owners.
func bedrockCollection(method, segment string, rest []string) (Route, bool) {
	reads := method == "GET" || method == "HEAD" || method == "OPTIONS"
	switch segment {
	case "foundation-models", "foundation-model-availability", "inference-profiles":
		if reads && len(rest) <= 1 {
			return Route{Endpoint: "bedrock.models", Class: Free}, true
		}
		return stateful(method, "bedrock.models_change"), true
	case "guardrail", "guardrails":
		return stateful(method, "bedrock.guardrails"), true
	case "async-invoke":
		return stateful(method, "bedrock.async_invoke"), true
	case "model-invocation-job", "model-invocation-jobs":
		return stateful(method, "bedrock.batches"), true
	case "agents", "knowledgebases", "flows", "prompts", "sessions", "custom-models", "imported-models",
		"model-customization-jobs", "model-copy-jobs", "model-import-jobs", "evaluation-jobs", "prompt-routers",
		"provisioned-model-throughput", "provisioned-model-throughputs", "logging":
		return stateful(method, Endpoint("bedrock."+strings.ReplaceAll(segment, "-", "_"))), true
	default:
		return Route{}, false
	}
}
