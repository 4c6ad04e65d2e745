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

// contentUsage is a usageMetadata object.
type contentUsage struct {
	prompt, candidates, thoughts, cached, tools, total count

	promptBy, cachedBy, toolsBy, candidatesBy modalities
	flags                                     []metering.Flag
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
	u := readContentUsage(gjson.ParseBytes(raw), &r.answer)
	if !u.given() && !(len(u.flags) > 0 && !r.usage.given()) {
		return
	}
	r.usage = u
	r.keepUsage(raw)
}

func (u *contentUsage) given() bool {
	return u.prompt.set || u.candidates.set || u.thoughts.set || u.total.set
}

func readContentUsage(v gjson.Result, a *answer) contentUsage {
	var u contentUsage
	v.ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "promptTokenCount":
			u.prompt = readCount(v)
		case "candidatesTokenCount":
			u.candidates = readCount(v)
		case "thoughtsTokenCount":
			u.thoughts = readCount(v)
		case "cachedContentTokenCount":
			u.cached = readCount(v)
		case "toolUsePromptTokenCount":
			u.tools = readCount(v)
		case "totalTokenCount":
			u.total = readCount(v)
		case "promptTokensDetails":
			u.promptBy = u.byModality(v)
		case "cacheTokensDetails":
			u.cachedBy = u.byModality(v)
		case "toolUsePromptTokensDetails":
			u.toolsBy = u.byModality(v)
		case "candidatesTokensDetails":
			u.candidatesBy = u.byModality(v)
		case "serviceTier":
			a.tier.set([]byte(v.Raw))
		case "pydantic_ai_gateway":
			a.gatewayCost(v)
		default:
			if isTokenCount(k, v) {
				u.flags = append(u.flags, metering.FlagUnknownField)
			}
		}
		return true
	})
	for _, c := range []count{u.prompt, u.candidates, u.thoughts, u.cached, u.tools, u.total} {
		if c.bad {
			u.flags = append(u.flags, metering.FlagInvalidNumber)
		}
	}
	return u
}

// byModality reads a list of {modality, tokenCount}.
func (u *contentUsage) byModality(v gjson.Result) modalities {
	var m modalities
	if !v.IsArray() {
		return m
	}
	v.ForEach(func(_, entry gjson.Result) bool {
		c := readCount(entry.Get("tokenCount"))
		if c.bad {
			u.flags = append(u.flags, metering.FlagInvalidNumber)
		}
		if at := modalityOf(entry.Get("modality")); m[at]+c.n <= maxCount {
			m[at] += c.n
		}
		return true
	})
	return m
}

// modalityOf reads the name of a modality, or its number in Google's
// google.cloud.aiplatform.v1.Modality, which some clients' transports send.
func modalityOf(v gjson.Result) metering.Modality {
	switch v.String() {
	case "IMAGE", "2":
		return metering.Image
	case "VIDEO", "3":
		return metering.Video
	case "AUDIO", "4":
		return metering.Audio
	case "DOCUMENT", "5":
		return metering.Document
	default:
		return metering.Text
	}
}

func (r *contentReader) candidates(c *cursor) {
	if !c.enter('[') {
		c.value()
		return
	}
	for c.element() {
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
			r.text += textBytes(c.value())
		case "functionCall", "executableCode":
			r.text += int64(len(c.value()))
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
	r.counts.set("grounded", gjson.Parse("1"))
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

func (r *contentReader) unknownField(_, _ []byte) {}

func (r *contentReader) report(u *metering.Usage) reported {
	for _, f := range r.usage.flags {
		u.Flag(f)
	}
	if !r.usage.given() {
		return reportedNothing
	}
	x := &r.usage
	n := normal{
		input: x.prompt.n + x.tools.n, output: x.candidates.n + x.thoughts.n, total: x.total,
		cacheRead: x.cached.n, reasoning: x.thoughts.n, cachedBy: x.cachedBy, generated: x.candidatesBy,
	}
	for m := range n.inputBy {
		n.inputBy[m] = x.promptBy[m] + x.toolsBy[m]
	}
	n.fill(u)
	switch {
	case x.candidates.bad, x.thoughts.bad:
		return reportedInput
	case x.prompt.bad:
		return reportedOutput
	case r.stream && r.finish.String() == "":
		return reportedSoFar
	default:
		return reportedAll
	}
}
