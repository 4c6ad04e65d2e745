package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// contentUsage is a usageMetadata object. It comes with every chunk of a stream.
type contentUsage struct {
	prompt, candidates, thoughts, cached, tools, total count

	promptBy, cachedBy, toolsBy, candidatesBy modalities
	flags                                     []metering.Flag
}

func (u *contentUsage) given() bool {
	return u.prompt.set || u.candidates.set || u.thoughts.set || u.total.set
}

func readContentUsage(raw []byte, a *answer) contentUsage {
	var u contentUsage
	c := cursor{b: raw}
	if !c.enter('{') {
		return u
	}
	for {
		key, ok := c.member()
		if !ok {
			break
		}
		switch string(key) {
		case "promptTokenCount":
			u.prompt = rawCount(c.value())
		case "candidatesTokenCount", "responseTokenCount": // the latter of the Live API
			u.candidates = rawCount(c.value())
		case "thoughtsTokenCount":
			u.thoughts = rawCount(c.value())
		case "cachedContentTokenCount":
			u.cached = rawCount(c.value())
		case "toolUsePromptTokenCount":
			u.tools = rawCount(c.value())
		case "totalTokenCount":
			u.total = rawCount(c.value())
		default:
			u.readMore(key, &c, a)
		}
	}
	for _, c := range [...]count{u.prompt, u.candidates, u.thoughts, u.cached, u.tools, u.total} {
		if c.bad {
			u.flags = append(u.flags, metering.FlagInvalidNumber)
		}
	}
	return u
}

// readMore reads the member key if it is no count: parts by modality, the tier.
func (u *contentUsage) readMore(key []byte, c *cursor, a *answer) {
	switch string(key) {
	case "promptTokensDetails", "promptTokenDetails": // the latter of embeddings
		u.promptBy = u.byModality(c)
	case "cacheTokensDetails":
		u.cachedBy = u.byModality(c)
	case "toolUsePromptTokensDetails":
		u.toolsBy = u.byModality(c)
	case "candidatesTokensDetails", "responseTokensDetails":
		u.candidatesBy = u.byModality(c)
	case "serviceTier":
		a.tier.set(c.value())
	case "trafficType":
		a.served.traffic.set(c.value())
	case "pydantic_ai_gateway":
		a.gatewayCost(gjson.ParseBytes(c.value()))
	default:
		if isTokenCount(string(key), gjson.ParseBytes(c.value())) {
			u.flags = append(u.flags, metering.FlagUnknownField)
		}
	}
}

// byModality reads a list of {modality, tokenCount}.
func (u *contentUsage) byModality(c *cursor) modalities {
	var m modalities
	if !c.enter('[') {
		c.value()
		return m
	}
	for c.element() {
		if !c.enter('{') {
			c.value()
			continue
		}
		at, n := metering.Text, count{}
		for {
			key, ok := c.member()
			if !ok {
				break
			}
			switch string(key) {
			case "modality":
				at = modalityOf(c.value())
			case "tokenCount":
				n = rawCount(c.value())
			default:
				c.value()
			}
		}
		if n.bad {
			u.flags = append(u.flags, metering.FlagInvalidNumber)
		}
		if m[at]+n.n <= maxCount {
			m[at] += n.n
		}
	}
	return m
}

// modalityOf reads the raw name of a modality, or its number in Google's
// google.cloud.aiplatform.v1.Modality, which some clients' transports send.
func modalityOf(raw []byte) metering.Modality {
	if name := inner(raw); name != nil {
		raw = name
	}
	switch string(raw) {
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

// normal brings the counts into the common form: thoughts are beside the
// candidates, and what tools put into the prompt is beside the prompt.
func (u *contentUsage) normal() normal {
	n := normal{
		input: u.prompt.n + u.tools.n, output: u.candidates.n + u.thoughts.n, total: u.total,
		cacheRead: u.cached.n, reasoning: u.thoughts.n, cachedBy: u.cachedBy, generated: u.candidatesBy,
	}
	for m := range n.inputBy {
		n.inputBy[m] = u.promptBy[m] + u.toolsBy[m]
	}
	return n
}

func (r *contentReader) report(u *metering.Usage) reported {
	for _, f := range r.usage.flags {
		u.Flag(f)
	}
	if !r.usage.given() {
		return reportedNothing
	}
	x := &r.usage
	n := x.normal()
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
