package dialect_test

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// TestStatedCost covers T41: what is made of the ways in which answers state a
// cost. What is no number is never taken for one, nor for silence.
func TestStatedCost(t *testing.T) {
	t.Parallel()
	f := func(usage, want string, flags ...metering.Flag) {
		t.Helper()
		u := used(t, "openai", "/v1/chat/completions", "application/json", `{"model":"m"}`,
			`{"model":"m","choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,`+usage+`}}`)
		said := "none"
		if c := u.StatedCost; c != nil {
			said = fmt.Sprintf("%s within %q and the vendor %q", c.Amount, c.Within, c.Vendor)
		}
		if said != want || fmt.Sprint(u.Flags) != fmt.Sprint(flags) {
			t.Errorf("%s states %s %v, want %s %v", usage, said, u.Flags, want, flags)
		}
	}
	f(`"cost":0.5`, `0.5 within "" and the vendor ""`)
	f(`"cost":null`, "none")
	f(`"cost":"0.5"`, "none", metering.FlagStatedInvalid)
	f(`"cost":true`, "none", metering.FlagStatedInvalid)
	f(`"cost":-0.5`, `-0.5 within "" and the vendor ""`, metering.FlagStatedInvalid)
	f(`"cost":1e9`, `1e9 within "" and the vendor ""`, metering.FlagStatedInvalid)
	f(`"cost":1e99999`, `1e99999 within "" and the vendor ""`, metering.FlagStatedInvalid)
	f(`"cost_in_usd_ticks":"many"`, "none", metering.FlagStatedInvalid)
	f(`"cost":"n/a","cost_in_usd_ticks":20000000`, `20000000 within "" and the vendor ""`) // the last stands

	// Perplexity rounds the parts that are for tokens; a fee is in whole steps anyway.
	parts := `"cost":{"input_tokens_cost":0.00001,"output_tokens_cost":0.0,"request_cost":0.005,"total_cost":%s}`
	f(fmt.Sprintf(parts, "0.00501"), `0.00501 within "0.00001" and the vendor ""`, metering.FlagStatedRounded)
	f(fmt.Sprintf(parts, "0.0050099999999999997"), `0.0050099999999999997 within "0.00001" and the vendor ""`, metering.FlagStatedRounded)
	f(fmt.Sprintf(parts, "0.005013"), `0.005013 within "" and the vendor ""`)
	f(fmt.Sprintf(parts, `"free"`), "none", metering.FlagStatedInvalid)
	f(`"cost":{"input_cost":0.00002,"total_cost":0.00002}`, `0.00002 within "" and the vendor ""`)
	f(`"cost":{"input_tokens_cost":0.00001}`, "none")

	// OpenRouter fills the vendor's part in on all calls; it is beside the cost only
	// where the vendor bills it to its customer itself.
	own := `"cost":0.0001,"cost_details":{"upstream_inference_cost":0.002},"is_byok":%t`
	f(fmt.Sprintf(own, true), `0.0001 within "" and the vendor "0.002"`, metering.FlagStatedFee)
	f(fmt.Sprintf(own, false), `0.0001 within "" and the vendor ""`)
	f(`"is_byok":true,"cost":0.0001`, `0.0001 within "" and the vendor ""`, metering.FlagStatedFee)
}

// TestStatedCost_header covers T41 behind LiteLLM's proxy.
func TestStatedCost_header(t *testing.T) {
	t.Parallel()
	f := func(name, path, contentType string, status int, header, body, want string, flags ...metering.Flag) {
		t.Helper()
		d, ok := dialect.Named(name)
		if !ok {
			t.Fatalf("no dialect %q", name)
		}
		s := d.Scanner(d.Route("POST", path), dialect.Request{Model: "m"}, dialect.Response{
			Status: status, ContentType: contentType,
			Header: func(asked string) string {
				if asked == "x-litellm-response-cost" {
					return header
				}
				return ""
			},
		})
		s.Scan([]byte(body))
		u := s.Close(dialect.Ended)
		said := "none"
		if u.StatedCost != nil {
			said = u.StatedCost.Amount + " in " + u.StatedCost.Field
		}
		if said != want || fmt.Sprint(u.Flags) != fmt.Sprint(flags) {
			t.Errorf("%s %s with %q states %s %v, want %s %v", path, contentType, header, said, u.Flags, want, flags)
		}
	}
	const (
		chat     = `{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`
		stream   = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n"
		counted  = `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.25}}`
		messages = `{"type":"message","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":1,"output_tokens":1}}`
		in       = " in x-litellm-response-cost"
	)
	f("openai", "/v1/chat/completions", "application/json", 200, "1.8e-05", chat, "1.8e-05"+in)
	f("openai", "/v1/chat/completions", "application/json", 200, "0.0", chat, "0.0"+in)
	f("anthropic", "/v1/messages", "application/json", 200, "0.25", messages, "0.25"+in)
	f("openai", "/v1/chat/completions", "application/json", 200, "1.8e-05", counted, "0.25 in usage.cost")
	f("openai", "/v1/chat/completions", "application/json", 200, "", chat, "none")
	f("openai", "/v1/chat/completions", "application/json", 200, "None", chat, "none")
	f("openai", "/v1/chat/completions", "application/json", 200, "nan", chat, "none", metering.FlagStatedInvalid)
	f("openai", "/v1/chat/completions", "application/json", 200, `"1"`, chat, "none", metering.FlagStatedInvalid)
	f("openai", "/v1/chat/completions", "application/json", 200, "-1", chat, "-1"+in, metering.FlagStatedInvalid)
	f("openai", "/v1/chat/completions", "text/event-stream", 200, "0.0", stream, "none") // sent before anything was generated
	f("openai", "/v1/chat/completions", "application/json", 429, "0.5", `{"error":{"message":"slow down"}}`, "none")
	f("openai", "/v1/models", "application/json", 200, "0.5", `{"data":[]}`, "none")
}
