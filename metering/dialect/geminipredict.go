package dialect

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// predictReader reads Vertex's predict, whose predictions are whatever the model
// makes: embeddings with a count of tokens in each and of characters beside all
// of them, or the images of Imagen, which are billed one by one.
type predictReader struct {
	answer
	input  count // tokens of all predictions
	images int64
}

func (r *predictReader) event(_, data []byte) {
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "predictions":
			r.predictions(&c)
		case "metadata":
			meta := c.value()
			if v := gjson.ParseBytes(rawMember(meta, "billableCharacterCount")); v.Exists() {
				r.counts.set("billable_characters", v)
				r.keepUsage(meta)
			}
		case "error":
			r.fail(r.where(), c.value())
		default:
			c.value()
		}
	}
	if r.input.set {
		r.objects = 1
	}
	r.counts.add("images", metering.NumberOf(min(r.images, maxCount)))
	r.failBody(data)
}

func (r *predictReader) predictions(c *cursor) {
	if !c.enter('[') {
		c.value()
		return
	}
	for c.element() {
		if !c.enter('{') {
			c.value()
			continue
		}
		r.prediction(c)
	}
}

func (r *predictReader) prediction(c *cursor) {
	var kind string
	content := false
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "embeddings":
			r.statistics(rawMember(c.value(), "statistics"))
		case "statistics": // of multimodal embeddings
			r.statistics(c.value())
		case "mimeType":
			kind = readName(c.value())
		case "bytesBase64Encoded", "gcsUri":
			content = textBytes(c.value()) > 0
		default:
			c.value()
		}
	}
	if content && (kind == "" || strings.HasPrefix(kind, "image/")) {
		r.images++
	}
}

// statistics adds the tokens of one prediction.
func (r *predictReader) statistics(raw []byte) {
	n := rawCount(rawMember(raw, "token_count"))
	switch {
	case n.bad:
		r.input.bad = true
	case n.set:
		r.input.set = true
		r.input.n = min(r.input.n+n.n, maxCount)
	}
}

func (r *predictReader) unknownField(_, _ []byte) {}

func (r *predictReader) report(u *metering.Usage) reported {
	switch {
	case r.input.bad:
		u.Flag(metering.FlagInvalidNumber)
		return reportedNothing
	case r.input.set:
		n := normal{input: r.input.n}
		n.fill(u)
		return reportedAll
	case r.images > 0:
		return reportedAll
	default:
		return reportedNothing
	}
}
