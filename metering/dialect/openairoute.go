package dialect

import "strings"

// classify decides what a path is. Servers put the same operations under many
// prefixes (/v1, /openai/v1, /api/v1, /openai/deployments/NAME, none), so an
// operation is recognised by how the path ends. What comes before it must not be
// the name of a collection of owned objects: /v1/files/x/responses is a file.
func (openAI) classify(method, path string) Route {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) > maxSegments {
		return Route{Endpoint: rawEndpoint}
	}
	r := Route{Endpoint: rawEndpoint}
	for i := 0; i < len(segments); i++ {
		segment := segments[i]
		if n := namesModel(method, segments[i:]); n > 0 {
			r.Model = strings.Join(segments[i+1:i+1+n], "/")
			i += n
			continue
		}
		if endpoint, ok := openAICollection(segment); ok {
			return storedRoute(method, endpoint, segments[i+1:])
		}
		found, ok := openAIOperation(method, segments[i:])
		if !ok {
			found, ok = vendorOperation(method, segments, i)
		}
		if ok {
			if found.Model == "" {
				found.Model = r.Model
			}
			return found
		}
		if segment == "" {
			return Route{Endpoint: rawEndpoint}
		}
	}
	return Route{Endpoint: rawEndpoint}
}

// rawEndpoint is the endpoint of what is not known.
const rawEndpoint Endpoint = "raw"

// maxSegments is how deep a path may be; Cloudflare's has six before the operation.
const maxSegments = 12

// stateful is a route that touches owned objects. OPTIONS touches nothing.
func stateful(method string, endpoint Endpoint) Route {
	if method == "OPTIONS" {
		return Route{Endpoint: endpoint, Class: Free}
	}
	return Route{Endpoint: endpoint, Class: Stateful}
}

// openAIOperation recognises an operation that begins at rest[0].
func openAIOperation(method string, rest []string) (Route, bool) {
	switch rest[0] {
	case "chat":
		if len(rest) == 1 {
			return operation(method, "openai.chat"), true // Writer
		}
		if rest[1] != "completions" {
			return Route{}, false
		}
		if len(rest) == 2 {
			return operation(method, "openai.chat"), true
		}
		return stateful(method, "openai.chat_stored"), true
	case "completions":
		return operation(method, "openai.completions"), len(rest) == 1
	case "embeddings":
		return operation(method, "openai.embeddings"), len(rest) == 1
	case "moderations":
		return Route{Endpoint: "openai.moderations", Class: Free}, len(rest) == 1
	case "responses":
		return responsesRoute(method, rest[1:]), true
	case "images":
		return imagesRoute(method, rest[1:])
	case "audio":
		return audioRoute(method, rest[1:])
	case "rerank":
		return operation(method, "openai.rerank"), len(rest) == 1
	case "models":
		return modelsRoute(method, rest[1:])
	default:
		return Route{}, false
	}
}

// operation is a metered operation. Only POST runs it; GET lists stored objects
// or opens a socket, where it is anything at all.
func operation(method string, endpoint Endpoint) Route {
	switch method {
	case "POST":
		return Route{Endpoint: endpoint, Class: Metered}
	case "HEAD", "OPTIONS":
		return Route{Endpoint: endpoint, Class: Free}
	default:
		return Route{Endpoint: endpoint + "_stored", Class: Stateful}
	}
}

// responsesRoute classifies what stands behind "responses".
func responsesRoute(method string, rest []string) Route {
	switch {
	case len(rest) == 0:
		return operation(method, "openai.responses")
	case len(rest) == 1 && rest[0] == "compact" && method != "GET":
		return operation(method, "openai.responses_compact")
	case len(rest) == 1 && rest[0] == "input_tokens" && method != "GET":
		return Route{Endpoint: "openai.responses_input_tokens", Class: Free}
	case len(rest) == 1 && method == "DELETE":
		return stateful(method, "openai.responses_delete")
	case len(rest) == 1:
		return stateful(method, "openai.responses_retrieve")
	case rest[1] == "cancel":
		return stateful(method, "openai.responses_cancel")
	default:
		return stateful(method, "openai.responses_items")
	}
}

// modelsRoute classifies what stands behind "models": reading is free, deleting
// a tuned model is not. Azure Foundry and Hugging Face put operations behind it,
// and Replicate puts owned objects behind the two segments of a model's name.
func modelsRoute(method string, rest []string) (Route, bool) {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return Route{Endpoint: "openai.models", Class: Free}, len(rest) <= 2
	case "POST":
		return Route{}, false
	default:
		return Route{Endpoint: "openai.models_change", Class: Stateful}, true
	}
}

// openAICollection names the endpoint of a collection of objects that have an
// owner, by the segment of the path that names it.
func openAICollection(segment string) (Endpoint, bool) {
	switch segment {
	case "batch", "batches":
		return "openai.batches", true
	case "fine-tunes", "fine_tuning":
		return "openai.fine_tuning", true
	case "organization", "organizations":
		return "openai.organization", true
	case "assistants", "chatkit", "containers", "conversations", "evals", "files", "generation", "live",
		"realtime", "runs", "skills", "threads", "traces", "uploads", "vector_stores", "videos":
		return Endpoint("openai." + segment), true
	default:
		return "", false
	}
}
