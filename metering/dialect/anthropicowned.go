package dialect

import "strings"

// Route implements [Dialect].
func (d anthropic) Route(method, path string) Route {
	r := d.classify(method, path)
	r.ownAnthropic(method, path)
	return r
}

// ownAnthropic finds what objects a path of Anthropic names.
func (r *Route) ownAnthropic(method, path string) {
	if r.Class != Stateful {
		return
	}
	r.Listing = true // until the path names something
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, segment := range segments {
		rest := segments[i:]
		switch segment {
		case "messages":
			r.ownBelow("batches", KindBatch, method, rest)
			return
		case "files":
			r.ownPlain(KindFile, method, rest)
			return
		case "skills":
			r.ownPlain(KindSkill, method, rest)
			return
		case "agents":
			r.ownPlain(KindAgent, method, rest)
			return
		case "environments":
			r.ownPlain(KindEnvironment, method, rest)
			return
		case "sessions":
			// A session runs models, and what it is told makes it run.
			r.ownPlain(KindSession, method, rest)
			r.Uncounted = method == "POST"
			return
		case "organizations", "experimental", "chat":
			return
		}
	}
}
