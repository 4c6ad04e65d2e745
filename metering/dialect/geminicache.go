package dialect

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

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
