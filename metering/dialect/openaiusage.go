package dialect

import (
	"slices"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// openAIUsage is one usage object in the shapes that OpenAI and the servers
// compatible with it write, chat and responses alike.
type openAIUsage struct {
	input, output, total count
	normal               normal
	flags                []metering.Flag
}

// given reports whether the object had any count at all.
func (u *openAIUsage) given() bool { return u.input.set || u.output.set || u.total.set }

// openAIParts are the leaves before they are put together.
type openAIParts struct {
	cached, cachedAlt, written, reasoning, reasoningAlt count
	in, out                                             [5]count
	audioAlt                                            count
	cachedBy                                            modalities
}

// readOpenAIUsage reads a usage object and adds what it says beyond tokens to a.
// Members are read in order, so that of two with one name the last stands.
func readOpenAIUsage(raw []byte, a *answer) openAIUsage {
	var u openAIUsage
	var p openAIParts
	gjson.ParseBytes(raw).ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "prompt_tokens", "input_tokens":
			u.input = readCount(v)
		case "completion_tokens", "output_tokens":
			u.output = readCount(v)
		case "total_tokens":
			u.total = readCount(v)
		case "prompt_tokens_details", "input_tokens_details", "prompt_token_details", "input_token_details":
			u.readInputDetails(v, &p)
		case "completion_tokens_details", "output_tokens_details", "completion_token_details", "output_token_details":
			u.readOutputDetails(v, &p)
		case "cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens":
			p.cachedAlt = readCount(v).or(p.cachedAlt)
		case "reasoning_tokens":
			p.reasoningAlt = readCount(v)
		case "audio_prompt_tokens":
			p.audioAlt = readCount(v)
		case "prompt_cache_miss_tokens", "draft_tokens":
			// The first is what remains of the prompt, the second work of the server's
			// own that is not billed.
		default:
			u.readExtra(k, v, a)
		}
		return true
	})
	u.assemble(&p)
	return u
}

// readExtra reads what is beside the counts: costs, tools, the tier.
func (u *openAIUsage) readExtra(key string, v gjson.Result, a *answer) {
	switch key {
	case "cost":
		a.stateUsageCost(v)
	case "cost_in_usd_ticks":
		a.stateCost(v, "usd/1e10", "usage.cost_in_usd_ticks")
	case "pydantic_ai_gateway":
		a.gatewayCost(v)
	case "cost_details":
		a.counts.setCost(vendorCost, v.Get(vendorCost))
	case "service_tier":
		a.tier.set([]byte(v.Raw))
	case "server_tool_use_details", "server_tool_use":
		a.counts.setAll("", v)
	case "server_side_tool_usage_details":
		a.counts.setAll("server_side_tool_usage_details.", v)
	case "search_context_size": // of Perplexity
		a.said.ContextSize = readName([]byte(v.Raw))
	case "is_byok": // of OpenRouter: the vendor bills its customer's own key
		if v.Type == gjson.True {
			a.served.deployment = deploymentOwnKey
		}
	case "num_sources_used", "num_search_queries", "citation_tokens", "image_pixels":
		a.counts.set(key, v)
	case "prompt_audio_seconds", "seconds":
		a.counts.setCost("audio_seconds", v)
	case "text_tokens":
		// Of Voyage's multimodal embeddings: part of the total.
	default:
		if isTokenCount(key, v) {
			u.flags = append(u.flags, metering.FlagUnknownField)
		}
	}
}

func (u *openAIUsage) readInputDetails(details gjson.Result, p *openAIParts) {
	if !details.IsObject() {
		return
	}
	details.ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "cached_tokens":
			p.cached = readCount(v)
		case "cache_write_tokens":
			p.written = readCount(v)
		case "cached_tokens_details": // of the realtime API
			p.cachedBy[metering.Audio] = readCount(v.Get("audio_tokens")).n
			p.cachedBy[metering.Image] = readCount(v.Get("image_tokens")).n
		case "text_tokens":
			// What remains of the whole.
		case "audio_tokens":
			p.in[metering.Audio] = readCount(v)
		case "image_tokens":
			p.in[metering.Image] = readCount(v)
		case "video_tokens":
			p.in[metering.Video] = readCount(v)
		default:
			u.unknown(k, v)
		}
		return true
	})
}

func (u *openAIUsage) readOutputDetails(details gjson.Result, p *openAIParts) {
	if !details.IsObject() {
		return
	}
	details.ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "reasoning_tokens":
			p.reasoning = readCount(v)
		case "text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens":
			// Parts of the output that are billed as any other.
		case "audio_tokens":
			p.out[metering.Audio] = readCount(v)
		case "image_tokens":
			p.out[metering.Image] = readCount(v)
		case "video_tokens":
			p.out[metering.Video] = readCount(v)
		default:
			u.unknown(k, v)
		}
		return true
	})
}

func (u *openAIUsage) unknown(key string, v gjson.Result) {
	if isTokenCount(key, v) {
		u.flags = append(u.flags, metering.FlagUnknownField)
	}
}

// assemble puts the parts together. Servers differ in what their wholes include;
// where a total is given it decides: xAI's chat counts reasoning beside the
// completion and Mistral counts audio beside the prompt, and only then does the
// total equal the sum.
func (u *openAIUsage) assemble(p *openAIParts) {
	cached := p.cached.or(p.cachedAlt)
	reasoning := p.reasoning.or(p.reasoningAlt)
	p.in[metering.Audio] = p.in[metering.Audio].or(p.audioAlt)
	n := &u.normal
	n.input, n.output, n.total = u.input.n, u.output.n, u.total
	n.cacheRead, n.write30m, n.reasoning = cached.n, p.written.n, reasoning.n
	n.cachedBy = p.cachedBy
	for m := range p.in {
		n.inputBy[m], n.generated[m] = p.in[m].n, p.out[m].n
	}
	all := slices.Concat(p.in[:], p.out[:], []count{u.input, u.output, u.total, cached, p.written, reasoning})
	if slices.ContainsFunc(all, func(c count) bool { return c.bad }) {
		u.flags = append(u.flags, metering.FlagInvalidNumber)
	}
	if !u.total.set || u.input.bad || u.output.bad {
		return
	}
	if !u.input.set && !u.output.set {
		n.input = u.total.n // embeddings of Voyage
		return
	}
	audio := n.inputBy[metering.Audio]
	switch u.total.n - n.input - n.output {
	case 0:
	case n.reasoning:
		n.output += n.reasoning
	case audio:
		n.input += audio
	case audio + n.reasoning:
		n.input += audio
		n.output += n.reasoning
	}
}
