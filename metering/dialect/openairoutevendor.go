package dialect

import "strings"

// imagesRoute classifies what stands behind "images"; OpenRouter makes them right
// there.
func imagesRoute(method string, rest []string) (Route, bool) {
	if len(rest) == 0 {
		return operation(method, "openai.images"), true
	}
	switch rest[0] {
	case "generations", "edits", "variations":
		return operation(method, "openai.images"), len(rest) == 1
	default:
		return Route{}, false
	}
}

// audioRoute classifies what stands behind "audio". Voices are kept objects.
func audioRoute(method string, rest []string) (Route, bool) {
	if len(rest) == 0 {
		return Route{}, false
	}
	switch rest[0] {
	case "speech", "transcriptions", "translations":
		return operation(method, Endpoint("openai.audio_"+rest[0])), len(rest) == 1
	case "voices", "voice_consents":
		return stateful(method, "openai.voices"), true
	default:
		return Route{}, false
	}
}

// namesModel is how many segments behind the first name the model that the rest of
// the path is about: a deployment of Azure's, or owner and name of Replicate's.
func namesModel(method string, segments []string) int {
	switch segments[0] {
	case "deployments", "engines":
		if len(segments) == 4 && segments[3] == "predictions" {
			return 2
		}
		if len(segments) > 2 {
			return 1
		}
	case "models":
		if method == "POST" && len(segments) == 4 && segments[3] == "predictions" {
			return 2
		}
	}
	return 0
}

// vendorOperation recognises an operation of a vendor's own API that begins at
// segments[i].
func vendorOperation(method string, segments []string, i int) (Route, bool) {
	rest := segments[i:]
	switch rest[0] {
	case "ml":
		return watsonxRoute(method, rest[1:])
	case "api":
		return ollamaRoute(method, rest[1:])
	case "endpoints":
		return sagemakerRoute(method, rest[1:])
	case "predictions":
		return predictionsRoute(method, rest[1:]), true
	case "models":
		if i > 0 || len(rest) != 3 || method != "POST" {
			return Route{}, false
		}
		if _, known := openAIOperation(method, rest[1:]); known {
			return Route{}, false // Azure Foundry's
		}
		return Route{Endpoint: "huggingface.native", Class: Metered, Model: rest[1] + "/" + rest[2]}, true
	}
	if len(rest) > 1 {
		return Route{}, false
	}
	e, class := vendorEndpoint(rest[0], i == 0)
	switch {
	case class == Metered && (method == "POST" || method == "OPTIONS"):
		return operation(method, e), true
	case class == Free && (method == "POST" || method == "GET" || method == "OPTIONS"):
		return Route{Endpoint: e, Class: Free}, true
	default: // another method is another operation: a server says at its root that it is there
		return Route{}, false
	}
}

// vendorEndpoint names an operation that is the last segment of a path, and its
// class; Raw if it is none. Some are at the root alone.
func vendorEndpoint(segment string, root bool) (Endpoint, Class) {
	switch segment {
	case "ocr":
		return "mistral.ocr", Metered
	case "tts":
		return "openai.audio_speech", Metered
	case "stt":
		return "openai.audio_transcriptions", Metered
	case "speak":
		return "deepgram.speak", Metered
	case "listen":
		return "deepgram.listen", Metered
	case "multimodalembeddings", "contextualizedembeddings":
		return "openai.embeddings", Metered
	case "tokenize", "detokenize", "tokenize-text":
		return "openai.tokenize", Free
	case "language-models", "embedding-models", "image-generation-models":
		return "openai.models", Free
	}
	if !root {
		return "", Raw
	}
	switch segment {
	case "complete", "evaluate", "explain", "semantic_embed", "batch_semantic_embed":
		return "alephalpha.native", Metered
	case "completion", "infill":
		return "llamacpp.completion", Metered
	case "", "generate", "generate_stream":
		return "huggingface.native", Metered
	default:
		return "", Raw
	}
}

// watsonxRoute classifies what stands behind "ml" and a version. Old versions put
// the kind of the answer last, new ones the operation.
func watsonxRoute(method string, rest []string) (Route, bool) {
	if len(rest) < 3 || !strings.HasPrefix(rest[0], "v") {
		return Route{}, false
	}
	model := ""
	if rest[1] == "deployments" && len(rest) > 4 {
		model, rest = rest[2], rest[2:]
	}
	var r Route
	switch strings.Join(rest[1:], "/") {
	case "text/generation", "text/generation_stream", "generation/text", "generation/text_stream":
		r = operation(method, "watsonx.generation")
	case "text/chat", "text/chat_stream":
		r = operation(method, "watsonx.chat")
	case "text/embeddings":
		r = operation(method, "watsonx.embeddings")
	case "text/rerank":
		r = operation(method, "watsonx.rerank")
	case "text/tokenization":
		r = Route{Endpoint: "watsonx.tokenization", Class: Free}
	default:
		return Route{}, false
	}
	r.Model = model
	return r, true
}

// ollamaRoute classifies what stands behind "api" as Ollama has it. Pulling and
// deleting models changes the server for all and is none of these.
func ollamaRoute(method string, rest []string) (Route, bool) {
	if len(rest) != 1 {
		return Route{}, false
	}
	switch rest[0] {
	case "chat", "generate":
		return operation(method, Endpoint("ollama."+rest[0])), true
	case "embed", "embeddings":
		return operation(method, "ollama.embed"), true
	case "tags", "ps", "version":
		return Route{Endpoint: "ollama.models", Class: Free}, method == "GET" || method == "HEAD" || method == "OPTIONS"
	case "show":
		return Route{Endpoint: "ollama.models", Class: Free}, method == "POST" || method == "OPTIONS"
	default:
		return Route{}, false
	}
}

// sagemakerRoute classifies the invocation of an endpoint, whose name is all that
// says which model answers.
func sagemakerRoute(method string, rest []string) (Route, bool) {
	if len(rest) != 2 || rest[1] != "invocations" && rest[1] != "invocations-response-stream" {
		return Route{}, false
	}
	r := operation(method, "sagemaker.native")
	r.Model = rest[0]
	return r, true
}

// predictionsRoute classifies what stands behind Replicate's "predictions".
func predictionsRoute(method string, rest []string) Route {
	if len(rest) == 0 {
		return operation(method, "replicate.predictions")
	}
	return stateful(method, "replicate.predictions_retrieve") // or a cancel, answered alike
}
