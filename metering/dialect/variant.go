package dialect

import (
	"cmp"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// Variant is which of the products of one model was asked for, or was made,
// where they have different prices. A field that nobody has stated is empty.
type Variant struct {
	Quality     string // of an image or a video: "hd", "low"
	Size        string // in pixels: "1024x1024"
	Resolution  string // by name: "720p", "2k"
	ContextSize string // of what a search puts before the model: "low", "medium", "high"
	Thinking    string // "on" or "off"
	Search      string // of OpenAI's web search: "preview" is the tool before the present one
	Container   string // memory of a new container: "1g", "4g", "16g", "64g"
	ImageModel  string // that OpenAI's image tool was told to use
	Audio       string // "off": a video that is to have no sound
	Code        string // "included": the code of Anthropic's that runs costs nothing beside the search
}

// or is v with what it lacks from w.
func (v Variant) or(w Variant) Variant {
	return Variant{
		Quality: cmp.Or(v.Quality, w.Quality), Size: cmp.Or(v.Size, w.Size), Resolution: cmp.Or(v.Resolution, w.Resolution),
		ContextSize: cmp.Or(v.ContextSize, w.ContextSize), Thinking: cmp.Or(v.Thinking, w.Thinking),
		Search: cmp.Or(v.Search, w.Search), Container: cmp.Or(v.Container, w.Container), Code: cmp.Or(v.Code, w.Code), ImageModel: cmp.Or(v.ImageModel, w.ImageModel),
		Audio: cmp.Or(v.Audio, w.Audio),
	}
}

// attributes are the fields as facts of a usage.
func (v Variant) attributes() []metering.Tag {
	return attributes("audio", v.Audio, "code_execution", v.Code, "container", v.Container, "context_size", v.ContextSize, "image_model", v.ImageModel, "quality", v.Quality, "resolution", v.Resolution,
		"search", v.Search, "size", v.Size, "thinking", v.Thinking)
}

// variant is what was made as the answer says, else as the request does, else as
// the vendor does it unasked.
func (s *scanner) variant(u *metering.Usage) Variant {
	v := s.read.state().said.or(s.req.Variant)
	if s.route.Endpoint == "openai.images" && s.req.Model != "" {
		v = v.or(unasked(s.req.Model))
	}
	if s.read.state().counts.of("containers").IsZero() {
		v.Container, v.Code = "", "" // the tool was there and not used
	}
	if s.read.state().counts.of("tool_usage.image_gen.total_tokens").IsZero() {
		v.ImageModel = ""
	}
	if v.Thinking == thinkingOff && u.Tokens[metering.OutputCell(true, metering.Text)] > 0 {
		v.Thinking = thinkingOn // the model did all the same
	}
	return v
}

// unasked is what DALL·E makes where a request does not say it
// (https://platform.openai.com/docs/api-reference/images/create). Newer models
// say in the answer what they have made.
func unasked(model string) Variant {
	switch model {
	case "dall-e-2":
		return Variant{Size: "1024x1024"}
	case "dall-e-3":
		return Variant{Quality: "standard", Size: "1024x1024"}
	default:
		return Variant{}
	}
}

const (
	thinkingOn  = "on"
	thinkingOff = "off"
)

// thinking reads enable_thinking, by which Qwen's models that can do both are told
// to think: some have two prices of output
// (https://www.alibabacloud.com/help/en/model-studio/deep-thinking).
func thinking(raw []byte) string {
	switch string(raw) {
	case "true":
		return thinkingOn
	case "false":
		return thinkingOff
	default:
		return ""
	}
}

// searchPreview is "preview" if the web search among the tools of a response is the one
// of that name, which has a price of its own
// (https://developers.openai.com/api/docs/pricing).
func searchPreview(tools []byte) string {
	said := ""
	eachElement(tools, func(tool []byte) {
		if strings.HasPrefix(readName(rawMember(tool, "type")), "web_search_preview") {
			said = "preview"
		}
	})
	return said
}

// containerSize is the memory of the container that OpenAI makes for a tool: by
// itself 1 GB (https://developers.openai.com/api/docs/guides/tools-code-interpreter).
// Of one that is there already nothing is said.
func containerSize(tools []byte) string {
	size := ""
	eachElement(tools, func(tool []byte) {
		for _, member := range [...]string{"container", "environment"} {
			place := rawMember(tool, member)
			switch readName(rawMember(place, "type")) {
			case "auto", "container_auto":
				size = cmp.Or(readName(rawMember(place, "memory_limit")), "1g")
			}
		}
	})
	return size
}

// imageModel is the model that the image tool is told to use; unasked it is one that
// OpenAI chooses, and does not say.
func imageModel(tools []byte) string {
	model := ""
	eachElement(tools, func(tool []byte) {
		if readName(rawMember(tool, "type")) == "image_generation" {
			model = cmp.Or(model, readName(rawMember(tool, "model")))
		}
	})
	return model
}

// codeIncluded is "included" if a request to Anthropic has a search or fetch tool from
// 2026-02-09 on, beside which nothing is charged for code
// (https://platform.claude.com/docs/en/about-claude/pricing#code-execution-tool).
func codeIncluded(tools []byte) string {
	const since = "20260209"
	said := ""
	eachElement(tools, func(tool []byte) {
		kind := readName(rawMember(tool, "type"))
		for _, prefix := range [...]string{"web_search_", "web_fetch_"} {
			if day, ok := strings.CutPrefix(kind, prefix); ok && len(day) == len(since) && day >= since {
				said = "included"
			}
		}
	})
	return said
}

// searchContext is the context size of the web search among the tools of a
// response, which repeats those of its request with what was left out filled in.
func searchContext(tools []byte) string {
	size := ""
	eachElement(tools, func(tool []byte) {
		size = cmp.Or(size, readName(rawMember(tool, "search_context_size")))
	})
	return size
}

// budget reads Gemini's thinkingConfig, whose budget of zero turns thinking off.
// Both of its spellings in the JSON of protocol buffers are known.
func budget(config []byte) string {
	for _, name := range [...]string{"thinkingBudget", "thinking_budget"} {
		if n := gjson.ParseBytes(rawMember(config, name)); n.Type == gjson.Number {
			if n.Num == 0 {
				return thinkingOff
			}
			return thinkingOn
		}
	}
	return ""
}
