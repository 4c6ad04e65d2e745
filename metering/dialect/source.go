package dialect

import (
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Queried is a dialect whose operations depend on the query too.
type Queried interface {
	// RouteQuery is Route with the query, without its question mark.
	RouteQuery(method, path, query string) Route
}

// Pathed is a dialect whose paths have rules of their own.
type Pathed interface {
	// CanonicalPath reports whether a path, behind the name of the upstream, can
	// mean only one thing to us and to that upstream; see [CanonicalPath].
	CanonicalPath(path []byte) bool
}

func sortTags(tags []metering.Tag) {
	slices.SortFunc(tags, func(a, b metering.Tag) int { return strings.Compare(a.Name, b.Name) })
}
