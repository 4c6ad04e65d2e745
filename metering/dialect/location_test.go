package dialect_test

import (
	"testing"

	"github.com/weirhq/weir/metering/dialect"
)

// TestLocation: what the addresses of Vertex, Bedrock and OpenAI name, and that
// nothing else is taken for a region.
func TestLocation(t *testing.T) {
	t.Parallel()
	f := func(baseURL, want string) {
		t.Helper()
		if got := dialect.Location(baseURL); got != want {
			t.Errorf("%s is in %q, want %q", baseURL, got, want)
		}
	}
	f("https://us-central1-aiplatform.googleapis.com", "us-central1")
	f("https://Europe-West4-aiplatform.googleapis.com:443/v1", "europe-west4")
	f("https://aiplatform.googleapis.com", "global")
	f("https://aiplatform.eu.rep.googleapis.com", "eu")
	f("https://aiplatform.googleapis.com/v1/projects/p/locations/us-east5", "us-east5")
	f("https://generativelanguage.googleapis.com", "")
	f("https://storage.us.rep.googleapis.com", "")
	f("https://bedrock-runtime.us-east-1.amazonaws.com", "us-east-1")
	f("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1")
	f("https://bedrock-mantle.eu-west-1.api.aws/openai", "eu-west-1")
	f("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1")
	f("https://vpce-0a1-b2c.bedrock-runtime.ap-south-1.vpce.amazonaws.com", "ap-south-1")
	f("https://s3.eu-west-1.amazonaws.com", "")
	f("https://bedrock-runtime.us-east-1.amazonaws.com.evil.example", "")
	f("https://bedrock.amazonaws.com", "")
	f("https://api.openai.com", "")
	f("https://eu.api.openai.com", "eu")
	f("https://eu.west.api.openai.com", "")
	f("https://llm.example.com/locations/us-east5", "")
	f("https://llm.example.com/projects/p/locations/<LOCATION>", "")
	f("://", "")
}

// TestScanner_location: the path's region comes before that of the host, and the
// answer's own before both; of a call without usage nothing is said.
func TestScanner_location(t *testing.T) {
	t.Parallel()
	f := func(protocol, path, location string, status int, answer, want string) {
		t.Helper()
		d, _ := dialect.Named(protocol)
		s := d.Scanner(d.Route("POST", path), dialect.Request{}, dialect.Response{Status: status, ContentType: "application/json", Location: location})
		s.Scan([]byte(answer))
		if u := s.Close(dialect.Ended); u.Region != want {
			t.Errorf("%s of %s at %q ran in %q, want %q (%s)", protocol, path, location, u.Region, want, u.State)
		}
	}
	const (
		gemini  = `{"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}`
		message = `{"type":"message","usage":{"input_tokens":1,"output_tokens":1,"inference_geo":`
		vertex  = "/v1/projects/p/locations/us-east5/publishers/"
	)
	f("gemini", vertex+"google/models/m:generateContent", "global", 200, gemini, "us-east5")
	f("gemini", "/v1/publishers/google/models/m:generateContent", "global", 200, gemini, "global")
	f("gemini", "/v1beta/models/m:generateContent", "", 200, gemini, "")
	f("gemini", "/v1/projects/p/locations/eu/endpoints/openapi/chat/completions", "", 200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "eu")
	f("gemini", vertex+"google/models/m:generateContent", "global", 400, `{"error":{"code":400}}`, "")
	f("anthropic", vertex+"anthropic/models/m:rawPredict", "", 200, message+`"not_available"}}`, "us-east5")
	f("gemini", vertex+"anthropic/models/m:rawPredict", "", 200, message+`null}}`, "us-east5")
	f("anthropic", "/v1/messages", "us-east5", 200, message+`"us"}}`, "us")
	f("anthropic", "/v1/messages", "", 200, message+`"not_available"}}`, "not_available")
	f("bedrock", "/model/amazon.nova-lite-v1:0/converse", "eu-west-1", 200, `{"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`, "eu-west-1")

	d, _ := dialect.Named("gemini")
	route, _ := d.(dialect.Sockets).Socket("/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent")
	route.Location = "us-central1" // as the upstream's host says
	session := d.(dialect.Sockets).Session(route, dialect.Request{})
	turns := session.Received([]byte(`{"serverContent":{"turnComplete":true},`+gemini[1:]), false)
	open, rest := session.Close(dialect.Ended)
	if turns = append(turns, open...); len(turns) != 1 || turns[0].Usage.Region != "us-central1" {
		t.Errorf("turns of a socket: %+v, and %+v", turns, rest)
	}
}
