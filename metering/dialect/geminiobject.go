package dialect

import (
	"strings"
	"time"

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

// cacheReader reads cachedContents. Their storage is billed by tokens and time,
// from the creation until they expire (https://ai.google.dev/gemini-api/docs/pricing).
type cacheReader struct{ answer }

func (r *cacheReader) event(_, data []byte) {
	var created, expires time.Time
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		value := c.value()
		switch string(key) {
		case "model":
			if model := readName(value); model != "" {
				r.model.set([]byte(`"` + model[strings.LastIndexByte(model, '/')+1:] + `"`))
			}
		case "usageMetadata":
			r.counts.set("cached_content_tokens", gjson.ParseBytes(rawMember(value, "totalTokenCount")))
		case "createTime":
			created = readInstant(value)
		case "expireTime":
			expires = readInstant(value)
		case "error":
			r.fail(r.where(), value)
		}
	}
	if life := expires.Sub(created); !created.IsZero() && !expires.IsZero() && life > 0 {
		seconds := (life + time.Second - 1) / time.Second
		r.counts.add("cached_content_seconds", metering.NumberOf(min(int64(seconds), maxCount)))
	}
	r.failBody(data)
}

// readInstant reads a raw timestamp; zero if it is none.
func readInstant(raw []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, readName(raw))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (r *cacheReader) unknownField(_, _ []byte) {}

func (r *cacheReader) report(*metering.Usage) reported { return reportedNothing }
