package metering_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
)

// call is a finished proxied call with tokens in cells of every kind.
func call() *metering.Event {
	e := &metering.Event{Name: metering.EventLLM, Outcome: metering.OutcomeComplete, CostState: metering.CostExact}
	e.Customer, e.Model, e.Provider, e.Metered = "c1", "gpt-4o", "openai", true
	e.At = 1_700_000_000_999_999
	e.Tags = []metering.Tag{{Name: "team", Value: "blue"}, {Name: "model", Value: "hidden"}, {Name: "customer", Value: "tagged"}}
	e.Cost = metering.Cost{Micros: 12_345, Picos: 678_900}
	e.Usage.State, e.Usage.Model = metering.UsageExact, "gpt-4o-2024-08-06"
	t := &e.Usage.Tokens
	t[metering.InputCell(metering.CacheNone, metering.Text)] = 1
	t[metering.InputCell(metering.CacheRead, metering.Text)] = 2
	t[metering.InputCell(metering.CacheRead, metering.Audio)] = 4
	t[metering.InputCell(metering.CacheWrite5m, metering.Text)] = 8
	t[metering.InputCell(metering.CacheWrite30m, metering.Text)] = 16
	t[metering.InputCell(metering.CacheWrite1h, metering.Image)] = 32
	t[metering.OutputCell(false, metering.Text)] = 64
	t[metering.OutputCell(true, metering.Text)] = 128
	return e
}

func property(t *testing.T, e *metering.Event, name, want string) {
	t.Helper()
	b, err := json.Marshal(e.Property(name))
	if err != nil || string(b) != want {
		t.Errorf("%s is %s, %v; want %s", name, b, err, want)
	}
}

func TestEvent_Property_call(t *testing.T) {
	t.Parallel()
	e := call()
	for name, want := range map[string]string{
		"name": `"llm-tokens"`, "source": `"system"`, "timestamp": `1700000000`, "customer_id": `"c1"`,
		"inputTokens": `63`, "cachedInputTokens": `6`, "outputTokens": `192`, "totalTokens": `255`,
		"_llm.input_tokens": `63`, "_llm.cached_input_tokens": `6`, "_llm.cache_write_tokens": `56`,
		"_llm.output_tokens": `192`, "_llm.reasoning_tokens": `128`, "_llm.total_tokens": `255`,
		"model": `"gpt-4o"`, "_llm.model": `"gpt-4o-2024-08-06"`, "provider": `"openai"`, "_llm.vendor": `"openai"`,
		"strategy": `"LLM"`, "_cost.amount": `1.23456789`, "_cost.currency": `"usd"`,
		"team": `"blue"`, "metadata.team": `"blue"`, "metadata.totalTokens": `255`, "metadata.model": `"gpt-4o"`,
		"customer": `"tagged"`, "metadata.customer_id": `null`, "metadata.name": `null`, "metadata.timestamp": `null`,
		"absent": `null`, "": `null`, "metadata.": `null`, "_llm": `null`, "_cost": `null`, "external_customer_id": `null`,
	} {
		property(t, e, name, want)
	}
	e.Usage.Model, e.Tags = "", nil
	property(t, e, "_llm.model", `"gpt-4o"`)
	property(t, e, "customer", `"c1"`)
	e.Model, e.Usage.Model = "", "from-the-answer"
	property(t, e, "model", `"from-the-answer"`)
	e.At = -1
	property(t, e, "timestamp", `-1`)
}

// TestEvent_Property_unknown: what nobody looked for or nobody knows is absent,
// and what was recorded of an unknown usage counts as recorded. B06.
func TestEvent_Property_unknown(t *testing.T) {
	t.Parallel()
	for _, state := range []metering.CostState{metering.CostUnrated, metering.CostUnpriced} {
		e := call()
		e.CostState, e.Cost = state, metering.Cost{}
		property(t, e, "_cost.amount", `null`)
		property(t, e, "_cost.currency", `null`)
	}
	free := call()
	free.CostState, free.Cost = metering.CostFree, metering.Cost{}
	property(t, free, "_cost.amount", `0`)

	raw := call()
	raw.Metered, raw.Usage = false, metering.Usage{}
	for _, name := range []string{"totalTokens", "inputTokens", "outputTokens", "cachedInputTokens", "_llm.total_tokens"} {
		property(t, raw, name, `null`)
	}
	refused := call()
	refused.Usage = metering.Usage{State: metering.UsageNone}
	property(t, refused, "totalTokens", `0`)

	crashed := call()
	crashed.Outcome, crashed.Usage.State = metering.OutcomeCrashed, metering.UsageUnknown
	property(t, crashed, "totalTokens", `255`)
}

func TestEvent_Property_reported(t *testing.T) {
	t.Parallel()
	e := &metering.Event{Name: "llm-tokens", ExternalCustomer: "acme"}
	e.Customer, e.Provider, e.Model, e.Metered, e.CostState = "c1", "openai", "gpt-4o", true, metering.CostStated
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 9
	e.Properties = json.RawMessage(`{"totalTokens": 7, "name":"inner", "a.b":1, "a":{"b":2,"c":3}, "list":[1], "nothing":null,` +
		` "\u006Bey":"v", "deep":{"er":{"x":true}}, "big":1e40, "_cost":{"amount":"12.50","currency":"usd"},` +
		` "_llm":{"vendor":"v","model":"m","input_tokens":1}, "text":"12"}`)
	for name, want := range map[string]string{
		"name": `"llm-tokens"`, "metadata.name": `"inner"`, "source": `"user"`,
		"totalTokens": `7`, "inputTokens": `9`, "outputTokens": `0`, "model": `null`, "provider": `null`, "strategy": `null`,
		"a.b": `1`, "a.c": `3`, "metadata.a.b": `1`, "a": `null`, "a.b.c": `null`, "list": `null`, "list.0": `null`, "nothing": `null`,
		"key": `"v"`, "deep.er.x": `true`, "deep.er": `null`, "big": `null`, "text": `"12"`,
		"_cost.amount": `12.5`, "_cost.currency": `"usd"`, "_llm.vendor": `"v"`, "_llm.input_tokens": `1`, "_llm.output_tokens": `null`,
		"customer": `"c1"`, "customer_id": `"c1"`, "external_customer_id": `"acme"`, "": `null`, ".": `null`,
	} {
		property(t, e, name, want)
	}
	e.Properties = json.RawMessage(`{"customer":"theirs","_cost":{"amount":"x"}}`)
	property(t, e, "customer", `"theirs"`)
	property(t, e, "_cost.amount", `null`)
	e.Properties = json.RawMessage(`{}`)
	property(t, e, "totalTokens", `null`)
	property(t, e, "_cost.amount", `null`)
}

// FuzzMetadata holds the search for one member to what package json reads, and
// to not failing on what is no JSON.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, ` { "a" : "x" , "b":[1,{"a":2}] } `, `{"\u0061":true}`, `{"a":"\"}","b":2}`, `{"a":{"a":"}"},"b":3}`,
		`{"a":1,"a":2}`, `[`, `{"a"`, `{"a":`, `{"a":1`, `{"a":"`, `{"a":"\`, `{:1}`, `{"a":{`, `{"":0}`,
	} {
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, object, name string) {
		e := metering.Event{Properties: json.RawMessage(object)}
		got := e.Property("metadata." + name)
		if !json.Valid(e.Properties) || object == "" {
			return
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(e.Properties, &members) != nil {
			if !got.IsZero() {
				t.Errorf("%s has %s", object, name)
			}
			return
		}
		whole, err := json.Marshal(members)
		if err != nil || len(members) != strings.Count(object, ":") {
			return // nested, or a name twice: then two answers are right
		}
		again := metering.Event{Properties: whole} // in another order, without spaces and escapes
		if want := again.Property("metadata." + name); !got.Equal(want) && got.Kind != want.Kind {
			t.Errorf("%s of %s is %+v, of %s %+v", name, object, got, whole, want)
		}
		var want metering.Value
		if raw, ok := members[name]; ok && want.UnmarshalJSON(raw) == nil && want.Kind != metering.KindList && !want.IsZero() && !got.Equal(want) {
			t.Errorf("%s of %s is %+v, want %+v", name, object, got, want)
		}
	})
}

// TestEvent_Property_measured: what a meter can add up beside tokens.
func TestEvent_Property_measured(t *testing.T) {
	t.Parallel()
	e := call()
	property(t, e, "duration", `null`)
	e.BodyBytes, e.BytesOut, e.End, e.Endpoint, e.Upstream = 100, 23, e.At+2_345_678, "s3.get_object", "files"
	e.Usage.Quantities = []metering.Quantity{{Name: "images", Amount: metering.NumberOf(3)}, {Name: "model", Amount: metering.NumberOf(9)}}
	e.Usage.Attributes = []metering.Tag{{Name: "bucket", Value: "photos"}, {Name: "team", Value: "hidden by none"}}
	for name, want := range map[string]string{
		"bytesIn": `100`, "bytesOut": `23`, "bytes": `123`, "duration": `2.345678`, "deltaTime": `2345.678`,
		"images": `3`, "bucket": `"photos"`, "metadata.bucket": `"photos"`, "strategy": `"S3"`,
		"endpoint": `"s3.get_object"`, "upstream": `"files"`, "model": `"gpt-4o"`, "team": `"hidden by none"`,
	} {
		property(t, e, name, want)
	}
	for endpoint, want := range map[string]string{"bytes.request": `"Stream"`, "custom.call": `"Custom"`, "openai.chat": `"LLM"`, "": `"LLM"`} {
		e.Endpoint = endpoint
		property(t, e, "strategy", want)
	}
}
