package dialect

import "github.com/weirhq/weir/metering"

// completeReader reads the text completions that were there before messages. They
// have no usage in any form, so that what they used is an estimate.
type completeReader struct{ answer }

func (r *completeReader) event(name, data []byte) {
	if isDone(data) {
		r.end("[DONE]")
		return
	}
	done := false
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "id":
			r.id.set(value)
		case "model":
			r.model.set(value)
		case "completion":
			r.show(value)
		case "stop_reason":
			r.finish.set(value)
			done = !isNull(value)
		case "error":
			r.fail(r.where(), value)
		}
	})
	if r.stream && done {
		r.end("completion")
	}
	r.failBody(data)
}

func (r *completeReader) unknownField(_, _ []byte) {}

func (r *completeReader) report(*metering.Usage) reported { return reportedNothing }
