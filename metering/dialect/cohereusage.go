package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// cohereUsage is what Cohere bills: billed_units. The tokens beside it are what
// the model processed, templates, tools and documents included, which costs
// nothing more (https://docs.cohere.com/docs/how-does-cohere-pricing-work); they
// are kept as quantities. So is cached_tokens: it counts processed tokens, may
// exceed those that are billed, and no price of Cohere's depends on it.
type cohereUsage struct {
	input, output, image count
	reasoning            count // processed
	other                bool  // something other than tokens is billed
	flags                []metering.Flag
}

// readCohereUsage reads a usage object and adds what is not a billed token to a.
func readCohereUsage(v gjson.Result, a *answer) cohereUsage {
	var u cohereUsage
	v.Get("billed_units").ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "input_tokens":
			u.input = readCount(v)
		case "output_tokens":
			u.output = readCount(v)
		case "image_tokens":
			u.image = readCount(v)
		case "search_units", "classifications", "images":
			a.counts.set(k, v)
			u.other = u.other || readCount(v).set
		default:
			if isTokenCount(k, v) {
				u.flags = append(u.flags, metering.FlagUnknownField)
			}
		}
		return true
	})
	tokens := v.Get("tokens")
	u.reasoning = readCount(tokens.Get("reasoning_tokens"))
	a.counts.set("tokens_processed.input_tokens", tokens.Get("input_tokens"))
	a.counts.set("tokens_processed.output_tokens", tokens.Get("output_tokens"))
	a.counts.set("cached_tokens", v.Get("cached_tokens"))
	a.gatewayCost(v.Get("pydantic_ai_gateway"))
	return u
}

// given reports whether anything is billed, or said not to be.
func (u *cohereUsage) given() bool {
	return u.input.set || u.output.set || u.image.set || u.other
}

func (u *cohereUsage) report(to *metering.Usage) reported {
	flags := u.flags
	for _, c := range []count{u.input, u.output, u.image, u.reasoning} {
		if c.bad {
			flags = append(flags, metering.FlagInvalidNumber)
		}
	}
	for _, f := range flags {
		to.Flag(f)
	}
	if !u.given() {
		return reportedNothing
	}
	n := normal{input: u.input.n + u.image.n, output: u.output.n}
	n.inputBy[metering.Image] = u.image.n
	// Reasoning is billed as output; processed tokens may be more than billed ones.
	n.reasoning = min(u.reasoning.n, n.output)
	if !u.other || n.input+n.output > 0 {
		n.fill(to)
	}
	switch {
	case u.input.bad || u.image.bad:
		return reportedOutput
	case u.output.bad:
		return reportedInput
	default:
		return reportedAll
	}
}
