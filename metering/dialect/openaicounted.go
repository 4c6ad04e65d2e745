package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// countedReader reads answers that are billed by what was looked at: rerankings by
// tokens or by searches, recognised text by pages, heard audio by seconds.
type countedReader struct {
	openAIAnswer
	counted bool // something that is not a token
}

func (r *countedReader) event(_, data []byte) {
	var usage []byte
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "model":
			r.model.set(value)
		case "id":
			r.id.set(value)
		case "usage":
			usage = value
		case "usage_info":
			r.pages(value)
		case "meta":
			r.billed(value)
		case "metadata":
			r.heard(value)
		case "error":
			r.fail(r.where(), value)
		case "err_code":
			r.failDeepgram(data)
		}
	})
	r.see(usage)
	r.failBody(data)
}

// pages reads usage_info of Mistral's OCR.
func (r *countedReader) pages(raw []byte) {
	v := gjson.ParseBytes(raw)
	if r.count("pages_processed", v.Get("pages_processed")) {
		r.counts.set("pages_processed_annotation", v.Get("pages_processed_annotation"))
		r.keepUsage(raw)
	}
}

// billed reads meta.billed_units, which servers that imitate Cohere have too.
func (r *countedReader) billed(raw []byte) {
	if r.count("search_units", gjson.ParseBytes(raw).Get("billed_units.search_units")) {
		r.keepUsage(raw)
	}
}

// heard reads the duration in Deepgram's metadata.
func (r *countedReader) heard(raw []byte) {
	r.count("audio_seconds", gjson.ParseBytes(raw).Get("duration"))
}

// count counts what an answer says was used of something; it reports whether it
// says anything.
func (r *countedReader) count(name string, n gjson.Result) bool {
	if !n.Exists() || n.Type == gjson.Null {
		return false
	}
	r.objects++
	if !r.counts.measure(name, n) {
		r.flag(metering.FlagInvalidNumber)
		return false
	}
	r.counted = true
	return true
}

func (r *countedReader) failDeepgram(data []byte) {
	if r.err == nil {
		v := gjson.ParseBytes(data)
		r.err = &metering.UpstreamError{Where: r.where(), Code: scalar(v.Get("err_code")), Message: scalar(v.Get("err_msg"))}
	}
}

func (r *countedReader) report(u *metering.Usage) reported {
	got := r.openAIAnswer.report(u)
	if got == reportedNothing && r.counted {
		return reportedAll
	}
	return got
}

// units has nothing to count.
func (r *countedReader) units(Request, *metering.Usage) {}
