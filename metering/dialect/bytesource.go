package dialect

import (
	"strings"

	"github.com/weirhq/weir/metering"
)

// byteSource is any HTTP API whose calls are counted without being read: how
// many, how many bytes each way, how long they took. The proxy measures these of
// every call; the dialect only says that there is nothing else.
type byteSource struct{}

var _ Dialect = byteSource{}

// Name implements [Dialect].
func (byteSource) Name() string { return "bytes" }

// Route implements [Dialect]: every call counts.
func (byteSource) Route(_, _ string) Route {
	return Route{Endpoint: "bytes.request", Class: Metered, Opaque: true}
}

// Inspect implements [Dialect].
func (byteSource) Inspect(_ Route, _ string, body []byte) (Request, error) {
	return Request{BodyBytes: int64(len(body))}, nil
}

// Scanner implements [Dialect].
func (byteSource) Scanner(r Route, _ Request, _ Response) Scanner {
	return &unread{attributes: r.Attributes}
}

// ErrorBody implements [Dialect]: there is no shape of its own to speak, so it is
// the one that most clients of JSON APIs can read.
func (byteSource) ErrorBody(f Fault) ([]byte, string) { return openAI{}.ErrorBody(f) }

// unread is the scanner of an answer that is not read: what the proxy measures is
// all its usage, and exact.
type unread struct{ attributes []metering.Tag }

// Scan implements [Scanner].
func (*unread) Scan([]byte) {}

// Terminal implements [Scanner].
func (*unread) Terminal() bool { return false }

// Snapshot implements [Scanner].
func (u *unread) Snapshot() metering.Usage { return u.Close(Abandoned) }

// Close implements [Scanner]. Bytes are counted as they pass, so that an answer
// that was cut has an exact number of them too.
func (u *unread) Close(End) metering.Usage {
	return metering.Usage{State: metering.UsageExact, Attributes: u.attributes}
}

// attributes keeps facts of a call for meters to filter by, sorted by name as
// given; what is empty is left out and what is long is cut.
func attributes(pairs ...string) []metering.Tag {
	var list []metering.Tag
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := clean(strings.ToValidUTF8(pairs[i+1], ""), maxAttribute); value != "" {
			list = append(list, metering.Tag{Name: pairs[i], Value: value})
		}
	}
	return list
}

// maxAttribute is the most that is kept of an attribute; the key of an S3 object
// has at most 1024 bytes.
const maxAttribute = 1024
