package pricebook

import (
	"strings"

	"github.com/weirhq/weir/metering"
)

// restated reports whether a quantity says again what is charged elsewhere, or
// counts what costs nothing by its kind.
func restated(e *metering.Event, q *metering.Quantity) bool {
	u := &e.Usage
	switch q.Name {
	case "counted_tokens", "declined_attempts", "upstream_inference_cost", "messages":
		return true
	case "tokens_processed.input_tokens", "tokens_processed.output_tokens", "cached_tokens": // Cohere bills other tokens
		return true
	case "guardrail_sensitive_information_policy_free_units": // of Bedrock, as it says itself
		return true
	case "seconds": // how long a socket was open: its turns are charged
		return amountOf(u, "messages") != (metering.Number{})
	case "images": // charged as tokens where the answer counts them as such
		if u.Tokens[metering.OutputCell(false, metering.Image)] > 0 || e.Endpoint == "openai.images" && u.Tokens.Output() > 0 {
			return true
		}
	case "tool_usage.web_search.num_requests": // OpenAI's own count of what its items show
		return q.Amount == amountOf(u, "web_search_call.search")
	}
	if byTool(u, q) {
		return true
	}
	// xAI counts in its usage what it bills of the items that its answer shows.
	if item, _, _ := strings.Cut(q.Name, "."); strings.HasSuffix(item, "_call") && !amountOf(u, "server_side_tool_usage_details."+item+"s").IsZero() {
		return true
	}
	// A count of calls whose kinds are counted one by one.
	var parts metering.Number
	for i := range u.Quantities {
		if rest, ok := strings.CutPrefix(u.Quantities[i].Name, q.Name); ok && strings.HasPrefix(rest, ".") {
			parts = parts.Add(u.Quantities[i].Amount)
		}
	}
	return parts == q.Amount
}

// byTool reports whether a quantity is of a tool that is charged by another: the
// container that calls ran in, the tokens that an image took.
func byTool(u *metering.Usage, q *metering.Quantity) bool {
	const image = "tool_usage.image_gen."
	switch q.Name {
	case "code_interpreter_call", "shell_call", "code_execution_requests":
		return !amountOf(u, "containers").IsZero()
	case "image_generation_call", "images":
		return !amountOf(u, image+"total_tokens").IsZero()
	case image + "input_tokens", image + "output_tokens": // their parts are charged
		return q.Amount == amountOf(u, q.Name+"_details.text_tokens").Add(amountOf(u, q.Name+"_details.image_tokens"))
	case image + "total_tokens":
		return q.Amount == amountOf(u, image+"input_tokens").Add(amountOf(u, image+"output_tokens"))
	default:
		return false
	}
}

func amountOf(u *metering.Usage, name string) metering.Number {
	for i := range u.Quantities {
		if u.Quantities[i].Name == name {
			return u.Quantities[i].Amount
		}
	}
	return metering.Number{}
}
