package deferred

import (
	"strings"

	"github.com/weirhq/weir/metering/dialect"
)

// Path is where an object is asked for that a call to creation (a path behind
// the base URL, query included) has made. "" if it cannot be told.
func Path(creation, kind, object string) string {
	path, query, asked := strings.Cut(creation, "?")
	path = strings.TrimSuffix(path, "/")
	switch at := strings.Index(path, "/models/"); {
	case !plainID(object):
		return ""
	case kind == dialect.KindBatch && at >= 0:
		return path[:at] + "/batches/" + object // Google's are made below a model and are not found there
	case kind == dialect.KindBatch || kind == dialect.KindResponse:
		path += "/" + object
	default:
		return ""
	}
	if asked {
		path += "?" + query
	}
	return path
}
