package sync_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// TestRead_Observed reads what the catalogues of autumn 2026 had and no document
// made by hand: each of them was once read as another price.
func TestRead_Observed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		shape         pricesync.Shape
		text          string
		want, ignored string
	}{
		{
			// Vercel's gateway writes the first token of a tier, the others the last one before.
			"a tier from 200,001 tokens on begins above 200,000", pricesync.ModelsDev,
			`{"vercel":{"models":{
				"g":{"cost":{"input":2,"output":12,"tiers":[{"input":4,"output":18,"tier":{"type":"context","size":200001}}]}},
				"q":{"cost":{"input":1,"output":2,"tiers":[{"input":2,"output":4,"tier":{"type":"context","size":262144}}]}}}}}`,
			"vercel/g input=2\nvercel/g input>200000=4\nvercel/g output=12\nvercel/g output>200000=18\n" +
				"vercel/q input=1\nvercel/q input>262144=2\nvercel/q output=2\nvercel/q output>262144=4", "",
		},
		{
			// An entry with the hours at which it is cheap has the prices of the others
			// beside them.
			"prices by the hour are no price", pricesync.LiteLLM,
			`{"tencent/d":{"litellm_provider":"tencent","input_cost_per_token":1.32e-06,"output_cost_per_token":3.96e-06,
				"off_peak_pricing":{"input_cost_per_token":6.6e-07,"output_cost_per_token":1.98e-06,"windows":[{"hours_utc":["10:00-00:00"],"weekdays":[1,2]}]}},
			  "tencent/e":{"litellm_provider":"tencent","input_cost_per_token":1e-06}}`,
			"tencent/e input=1", "tencent/d: prices by the hour",
		},
		{
			"a member that is null says nothing", pricesync.LiteLLM,
			`{"tencent/d":{"litellm_provider":"tencent","input_cost_per_token":1e-06,"off_peak_pricing":null,"tiered_pricing":null},
			  "tencent/e":{"litellm_provider":"tencent","input_cost_per_token":2e-06,"tiered_pricing":[{"range":null,"input_cost_per_token":3e-06}]}}`,
			"tencent/d input=1\ntencent/e input=2", "",
		},
		{
			"ranges of input are tiers, with a price for all input beside them or not", pricesync.LiteLLM,
			`{"dashscope/q":{"litellm_provider":"dashscope","tiered_pricing":[
				{"range":[0,32000.0],"input_cost_per_token":1e-06,"output_cost_per_token":5e-06,"cache_read_input_token_cost":1e-07},
				{"range":[32000.0,128000.0],"input_cost_per_token":1.8e-06,"output_cost_per_token":9e-06,"cache_read_input_token_cost":1.8e-07}]},
			  "opencode_go/l":{"litellm_provider":"opencode_go","input_cost_per_token":1.0000000000000001e-07,"tiered_pricing":[
				{"range":[0,272000],"input_cost_per_token":1.0000000000000001e-07},{"range":[272000,1050000],"input_cost_per_token":2.0000000000000002e-07}]},
			  "opencode_go/odd":{"litellm_provider":"opencode_go","input_cost_per_token":1e-07,"tiered_pricing":[{"range":[0,272000],"input_cost_per_token":3e-07}]},
			  "exa_ai/s":{"litellm_provider":"exa_ai","tiered_pricing":[{"input_cost_per_query":0.005,"max_results_range":[0,25]}]}}`,
			"alibaba/q cache_read=0.1\nalibaba/q cache_read>32000=0.18\nalibaba/q input=1\nalibaba/q input>32000=1.8\nalibaba/q output=5\nalibaba/q output>32000=9\n" +
				"opencode-go/l input=0.1\nopencode-go/l input>272000=0.2",
			"opencode-go/odd: its ranges of input and its other prices differ",
		},
		{
			"a name of the catalogue's own is no model", pricesync.LiteLLM,
			`{"azure_ai/sol-latest":{"alias_of":"azure_ai/sol-6"},"azure_ai/luna-latest":{"alias_of":"azure_ai/luna-6"},
			  "azure_ai/sol-6":{"litellm_provider":"azure_ai","input_cost_per_token":2e-06}}`,
			"azure_openai/sol-6 input=2", "",
		},
		{
			// azure/gpt-5.4 has prices for batches, azure_ai/gpt-5.4 has none.
			"two entries of one model that agree make one", pricesync.LiteLLM,
			`{"azure/g":{"litellm_provider":"azure","input_cost_per_token":2.5e-06,"input_cost_per_token_batches":1.25e-06},
			  "azure_ai/g":{"litellm_provider":"azure_ai","input_cost_per_token":2.5e-06,"output_cost_per_token":1.5e-05},
			  "azure/h":{"litellm_provider":"azure","input_cost_per_token":2.5e-06,"input_cost_per_token_batches":1.25e-06},
			  "azure_ai/h":{"litellm_provider":"azure_ai","input_cost_per_token":2.4e-06,"output_cost_per_token":1.5e-05}}`,
			"azure_openai/g input=2.5\nazure_openai/g input+batch=1.25\nazure_openai/g output=15", "azure_openai/h: it is there twice, with different prices",
		},
		{
			// lyria-3 is charged by the song and rerank by the query.
			"zero for tokens is not free where something else has a price", pricesync.LiteLLM,
			`{"gemini/song":{"litellm_provider":"gemini","input_cost_per_token":0,"output_cost_per_token":0,"output_cost_per_image":0.04},
			  "rank":{"litellm_provider":"cohere","input_cost_per_token":0.0,"output_cost_per_token":0.0,"input_cost_per_query":0.002},
			  "embed":{"litellm_provider":"cohere","input_cost_per_token":1e-07,"output_cost_per_token":0.0,"input_cost_per_image":0.0001},
			  "free":{"litellm_provider":"cohere","input_cost_per_token":0,"output_cost_per_token":0,"input_cost_per_query":0}}`,
			"cohere/embed input=0.1\ncohere/embed output=0\ncohere/free input=0\ncohere/free output=0", "",
		},
		{
			"names of providers", pricesync.LiteLLM,
			`{"vercel_ai_gateway/a/b":{"litellm_provider":"vercel_ai_gateway","input_cost_per_token":1e-06},
			  "cloudflare/@cf/a/b":{"litellm_provider":"cloudflare","input_cost_per_token":1e-06},
			  "github_copilot/c":{"litellm_provider":"github_copilot","input_cost_per_token":1e-06},
			  "fireworks_ai/d":{"litellm_provider":"fireworks_ai-embedding-models","input_cost_per_token":1e-06}}`,
			"cloudflare-workers-ai/@cf/a/b input=1\nfireworks/d input=1\ngithub-copilot/c input=1\nvercel/a/b input=1", "",
		},
		{
			// What of a variant is not listed is that of the one before in time.
			"variants by tier, batch and speed", pricesync.GenAIPrices,
			`[{"id":"google","models":[{"id":"tts","match":{"equals":"tts"},"prices":{"input_mtok":0.5,"output_mtok":6},"price_variants":[
				{"when":{"service_tier":"flex"},"prices":{"input_mtok":0.5},"constraint":{"start_date":"2027-01-01"}},
				{"when":{"service_tier":"flex"},"prices":{"input_mtok":0.25,"output_mtok":3},"constraint":{"start_date":"2026-10-15"}},
				{"when":{"processing":"batch"},"prices":{"input_mtok":{"base":0.25,"tiers":[{"start":200000,"price":0.3}]}}},
				{"when":{"service_tier":"default"},"prices":{"input_mtok":9}},
				{"when":{"processing":"batch","speed":"fast"},"prices":{"input_mtok":9}},
				{"when":{"service_tier":"flex"},"prices":{"input_mtok":9},"constraint":{"start_time":"01:00:00","end_time":"02:00:00"}}]}]},
			  {"id":"anthropic","models":[{"id":"o","match":{"equals":"o"},"prices":{"input_mtok":5,"web_searches_kcount":10},"price_variants":[
				{"when":{"speed":"fast"},"prices":{"input_mtok":10,"web_searches_kcount":11}}]}]}]`,
			"anthropic/o input=5\nanthropic/o input+speed=fast=10\nanthropic/o web_search_requests+any=tier,region,endpoint,speed=10 per 1000\n" +
				"google/tts input.*=0.5\ngoogle/tts input.*+batch=0.25\ngoogle/tts input.*+batch>200000=0.3\n" +
				"google/tts input.*+flex=0.25 @2026-10-15..\ngoogle/tts input.*+flex=0.5 @2027-01-01..\n" +
				"google/tts output=6\ngoogle/tts output+flex=3 @2026-10-15..", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// An entry in ten may be unreadable, and these documents are short.
			d, err := pricesync.Read(tt.shape, []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(tt.want, "\n"), lines(d.Rows.Rates)); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(d.Ignored, "\n"); got != tt.ignored {
				t.Errorf("ignored %q, want %q", got, tt.ignored)
			}
			if _, err := catalogue.NewLayer(catalogue.Synced, d.Rows); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCompare_NewAndElsewhere: a model that is new is taken on the word of one
// catalogue, unless another has a price of quite another size for it.
func TestCompare_NewAndElsewhere(t *testing.T) {
	t.Parallel()
	shipped, err := pricebook.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	read := func(shape pricesync.Shape, text string) *pricesync.Document {
		d, err := pricesync.Read(shape, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	main := `{"baseten":{"models":{"new-flash":{"cost":{"input":0.3,"output":1.2,"cache_read":0.03}}}}}`
	genai := func(read string) string {
		return `[{"id":"baseten","models":[{"id":"new-flash","match":{"equals":"new-flash"},"prices":{"input_mtok":0.3,"output_mtok":2,"cache_read_mtok":` + read + `}}]}]`
	}
	lite := func(read string) string {
		return `{"baseten/new-flash":{"litellm_provider":"baseten","cache_read_input_token_cost":` + read + `}}`
	}
	for _, tt := range []struct {
		name        string
		genai, lite string
		held        []string // cache_read alone can be
	}{
		{"nobody else has it", genai("null"), lite("null"), nil},
		{"it is much the same", genai("0.02"), lite("1.1e-08"), nil},
		{"a third", genai("0.01"), lite("null"), []string{"new, and genai-prices has 0.01"}},
		{"two say so", genai("0.007"), lite("7e-09"), []string{"new, and genai-prices has 0.007, litellm has 0.007"}},
		{"a slip of three digits", genai("null"), lite("3e-05"), []string{"new, and litellm has 30"}},
		{"another agrees", genai("0.03"), lite("7e-09"), nil},
		{"zero is no measure", genai("0"), lite("null"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, err := pricesync.Compare(pricesync.Question{
				Feed: "https://prices.example", Document: read(pricesync.ModelsDev, main), Shipped: shipped, At: metering.MicrosOf(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)),
				Checkers: []*pricesync.Document{read(pricesync.GenAIPrices, tt.genai), read(pricesync.LiteLLM, tt.lite)},
			})
			if err != nil {
				t.Fatal(err)
			}
			var held []string
			for i := range out.Held {
				held = append(held, out.Held[i].Reason)
			}
			if !slices.Equal(held, tt.held) {
				t.Errorf("held %q, want %q", held, tt.held)
			}
			taken := slices.ContainsFunc(out.Layer.Rates, func(r catalogue.Rate) bool { return r.Meter == "cache_read" })
			if taken != (tt.held == nil) {
				t.Errorf("cache_read is taken: %t", taken)
			}
		})
	}
}
