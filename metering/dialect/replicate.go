package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// predictionReader reads predictions of Replicate: billed by the second that the
// hardware ran, which metrics say when they are over, or of language models by
// token, which are counted there too
// (https://replicate.com/docs/reference/http#predictions.get).
type predictionReader struct {
	answer
	input, output count
	ran           bool
}

func (r *predictionReader) event(_, data []byte) {
	var status, metrics []byte
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "id":
			r.id.set(value)
		case "model":
			r.model.set(value)
		case "status":
			status = value
		case "metrics":
			metrics = value
		case "error":
			r.fail("response", value)
		}
	})
	switch string(inner(status)) {
	case "starting", "processing", "canceled", "aborted":
		r.deferred = true
	}
	r.failBody(data)
	r.measure(status, metrics)
}

// measure reads metrics; without them nothing has run to its end.
func (r *predictionReader) measure(status, raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	v := gjson.ParseBytes(raw)
	time := v.Get("predict_time")
	r.input, r.output = readCount(v.Get("input_token_count")), readCount(v.Get("output_token_count"))
	if !time.Exists() && !r.output.set {
		return
	}
	r.objects++
	switch {
	case r.input.set, r.output.set, r.input.bad, r.output.bad: // a language model, billed by the token
	case !r.counts.measure("predict_seconds", time):
		r.flag(metering.FlagInvalidNumber)
		return
	}
	r.ran = true
	r.finish.set(status)
	r.keepUsage(raw)
}

func (r *predictionReader) unknownField(_, _ []byte) {}

func (r *predictionReader) report(u *metering.Usage) reported {
	if !r.ran {
		return reportedNothing
	}
	if r.input.bad || r.output.bad {
		u.Flag(metering.FlagInvalidNumber)
	}
	if r.input.set || r.output.set {
		n := normal{input: r.input.n, output: r.output.n}
		n.fill(u)
	}
	switch {
	case r.output.bad:
		return reportedInput
	case r.input.bad:
		return reportedOutput
	default:
		return reportedAll
	}
}

// units has nothing to count.
func (r *predictionReader) units(Request, *metering.Usage) {}
