package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// objectReader reads Google's stored objects: files, and operations, which end
// with a response or an error.
type objectReader struct {
	answer
	videos int64 // that an operation has made
}

func (r *objectReader) event(_, data []byte) {
	var failure, response []byte
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "error":
			failure = c.value()
		case "response":
			response = c.value()
		default:
			c.value()
		}
	}
	switch {
	case r.status >= 400:
		r.fail("body", failure)
		r.failBody(data)
	case r.status < 300: // the body of a redirection calls itself an error
		r.fail("response", failure)
	}
	for _, list := range [...]string{"generatedSamples", "videos"} { // Gemini's, Vertex's
		r.countVideos(rawMember(response, list))
		r.countVideos(rawMember(rawMember(response, "generateVideoResponse"), list))
	}
	r.counts.set("videos", gjson.Result{Type: gjson.Number, Raw: metering.NumberOf(min(r.videos, maxCount)).String()})
}

// countVideos counts the elements of a list. Veo says nothing else of what it has
// used; the seconds of each were in the request.
func (r *objectReader) countVideos(raw []byte) {
	list := cursor{b: raw}
	if !list.enter('[') {
		return
	}
	for list.element() {
		list.value()
		r.videos++
	}
}

func (r *objectReader) unknownField(_, _ []byte) {}

func (r *objectReader) report(*metering.Usage) reported { return reportedNothing }
