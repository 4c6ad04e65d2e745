package dialect

// storedRoute classifies what stands behind the name of a collection of owned
// objects. Making a video is billed there and then, by what is asked for; the
// work of a batch, a run or a tuning job when it has ended.
func storedRoute(method string, endpoint Endpoint, rest []string) Route {
	switch endpoint {
	case "openai.videos":
		if method == "POST" && (len(rest) == 0 || len(rest) == 1 && rest[0] == "generations") {
			return operation(method, endpoint)
		}
		return stateful(method, retrieval(endpoint, len(rest) == 1))
	case "openai.batches":
		return stateful(method, batchEndpoint(method, endpoint, rest))
	case "openai.files":
		if len(rest) == 2 && rest[1] == "content" {
			return stateful(method, "openai.files_content")
		}
	case "openai.threads":
		if e, ok := runEndpoint(method, rest); ok {
			return stateful(method, e)
		}
	}
	return stateful(method, endpoint)
}

// retrieval is the endpoint of reading one object of a collection; of its parts
// nothing is known.
func retrieval(endpoint Endpoint, object bool) Endpoint {
	if object {
		return endpoint + "_retrieve"
	}
	return endpoint + "_items"
}

// batchEndpoint is the endpoint of a path behind "batches", or Mistral's
// "batch/jobs".
func batchEndpoint(method string, endpoint Endpoint, rest []string) Endpoint {
	if len(rest) > 0 && rest[0] == "jobs" {
		rest = rest[1:]
	}
	switch {
	case len(rest) == 0:
		return endpoint
	case len(rest) == 2 && rest[1] == "results":
		return endpoint + "_results"
	default: // a batch that is cancelled is answered with what it has used so far
		return retrieval(endpoint, len(rest) == 1 || len(rest) == 2 && rest[1] == "cancel" && method == "POST")
	}
}

// runEndpoint is the endpoint of a path behind "threads" that is about a run.
// Creating one, and handing it the outputs of tools, may be streamed to its end.
func runEndpoint(method string, rest []string) (Endpoint, bool) {
	if len(rest) > 1 && rest[1] == "runs" {
		rest = rest[1:]
	}
	if len(rest) == 0 || rest[0] != "runs" {
		return "", false
	}
	switch {
	case len(rest) == 1, len(rest) == 3 && rest[2] == "submit_tool_outputs":
		return "openai.runs", true
	case len(rest) == 2, len(rest) == 3 && rest[2] == "cancel":
		return "openai.runs_retrieve", true
	default:
		return "openai.runs_items", true
	}
}
