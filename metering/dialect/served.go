package dialect

import (
	"strings"

	"github.com/weirhq/weir/metering"
)

// served is how an answer was made where that has a price of its own, apart from
// the service tier.
type served struct {
	// speed is Anthropic's usage.speed, or the latency in Bedrock's performanceConfig.
	speed label
	// traffic is Vertex's trafficType: by name, or by its number in
	// google.cloud.aiplatform.v1.GenerateContentResponse.UsageMetadata.TrafficType,
	// which some clients' transports send. Every chunk of a stream says it.
	traffic label
	// deployment is what the path or the head says.
	deployment string
}

const (
	// deploymentProvisioned is capacity that is paid by the hour, whatever is sent.
	deploymentProvisioned = "provisioned"
	// deploymentOwnKey is a gateway's account with a vendor that its customer has
	// itself: the gateway charges a fee alone.
	deploymentOwnKey = "byok"
)

// describe writes into u what is not the usual way.
func (s *served) describe(u *metering.Usage) {
	if u.Speed = s.speed.String(); u.Speed == "standard" {
		u.Speed = ""
	}
	u.Deployment = s.deployment
	switch traffic := s.traffic.String(); traffic {
	case "", "0", "TRAFFIC_TYPE_UNSPECIFIED", "1", "ON_DEMAND":
	case "2", "PROVISIONED_THROUGHPUT":
		u.Deployment = deploymentProvisioned
	case "3", "ON_DEMAND_PRIORITY":
		u.Deployment = "priority"
	case "4", "ON_DEMAND_FLEX":
		u.Deployment = "flex"
	default:
		u.Deployment = traffic
	}
}

// head takes what the path and the head of an answer say: whose they are shows in
// the names of the headers.
func (s *served) head(a *answer, r Route, resp Response) {
	bedrock := isBedrock(r.Endpoint)
	if bedrock && strings.Contains(r.Model, ":provisioned-model/") {
		s.deployment = deploymentProvisioned
	}
	switch {
	case resp.Header == nil || r.Class != Metered:
	case bedrock:
		s.speed.set(quoted(resp.Header("x-amzn-bedrock-performanceconfig-latency")))
		a.tier.set(quoted(resp.Header("x-amzn-bedrock-service-tier")))
	case strings.HasPrefix(string(r.Endpoint), "openai."):
		s.azure(a, resp)
	}
}

// azure takes the offer behind a deployment, and the tier that processed the call
// where the body names none. Only provisioned deployments say how far they are
// utilised (https://learn.microsoft.com/en-us/answers/questions/1838627), and what
// has spilled over from one is paid by use
// (https://learn.microsoft.com/en-us/azure/foundry/openai/how-to/spillover-traffic-management).
func (s *served) azure(a *answer, resp Response) {
	switch offer := clean(resp.Header("azureai-fe-offer-type"), maxLabel); {
	case offer != "" && offer != "paygo":
		s.deployment = strings.ToLower(offer)
	case resp.Header("azure-openai-deployment-utilization") != "" && resp.Header("x-ms-is-spilled-over") != "true":
		s.deployment = deploymentProvisioned
	}
	if tier := resp.Header("azureai-processed-tier"); tier != "default" {
		a.tier.set(quoted(tier))
	}
}

// quoted is a header's value as the raw string that a label takes.
func quoted(value string) []byte {
	if value == "" || strings.ContainsAny(value, "\"\\") {
		return nil
	}
	return []byte(`"` + value + `"`)
}
