package dialect

import (
	"github.com/tidwall/gjson"
)

// runReader reads runs of assistants. In a stream the steps of a run report their
// shares of its usage before the run reports all of it.
type runReader struct{ openAIAnswer }

func (r *runReader) event(name, data []byte) {
	if isDone(data) {
		r.end("[DONE]")
		return
	}
	var object, id, model, status, usage, last, delta []byte
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "object":
			object = inner(value)
		case "id":
			id = value
		case "model":
			model = value
		case "status":
			status = value
		case "usage":
			usage = value
		case "last_error":
			last = value
		case "delta":
			delta = value
		case "error":
			r.fail(r.where(), value)
		}
	})
	if string(name) == "error" {
		r.fail("stream", data)
	}
	r.failBody(data)
	switch string(object) {
	case "thread.run":
		r.id.set(id)
		r.model.set(model)
		r.finish.set(status)
		r.deferred = string(status) != `"completed"`
		r.fail("run", last)
		r.see(usage)
	case "thread.run.step":
		if len(usage) > 0 && usage[0] == '{' {
			r.objects++
		}
	case "thread.message.delta":
		r.text += shownText(delta)
	}
}

// shownText counts the text of a delta of a message.
func shownText(delta []byte) int64 {
	if len(delta) == 0 {
		return 0
	}
	var n int64
	gjson.ParseBytes(delta).Get("content").ForEach(func(_, part gjson.Result) bool {
		n += int64(len(part.Get("text.value").String()))
		return true
	})
	return n
}
