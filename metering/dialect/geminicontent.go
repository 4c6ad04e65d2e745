package dialect

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// contentReader reads generateContent of Gemini and Vertex: one document, the
// events of ?alt=sse, or the elements of a streamed array. Each chunk of a
// stream carries usageMetadata; the last with counts stands. Vertex begins with
// chunks that have a traffic type and no counts.
type contentReader struct {
	answer
	usage   contentUsage
	queries []string // distinct searches of grounding
	blocked bool
}

func (r *contentReader) event(_, data []byte) {
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	var usage []byte
	for {
		key, ok := c.member()
		if !ok {
			break
		}
		switch string(key) {
		case "candidates":
			r.candidates(&c)
		case "usageMetadata":
			usage = c.value()
		case "modelVersion":
			r.model.set(c.value())
		case "responseId":
			r.id.set(c.value())
		case "promptFeedback":
			r.feedback(c.value())
		case "error":
			r.fail(r.where(), c.value())
		default:
			c.value()
		}
	}
	r.see(usage)
	r.failBody(data)
}

// feedback reads why a prompt was not answered.
func (r *contentReader) feedback(raw []byte) {
	if reason := scalar(gjson.GetBytes(raw, "blockReason")); reason != "" {
		r.blocked = true
		r.finish.set([]byte(`"BLOCKED:` + strings.Trim(gjson.GetBytes(raw, "blockReason").Raw, `"`) + `"`))
	}
}

func (r *contentReader) see(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	r.objects++
	u := readContentUsage(raw, &r.answer)
	if !u.given() && !(len(u.flags) > 0 && !r.usage.given()) {
		return
	}
	r.usage = u
	r.keepUsage(raw)
}

func (r *contentReader) candidates(c *cursor) {
	if !c.enter('[') {
		c.value()
		return
	}
	for r.choice = 0; c.element(); r.choice++ {
		if !c.enter('{') {
			c.value()
			continue
		}
		for {
			key, ok := c.member()
			if !ok {
				break
			}
			switch string(key) {
			case "content":
				r.content(c)
			case "finishReason":
				r.finish.set(c.value())
			case "groundingMetadata":
				r.grounding(c.value())
			default:
				c.value()
			}
		}
	}
}

// content counts the parts of one candidate.
func (r *contentReader) content(c *cursor) {
	raw := rawMember(c.value(), "parts")
	parts := cursor{b: raw}
	if !parts.enter('[') {
		return
	}
	for parts.element() {
		if !parts.enter('{') {
			parts.value()
			continue
		}
		r.part(&parts)
	}
}

func (r *contentReader) part(c *cursor) {
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		switch string(key) {
		case "text":
			r.show(c.value())
		case "functionCall", "executableCode":
			r.showRaw(c.value())
		case "inlineData":
			if strings.HasPrefix(scalar(gjson.ParseBytes(rawMember(c.value(), "mimeType"))), "image/") {
				r.counts.one("images")
			}
		default:
			c.value()
		}
	}
}

// maxQueries bounds the distinct searches remembered of one answer.
const maxQueries = 256

// grounding counts searches: per distinct query and whether there were any,
// since prices differ by model in which of the two is billed. Queries may be
// empty, and those are not billed
// (https://ai.google.dev/gemini-api/docs/google-search).
func (r *contentReader) grounding(raw []byte) {
	meta := gjson.ParseBytes(raw)
	if !meta.IsObject() {
		return
	}
	search, maps := groundedIn(meta.Get("groundingChunks"))
	if maps {
		r.counts.put("maps_grounded", metering.NumberOf(1))
	}
	if search || !maps || meta.Get("webSearchQueries.#").Int() > 0 {
		r.counts.put("grounded", metering.NumberOf(1))
	}
	meta.Get("webSearchQueries").ForEach(func(_, q gjson.Result) bool {
		query := clean(q.String(), maxLabel)
		for _, have := range r.queries {
			if have == query {
				return true
			}
		}
		if query != "" && len(r.queries) < maxQueries {
			r.queries = append(r.queries, query)
			r.counts.one("web_search_queries")
		}
		return true
	})
}

// groundedIn reports what an answer is grounded in: places of Google Maps have a
// price of their own (https://ai.google.dev/gemini-api/docs/maps-grounding).
func groundedIn(chunks gjson.Result) (search, maps bool) {
	chunks.ForEach(func(_, chunk gjson.Result) bool {
		place := chunk.Get("maps").Exists()
		search, maps = search || !place, maps || place
		return true
	})
	return search, maps
}

func (r *contentReader) unknownField(_, _ []byte) {}
