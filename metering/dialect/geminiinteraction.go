package dialect

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// interactionReader reads Gemini's interactions: the object, or the events of a
// stream, whose last has the object with its usage.
type interactionReader struct {
	answer
	usage interactionUsage
}

// interactionUsage is the usage of an interaction. Thoughts and what tools put
// into the prompt are beside the output and the input.
type interactionUsage struct {
	input, output, thoughts, cached, tools, total count

	inputBy, cachedBy, toolsBy, outputBy modalities
	flags                                []metering.Flag
}

func (u *interactionUsage) given() bool { return u.input.set || u.output.set || u.total.set }

func (r *interactionReader) event(_, data []byte) {
	if !r.stream {
		r.interaction(data)
		if status := r.finish.String(); status == "in_progress" || status == "queued" {
			r.deferred = true // in the background: the usage comes with the object
		}
		r.failBody(data)
		return
	}
	var kind, interaction, delta, step, failure []byte
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "event_type":
			kind = inner(c.value())
		case "interaction":
			interaction = c.value()
		case "delta":
			delta = c.value()
		case "step", "content":
			step = c.value()
		case "error":
			failure = c.value()
		default:
			c.value()
		}
	}
	r.fail("stream", failure)
	switch {
	case bytes.HasPrefix(kind, []byte("interaction.")):
		r.interaction(interaction)
		switch string(kind) {
		case "interaction.created", "interaction.start", "interaction.status_update":
		default:
			r.end(clean(string(kind), maxLabel))
		}
	case bytes.HasSuffix(kind, []byte(".delta")):
		r.show(rawMember(delta, "text"))
		r.show(rawMember(delta, "arguments"))
	case bytes.HasSuffix(kind, []byte(".start")):
		r.step(step)
	}
}

// interaction reads the object.
func (r *interactionReader) interaction(data []byte) {
	var usage, steps, failure []byte
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "id":
			r.id.set(c.value())
		case "model":
			r.model.set(c.value())
		case "status":
			r.finish.set(c.value())
		case "service_tier":
			r.tier.set(c.value())
		case "usage":
			usage = c.value()
		case "steps", "outputs":
			steps = c.value()
		case "error":
			failure = c.value()
		default:
			c.value()
		}
	}
	r.fail(r.inside(), failure)
	list := cursor{b: steps}
	if !r.stream && list.enter('[') {
		for list.element() {
			r.step(list.value())
		}
	}
	r.see(usage)
}

// step reads one step: how much text it shows, and whether it searched.
func (r *interactionReader) step(raw []byte) {
	var content []byte
	c := cursor{b: raw}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		value := c.value()
		switch string(key) {
		case "type":
			if string(inner(value)) == "google_search_call" {
				r.counts.set("grounded", gjson.Parse("1"))
			}
		case "text":
			r.show(value)
		case "arguments":
			r.showRaw(value)
		case "content":
			content = value
		}
	}
	parts := cursor{b: content}
	showParts(&parts, &r.answer)
}

func (r *interactionReader) see(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	r.objects++
	u := readInteractionUsage(raw)
	if !u.given() && !(len(u.flags) > 0 && !r.usage.given()) {
		return
	}
	r.usage = u
	r.keepUsage(raw)
}

func readInteractionUsage(raw []byte) interactionUsage {
	var u interactionUsage
	gjson.ParseBytes(raw).ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "total_input_tokens":
			u.input = readCount(v)
		case "total_output_tokens":
			u.output = readCount(v)
		case "total_thought_tokens":
			u.thoughts = readCount(v)
		case "total_cached_tokens":
			u.cached = readCount(v)
		case "total_tool_use_tokens":
			u.tools = readCount(v)
		case "total_tokens":
			u.total = readCount(v)
		case "input_tokens_by_modality":
			u.byModality(v, &u.inputBy)
		case "cached_tokens_by_modality":
			u.byModality(v, &u.cachedBy)
		case "tool_use_tokens_by_modality":
			u.byModality(v, &u.toolsBy)
		case "output_tokens_by_modality":
			u.byModality(v, &u.outputBy)
		default:
			if isTokenCount(k, v) {
				u.flags = append(u.flags, metering.FlagUnknownField)
			}
		}
		return true
	})
	for _, c := range [...]count{u.input, u.output, u.thoughts, u.cached, u.tools, u.total} {
		if c.bad {
			u.flags = append(u.flags, metering.FlagInvalidNumber)
		}
	}
	return u
}

// byModality reads a list of {modality, tokens}.
func (u *interactionUsage) byModality(v gjson.Result, m *modalities) {
	*m = modalities{}
	if !v.IsArray() {
		return
	}
	v.ForEach(func(_, part gjson.Result) bool {
		n := readCount(part.Get("tokens"))
		if n.bad {
			u.flags = append(u.flags, metering.FlagInvalidNumber)
		}
		at := modalityOf(bytes.ToUpper([]byte(part.Get("modality").Raw)))
		if m[at]+n.n <= maxCount {
			m[at] += n.n
		}
		return len(u.flags) < maxQuantities
	})
}

func (r *interactionReader) unknownField(_, _ []byte) {}

func (r *interactionReader) report(u *metering.Usage) reported {
	for _, f := range r.usage.flags {
		u.Flag(f)
	}
	if !r.usage.given() {
		return reportedNothing
	}
	x := &r.usage
	n := normal{
		input: x.input.n + x.tools.n, output: x.output.n + x.thoughts.n, total: x.total,
		cacheRead: x.cached.n, reasoning: x.thoughts.n, cachedBy: x.cachedBy, generated: x.outputBy,
	}
	for m := range n.inputBy {
		n.inputBy[m] = x.inputBy[m] + x.toolsBy[m]
	}
	n.fill(u)
	switch {
	case x.output.bad, x.thoughts.bad:
		return reportedInput
	case x.input.bad:
		return reportedOutput
	case r.stream && r.terminal == "":
		return reportedSoFar
	default:
		return reportedAll
	}
}
