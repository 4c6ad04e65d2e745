package pricebook

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/weirhq/weir/metering"
)

// tier is the service tier that was used, as the answer reports it: what was
// asked for does not matter. The standard tier is "".
//
//   - OpenAI says default, flex, priority or scale. auto is what it says before
//     it has decided, so the tier is not known then.
//   - Anthropic says standard, priority or batch; Google and Mistral standard.
//   - Groq says on_demand, flex or performance.
func tier(reported string) string {
	switch reported {
	case "", "default", "standard", "on_demand":
		return ""
	default:
		return reported
	}
}

// unlisted says what about the call selects prices that no book lists yet, or
// nothing.
func unlisted(u *metering.Usage) string {
	// Anthropic's inference_geo: "us" costs 1.1 times as much from Opus 4.6 on;
	// "not_available" is reported by models that do not offer the choice.
	switch u.Region {
	case "", "global", "not_available":
	default:
		return "condition: region " + u.Region
	}
	if !bytes.Contains(u.Raw, []byte(`"speed"`)) && !bytes.Contains(u.Raw, []byte(`"trafficType"`)) {
		return ""
	}
	var raw struct {
		Speed       string          `json:"speed"`       // Anthropic: fast costs 2 to 6 times as much
		TrafficType json.RawMessage `json:"trafficType"` // Vertex: provisioned throughput is paid by the hour
	}
	if err := json.Unmarshal(u.Raw, &raw); err != nil {
		return "condition: speed that cannot be read"
	}
	switch raw.Speed {
	case "", "standard":
	default:
		return "condition: speed " + short(raw.Speed)
	}
	// 1 is the number of ON_DEMAND in the protocol buffer, which some clients ask for.
	switch traffic := string(raw.TrafficType); traffic {
	case "", "null", `"TRAFFIC_TYPE_UNSPECIFIED"`, `"ON_DEMAND"`, "1":
		return ""
	default:
		return "condition: traffic type " + short(strings.Trim(traffic, `"`))
	}
}

// several reports whether the counts are sums over several prompts: then none
// of them says how long a prompt was.
func several(u *metering.Usage) bool {
	return len(u.ByModel) > 0 || bytes.Contains(u.Raw, []byte(`"iterations"`))
}

// short bounds text of a provider that becomes part of a reason.
func short(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most]
	}
	return s
}
