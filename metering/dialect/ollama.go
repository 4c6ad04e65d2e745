package dialect

import "github.com/weirhq/weir/metering"

// ollamaReader reads Ollama's own API
// (https://github.com/ollama/ollama/blob/main/docs/api.md): one object, or one a
// line of which the last has done: true and the counts. A count of zero is left
// out, as that of a prompt that was all in the cache.
type ollamaReader struct {
	answer
	input, output count
	seen          bool // an object came before
	done          bool
}

func (r *ollamaReader) event(_, data []byte) {
	if r.stream = r.lines || r.seen; r.done {
		return
	}
	r.seen = true
	counted := false
	count := func(to *count, key, value []byte) {
		*to = rawCount(value)
		r.keepCount(key, value, !counted)
		counted = true
	}
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "model":
			r.model.set(value)
		case "message":
			r.text += ollamaText(value)
		case "response", "thinking":
			r.show(value)
		case "done":
			r.done = string(value) == "true"
		case "done_reason":
			r.finish.set(value)
		case "prompt_eval_count":
			count(&r.input, key, value)
		case "eval_count":
			count(&r.output, key, value)
		case "error":
			r.fail(r.where(), value)
		}
	})
	if counted {
		r.raw = append(r.raw, '}')
		r.objects++
	}
	switch {
	case r.done && r.stream:
		r.end("done:true")
	case r.done:
		r.end("json")
	}
}

// keepCount keeps a count as a member of the raw usage: the object that it stands
// in holds content too.
func (r *ollamaReader) keepCount(key, value []byte, first bool) {
	separator := byte(',')
	if first {
		separator, r.raw = '{', r.raw[:0]
	}
	if len(value) > maxNumber {
		value = nil // no count; what is kept is then no JSON and not stored
	}
	r.raw = append(r.raw, separator, '"')
	r.raw = append(append(append(r.raw, key...), `":`...), value...)
}

// ollamaText counts what a message shows.
func ollamaText(message []byte) int64 {
	var n int64
	eachMember(message, func(key, value []byte) {
		switch string(key) {
		case "content", "thinking":
			n += textBytes(value)
		case "tool_calls":
			n += int64(len(value))
		}
	})
	return n
}

func (r *ollamaReader) unknownField(_, _ []byte) {}

func (r *ollamaReader) report(u *metering.Usage) reported {
	if r.input.bad || r.output.bad {
		u.Flag(metering.FlagInvalidNumber)
	}
	if !r.done && !r.input.set && !r.output.set {
		return reportedNothing
	}
	n := normal{input: r.input.n, output: r.output.n}
	n.fill(u)
	switch {
	case r.input.bad && r.output.bad:
		return reportedNothing
	case r.output.bad:
		return reportedInput
	case r.input.bad:
		return reportedOutput
	default:
		return reportedAll
	}
}
