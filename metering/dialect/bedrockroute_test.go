package dialect_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering/dialect"
)

// TestRoute_ownProtocols: what method and path say to Bedrock and to Cohere.
func TestRoute_ownProtocols(t *testing.T) {
	t.Parallel()
	const arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2Fus.anthropic.claude-x-v1%3A0"
	for _, tt := range []struct {
		name, method, path string
		want               dialect.Route
	}{
		{"bedrock", "POST", "/model/us.amazon.nova-micro-v1%3A0/converse", dialect.Route{Endpoint: "bedrock.converse", Class: dialect.Metered, Model: "us.amazon.nova-micro-v1:0"}},
		{"bedrock", "POST", "/model/us.amazon.nova-micro-v1:0/converse-stream", dialect.Route{Endpoint: "bedrock.converse_stream", Class: dialect.Metered, Model: "us.amazon.nova-micro-v1:0", Stream: true}},
		{"bedrock", "POST", "/model/" + arn + "/invoke", dialect.Route{Endpoint: "bedrock.invoke", Class: dialect.Metered, Model: "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-x-v1:0"}},
		{"bedrock", "POST", "/model/m/invoke-with-response-stream", dialect.Route{Endpoint: "bedrock.invoke_stream", Class: dialect.Metered, Model: "m", Stream: true}},
		{"bedrock", "POST", "/model/m/count-tokens", dialect.Route{Endpoint: "bedrock.count_tokens", Class: dialect.Free, Model: "m"}},
		{"bedrock", "POST", "/bedrock/model/m/converse", dialect.Route{Endpoint: "bedrock.converse", Class: dialect.Metered, Model: "m"}},
		{"bedrock", "POST", "/model/m/invoke-with-bidirectional-stream", dialect.Route{Endpoint: "raw"}},
		{"bedrock", "POST", "/model/m%2Fconverse", dialect.Route{Endpoint: "raw"}},
		{"bedrock", "POST", "/model%2Fm/converse", dialect.Route{Endpoint: "raw"}},
		{"bedrock", "POST", "/guardrail/g/version/1/apply", dialect.Route{Endpoint: "bedrock.guardrails", Class: dialect.Stateful}},
		{"bedrock", "GET", "/async-invoke", dialect.Route{Endpoint: "bedrock.async_invoke", Class: dialect.Stateful}},
		{"bedrock", "GET", "/foundation-models", dialect.Route{Endpoint: "bedrock.models", Class: dialect.Free}},
		{"bedrock", "GET", "/foundation-models/amazon.nova-micro-v1%3A0", dialect.Route{Endpoint: "bedrock.models", Class: dialect.Free}},
		{"bedrock", "POST", "/inference-profiles", dialect.Route{Endpoint: "bedrock.models_change", Class: dialect.Stateful}},
		{"bedrock", "PUT", "/model-invocation-job", dialect.Route{Endpoint: "bedrock.batches", Class: dialect.Stateful}},
		{"bedrock", "POST", "/agents/a/agentAliases/b/sessions/c/text", dialect.Route{Endpoint: "bedrock.agents", Class: dialect.Stateful}},
		{"bedrock", "POST", "/openai/v1/chat/completions", dialect.Route{Endpoint: "openai.chat", Class: dialect.Metered}},
		{"bedrock", "POST", "/v1/responses", dialect.Route{Endpoint: "openai.responses", Class: dialect.Metered}},
		{"bedrock", "GET", "/v1/models", dialect.Route{Endpoint: "openai.models", Class: dialect.Free}},
		{"bedrock", "POST", "/anthropic/v1/messages", dialect.Route{Endpoint: "anthropic.messages", Class: dialect.Metered}},
		{"bedrock", "POST", "/v1/messages", dialect.Route{Endpoint: "anthropic.messages", Class: dialect.Metered}},
		{"bedrock", "POST", "/rerank", dialect.Route{Endpoint: "raw"}},

		{"cohere", "POST", "/v2/chat", dialect.Route{Endpoint: "cohere.chat", Class: dialect.Metered}},
		{"cohere", "POST", "/v1/classify", dialect.Route{Endpoint: "cohere.classify", Class: dialect.Metered}},
		{"cohere", "POST", "/v1/summarize", dialect.Route{Endpoint: "cohere.summarize", Class: dialect.Metered}},
		{"cohere", "POST", "/v1/detokenize", dialect.Route{Endpoint: "cohere.detokenize", Class: dialect.Free}},
		{"cohere", "GET", "/v1/models/command-a", dialect.Route{Endpoint: "cohere.models", Class: dialect.Free}},
		{"cohere", "DELETE", "/v1/models/command-a", dialect.Route{Endpoint: "raw"}},
		{"cohere", "POST", "/v1/embed-jobs/x/cancel", dialect.Route{Endpoint: "cohere.embed_jobs", Class: dialect.Stateful}},
		{"cohere", "GET", "/v1/datasets", dialect.Route{Endpoint: "cohere.datasets", Class: dialect.Stateful}},
		{"cohere", "GET", "/v1/finetuning/finetuned-models", dialect.Route{Endpoint: "cohere.finetuning", Class: dialect.Stateful}},
		{"cohere", "GET", "/v1/connectors", dialect.Route{Endpoint: "cohere.connectors", Class: dialect.Stateful}},
		{"cohere", "POST", "/compatibility/v1/chat/completions", dialect.Route{Endpoint: "openai.chat", Class: dialect.Metered}},
		{"cohere", "POST", "/compatibility/v1/embeddings", dialect.Route{Endpoint: "openai.embeddings", Class: dialect.Metered}},
		{"cohere", "POST", "/v2/chat/x", dialect.Route{Endpoint: "raw"}},
	} {
		d, ok := dialect.Named(tt.name)
		if !ok {
			t.Fatal(tt.name)
		}
		got := d.Route(tt.method, tt.path)
		got.Creates = "" // objects have tests of their own
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", tt.name, tt.method, tt.path, diff)
		}
	}
}

// TestCanonicalPath_bedrock: an encoded slash is canonical inside an ARN, and
// nowhere else (S09).
func TestCanonicalPath_bedrock(t *testing.T) {
	t.Parallel()
	const arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Famazon.titan-tg1-large"
	for _, tt := range []struct {
		path            string
		bedrock, others bool
	}{
		{"/v1/chat/completions", true, true},
		{"/model/amazon.titan-v1%3A0/invoke", true, true},
		{"/model/" + arn + "/invoke", true, false},
		{"/model/arn:aws:bedrock:us-east-1::foundation-model%2fx/invoke", true, false},
		{"/guardrail/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aguardrail%2Fg/version/1/apply", true, false},
		{"/async-invoke/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aasync-invoke%2Fx", true, false},
		{"/foundation-models/" + arn, true, false},
		{"/model/x%2Finvoke", false, false},
		{"/model%2Farn:x/invoke", false, false},
		{"/v1/" + arn, false, false},
		{"/" + arn, false, false},
		{"/model/m/" + arn, false, false},
		{"/model/arn%3Ax%2F..%2F..%2Fasync-invoke/invoke", false, false},
		{"/model/arn%3Ax%2F%2e%2e%2Fy/invoke", false, false},
		{"/model/arn%3Ax%2F%2Fy/invoke", false, false},
		{"/model/arn%3Ax%2F/invoke", false, false},
		{"/foundation-models/arn%3Ax%2F", false, false},
		{"/model/arn%3Ax%252Fy/invoke", false, false},
		{"/model/arn%3Ax%5Cy/invoke", false, false},
		{"/model/arn%3Ax%2Fy\\z/invoke", false, false},
		{"/model/%61rn%3Ax%2Fy/invoke", false, false},
		{"/model/arn%3Ax%2Fy//invoke", false, false},
		{"/model/arn%3Ax%2Fy/../invoke", false, false},
		{"", false, false},
		{"model/arn%3Ax%2Fy/invoke", false, false},
	} {
		d, _ := dialect.Named("bedrock")
		if got := d.(dialect.Pathed).CanonicalPath([]byte(tt.path)); got != tt.bedrock {
			t.Errorf("%s: canonical to Bedrock is %v", tt.path, got)
		}
		if got := dialect.CanonicalPath([]byte(tt.path)); got != tt.others {
			t.Errorf("%s: canonical is %v", tt.path, got)
		}
	}
}

// TestErrorBody_ownProtocols: refusals in the words of Bedrock and of Cohere.
func TestErrorBody_ownProtocols(t *testing.T) {
	t.Parallel()
	kinds := map[int]string{
		400: "ValidationException", 401: "AccessDeniedException", 402: "ServiceQuotaExceededException", 403: "AccessDeniedException",
		404: "ResourceNotFoundException", 409: "ConflictException", 413: "ValidationException", 429: "ThrottlingException",
		500: "InternalServerException", 502: "InternalServerException", 503: "ServiceUnavailableException", 504: "ModelTimeoutException",
	}
	for status, kind := range kinds {
		if http.StatusText(status) == "" {
			t.Fatal(status)
		}
		f := dialect.Fault{Status: status, Code: "c", Message: `Say "so".`}
		for name, want := range map[string]map[string]string{
			"bedrock": {"__type": kind, "message": f.Message}, "cohere": {"message": f.Message},
		} {
			d, _ := dialect.Named(name)
			body, contentType := d.ErrorBody(f)
			var got map[string]string
			if err := json.Unmarshal(body, &got); err != nil || contentType != "application/json" {
				t.Fatalf("%s: %q, %s: %v", name, body, contentType, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %d (-want +got):\n%s", name, status, diff)
			}
		}
	}
}
