package dialect

import "github.com/weirhq/weir/metering"

// storedReader reads objects that have no usage, and moderations, which are free:
// the model is what there is to know of them.
type storedReader struct{ answer }

func (r *storedReader) event(_, data []byte) {
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "model":
			r.model.set(value)
		case "error":
			r.fail(r.where(), value)
		}
	})
	r.failBody(data)
}

func (r *storedReader) unknownField(_, _ []byte) {}

func (r *storedReader) report(*metering.Usage) reported { return reportedNothing }
