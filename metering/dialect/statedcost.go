package dialect

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// statedCost is what an answer says that it has cost.
type statedCost struct {
	cost *metering.StatedCost // the latest; nil: none
	bad  bool                 // what stands for the latest is no number
}

// maxStatedText is the longest text of a cost that is kept.
const maxStatedText = 64

// say takes a cost in the place of what was said before; nothing and null say
// nothing.
func (s *statedCost) say(v gjson.Result, unit, field string) {
	switch {
	case v.Type == gjson.Null:
	case v.Type != gjson.Number || len(v.Raw) > maxStatedText:
		s.cost, s.bad = nil, true
	default:
		s.cost, s.bad = &metering.StatedCost{Amount: strings.Clone(v.Raw), Unit: unit, Field: field}, false
	}
}

// stateCost keeps a cost that the provider states.
func (a *answer) stateCost(v gjson.Result, unit, field string) { a.stated.say(v, unit, field) }

// stateUsageCost keeps usage.cost, which is a number, or Perplexity's object.
func (a *answer) stateUsageCost(v gjson.Result) {
	if v.IsObject() {
		a.stateParts(v)
		return
	}
	a.stateCost(v, "usd", "usage.cost")
}

// partStep is the step in picos of a dollar to which Perplexity rounds each part of a
// cost that is for tokens: of 8 and 5 tokens at a dollar a million it says
// {"input_tokens_cost":0.00001,"output_tokens_cost":0.0}. What it says of
// embeddings has other names and is not rounded.
const partStep = metering.PicosPerUnit / 100_000

// stateParts keeps the total of a cost that is stated in parts.
func (a *answer) stateParts(v gjson.Result) {
	total := v.Get("total_cost")
	if !total.Exists() {
		return // it comes at the end
	}
	a.stateCost(total, "usd", "usage.cost.total_cost")
	if a.stated.cost == nil {
		return
	}
	parts, steps := int64(0), true
	v.ForEach(func(key, part gjson.Result) bool {
		if part.Type != gjson.Number {
			return true
		}
		text, ok := rounded(part.Raw)
		n, err := metering.ParseNumber(text)
		steps = steps && ok && err == nil && n.Picos%partStep == 0
		if strings.HasSuffix(key.String(), "_tokens_cost") {
			parts++
		}
		return true
	})
	if steps && parts > 0 {
		a.stated.cost.Within = metering.Number{Picos: parts * partStep / 2}.Normal().String()
	}
}

// gatewayCost keeps the estimate that Pydantic's gateway adds to a usage object.
func (a *answer) gatewayCost(v gjson.Result) {
	a.stateCost(v.Get("cost_estimate"), "usd", "usage.pydantic_ai_gateway.cost_estimate")
}

// headerLiteLLM is where LiteLLM's proxy says what a call has cost after its
// discounts and margins, in any of the protocols that it speaks
// (https://docs.litellm.ai/docs/proxy/response_headers).
const headerLiteLLM = "x-litellm-response-cost"

// stateInHead keeps a cost that a header states; what the body states stands before
// it. The head of a stream is sent before its cost is known, whatever it says.
func (a *answer) stateInHead(r Route, resp Response) {
	if resp.Header == nil || r.Class != Metered || resp.Status >= 400 || strings.HasPrefix(resp.ContentType, "text/event-stream") {
		return
	}
	switch text := resp.Header(headerLiteLLM); {
	case text == "" || text == "None":
	case len(text) <= maxStatedText && gjson.Valid(text):
		a.statedInHead.say(gjson.Parse(text), "usd", headerLiteLLM)
	default:
		a.statedInHead.bad = true
	}
}

// describeCost writes into u what the answer says that it has cost.
func (a *answer) describeCost(u *metering.Usage) {
	said := a.stated
	if said == (statedCost{}) {
		said = a.statedInHead
	}
	if said.bad {
		u.Flag(metering.FlagStatedInvalid)
	}
	if said.cost == nil {
		return
	}
	cost := *said.cost
	u.StatedCost = &cost
	if _, err := cost.Cost(); err != nil {
		u.Flag(metering.FlagStatedInvalid)
		return
	}
	if cost.Within != "" {
		u.Flag(metering.FlagStatedRounded)
	}
	if u.Deployment == deploymentOwnKey {
		u.Flag(metering.FlagStatedFee)
		if vendor := a.counts.of(vendorCost); !vendor.IsZero() {
			cost.Vendor = vendor.String()
		}
	}
}

// vendorCost is the quantity of what OpenRouter says that the vendor behind it
// charges: to OpenRouter, or to the customer whose own key it is.
const vendorCost = "upstream_inference_cost"
