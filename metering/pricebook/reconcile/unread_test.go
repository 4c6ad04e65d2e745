package reconcile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// anthropicDay is a bucket of the first of November 2026.
func anthropicDay(results string) string {
	return `{"data":[{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-11-02T00:00:00Z","results":[` + results + `]}],"has_more":false,"next_page":null}`
}

// TestReader_AnthropicNewer: writes to the cache by time to live, tools of the
// server, tiers, and what else a price may hold for; a result of the reports of
// analytics, which has a number of requests.
func TestReader_AnthropicNewer(t *testing.T) {
	t.Parallel()
	e := read(t, "anthropic", anthropicDay(`
	 {"uncached_input_tokens":10,"cache_creation":{"ephemeral_1h_input_tokens":3,"ephemeral_5m_input_tokens":4},"cache_read_input_tokens":5,"output_tokens":6,
	  "server_tool_use":{"web_search_requests":1,"web_fetch_requests":7,"code_execution_requests":2},
	  "api_key_id":"k","workspace_id":null,"model":"m","service_tier":"flex_discount","context_window":"200k-1M","inference_geo":"us","speed":"fast"},
	 {"uncached_input_tokens":100,"cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":0},"cache_read_input_tokens":0,"output_tokens":1,
	  "server_tool_use":{"web_search_requests":0},"api_key_id":"k","model":"m","service_tier":"flex_discount","context_window":"0-200k","inference_geo":"not_available","speed":"standard"},
	 {"uncached_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":0},"cache_read_input_tokens":0,"output_tokens":1,"requests":3,
	  "server_tool_use":{"web_search_requests":0},"model":"n","product":"claude_code"}`))
	m := reconcile.Usage{
		Group: reconcile.Group{Day: day(t, "2026-11-01"), Model: "m", Key: "k", Tier: "flex_discount"},
		Terms: map[string]int64{"context window 200k-1M": 28, "inference geo us": 28, "speed fast": 28},
	}
	for measure, n := range map[reconcile.Measure]int64{
		reconcile.InputAll: 122, reconcile.Input: 110, reconcile.CacheRead: 5, reconcile.CacheWrite: 7, reconcile.CacheWrite5m: 4, reconcile.CacheWrite1h: 3,
		reconcile.Output: 7, reconcile.WebSearches: 1, reconcile.WebFetches: 7, reconcile.CodeExecutions: 2,
	} {
		m.Counts[measure] = n
		m.Known |= reconcile.MaskOf(measure)
	}
	if d := cmp.Diff(m, e.Usage[0]); d != "" {
		t.Error(d)
	}
	if n := e.Usage[1]; n.Counts[reconcile.Requests] != 3 || !n.Known.Has(reconcile.Requests) || n.Terms != nil {
		t.Errorf("analytics %+v", n)
	}
	if len(e.Unread) != 0 || len(e.Notes) != 0 {
		t.Errorf("unread %v, notes %q", e.Unread, e.Notes)
	}
}

// TestReader_unread: a member that nobody knows is a meter where it is a number,
// and else what rows are told apart by, so that none passes for another one.
func TestReader_unread(t *testing.T) {
	t.Parallel()
	row := func(more string) string {
		return `{"uncached_input_tokens":10,"output_tokens":6,"api_key_id":"k","model":"m"` + more + `}`
	}
	e := read(t, "anthropic", anthropicDay(row(`,"data_zone":"a","cache_creation":{"ephemeral_24h_input_tokens":5}`)+","+row(`,"data_zone":"b","cache_creation":{"ephemeral_24h_input_tokens":6.5},"seats":0,"note":null`)),
		anthropicDay(row(`,"data_zone":"b","cache_creation":{"ephemeral_24h_input_tokens":6.5}`)))
	want := []reconcile.Unread{{Day: day(t, "2026-11-01"), Key: "k", Name: "cache_creation.ephemeral_24h_input_tokens", Amount: metering.Number{Units: 11, Picos: 500_000_000_000}}}
	if d := cmp.Diff(want, e.Unread); d != "" {
		t.Error(d)
	}
	if e.Usage[0].Counts[reconcile.Input] != 20 {
		t.Errorf("input %d, want that of two zones, one of them given twice", e.Usage[0].Counts[reconcile.Input])
	}
	if _, err := tryRead("anthropic", anthropicDay(row(`,"x":5`)), anthropicDay(row(`,"x":6`))); !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), "different numbers") {
		t.Errorf("a row that says two things: %v", err)
	}
	for _, huge := range []string{`,"x":1e13`, `,"x":-1e13`} {
		if _, err := tryRead("anthropic", anthropicDay(row(huge))); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%s: %v", huge, err)
		}
	}
	e = read(t, "openai", `{"start_time":1793491200,"end_time":1793577600,"results":[{"object":"organization.usage.completions.result","model":"m","input_tokens":1,"input_text_tokens":1,"input_video_tokens":7}]}`)
	if len(e.Unread) != 1 || e.Unread[0].Name != "input_video_tokens" || e.Unread[0].Amount != metering.NumberOf(7) {
		t.Errorf("unread of OpenAI %v", e.Unread)
	}
	e = read(t, "openai", "start_time,end_time,input_tokens,input_video_tokens,project_name\n1793491200,1793577600,1,8,2026\n")
	if len(e.Unread) != 1 || e.Unread[0].Name != "input_video_tokens" || e.Unread[0].Amount != metering.NumberOf(8) {
		t.Errorf("unread of a table %v", e.Unread)
	}
}

// TestCompare_unread: what the provider counts and nobody reads makes the
// comparison fail, unless its bill agrees, or it is of a key that is not Weir's.
func TestCompare_unread(t *testing.T) {
	t.Parallel()
	video := func(m *month) {
		d := m.ours[2].Day
		m.usage[d][0] = strings.Replace(m.usage[d][0], `"batch"`, `"input_video_tokens":5,"batch"`, 1)
	}
	m := newMonth(t)
	video(m)
	m.costs = nil
	r := m.compare(t)
	if r.Verdict != reconcile.VerdictDiffers || r.Differing != 1 || r.Totals.Causes[0].Kind != reconcile.CauseUnread || !strings.Contains(r.Totals.Causes[0].Text, "counts 5 input_video_tokens") {
		t.Errorf("without a bill: %s, %d differ, %v", r.Verdict, r.Differing, r.Totals.Causes)
	}
	if len(r.Causes) != 1 || r.Causes[0] != (reconcile.CauseCount{Kind: reconcile.CauseUnread, Rows: 1}) {
		t.Errorf("causes %v", r.Causes)
	}
	m = newMonth(t)
	video(m)
	if r = m.compare(t); r.Verdict != reconcile.VerdictEqual || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "its bill agrees") {
		t.Errorf("with a bill that agrees: %s, %q", r.Verdict, r.Notes)
	}
	m = newMonth(t)
	video(m)
	m.ours[1].Cost.Micros *= 2
	if r = m.compare(t); r.Differing == 0 || !cmp.Equal(r.Totals.Causes[len(r.Totals.Causes)-1].Kind, reconcile.CauseUnread) {
		t.Errorf("with a bill that does not: %s, %v", r.Verdict, r.Totals.Causes)
	}
	m = newMonth(t)
	m.costs = nil
	m.usage[m.ours[2].Day] = append(m.usage[m.ours[2].Day], `{"object":"organization.usage.completions.result","input_tokens":0,"output_tokens":0,"input_video_tokens":5,"model":"o3","api_key_id":"key_2","batch":false}`)
	m.option.Keys = map[string]string{"key_1": "abcd", "key_2": reconcile.NotOurs}
	if r = m.compare(t); r.Verdict != reconcile.VerdictEqual {
		t.Errorf("of another's key: %s, %v", r.Verdict, r.Totals.Causes)
	}
}

// TestCompare_terms: where the price differs, what of the provider's usage may
// have a price of its own is named.
func TestCompare_terms(t *testing.T) {
	t.Parallel()
	e := read(t, "anthropic", anthropicDay(`{"uncached_input_tokens":300000,"output_tokens":6,"model":"m","context_window":"200k-1M","inference_geo":"us"}`),
		"costs:"+anthropicDay(`{"amount":"180","currency":"USD","cost_type":"tokens","model":"m","description":"M"}`))
	ours := reconcile.Recorded{Day: e.Days[0], Asked: "m", Served: "m", Tier: "standard", Cost: metering.Cost{Micros: 900_000}}
	ours.Counts[reconcile.Requests], ours.Counts[reconcile.InputAll], ours.Counts[reconcile.Input], ours.Counts[reconcile.Output] = 1, 300_000, 300_000, 6
	r, err := reconcile.Compare(e, []reconcile.Recorded{ours}, reconcile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Totals.Causes; len(c) != 1 || c[0].Kind != reconcile.CausePrice || !strings.Contains(c[0].Text, "of its tokens 300006 of context window 200k-1M, 300006 of inference geo us") {
		t.Errorf("causes %v", c)
	}
}
