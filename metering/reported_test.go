package metering_test

import (
	"encoding/json"
	"testing"

	"github.com/weirhq/weir/metering"
)

// TestReportedTokens: counts that a sender gives in _llm alone are measured like
// those that it gives by name, and a name that it gives wins.
func TestReportedTokens(t *testing.T) {
	t.Parallel()
	e := metering.Event{Name: metering.EventLLM}
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 7
	e.Usage.Tokens[metering.InputCell(metering.CacheRead, metering.Text)] = 3
	e.Usage.Tokens[metering.OutputCell(false, metering.Text)] = 5
	for metadata, want := range map[string]map[string]string{
		`{"_llm":{"input_tokens":10,"output_tokens":5}}`:                    {"totalTokens": "15", "inputTokens": "10", "outputTokens": "5", "cachedInputTokens": "3"},
		`{"_llm":{"input_tokens":10,"output_tokens":5},"totalTokens":"99"}`: {"totalTokens": "", "inputTokens": "10"},
		`{"_llm":{"input_tokens":10,"output_tokens":5},"totalTokens":99}`:   {"totalTokens": "99"},
		`{"other":1}`: {"totalTokens": "", "inputTokens": ""},
	} {
		e.Properties = json.RawMessage(metadata)
		for name, n := range want {
			got := ""
			if v := e.Property(name); v.Kind == metering.KindNumber {
				got = v.Num.String()
			}
			if got != n {
				t.Errorf("%s: %s is %q, want %q", metadata, name, got, n)
			}
		}
	}
}

// TestReportedCost: what the book says that such tokens cost is measured too,
// unless the sender states it, or nobody knows.
func TestReportedCost(t *testing.T) {
	t.Parallel()
	const tokens = `"_llm":{"input_tokens":10,"output_tokens":5}`
	for _, tt := range []struct {
		metadata, state, amount, currency string
	}{
		{`{` + tokens + `}`, "exact", "12.5", `"usd"`},
		{`{` + tokens + `,"_cost":{"amount":"3","currency":"usd"}}`, "stated", "3", `"usd"`},
		{`{` + tokens + `}`, "unpriced", "", `null`},
		{`{"other":1}`, "exact", "", `null`},
	} {
		e := metering.Event{Name: metering.EventLLM, Properties: json.RawMessage(tt.metadata)}
		e.CostState, e.Cost = metering.CostState(tt.state), metering.Cost{Micros: 125_000}
		got := ""
		if v := e.Property("_cost.amount"); v.Kind == metering.KindNumber {
			got = v.Num.String()
		}
		if got != tt.amount {
			t.Errorf("%s, %s: %q cents, want %q", tt.metadata, tt.state, got, tt.amount)
		}
		property(t, &e, "_cost.currency", tt.currency)
	}
}
