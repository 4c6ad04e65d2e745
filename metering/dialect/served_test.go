package dialect_test

import (
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// served reads an answer and returns what it says of how it was made.
func served(t *testing.T, name, path string, head map[string]string, body string) metering.Usage {
	t.Helper()
	d, ok := dialect.Named(name)
	if !ok {
		t.Fatalf("no dialect %q", name)
	}
	r := d.Route("POST", path)
	s := d.Scanner(r, dialect.Request{Model: r.Model}, dialect.Response{
		Status: 200, ContentType: "application/json", Header: func(name string) string { return head[name] },
	})
	s.Scan([]byte(body))
	return s.Close(dialect.Ended)
}

// TestServed_traffic: Vertex says the class of traffic by name, or by number to
// clients of the protocol buffers.
func TestServed_traffic(t *testing.T) {
	t.Parallel()
	f := func(traffic, want string) {
		t.Helper()
		u := served(t, "gemini", "/v1/projects/p/locations/global/publishers/google/models/g:generateContent", nil,
			`{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4,"trafficType":`+traffic+`}}`)
		if u.Deployment != want || u.State != metering.UsageExact {
			t.Errorf("%s is deployment %q, %s, want %q", traffic, u.Deployment, u.State, want)
		}
	}
	for _, usual := range []string{`"ON_DEMAND"`, `"TRAFFIC_TYPE_UNSPECIFIED"`, "0", "1", "null", `""`} {
		f(usual, "")
	}
	f(`"PROVISIONED_THROUGHPUT"`, "provisioned")
	f("2", "provisioned")
	f(`"ON_DEMAND_PRIORITY"`, "priority")
	f("3", "priority")
	f(`"ON_DEMAND_FLEX"`, "flex")
	f("4", "flex")
	f(`"SOMETHING_NEW"`, "SOMETHING_NEW")
}

// TestServed_azure: the head says what the body does not.
func TestServed_azure(t *testing.T) {
	t.Parallel()
	f := func(head map[string]string, body, deployment, tier string) {
		t.Helper()
		u := served(t, "openai", "/openai/deployments/d/chat/completions", head, body)
		if u.Deployment != deployment || u.ServiceTier != tier {
			t.Errorf("%v: deployment %q, tier %q, want %q, %q", head, u.Deployment, u.ServiceTier, deployment, tier)
		}
	}
	const plain, flex = `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`, `{"service_tier":"flex","usage":{"prompt_tokens":1,"completion_tokens":1}}`
	f(map[string]string{"azureai-fe-offer-type": "paygo", "azureai-processed-tier": "default", "x-ms-is-spilled-over": "false"}, plain, "", "")
	f(map[string]string{"azureai-fe-offer-type": "PTU"}, plain, "ptu", "")
	f(map[string]string{"azure-openai-deployment-utilization": "31%"}, plain, "provisioned", "")
	f(map[string]string{"azure-openai-deployment-utilization": "100%", "x-ms-is-spilled-over": "true"}, plain, "", "")
	f(map[string]string{"azureai-processed-tier": "priority"}, plain, "", "priority")
	f(map[string]string{"azureai-processed-tier": "priority"}, flex, "", "flex")
	f(map[string]string{"azureai-processed-tier": `"`}, plain, "", "")
}

// TestServed_bedrock: a provisioned model is called by its ARN.
func TestServed_bedrock(t *testing.T) {
	t.Parallel()
	const body = `{"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"performanceConfig":{"latency":"standard"}}`
	for id, want := range map[string]string{
		"us.anthropic.claude-x": "",
		"arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc": "provisioned",
	} {
		u := served(t, "bedrock", "/model/"+id+"/converse", nil, body)
		if u.Deployment != want || u.Speed != "" {
			t.Errorf("%s: deployment %q, speed %q, want %q", id, u.Deployment, u.Speed, want)
		}
	}
}
