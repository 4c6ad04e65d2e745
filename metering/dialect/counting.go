package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// countReader reads endpoints that have no usage: those that count tokens for
// free, whose answer it keeps as a quantity, and those that are not metered.
type countReader struct {
	answer
	member string // the top-level member that is the count; empty: none
}

func (r *countReader) event(_, data []byte) {
	r.fail(r.where(), rawMember(data, "error"))
	r.failBody(data)
	if r.member == "" || r.stream {
		return
	}
	r.counts.set("counted_tokens", gjson.ParseBytes(rawMember(data, r.member)))
}

func (r *countReader) unknownField(_, _ []byte) {}

func (r *countReader) report(*metering.Usage) reported { return reportedNothing }
