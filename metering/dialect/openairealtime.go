package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// realtimeReader reads one response of the realtime API: the events of the
// responses API, with two additions. OpenAI says why a response failed in
// status_details, and xAI reports usage beside a response whose own is empty.
type realtimeReader struct {
	responsesReader
	timed bool // billed by length of audio
}

func (r *realtimeReader) event(name, data []byte) {
	seen := r.objects
	r.responsesReader.event(name, data)
	if r.terminal == "" {
		r.objects = seen // xAI's responses have an empty usage before they have any
		return
	}
	response := rawMember(data, "response")
	r.fail("response", rawMember(rawMember(response, "status_details"), "error"))
	inside, beside := rawMember(response, "usage"), rawMember(data, "usage")
	if !r.usage.given() {
		r.objects = seen
		r.see(beside)
	}
	for _, usage := range [][]byte{inside, beside} {
		if v := gjson.GetBytes(usage, "billable_audio_seconds"); v.Type == gjson.Number {
			r.counts.set("audio_seconds", v)
			r.timed = true
		}
	}
	if !r.usage.given() && !r.timed && len(inside) > 0 && inside[0] == '{' {
		r.objects = seen
		r.deferred = true // usage that is stated to be nothing: the API bills by time
	}
}

func (r *realtimeReader) report(u *metering.Usage) reported {
	got := r.responsesReader.report(u)
	if got == reportedNothing && r.timed {
		return reportedAll
	}
	return got
}
