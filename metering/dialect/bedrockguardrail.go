package dialect

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// maxTraceDepth bounds how deep a trace is searched for assessments: of outputs
// they lie in a list of a map of lists.
const maxTraceDepth = 6

// readTrace reads the trace of an answer. A guardrail is billed by units of text
// for each kind of policy (https://aws.amazon.com/bedrock/pricing/), which only
// the trace counts; a prompt router says there which model it has chosen.
func (a *answer) readTrace(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	trace := gjson.ParseBytes(raw)
	if model := trace.Get("promptRouter.invokedModelId"); model.Type == gjson.String {
		a.model.set([]byte(model.Raw))
	}
	var units quantities
	addUnits(&units, trace.Get("guardrail"), maxTraceDepth)
	for _, q := range units {
		a.counts.replace(q)
	}
}

// addUnits adds the units of all assessments in v.
func addUnits(units *quantities, v gjson.Result, depth int) {
	if depth == 0 || !v.IsObject() && !v.IsArray() {
		return
	}
	v.ForEach(func(key, v gjson.Result) bool {
		if key.String() != "invocationMetrics" {
			addUnits(units, v, depth-1)
			return true
		}
		v.Get("usage").ForEach(func(policy, n gjson.Result) bool {
			if c := readCount(n); c.set && strings.HasSuffix(policy.String(), "Units") {
				units.add(clean("guardrail_"+snake(policy.String()), maxLabel), metering.NumberOf(c.n))
			}
			return true
		})
		return true
	})
}
