package deferred

import (
	"strings"

	"github.com/weirhq/weir/metering/dialect"
)

// Path is where an object is asked for that a call to creation (a path behind
// the base URL, query included) has made. "" if it cannot be told.
func Path(creation, kind, object string) string {
	creation, remembered, _ := strings.Cut(creation, "#")
	path, query, asked := strings.Cut(creation, "?")
	path = strings.TrimSuffix(path, "/")
	switch at := strings.Index(path, "/models/"); {
	case !plainID(object):
		return ""
	case kind == dialect.KindBatch && at >= 0:
		return path[:at] + "/batches/" + object // Google's are made below a model and are not found there
	case kind == dialect.KindOperation && remembered != "":
		if path = operationPath(path, object); path == "" {
			return ""
		}
	case kind == dialect.KindBatch || kind == dialect.KindResponse || kind == dialect.KindCache:
		path += "/" + object
	default:
		return ""
	}
	if asked && kind != dialect.KindOperation && kind != dialect.KindCache { // Google's has what an answer is to leave out
		path += "?" + query
	}
	if remembered != "" {
		path += "#" + remembered
	}
	return path
}

const (
	verbCreate = ":predictLongRunning"
	// verbFetch is how Vertex is asked about an operation, which its body names.
	verbFetch = ":fetchPredictOperation"
)

// operationPath is where an operation is asked for that a model has begun; "" if it
// cannot be told.
func operationPath(creation, id string) string {
	model, ok := strings.CutSuffix(strings.NewReplacer("%3A", ":", "%3a", ":").Replace(creation), verbCreate)
	switch {
	case !ok:
		return ""
	case strings.Contains(model, "/publishers/"):
		return model + verbFetch
	default:
		return model + "/operations/" + id
	}
}

// operationName is what an operation of Vertex is called that is asked for at a URL:
// what follows the version of the API, of which the upstream's address may have any
// part. "" for any other URL.
func operationName(url, id string) string {
	model, ok := strings.CutSuffix(url, verbFetch)
	for _, collection := range [...]string{"/projects/", "/publishers/"} {
		if at := strings.Index(model, collection); ok && at >= 0 {
			return model[at+1:] + "/operations/" + id
		}
	}
	return ""
}
