package deferred

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// cached is what a provider says of content that it stores for a while. Its storage is
// charged by tokens and time, from its creation until it expires or is deleted; when
// it is gone nobody says how large it was, so that what was last seen is kept.
type cached struct {
	tokens           int64
	created, expires metering.Micros
	model            string
	// days are those, of 24 hours from the creation on, that are recorded.
	days int64
}

// day is how often stored content is recorded: somebody may keep it for years.
const day = metering.Micros(24 * time.Hour / time.Microsecond)

// readCached reads Google's cachedContents
// (https://ai.google.dev/api/caching#CachedContent).
func readCached(body []byte, model string) (c cached, ok bool) {
	var o struct {
		Usage struct {
			Tokens int64 `json:"totalTokenCount"`
		} `json:"usageMetadata"`
		Created json.RawMessage `json:"createTime"`
		Expires json.RawMessage `json:"expireTime"`
	}
	if json.Unmarshal(body, &o) != nil {
		return cached{}, false
	}
	c = cached{tokens: o.Usage.Tokens, created: instant(o.Created), expires: instant(o.Expires), model: model}
	return c, c.sound()
}

// sound reports whether the facts can be charged.
func (c *cached) sound() bool {
	const mostTokens = 100_000_000
	return c.tokens > 0 && c.tokens <= mostTokens && c.created > 0 && c.expires >= c.created && c.days >= 0
}

// remember writes the facts as they stand behind a path.
func (c *cached) remember() string {
	return url.Values{
		"tokens": {strconv.FormatInt(c.tokens, 10)}, "created": {strconv.FormatInt(int64(c.created), 10)},
		"expires": {strconv.FormatInt(int64(c.expires), 10)}, "model": {c.model},
		"days": {strconv.FormatInt(c.days, 10)},
	}.Encode()
}

// recall reads what remember wrote.
func recall(remembered string) (c cached, ok bool) {
	v, err := url.ParseQuery(remembered)
	if err != nil {
		return cached{}, false
	}
	whole := func(name string) int64 {
		n, err := strconv.ParseInt(v.Get(name), 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	c = cached{tokens: whole("tokens"), created: metering.Micros(whole("created")), expires: metering.Micros(whole("expires")), model: v.Get("model"), days: whole("days")}
	return c, c.sound()
}

// ends is from when on work is late: its beginning, and of cached content, which stays for
// as long as somebody wants, when it expires as it was last seen.
func ends(d *Deferral) metering.Micros {
	if d.Kind != dialect.KindCache {
		return d.Call.At
	}
	_, remembered, _ := strings.Cut(d.Path, "#")
	c, _ := recall(remembered)
	return max(d.Call.At, c.expires)
}

// recorded is until when what was stored is recorded.
func (c *cached) recorded() metering.Micros { return c.created + metering.Micros(c.days)*day }

// usage is what was stored until an instant and is not recorded, in whole seconds.
func (c *cached) usage(until metering.Micros) metering.Usage {
	const second = int64(time.Second / time.Microsecond)
	seconds := (max(0, int64(until-c.recorded())) + second - 1) / second
	if seconds == 0 {
		return metering.Usage{State: metering.UsageNone, Model: c.model}
	}
	return metering.Usage{
		State: metering.UsageExact, Model: c.model,
		Quantities: []metering.Quantity{{Name: "cached_content_token_seconds", Amount: metering.NumberOf(c.tokens * seconds)}},
	}
}
