package dialect

import "github.com/weirhq/weir/metering"

// watsonxReader reads text generation of watsonx.ai, and its embeddings and
// rerankings, which only count input. In a stream the input stands in the first
// chunk alone, zero in those behind it, and the output is what there is so far.
type watsonxReader struct {
	answer
	input, output count
	stopped       bool
}

func (r *watsonxReader) event(name, data []byte) {
	counts := false
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "model_id":
			r.model.set(value)
		case "results":
			eachElement(value, func(result []byte) { counts = r.result(result) || counts })
		case "input_token_count":
			counts = true
			r.input = r.most(r.input, rawCount(value))
		case "errors":
			eachElement(value, func(e []byte) { r.fail(r.where(), e) })
		case "error":
			r.fail(r.where(), value)
		}
	})
	if counts {
		r.objects++
		r.textThen = r.text
	}
	if string(name) == "error" {
		r.fail("stream", data)
	}
	r.failBody(data)
}

// result reads one result; it reports whether that had counts.
func (r *watsonxReader) result(raw []byte) bool {
	counts := false
	eachMember(raw, func(key, value []byte) {
		switch string(key) {
		case "input_token_count":
			counts = true
			r.input = r.most(r.input, rawCount(value))
		case "generated_token_count":
			counts = true
			r.output = r.most(r.output, rawCount(value))
		case "generated_text":
			r.show(value)
		case "stop_reason":
			if s := string(inner(value)); s != "" && s != "not_finished" {
				r.stopped = true
				r.finish.set(value)
			}
		}
	})
	return counts
}

// most is the larger of two counts of the same thing; a bad one stands.
func (r *watsonxReader) most(have, next count) count {
	if have.bad || next.set && have.set && next.n < have.n {
		return have
	}
	return next.or(have)
}

func (r *watsonxReader) unknownField(_, _ []byte) {}

func (r *watsonxReader) report(u *metering.Usage) reported {
	if r.input.bad || r.output.bad {
		u.Flag(metering.FlagInvalidNumber)
	}
	if !r.input.set && !r.output.set {
		return reportedNothing
	}
	n := normal{input: r.input.n, output: r.output.n}
	n.fill(u)
	switch {
	case r.output.bad:
		return reportedInput
	case !r.input.set:
		return reportedOutput
	case r.stream && !r.stopped:
		return reportedSoFar
	default:
		return reportedAll
	}
}
