package dialect

import (
	"bytes"
	"strings"
)

// Route implements [Dialect].
func (d gemini) Route(method, path string) Route {
	r := d.classify(method, path)
	r.Location = pathLocation(path)
	if strings.HasPrefix(string(r.Endpoint), "openai.") {
		return r
	}
	r.ownGemini(method, path)
	return r
}

// googleCollection is the kind of the objects in one of Google's collections.
func googleCollection(segment string) (kind string, ok bool) {
	switch segment {
	case "files":
		return KindFile, true
	case "cachedContents":
		return KindCache, true
	case "batches", "batchPredictionJobs":
		return KindBatch, true
	case "operations":
		return KindOperation, true
	case "interactions":
		return KindInteraction, true
	case "tunedModels":
		return KindTunedModel, true
	case "tuningJobs":
		return KindFineTuning, true
	case "fileSearchStores", "corpora", "ragCorpora":
		return KindSearchStore, true
	case "reasoningEngines":
		return KindAgent, true
	case "datasets":
		return KindVertexDataset, true
	default:
		return "", false
	}
}

// ownGemini finds what objects a path of Google names. A tuned model belongs to
// somebody on metered paths too.
func (r *Route) ownGemini(method, path string) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if r.Class != Stateful {
		if r.Endpoint == "gemini.interactions" && r.Class == Metered {
			r.Creates = KindInteraction
		}
		if r.Class == Metered && len(segments) > 1 && segments[len(segments)-2] == "tunedModels" {
			r.Objects = []Object{{KindTunedModel, withoutVerb(segments[len(segments)-1])}}
		}
		return
	}
	r.Listing = true // until the path names something
	for i, segment := range segments {
		kind, ok := googleCollection(segment)
		if !ok {
			continue
		}
		rest := segments[i:]
		if len(rest) > 1 {
			rest[1] = withoutVerb(rest[1])
		}
		r.ownPlain(kind, method, rest)
		switch kind {
		case KindTunedModel, KindFineTuning, KindAgent:
			r.Uncounted = method == "POST"
		case KindBatch:
			r.Uncounted = method == "POST" && segment == "batchPredictionJobs" && r.Creates != ""
		}
		return
	}
	r.ownVerb(path)
}

// ownVerb reads models/MODEL:verb where the verb has to do with stored objects.
func (r *Route) ownVerb(path string) {
	model, verb, _ := modelVerb(path)
	switch verb {
	case "batchGenerateContent", "asyncBatchEmbedContent":
		r.Creates, r.Listing = KindBatch, false
	case verbLongRunning:
		r.Creates, r.Listing, r.Uncounted = KindOperation, false, !isVeo(model)
	case "fetchPredictOperation":
		r.Listing = false // the body names the operation
	}
}

// withoutVerb is the id in ID:verb; a colon may be percent-encoded.
func withoutVerb(segment string) string {
	for _, colon := range [...]string{":", "%3A", "%3a"} {
		segment, _, _ = strings.Cut(segment, colon)
	}
	return segment
}

// googleID is the id in the name that Google gives to an object, such as
// "files/abc" or "models/veo/operations/abc"; the kind says which of its
// collections counts.
func googleID(kind, name string) string {
	segments := strings.Split(name, "/")
	for i := len(segments) - 2; i >= 0; i-- {
		if k, ok := googleCollection(segments[i]); ok && k == kind {
			return withoutVerb(segments[i+1])
		}
	}
	if len(segments) == 1 {
		return withoutVerb(name)
	}
	return ""
}

// googleFile is the id of the file of the API that a URI stands for; "" if it
// stands for something else, such as a video of YouTube or an object in a bucket
// of the caller's choice.
func googleFile(uri []byte) string {
	at := bytes.Index(uri, []byte("files/"))
	switch {
	case at < 0:
		return ""
	case at == 0:
	case !bytes.Contains(uri[:at], []byte("generativelanguage")) || uri[at-1] != '/':
		return ""
	}
	id := uri[at+len("files/"):]
	if end := bytes.IndexAny(id, "/?#:%"); end >= 0 {
		id = id[:end]
	}
	return string(id)
}
