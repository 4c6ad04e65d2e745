package pricebook_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/pricebook"
)

// call is a metered call with these tokens, made when all embedded prices but
// the scheduled ones hold.
func call(tb testing.TB, provider, model string, cells map[string]int64) *metering.Event {
	tb.Helper()
	e := &metering.Event{Name: metering.EventLLM}
	e.Provider, e.Model, e.Metered, e.At = provider, model, true, at(tb, "2026-11-20")
	e.Usage.State = metering.UsageExact
	for name, n := range cells {
		c, err := metering.ParseCell(name)
		if err != nil {
			tb.Fatal(err)
		}
		e.Usage.Tokens[c] = n
	}
	return e
}

// costs prices e and compares the cost in dollars, or the reason for none.
func costs(t *testing.T, b *pricebook.Book, e *metering.Event, want string) {
	t.Helper()
	b.Price(e)
	got := e.Cost.String()
	if e.CostState == metering.CostUnpriced {
		got = e.CostReason
	}
	if got != want {
		t.Errorf("%s of %s, %s: %s, want %s", e.Model, e.Provider, e.Usage.Tokens, got, want)
	}
	if e.Book != b.Version() {
		t.Errorf("priced by %q, want %q", e.Book, b.Version())
	}
}

// TestPrice_dialects covers T35: a prompt of a thousand tokens, 600 of them
// cached, and a hundred generated, 40 of them reasoning, as four APIs say it. Money is from the
// vendors' lists: 0.15/0.075/0.6, 1/0.1/5, 0.3/0.03/2.5 and 1.25/0.2/2.5.
func TestPrice_dialects(t *testing.T) {
	t.Parallel()
	f := func(protocol, provider, path, body, want string) {
		t.Helper()
		d, ok := dialect.Named(protocol)
		if !ok {
			t.Fatalf("no dialect %s", protocol)
		}
		route := d.Route("POST", path)
		s := d.Scanner(route, dialect.Request{}, dialect.Response{Status: 200, ContentType: "application/json"})
		s.Scan([]byte(body))
		e := call(t, provider, "", nil)
		e.Usage = s.Close(dialect.Ended)
		costs(t, embedded(t), e, want)
	}
	f("openai", "openai", "/v1/chat/completions", `{"id":"c","object":"chat.completion","model":"gpt-4o-mini-2024-07-18",
		"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],
		"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,
		"prompt_tokens_details":{"cached_tokens":600},"completion_tokens_details":{"reasoning_tokens":40}}}`, "0.000165")
	f("anthropic", "anthropic", "/v1/messages", `{"id":"m","type":"message","model":"claude-haiku-4-5-20251001","content":[],"stop_reason":"end_turn",
		"usage":{"input_tokens":400,"cache_read_input_tokens":600,"cache_creation_input_tokens":0,"output_tokens":100}}`, "0.00096")
	f("gemini", "google", "/v1beta/models/gemini-2.5-flash:generateContent", `{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],
		"modelVersion":"gemini-2.5-flash","usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":600,"candidatesTokenCount":60,
		"thoughtsTokenCount":40,"totalTokenCount":1100}}`, "0.000388")
	f("openai", "xai", "/v1/chat/completions", `{"id":"c","object":"chat.completion","model":"grok-4.3",
		"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],
		"usage":{"prompt_tokens":1000,"completion_tokens":60,"total_tokens":1100,
		"prompt_tokens_details":{"cached_tokens":600},"completion_tokens_details":{"reasoning_tokens":40}}}`, "0.00087")
}

// TestPrice_cohere: Cohere charges the tokens that it bills, at 2.5 and 10, and
// neither those that it processed nor those of them that came from a cache, of
// which there may be more. A rerank has no fee here, so no price.
func TestPrice_cohere(t *testing.T) {
	t.Parallel()
	f := func(path, model, body, want string) {
		t.Helper()
		d, _ := dialect.Named("cohere")
		s := d.Scanner(d.Route("POST", path), dialect.Request{}, dialect.Response{Status: 200, ContentType: "application/json"})
		s.Scan([]byte(body))
		e := call(t, "cohere", model, nil)
		e.Usage = s.Close(dialect.Ended)
		costs(t, embedded(t), e, want)
	}
	f("/v2/chat", "command-a-03-2025", `{"id":"c","message":{"role":"assistant","content":[{"type":"text","text":"x"}]},"finish_reason":"COMPLETE",
		"usage":{"billed_units":{"input_tokens":257,"output_tokens":405},"tokens":{"input_tokens":763,"output_tokens":408,"reasoning_tokens":300},"cached_tokens":448}}`, "0.0046925")
	f("/v2/rerank", "command-a-03-2025", `{"id":"r","results":[],"meta":{"billed_units":{"search_units":1}}}`, "meter: search_units")
}

// TestPrice_cells covers T36 and the classes of tokens, one at a time.
func TestPrice_cells(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	f := func(provider, model, want string, cells map[string]int64) {
		t.Helper()
		costs(t, b, call(t, provider, model, cells), want)
	}
	// Anthropic, Sonnet 4.5: 3, read 0.30, written for 5 minutes 3.75, for an hour 6, 15.
	f("anthropic", "claude-sonnet-4-5", "0.00675", map[string]int64{"cache_write_5m": 200, "cache_write_1h": 1000})
	f("anthropic", "claude-sonnet-4-5", "0.009771", map[string]int64{"input": 7, "cache_read": 0, "cache_write_5m": 200, "cache_write_1h": 1500})
	f("anthropic", "claude-sonnet-4-5", "0.0000003", map[string]int64{"cache_read": 1})
	// OpenAI keeps a written prompt for 30 minutes, 1.25 times the input price since GPT-5.6.
	f("openai", "gpt-5.6-luna", "0.00000025", map[string]int64{"cache_write_30m": 1})
	f("openai", "gpt-4o", "meter: cache_write_30m", map[string]int64{"input": 10, "cache_write_30m": 1})
	// Reasoning is output.
	f("openai", "o4-mini", "0.0044", map[string]int64{"output": 600, "reasoning": 400})
	// Gemini 2.5 Flash: 0.30 for text, image and video, 1.00 for audio, cached 0.03 and 0.10; images out 30.
	f("google", "gemini-2.5-flash", "0.0000013", map[string]int64{"input.audio": 1, "input.video": 1})
	f("google", "gemini-2.5-flash", "0.00000019", map[string]int64{"cache_read.audio": 1, "cache_read.image": 2, "cache_read.document": 1})
	f("google", "gemini-2.5-flash-image", "0.0387", map[string]int64{"output.image": 1290})
	f("google", "gemini-2.5-flash", "meter: output.image", map[string]int64{"input": 1, "output.image": 1290})
	f("openai", "gpt-4o", "meter: input.audio", map[string]int64{"input.audio": 1})
	f("openai", "gpt-audio", "0.000096", map[string]int64{"input.audio": 1, "output.audio": 1})
	f("openai", "text-embedding-3-small", "0.00000016", map[string]int64{"input": 8})
	// Absurd counts have no cost, rather than a wrong one.
	f("openai", "gpt-4o", "usage: input is out of range", map[string]int64{"input": -1})
	f("openai", "gpt-4o", "usage: output is out of range", map[string]int64{"output": 1 << 62})
}

// TestPrice_context covers T37: the length of the prompt, cached and written
// tokens included, selects the price of the whole call.
func TestPrice_context(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	f := func(provider, model, want string, cells map[string]int64) {
		t.Helper()
		costs(t, b, call(t, provider, model, cells), want)
	}
	// Google: 1.25/0.125/10 up to 200,000 tokens, 2.50/0.25/15 above.
	f("google", "gemini-2.5-pro", "0.25999875", map[string]int64{"input": 199_999, "output": 1000})
	f("google", "gemini-2.5-pro", "0.26", map[string]int64{"input": 200_000, "output": 1000})
	f("google", "gemini-2.5-pro", "0.5150025", map[string]int64{"input": 200_001, "output": 1000})
	f("google", "gemini-2.5-pro", "0.026125", map[string]int64{"input": 1000, "cache_read": 199_000})
	f("google", "gemini-2.5-pro", "0.0522525", map[string]int64{"input": 1001, "cache_read": 199_000})
	// OpenAI, GPT-5.4: 2.50/0.25/15 up to 272,000 tokens, 5/0.50/22.50 above.
	f("openai", "gpt-5.4", "0.695", map[string]int64{"input": 272_000, "output": 1000})
	f("openai", "gpt-5.4", "1.382505", map[string]int64{"input": 272_001, "output": 1000})
	f("openai", "gpt-6-astra", "condition: prompt above 272000 tokens", map[string]int64{"input": 272_001})
	// Anthropic, Haiku 5.5: tokens read from and written to the cache count, and
	// above 100,000 everything is dearer, output too.
	f("anthropic", "claude-haiku-5-5", "0.01035", map[string]int64{"input": 50_000, "cache_read": 10_000, "cache_write_5m": 40_000, "output": 500})
	f("anthropic", "claude-haiku-5-5", "0.05175025", map[string]int64{"input": 50_000, "cache_read": 10_005, "cache_write_5m": 40_000, "output": 500})
	f("anthropic", "claude-sonnet-4-5", "meter: cache_write_5m", map[string]int64{"input": 200_000, "cache_write_5m": 1})
	f("anthropic", "claude-sonnet-4-5", "1.200006", map[string]int64{"input": 200_001})
	// The same model after the change of 2026-03-13 has one price for any length.
	f("anthropic", "claude-sonnet-4-6", "0.900003", map[string]int64{"input": 300_001})
}

// TestPrice_context_several: counts that are sums over several prompts do not
// say how long one was.
func TestPrice_context_several(t *testing.T) {
	t.Parallel()
	e := call(t, "anthropic", "claude-haiku-5-5", map[string]int64{"input": 100_001})
	e.Usage.Raw = json.RawMessage(`{"iterations":[{"input_tokens":50000},{"input_tokens":50001}]}`)
	costs(t, embedded(t), e, "condition: length of each of several prompts")
	e = call(t, "anthropic", "claude-haiku-5-5", map[string]int64{"input": 100_000})
	e.Usage.Raw = json.RawMessage(`{"iterations":[{"input_tokens":50000},{"input_tokens":50000}]}`)
	costs(t, embedded(t), e, "0.01")
}

// TestPrice_tier covers T38: the tier that the answer reports is charged, and
// what was asked for does not come into it. GPT-5: 1.25, flex 0.625, priority 2.50.
func TestPrice_tier(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	f := func(provider, model, tier, want string, input int64) {
		t.Helper()
		e := call(t, provider, model, map[string]int64{"input": input})
		e.Usage.ServiceTier = tier
		costs(t, b, e, want)
	}
	f("openai", "gpt-5", "", "0.00125", 1000)
	f("openai", "gpt-5", "default", "0.00125", 1000)
	f("openai", "gpt-5", "flex", "0.000625", 1000)
	f("openai", "gpt-5", "priority", "0.0025", 1000)
	f("openai", "gpt-5", "batch", "0.000625", 1000)
	f("openai", "gpt-5", "auto", "condition: service tier auto", 1000)
	f("openai", "gpt-5", "scale", "condition: service tier scale", 1000)
	f("openai", "gpt-5.4", "flex", "condition: service tier flex, prompt above 272000 tokens", 272_001)
	f("openai", "gpt-5.5", "priority", "ambiguous: sources give 10/60 and 12.5/75 for priority", 1000)
	f("anthropic", "claude-opus-4-8", "standard", "0.005", 1000)
	f("anthropic", "claude-opus-4-8", "batch", "0.0025", 1000)
	f("anthropic", "claude-opus-4-8", "priority", "condition: service tier priority", 1000)
	f("groq", "openai/gpt-oss-120b", "on_demand", "0.00015", 1000)
	f("groq", "openai/gpt-oss-120b", "flex", "condition: service tier flex", 1000)
}

// TestPrice_condition: what else makes a call cost otherwise, and is not listed.
func TestPrice_condition(t *testing.T) {
	t.Parallel()
	f := func(region, raw, want string) {
		t.Helper()
		e := call(t, "anthropic", "claude-opus-4-8", map[string]int64{"input": 1000})
		e.Usage.Region, e.Usage.Raw = region, json.RawMessage(raw)
		costs(t, embedded(t), e, want)
	}
	f("", `{"input_tokens":1000}`, "0.005")
	f("not_available", ``, "0.005")
	f("global", `{"speed":"standard"}`, "0.005")
	f("us", ``, "0.0055")
	f("eu", ``, "condition: region eu")
	f("", `{"speed": "fast"}`, "0.01")
	f("", `{"speed": 2}`, "condition: speed 2")
	f("", `{"trafficType":"ON_DEMAND"}`, "0.005")
	f("", `{"trafficType":1}`, "0.005")
	f("", `{"trafficType":"PROVISIONED_THROUGHPUT"}`, "condition: deployment provisioned")
	f("", `{"trafficType":2}`, "condition: deployment provisioned")
	f("", `{"speed":"`+strings.Repeat("x", 99)+`"}`, "condition: speed "+strings.Repeat("x", 40))
}

// TestPrice_model covers T39 for answers: the model that the answer names is
// the one that is charged.
func TestPrice_model(t *testing.T) {
	t.Parallel()
	f := func(provider, requested, reported, want string) {
		t.Helper()
		e := call(t, provider, requested, map[string]int64{"input": 1_000})
		e.Usage.Model = reported
		costs(t, embedded(t), e, want)
	}
	f("openai", "gpt-4o", "gpt-4o-2024-08-06", "0.0025")
	f("openai", "gpt-4o", "gpt-4o-2024-05-13", "0.005") // its own price, not that of the name
	f("openai", "gpt-4o", "gpt-4o-mini-2024-07-18", "0.00015")
	f("openai", "gpt-4", "gpt-4-0613", "0.03") // not listed, and nothing but a version of what was asked for
	f("openai", "gpt-4o", "", "0.0025")
	f("openai", "", "gpt-4o", "0.0025")
	f("openai", "", "", "model: none was named")
	f("openai", "gpt-4.1-mini", "moonshotai/kimi-k2", "model: moonshotai/kimi-k2")
	f("openai", "gpt-3.5-turbo", "gpt-3.5-turbo-0613", "condition: a retired version, whose price was not read")
	f("openai", "gpt-4", "gpt-4-1106-vision-preview", "model: gpt-4-1106-vision-preview")
	f("anthropic", "claude-opus-5", "claude-opus-5-6", "model: claude-opus-5-6")
	f("openai", "gpt-4o", "gpt-5.6-sol", "0.004") // at its own price of that day
	f("azure_openai", "our-deployment", "gpt-4o-2024-11-20", "0.0025")
	f("azure_openai", "gpt-4o", "gpt-35-turbo", "model: gpt-35-turbo") // a deployment may be called anything
	f("acme", "gpt-4o", "gpt-4o", "provider: acme")
}

// TestPrice_byModel: shares of several models are charged at their own prices,
// and one that has none leaves the whole call without.
func TestPrice_byModel(t *testing.T) {
	t.Parallel()
	e := call(t, "anthropic", "claude-sonnet-5", map[string]int64{"input": 300, "output": 30})
	share := func(model string, input, output int64) metering.ModelTokens {
		m := metering.ModelTokens{Model: model, Input: input, Output: output}
		m.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = input
		m.Tokens[metering.OutputCell(false, metering.Text)] = output
		return m
	}
	e.Usage.ByModel = []metering.ModelTokens{share("claude-sonnet-5", 100, 10), share("claude-fable-5", 200, 20)}
	costs(t, embedded(t), e, "0.0033") // 100×2 + 10×10 + 200×10 + 20×50 micro-dollars
	if n := len(embedded(t).Explain(e)); n != 4 {
		t.Errorf("%d lines, want 4", n)
	}
	e.Usage.ByModel[1].Model = "claude-secret"
	costs(t, embedded(t), e, "model: claude-secret")
}

// TestPrice_fees covers T42: what is not a token is a line of its own.
func TestPrice_fees(t *testing.T) {
	t.Parallel()
	f := func(provider, model, want string, quantities ...string) {
		t.Helper()
		e := call(t, provider, model, map[string]int64{"input": 1000})
		for _, q := range quantities {
			name, amount, _ := strings.Cut(q, "=")
			n, err := metering.ParseNumber(amount)
			if err != nil {
				t.Fatal(err)
			}
			e.Usage.Quantities = append(e.Usage.Quantities, metering.Quantity{Name: name, Amount: n})
		}
		costs(t, embedded(t), e, want)
	}
	// Anthropic: 10 for a thousand searches, fetches free.
	f("anthropic", "claude-sonnet-5", "0.032", "web_search_requests=3", "web_fetch_requests=5")
	f("anthropic", "claude-sonnet-5", "0.002", "web_search_requests=0", "declined_attempts=1")
	// OpenAI: 10 for a thousand searches, 2.50 for a thousand file searches.
	f("openai", "gpt-4o", "0.0225", "web_search_call=3", "web_search_call.search=2", "web_search_call.open_page=1")
	f("openai", "gpt-4o", "0.0125", "web_search_call=1", "web_search_call.search=1", "tool_usage.web_search.num_requests=1")
	f("openai", "gpt-4o", "meter: tool_usage.web_search.num_requests", "web_search_call=1", "web_search_call.search=1", "tool_usage.web_search.num_requests=2")
	f("openai", "gpt-4o", "meter: web_search_call", "web_search_call=1") // which kind of call is not said
	f("openai", "gpt-4o-mini", "condition: search is not said", "web_search_call=1", "web_search_call.search=1")
	f("openai", "gpt-4o", "0.005", "file_search_call=1")
	f("openai", "gpt-4o", "meter: code_interpreter_call", "code_interpreter_call=1")
	f("google", "gemini-2.5-flash", "0.0353", "grounded=1", "web_search_queries=3") // provisionally: so many a day are free
	f("google", "gemini-3-flash-preview", "0.0425", "grounded=1", "web_search_queries=3")
	f("openai", "gpt-4o", "0.00375", "file_search_call=0.5")
	f("openai", "gpt-4o", "usage: file_search_call is out of range", "file_search_call=-1")
	f("google", "gemini-2.5-flash", "meter: images", "images=1")
}

// An alias has no price; what was asked for in its place has. The answer's own
// name, where it gives one, wins over both.
func TestPrice_sentModel(t *testing.T) {
	t.Parallel()
	e := call(t, "openai", "fast", map[string]int64{"input": 1_000_000})
	e.SentModel = "gpt-4o-mini"
	costs(t, embedded(t), e, "0.15")
	e.Usage.Model = "gpt-4o-2024-08-06"
	costs(t, embedded(t), e, "2.5")
}

// TestPrice_images: an answer of the image API that counts tokens has been charged
// for its images, whether or not it says that they are the tokens of images.
func TestPrice_images(t *testing.T) {
	t.Parallel()
	b := book(t, "rate p m input=1 output=40")
	f := func(endpoint, want string, tokens map[string]int64) {
		t.Helper()
		e := call(t, "p", "m", tokens)
		e.Endpoint = endpoint
		e.Usage.Quantities = []metering.Quantity{{Name: "images", Amount: metering.NumberOf(1)}}
		costs(t, b, e, want)
	}
	f("openai.images", "0.01089", map[string]int64{"input": 10, "output": 272})
	f("openai.images", "meter: images", nil)
	f("openai.responses", "meter: images", map[string]int64{"input": 10, "output": 272})
}

// TestPrice_pinned: a batch is priced as of its creation, whenever it ended.
func TestPrice_pinned(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	e := call(t, "openai", "gpt-5.6", map[string]int64{"input": 1000})
	b.Price(e)
	want := e.Cost
	if e.CostState != metering.CostExact {
		t.Fatalf("the price is %s %s", e.CostState, e.CostReason)
	}
	e.At = at(t, "2026-11-23") // it was assured until the day before
	if b.Price(e); e.CostState != metering.CostProvisional {
		t.Fatalf("the later price is %s: the test needs an instant when it is not certain", e.CostState)
	}
	e.PricedAt = at(t, "2026-11-20")
	if b.Price(e); e.CostState != metering.CostExact || e.Cost != want {
		t.Errorf("pinned: %s %+v, want %+v", e.CostState, e.Cost, want)
	}
}
