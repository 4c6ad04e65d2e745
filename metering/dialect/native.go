package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// nativeReader reads answers of servers of text generation that have protocols of
// their own: text-generation-inference (Hugging Face, SageMaker), llama.cpp and
// Aleph Alpha. Members that are of one server alone are told apart by their names.
type nativeReader struct {
	openAIAnswer
	input, output, cached count
	final                 bool
}

func (r *nativeReader) event(_, data []byte) {
	if isDone(data) {
		r.end("[DONE]")
		return
	}
	var usage, details, timings []byte
	stop, counted := false, false
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "model", "model_version":
			r.model.set(value)
		case "usage":
			usage = value
		case "details":
			details = value
		case "timings":
			timings = value
		case "stop":
			stop = string(value) == "true"
		case "stop_type":
			r.finish.set(value)
		case "tokens_evaluated", "num_tokens_prompt_total":
			r.input = rawCount(value)
		case "tokens_predicted", "num_tokens_generated":
			r.output = rawCount(value)
			counted = true
		case "error":
			r.fail(r.where(), value)
		default:
			r.shown(key, value)
		}
	})
	if counted {
		r.textThen = r.text
	}
	r.see(usage)
	r.details(details)
	r.finished(stop, timings)
	r.failBody(data)
}

// shown counts the text of an answer. In a stream of text-generation-inference
// generated_text repeats all tokens at the end.
func (r *nativeReader) shown(key, value []byte) {
	switch string(key) {
	case "content":
		r.show(value)
	case "generated_text":
		if !r.stream {
			r.show(value)
		}
	case "token":
		r.show(rawMember(value, "text"))
	case "completions":
		eachElement(value, func(one []byte) { r.show(rawMember(one, "completion")) })
	}
}

// details reads what text-generation-inference says when it was asked for
// details: the output, and the input in a stream or on a further request.
func (r *nativeReader) details(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	v := gjson.ParseBytes(raw)
	if n := readCount(v.Get("generated_tokens")); n.set {
		r.output = count{n: min(r.output.n+n.n, maxCount), set: true}
	}
	read := readCount(v.Get("input_length"))
	if n := v.Get("prefill.#").Int(); n > 0 {
		read = count{n: n, set: true}
	}
	if read.set {
		r.input = count{n: min(r.input.n+read.n, maxCount), set: true}
	}
	if r.stream {
		r.final = true
		r.end("generated_text")
	}
}

// finished takes the end of an answer of llama.cpp, whose prompt is counted with
// what of it was in the cache.
func (r *nativeReader) finished(stop bool, timings []byte) {
	r.final = r.final || !r.stream || stop
	if len(timings) > 0 {
		r.cached = readCount(gjson.ParseBytes(timings).Get("cache_n"))
	}
	if stop && r.stream {
		r.end("stop:true")
	}
}

func (r *nativeReader) report(u *metering.Usage) reported {
	if got := r.openAIAnswer.report(u); got != reportedNothing {
		return got
	}
	if r.input.bad || r.output.bad || r.cached.bad {
		u.Flag(metering.FlagInvalidNumber)
	}
	if !r.input.set && !r.output.set {
		return reportedNothing
	}
	if r.input.set {
		u.Objects++
	}
	n := normal{input: r.input.n, output: r.output.n, cacheRead: r.cached.n}
	n.fill(u)
	switch {
	case !r.output.set:
		return reportedInput
	case !r.input.set:
		return reportedOutput
	case r.stream && !r.final:
		return reportedSoFar
	default:
		return reportedAll
	}
}
