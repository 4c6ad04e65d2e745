package dialect_test

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// used is the usage that a request and its answer leave.
func used(t *testing.T, name, path, contentType, request, answer string) metering.Usage {
	t.Helper()
	d, ok := dialect.Named(name)
	if !ok {
		t.Fatalf("no dialect %q", name)
	}
	r := d.Route("POST", path)
	q, err := d.Inspect(r, contentType, []byte(request))
	if err != nil {
		t.Fatal(err)
	}
	s := d.Scanner(r, q, dialect.Response{Status: 200, ContentType: "application/json"})
	s.Scan([]byte(answer))
	return s.Close(dialect.Ended)
}

// TestVariant: what was made is what the answer says, else what was asked for,
// else what the vendor makes unasked.
func TestVariant(t *testing.T) {
	t.Parallel()
	f := func(name, path, request, answer, want string) {
		t.Helper()
		u := used(t, name, path, "application/json", request, answer)
		if got := fmt.Sprint(u.Attributes); got != want {
			t.Errorf("%s asked for %s: %s, want %s", path, request, got, want)
		}
	}
	const images, one = "/v1/images/generations", `{"data":[{"url":"u"}]}`
	f("openai", images, `{"model":"dall-e-3","prompt":"a weir"}`, one, "[{quality standard} {size 1024x1024}]")
	f("openai", images, `{"model":"dall-e-3","quality":"hd","size":"1792x1024"}`, one, "[{quality hd} {size 1792x1024}]")
	f("openai", images, `{"model":"dall-e-2"}`, one, "[{size 1024x1024}]")
	f("openai", images, `{"model":"gpt-image-1","quality":"auto","size":"auto"}`, `{"data":[{"b64_json":"AA"}],"quality":"low","size":"1536x1024"}`, "[{quality low} {size 1536x1024}]")
	f("openai", images, `{"model":"grok-imagine-image","resolution":"2k"}`, one, "[{resolution 2k}]")
	f("openai", images, `{"model":"black-forest-labs/FLUX.1-pro","width":1024,"height":768}`, one, "[{size 1024x768}]")
	f("openai", images, `{"model":"black-forest-labs/FLUX.1-pro","height":768,"width":1024}`, one, "[{size 1024x768}]")
	f("openai", images, `{"model":"m","width":"wide","size":7}`, one, "[]")
	f("openai", "/v1/videos", `{"model":"sora-2-pro"}`, `{"id":"v","seconds":"4","size":"1792x1024"}`, "[{size 1792x1024}]")
	f("openai", "/v1/videos/generations", `{"model":"grok-imagine-video","duration":1,"resolution":"480p"}`, `{"request_id":"v"}`, "[{resolution 480p}]")
	f("gemini", "/v1beta/models/imagen-4.0-generate-001:predict", `{"parameters":{"sampleImageSize":"2K"}}`, `{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"AA=="}]}`, "[{resolution 2K}]")
	const chat, plain = "/v1/chat/completions", `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`
	f("openai", chat, `{"model":"m"}`, plain, "[]")
	f("openai", chat, `{"model":"m","web_search_options":{"search_context_size":"high"}}`, plain, "[{context_size high}]")
	f("openai", chat, `{"model":"m","web_search_options":{"search_context_size":"high"}}`, `{"usage":{"prompt_tokens":1,"completion_tokens":1,"search_context_size":"low"}}`, "[{context_size low}]")
	f("openai", chat, `{"model":"m","enable_thinking":true}`, plain, "[{thinking on}]")
	f("openai", chat, `{"model":"m","chat_template_kwargs":{"enable_thinking":false}}`, plain, "[{thinking off}]")
	f("openai", chat, `{"model":"m","enable_thinking":false}`, `{"usage":{"prompt_tokens":1,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":5}}}`, "[{thinking on}]")
	f("openai", chat, `{"model":"m","enable_thinking":"no"}`, plain, "[]")
	const google, said = "/v1beta/models/g:generateContent", `{"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}`
	f("gemini", google, `{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`, said, "[{thinking off}]")
	f("gemini", google, `{"generation_config":{"thinking_config":{"thinking_budget":-1}}}`, said, "[{thinking on}]")
	f("gemini", google, `{"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}`, said, "[]")
	const tools = `"tools":[{"type":"function","name":"f"},{"type":"web_search","search_context_size":"medium"}],"usage":{"input_tokens":1,"output_tokens":1}`
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response",`+tools+`,"output":[{"type":"web_search_call","action":{"type":"search"}}]}`, "[{context_size medium}]")
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response",`+tools+`,"output":[]}`, "[]")
	const searched = `,"usage":{"input_tokens":1,"output_tokens":1},"output":[{"type":"web_search_call","action":{"type":"search"}}]}`
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response","tools":[{"type":"web_search_preview_2025_03_11","search_context_size":"low"}]`+searched, "[{context_size low} {search preview}]")
	const ran = `,"usage":{"input_tokens":1,"output_tokens":1},"output":[{"type":"code_interpreter_call","container_id":"cntr_1"}]}`
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response","tools":[{"type":"code_interpreter","container":{"type":"auto"}}]`+ran, "[{container 1g}]")
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response","tools":[{"type":"code_interpreter","container":{"type":"auto","memory_limit":"4g"}}]`+ran, "[{container 4g}]")
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response","tools":[{"type":"code_interpreter","container":"cntr_1"}]`+ran, "[]")
	f("openai", "/v1/responses", `{"model":"m","tools":[{"type":"shell","environment":{"type":"container_auto","memory_limit":"16g"}}]}`,
		`{"object":"response","tools":[{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_2"}}],"usage":{"input_tokens":1,"output_tokens":1},"output":[{"type":"shell_call","environment":{"type":"container_reference","container_id":"cntr_2"}}]}`, "[{container 16g}]")
	f("openai", "/v1/responses", `{"model":"m","tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}`, `{"object":"response","usage":{"input_tokens":1,"output_tokens":1},"output":[]}`, "[]")
	const drew = `,"usage":{"input_tokens":1,"output_tokens":1},"tool_usage":{"image_gen":{"input_tokens":60,"input_tokens_details":{"image_tokens":10,"text_tokens":50},"output_tokens":272,"output_tokens_details":{"image_tokens":272,"text_tokens":0},"total_tokens":332}},"output":[{"type":"image_generation_call","result":"AA=="}]}`
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response","tools":[{"type":"image_generation","model":"gpt-image-1"}]`+drew, "[{image_model gpt-image-1}]")
	f("openai", "/v1/responses", `{"model":"m","tools":[{"type":"image_generation","model":"gpt-image-2"}]}`, `{"object":"response","tools":[{"type":"image_generation"}]`+drew, "[{image_model gpt-image-2}]")
	f("openai", "/v1/responses", `{"model":"m"}`, `{"object":"response","tools":[{"type":"image_generation"}]`+drew, "[]")
	f("openai", "/v1/responses", `{"model":"m","tools":[{"type":"image_generation","model":"gpt-image-2"}]}`, `{"object":"response","usage":{"input_tokens":1,"output_tokens":1},"output":[]}`, "[]")
	const message = `{"type":"message","usage":{"input_tokens":1,"output_tokens":1},"container":{"id":"container_1"}}`
	f("anthropic", "/v1/messages", `{"model":"m","tools":[{"type":"code_execution_20260120"},{"type":"web_search_20250305"}]}`, message, "[]")
	f("anthropic", "/v1/messages", `{"model":"m","tools":[{"type":"web_fetch_20260209"}]}`, message, "[{code_execution included}]")
	f("anthropic", "/v1/messages", `{"model":"m","tools":[{"type":"web_search_20260601"}]}`, `{"type":"message","usage":{"input_tokens":1,"output_tokens":1}}`, "[]")
	f("openai", images, `{"model":"dall-e-3"}`, `{"error":{"message":"no"}}`, "[]")
}

// TestVariant_form: an edit is asked for in a form, whose files may come before
// what is asked for.
func TestVariant_form(t *testing.T) {
	t.Parallel()
	body, contentType := formOf(file("image", "x"), field("n", "2"), field("quality", "medium"), field("size", "1024x1536"), field("model", "gpt-image-1")), "multipart/form-data; boundary=weir"
	u := used(t, "openai", "/v1/images/edits", contentType, body, `{"data":[{"b64_json":"AA"},{"b64_json":"AA"}]}`)
	if got, want := fmt.Sprint(u.Attributes, u.Quantities), "[{quality medium} {size 1024x1536}] [{images 2}]"; got != want {
		t.Errorf("an edit is %s, want %s", got, want)
	}
}

// TestContainers: each container in which tools ran is counted once, whether a stream
// lists its items at the end or not.
func TestContainers(t *testing.T) {
	t.Parallel()
	const (
		one = `{"type":"code_interpreter_call","container_id":"cntr_1"}`
		two = `{"type":"shell_call","environment":{"type":"container_reference","container_id":"cntr_2"}}`
		end = `"usage":{"input_tokens":1,"output_tokens":1}`
	)
	f := func(stream bool, answer, want string) {
		t.Helper()
		body := `{"model":"m"}`
		if stream {
			body = `{"model":"m","stream":true}`
		}
		u := used(t, "openai", "/v1/responses", "application/json", body, answer)
		if got := fmt.Sprint(u.Quantities); got != want {
			t.Errorf("%s has %s, want %s", answer, got, want)
		}
	}
	f(false, `{"object":"response",`+end+`,"output":[`+one+`,`+one+`,`+two+`]}`, "[{code_interpreter_call 2} {containers 2} {shell_call 1}]")
	f(false, `{"object":"response",`+end+`,"output":[{"type":"shell_call","environment":{"type":"local"}}]}`, "[{shell_call 1}]")
	done := func(item string) string {
		return "data: {\"type\":\"response.output_item.done\",\"item\":" + item + "}\n\n"
	}
	f(true, done(one)+done(one)+"data: {\"type\":\"response.completed\",\"response\":{"+end+",\"output\":[]}}\n\n", "[{code_interpreter_call 2} {containers 1}]")
	f(true, done(one)+done(two)+"data: {\"type\":\"response.completed\",\"response\":{"+end+",\"output\":["+one+","+two+"]}}\n\n", "[{code_interpreter_call 1} {containers 2} {shell_call 1}]")
}

// TestGrounding: prompts, queries and places are counted apart, since models
// differ in which of them is charged.
func TestGrounding(t *testing.T) {
	t.Parallel()
	f := func(grounding, want string) {
		t.Helper()
		u := used(t, "gemini", "/v1beta/models/g:generateContent", "application/json", "{}",
			`{"candidates":[{"finishReason":"STOP","groundingMetadata":`+grounding+`}],"usageMetadata":{"promptTokenCount":1,"totalTokenCount":1}}`)
		if got := fmt.Sprint(u.Quantities); got != want {
			t.Errorf("%s counts %s, want %s", grounding, got, want)
		}
	}
	f(`{"webSearchQueries":["a","b","a",""],"groundingChunks":[{"web":{"uri":"u"}}]}`, "[{grounded 1} {web_search_queries 2}]")
	f(`{"groundingChunks":[{"maps":{"uri":"u"}},{"maps":{"uri":"v"}}]}`, "[{maps_grounded 1}]")
	f(`{"groundingChunks":[{"maps":{"uri":"u"}},{"web":{"uri":"v"}}],"webSearchQueries":["a"]}`, "[{grounded 1} {maps_grounded 1} {web_search_queries 1}]")
	f(`{}`, "[{grounded 1}]")
	f(`null`, "[]")
}

// TestOwnKey: OpenRouter charges a fee alone for a call on its customer's own key.
func TestOwnKey(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{"true": "byok", "false": "", "null": ""} {
		u := used(t, "openai", "/v1/chat/completions", "application/json", `{"model":"m"}`,
			`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0,"is_byok":`+own+`}}`)
		if u.Deployment != want {
			t.Errorf("is_byok %s is deployment %q, want %q", own, u.Deployment, want)
		}
	}
}
