package dialect

import (
	"net/url"
	"strings"

	"github.com/weirhq/weir/metering"
)

// verbLongRunning is how Veo is asked for videos. The answer names an operation, and
// what that has made when it is done is what is charged
// (https://ai.google.dev/gemini-api/docs/pricing).
const verbLongRunning = "predictLongRunning"

const (
	// veoSeconds is how long the videos are that Veo makes unasked, and veoResolution
	// of which resolution
	// (https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation).
	veoSeconds    = 8
	veoResolution = "720p"
)

// isVeo reports whether a model makes videos that are charged by the second.
func isVeo(model string) bool { return strings.HasPrefix(model, "veo-") }

// audioOff is said of videos without sound, which cost less at Vertex.
const audioOff = "off"

// video reads the parameters of a request to Veo: how long each video is to be, and
// what else its price depends on.
func (q *Request) video(parameters []byte) {
	q.ask("video_seconds", readSeconds(rawMember(parameters, "durationSeconds")))
	q.Resolution = strings.ToLower(readName(rawMember(parameters, "resolution")))
	q.Audio = ""
	if string(rawMember(parameters, "generateAudio")) == "false" {
		q.Audio = audioOff
	}
}

// Remembered is what a request has asked for that is needed to know what the object
// is charged that it creates, and that the object does not say: a query string, ""
// if there is nothing. Of Veo the length of each video, its resolution, and whether it
// is without sound.
func (q *Request) Remembered(r Route) string {
	if r.Creates != KindOperation || r.Uncounted || !isVeo(r.Model) {
		return ""
	}
	seconds, resolution := q.askedFor("video_seconds"), q.Resolution
	if seconds.IsZero() {
		seconds = metering.NumberOf(veoSeconds)
	}
	if resolution == "" {
		resolution = veoResolution
	}
	v := url.Values{"video_seconds": {seconds.String()}, "resolution": {resolution}}
	if q.Audio != "" {
		v.Set("audio", q.Audio)
	}
	return v.Encode()
}

// Videos is the usage of an operation that has made n videos, by what its request
// has asked for. One that has made none is charged nothing.
func Videos(n int64, remembered string) metering.Usage {
	asked, err := url.ParseQuery(remembered)
	each, bad := metering.ParseNumber(asked.Get("video_seconds"))
	switch {
	case err != nil || bad != nil || each.Units < 0:
		return metering.Usage{State: metering.UsageUnknown, Flags: []metering.Flag{metering.FlagUnreadable}}
	case n <= 0:
		return metering.Usage{State: metering.UsageNone}
	}
	var all quantities
	for range min(n, maxVideos) {
		all.add("video_seconds", each)
	}
	return metering.Usage{State: metering.UsageExact, Quantities: all, Attributes: Variant{Resolution: asked.Get("resolution"), Audio: asked.Get("audio")}.attributes()}
}

// maxVideos bounds the videos of one operation; Veo makes four at most.
const maxVideos = 1024
