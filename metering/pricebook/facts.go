package pricebook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
)

// dims are the facts of a call that always matter: one that is not the usual
// must be a condition of the rate, or of a modifier, or the call has no price.
type dims uint8

const (
	dimTier dims = 1 << iota
	dimRegion
	dimEndpoint
	dimSpeed
)

// facts are what prices depend on, beside the model and what was used.
type facts struct {
	at, end                       metering.Micros
	tier, region, endpoint, speed string // empty: the usual
	placed                        bool   // whether the region is known; the global one is ""
	attributes                    []metering.Tag
	tokens                        *metering.Tokens // of the prompt and answer that one context is made of
}

// factsOf reads an event. An id that was found by its region or deployment says
// so where the answer does not.
func factsOf(e *metering.Event, found *match) facts {
	u := &e.Usage
	f := facts{
		at: cmp.Or(e.PricedAt, e.At), end: cmp.Or(e.End, e.At),
		tier: tier(u.ServiceTier), region: region(u.Region), attributes: u.Attributes,
	}
	if e.PricedAt != 0 {
		f.end = e.PricedAt
	}
	f.speed, f.endpoint = modes(u)
	f.region = cmp.Or(f.region, found.row.Region)
	f.placed = f.region != "" || u.Region == regionGlobal
	f.endpoint = cmp.Or(f.endpoint, found.row.Endpoint)
	return f
}

// unusual is which facts are not the usual ones.
func (f *facts) unusual() dims {
	var d dims
	for _, x := range []struct {
		value string
		dim   dims
	}{{f.tier, dimTier}, {f.region, dimRegion}, {f.endpoint, dimEndpoint}, {f.speed, dimSpeed}} {
		if x.value != "" {
			d |= x.dim
		}
	}
	return d
}

// attribute returns a fact by name; empty if the call says nothing of it.
func (f *facts) attribute(name string) string {
	for i := range f.attributes {
		if f.attributes[i].Name == name {
			return f.attributes[i].Value
		}
	}
	return ""
}

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

// regionGlobal is what is said of an endpoint that may run anywhere.
const regionGlobal = "global"

// region is where the model ran, as Anthropic's inference_geo or the address that
// was called says it: "not_available" is reported by models that do not offer the
// choice.
func region(reported string) string {
	switch reported {
	case "", regionGlobal, "not_available":
		return ""
	default:
		return reported
	}
}

// modes read the speed mode (Anthropic: fast costs 2 to 6 times as much) and the
// kind of deployment (Vertex: provisioned throughput is paid by the hour). Events
// of before they had fields have them in the usage object alone.
func modes(u *metering.Usage) (speed, endpoint string) {
	if u.Speed != "" || u.Deployment != "" {
		return u.Speed, u.Deployment
	}
	if !bytes.Contains(u.Raw, []byte(`"speed"`)) && !bytes.Contains(u.Raw, []byte(`"trafficType"`)) {
		return "", ""
	}
	var raw struct {
		Speed       json.RawMessage `json:"speed"`
		TrafficType json.RawMessage `json:"trafficType"`
	}
	if json.Unmarshal(u.Raw, &raw) != nil {
		return "unreadable", ""
	}
	switch text := plain(raw.Speed); text {
	case "", "null", "standard":
	default:
		speed = text
	}
	// 1 is the number of ON_DEMAND in the protocol buffer, which some clients ask for.
	switch text := plain(raw.TrafficType); text {
	case "", "null", "TRAFFIC_TYPE_UNSPECIFIED", "ON_DEMAND", "1":
	case "PROVISIONED_THROUGHPUT", "2":
		endpoint = "provisioned"
	case "ON_DEMAND_PRIORITY", "3":
		endpoint = "priority"
	case "ON_DEMAND_FLEX", "4":
		endpoint = "flex"
	default:
		endpoint = text
	}
	return speed, endpoint
}

func plain(raw json.RawMessage) string { return short(strings.Trim(string(raw), `"`)) }

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

// describe names facts, and a threshold unless it is zero, for a reason.
func (f *facts) describe(d dims, above int64) string {
	var parts []string
	add := func(has bool, text string) {
		if has {
			parts = append(parts, text)
		}
	}
	add(d&dimTier != 0, "service tier "+short(f.tier))
	add(d&dimRegion != 0, "region "+short(f.region))
	add(d&dimEndpoint != 0, "deployment "+short(f.endpoint))
	add(d&dimSpeed != 0, "speed "+short(f.speed))
	add(above > 0, "prompt above "+strconv.FormatInt(above, 10)+" tokens")
	return strings.Join(parts, ", ")
}
