package sync_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

func testdata(t testing.TB, shape pricesync.Shape) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + string(shape) + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// lines shows rates one on a line: "provider/sku meter+conditions=price @from..to".
func lines(rates []catalogue.Rate) []string {
	var out []string
	for i := range rates {
		r := &rates[i]
		s := fmt.Sprintf("%s/%s %s%s=%s", r.Provider, r.SKU, r.Meter, r.When.Key(), *r.Price)
		if r.Per != 0 {
			s += fmt.Sprintf(" per %d", r.Per)
		}
		if r.From != 0 || r.To != 0 {
			s += " @" + r.From.String() + ".." + r.To.String()
		}
		out = append(out, s)
	}
	return out
}

func TestRead(t *testing.T) {
	t.Parallel()
	for shape, want := range map[pricesync.Shape]string{
		pricesync.ModelsDev: `
alibaba/qwen-x input=0.4
alibaba/qwen-x output=1.2
alibaba/qwen-x reasoning=4
anthropic/claude-x cache_read=0.3
anthropic/claude-x cache_write_5m=3.75
anthropic/claude-x input=3
anthropic/claude-x input>200000=6
anthropic/claude-x output=15
anthropic/claude-x output>200000=22.5
azure_openai/gpt-9 input=5
azure_openai/gpt-9 output=30
bedrock/anthropic.claude-x-v1:0 input=3
bedrock/anthropic.claude-x-v1:0 output=15
fireworks/accounts/fireworks/models/m input=1
fireworks/accounts/fireworks/models/m output=1
google/gemini-x cache_read.*=0.03
google/gemini-x input.*=0.3
google/gemini-x input.audio=1
google/gemini-x output=2.5
moonshot/kimi input=1
moonshot/kimi output=1
novita/m input=1
novita/m output=1
openai/gpt-9 cache_read=0.5
openai/gpt-9 cache_read>272000=1
openai/gpt-9 cache_write_30m=6.25
openai/gpt-9 input=5
openai/gpt-9 input+priority=12.5
openai/gpt-9 input>272000=10
openai/gpt-9 output=30
openai/gpt-9 output+priority=75
openai/gpt-9 output>272000=45
openrouter/a/b:free input=0
openrouter/a/b:free output=0
some-new-host/m input=1
some-new-host/m output=1
together/m input=1
together/m output=1
vertex/claude-x@default input.*=3
vertex/claude-x@default output=15`,
		pricesync.GenAIPrices: `
anthropic/claude-opus-4-6 input=5 @..2026-03-13
anthropic/claude-opus-4-6 input=5 @2026-03-13..
anthropic/claude-opus-4-6 input>200000=10 @..2026-03-13
anthropic/claude-opus-4-6 output=25 @..2026-03-13
anthropic/claude-opus-4-6 output=25 @2026-03-13..
anthropic/claude-opus-4-6 output>200000=37.5 @..2026-03-13
anthropic/claude-opus-5 cache_read=0.5
anthropic/claude-opus-5 cache_write_1h=10
anthropic/claude-opus-5 cache_write_5m=6.25
anthropic/claude-opus-5 input=5
anthropic/claude-opus-5 output=25
anthropic/claude-opus-5 web_search_requests+any=tier,region,endpoint,speed=10 per 1000
google/gemini-3.6-flash cache_read.*=0.075 @..2027-01-01
google/gemini-3.6-flash cache_read.*=0.15 @2027-01-01..
google/gemini-3.6-flash input.*=0.75 @..2027-01-01
google/gemini-3.6-flash input.*=1.5 @2027-01-01..
google/gemini-3.6-flash output=3.75 @..2027-01-01
google/gemini-3.6-flash output=7.5 @2027-01-01..
google/gemini-image cache_read.audio=0.1
google/gemini-image input.*=0.5
google/gemini-image input.audio=1
google/gemini-image output=3
google/gemini-image output.image=60
xai/grok-4 input=3
xai/grok-4 output=15
xai/grok-5 input=4
xai/grok-5 output=16
xai/grok-5-fast input=5
xai/grok-5-fast output=25`,
		pricesync.LiteLLM: `
anthropic/claude-x cache_read=0.3
anthropic/claude-x cache_write_1h=6
anthropic/claude-x cache_write_1h>200000=12
anthropic/claude-x cache_write_5m=3.75
anthropic/claude-x cache_write_5m>200000=7.5
anthropic/claude-x input=3
anthropic/claude-x input>200000=6
anthropic/claude-x output=15
anthropic/claude-x output>200000=22.5
anthropic/claude-x web_search_requests+context_size=high+any=tier,region,endpoint,speed=30 per 1000
anthropic/claude-x web_search_requests+context_size=low+any=tier,region,endpoint,speed=10 per 1000
anthropic/claude-x web_search_requests+context_size=medium+any=tier,region,endpoint,speed=20 per 1000
azure_openai/gpt-9 input=5
azure_openai/gpt-9 output=30
bedrock/anthropic.claude-x-v1:0 input=3
bedrock/anthropic.claude-x-v1:0 output=15
fireworks/accounts/fireworks/models/m input=0.01
fireworks/accounts/fireworks/models/m output=0
google/gemini-x input.*=0.3
google/gemini-x input.audio=1
google/gemini-x output=2.5
google/gemini-x web_search_queries+any=tier,region,endpoint,speed=14 per 1000
groq/openai/gpt-oss-20b input=0.075
groq/openai/gpt-oss-20b output=0.3
openai/gpt-9 cache_read=0.5
openai/gpt-9 input=5
openai/gpt-9 input+batch=2.5
openai/gpt-9 input+flex=2.5
openai/gpt-9 input+flex>272000=5
openai/gpt-9 input+priority=12.5
openai/gpt-9 input+priority>272000=25
openai/gpt-9 input>272000=10
openai/gpt-9 output=30
openai/gpt-9 output+batch=15
openai/gpt-9 output+priority=75
openai/gpt-9 output>272000=45
openai/gpt-9 web_search_call.search+any=tier,region,endpoint,speed=10 per 1000
vertex/gemini-x input.*=0.3
vertex/gemini-x output=2.5`,
	} {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			d, err := pricesync.Read(shape, testdata(t, shape))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(strings.TrimSpace(want), "\n"), lines(d.Rows.Rates)); diff != "" {
				t.Error(diff)
			}
			if _, err := catalogue.NewLayer(catalogue.Synced, d.Rows); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRead_Models: what is said of models beside their prices, and which entries
// were not used.
func TestRead_Models(t *testing.T) {
	t.Parallel()
	d, err := pricesync.Read(pricesync.ModelsDev, testdata(t, pricesync.ModelsDev))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.Rows.SKUs, func(s catalogue.SKU) bool { return s.Provider == "openai" && s.SKU == "gpt-9" })
	released, _ := catalogue.ParseInstant("2026-04-23")
	if diff := cmp.Diff(catalogue.SKU{Provider: "openai", SKU: "gpt-9", Context: 1_050_000, MaxOutput: 128_000, Released: released, Sources: []string{"models.dev"}}, d.Rows.SKUs[i]); diff != "" {
		t.Error(diff)
	}
	if d.IgnoredTotal != 3 || !strings.Contains(strings.Join(d.Ignored, "\n"), "openrouter/auto: a price of -1") || !strings.Contains(strings.Join(d.Ignored, "\n"), "openai/gpt-9-odd") {
		t.Errorf("ignored %d: %q", d.IgnoredTotal, d.Ignored)
	}

	d, err = pricesync.Read(pricesync.GenAIPrices, testdata(t, pricesync.GenAIPrices))
	if err != nil {
		t.Fatal(err)
	}
	var aliases []string
	for _, m := range d.Rows.Matches {
		aliases = append(aliases, m.Provider+" "+m.Pattern+" "+m.SKU)
	}
	// Not "claude-opus-5…", which would be claude-opus-5-5 too, nor "never", which is
	// one of two conditions, nor "grok-latest", which is said of two models.
	if diff := cmp.Diff([]string{"anthropic claude-opus-5-20260401 claude-opus-5", "xai grok-4-latest grok-4"}, aliases); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(strings.Join(d.Ignored, "\n"), "deepseek/deepseek-chat: prices by the hour") {
		t.Errorf("ignored %q", d.Ignored)
	}

	d, err = pricesync.Read(pricesync.LiteLLM, testdata(t, pricesync.LiteLLM))
	if err != nil {
		t.Fatal(err)
	}
	i = slices.IndexFunc(d.Rows.SKUs, func(s catalogue.SKU) bool { return s.Provider == "openai" && s.SKU == "gpt-9" })
	deprecated, _ := catalogue.ParseInstant("2027-04-23")
	if got := d.Rows.SKUs[i]; got.Kind != "chat" || got.Deprecated != deprecated || got.Context != 922_000 {
		t.Errorf("got %+v", got)
	}
	if !slices.Contains(d.Ignored, "openrouter/twice: it is there twice, with different prices") {
		t.Errorf("ignored %q", d.Ignored)
	}
}

// TestRead_Refuses: a document of another shape is no document.
func TestRead_Refuses(t *testing.T) {
	t.Parallel()
	shapes := []pricesync.Shape{pricesync.ModelsDev, pricesync.GenAIPrices, pricesync.LiteLLM}
	for _, shape := range shapes {
		whole := testdata(t, shape)
		for name, text := range map[string][]byte{
			"empty": nil, "cut": whole[:len(whole)/2], "a page": []byte("<!DOCTYPE html>"), "null and more": []byte("null null"),
			"a conflict": []byte("<<<<<<< HEAD\n" + string(whole)), "a list of numbers": []byte("[1,2]"), "text": []byte(`"x"`),
		} {
			if d, err := pricesync.Read(shape, text); err == nil {
				t.Errorf("%s, %s: read %d models", shape, name, len(d.Rows.SKUs))
			}
		}
	}
	if _, err := pricesync.Read("csv", nil); err == nil {
		t.Error("read a shape that does not exist")
	}
	if d, err := pricesync.Read(pricesync.LiteLLM, testdata(t, pricesync.ModelsDev)); err == nil {
		t.Errorf("read %d models of another shape", len(d.Rows.SKUs))
	}
}

// FuzzRead: whatever the bytes are, what is read is a layer, and the same again.
func FuzzRead(f *testing.F) {
	shapes := []pricesync.Shape{pricesync.ModelsDev, pricesync.GenAIPrices, pricesync.LiteLLM}
	for i, shape := range shapes {
		f.Add(uint8(i), testdata(f, shape))
	}
	f.Add(uint8(0), []byte(`{"a":{"models":{"b":{"cost":{"input":1e-9,"tiers":[{"tier":{"type":"context","size":1}}]}}}}}`))
	f.Add(uint8(1), []byte(`[{"id":"a","models":[{"id":"b","prices":{"input_mtok":{"base":1,"tiers":[{"start":1,"price":2}]}}}]}]`))
	f.Add(uint8(2), []byte(`{"a/b":{"litellm_provider":"a","input_cost_per_token_above_1k_tokens_flex":1e-6}}`))
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		shape := shapes[int(which)%len(shapes)]
		d, err := pricesync.Read(shape, text)
		if err != nil {
			return
		}
		l, err := catalogue.NewLayer(catalogue.Synced, d.Rows)
		if err != nil {
			t.Fatal(err)
		}
		again, err := pricesync.Read(shape, text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatal(diff)
		}
		if len(l.SKUs) == 0 && len(l.Rates) > 0 {
			t.Fatal("rates of no model")
		}
	})
}
