package dialect

import "strings"

// Route implements [Dialect].
func (d openAI) Route(method, path string) Route {
	r := d.classify(method, path)
	r.ownOpenAI(method, path)
	return r
}

// ownOpenAI finds what objects a path of OpenAI names.
func (r *Route) ownOpenAI(method, path string) {
	if r.Class == Metered {
		switch r.Endpoint {
		case "openai.responses":
			r.Creates = KindResponse
		case "openai.chat":
			r.Creates = KindCompletion
		case "openai.videos":
			r.Creates = KindVideo
		case "replicate.predictions":
			r.Creates = KindPrediction
		}
	}
	if r.Class == Stateful {
		r.Listing = true // until the path names something
		if rest := openAIObjects(method, path); len(rest) > 0 {
			r.ownCollection(method, rest)
		}
	}
}

// openAIObjects is a path from the collection that it names.
func openAIObjects(method, path string) []string {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i := 0; i < len(segments); i++ {
		if n := namesModel(method, segments[i:]); n > 0 {
			i += n
			continue
		}
		switch segments[i] {
		case "completions", "responses", "models", "predictions", "voices", "voice_consents":
			return segments[i:]
		}
		if _, ok := openAICollection(segments[i]); ok {
			return segments[i:]
		}
	}
	return nil
}

// ownCollection reads what stands behind the name of a collection.
func (r *Route) ownCollection(method string, rest []string) {
	switch rest[0] {
	case "files":
		r.ownPlain(KindFile, method, rest)
	case "uploads":
		r.ownPlain(KindUpload, method, rest)
		if len(rest) == 3 && rest[2] == "complete" && method == "POST" {
			r.Creates = KindFile
		}
	case "batches":
		r.ownPlain(KindBatch, method, rest)
	case "batch":
		r.ownBelow("jobs", KindBatch, method, rest) // Mistral
	case "fine_tuning":
		r.ownBelow("jobs", KindFineTuning, method, rest)
		r.Uncounted = r.Creates != ""
	case "fine-tunes":
		r.ownPlain(KindFineTuning, method, rest)
		r.Uncounted = r.Creates != ""
	case "responses":
		r.ownPlain(KindResponse, method, rest)
	case "completions":
		r.ownPlain(KindCompletion, method, rest)
	case "conversations":
		r.ownPlain(KindConversation, method, rest)
	case "containers":
		r.ownPlain(KindContainer, method, rest)
	case "skills":
		r.ownPlain(KindSkill, method, rest)
	case "assistants":
		r.ownPlain(KindAssistant, method, rest)
	case "models":
		r.ownPlain(KindModel, method, rest)
	default:
		r.ownOther(method, rest)
	}
}

// ownOther reads the collections whose paths follow rules of their own. The ones
// that are not here show or change what is everybody's.
func (r *Route) ownOther(method string, rest []string) {
	switch rest[0] {
	case "predictions":
		r.ownPlain(KindPrediction, method, rest)
	case "voices", "voice_consents":
		r.ownPlain(KindVoice, method, rest)
	case "vector_stores":
		r.ownPlain(KindVectorStore, method, rest)
		if len(rest) > 3 && rest[2] == "files" {
			r.Objects = append(r.Objects, Object{KindFile, rest[3]})
		}
	case "threads":
		r.ownPlain(KindThread, method, rest)
		if len(rest) == 2 && rest[1] == "runs" && method == "POST" {
			r.Objects, r.Creates, r.Uncounted = nil, KindThread, true
		}
		if len(rest) > 2 && rest[2] == "runs" && method == "POST" {
			r.Uncounted = true
		}
	case "videos":
		r.ownPlain(KindVideo, method, rest)
		switch {
		case method != "POST" || len(rest) < 2:
		case len(rest) == 2: // generations, edits, extensions
			r.Objects, r.Creates = nil, KindVideo
		case rest[2] == "remix":
			r.Creates = KindVideo
		}
		r.Uncounted = r.Creates != ""
	case "realtime":
		r.ownRealtime(method, rest)
	}
}

// ownRealtime reads the paths that start sessions whose media go past us.
func (r *Route) ownRealtime(method string, rest []string) {
	switch {
	case len(rest) > 1 && rest[1] == "calls":
		r.ownPlain(KindCall, method, rest[1:])
	case len(rest) == 2 && method == "POST": // client_secrets, sessions, transcription_sessions
		r.Listing, r.Creates = false, KindSecret
	}
	r.Uncounted = r.Creates != ""
}

// ownPlain reads COLLECTION and COLLECTION/ID/….
func (r *Route) ownPlain(kind, method string, rest []string) {
	switch {
	case len(rest) > 1:
		r.Objects, r.Listing = []Object{{kind, rest[1]}}, false
		r.Deletes = len(rest) == 2 && method == "DELETE"
	case method == "POST":
		r.Creates, r.Listing = kind, false
	}
}

// ownBelow reads COLLECTION/name and COLLECTION/name/ID/….
func (r *Route) ownBelow(name, kind, method string, rest []string) {
	if len(rest) > 1 && rest[1] == name {
		r.ownPlain(kind, method, rest[1:])
	}
}
