package clients_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/deploy/clients/scenario"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// judge lists what is wrong with a scenario: a client must be told the same
// through Weir as directly, what it is told must be what the scenario is about,
// and Weir must have recorded it.
func judge(s scenario.Scenario, client string, answers []scenario.Answer, events []api.Event) []string {
	var problems []string
	at := make(map[string]json.RawMessage)
	for _, a := range answers {
		if a.Client != client || a.Scenario != s.Name {
			continue
		}
		if a.Failed != "" {
			problems = append(problems, a.Place+": "+a.Failed)
		}
		if at[a.Place] != nil {
			problems = append(problems, a.Place+": answered twice")
		}
		at[a.Place] = a.Result
	}
	if len(problems) > 0 {
		return problems
	}
	direct, through := at["direct"], at["weir"]
	if direct == nil || through == nil {
		return []string{"not played at both places"}
	}
	if diff := cmp.Diff(decoded(direct), decoded(through)); diff != "" {
		problems = append(problems, "through Weir it differs (-direct +weir):\n"+diff)
	}
	var r scenario.Result
	if err := json.Unmarshal(through, &r); err != nil {
		return append(problems, fmt.Sprintf("what the client printed: %v in %s", err, through))
	}
	if problem := about(s, r); problem != "" {
		problems = append(problems, problem+": "+string(through))
	}
	return append(problems, recorded(s, r, events)...)
}

// requests are ids that a provider gives each request and repeats in its errors.
var requests = regexp.MustCompile(`req_[0-9a-f]{32}`)

func decoded(raw json.RawMessage) any {
	var v any
	if err := json.Unmarshal(requests.ReplaceAll(raw, []byte("req_")), &v); err != nil {
		return string(raw)
	}
	return v
}

// about says why a result is not what the scenario is about, so that two failures
// do not pass for a success.
func about(s scenario.Scenario, r scenario.Result) string {
	if s.Name != "error" && r.Error != nil {
		return "an error"
	}
	switch s.Name {
	case "plain", "retry":
		if r.Text == "" {
			return "no text"
		}
	case "streamed":
		if len(r.Pieces) < 10 || strings.Join(r.Pieces, "") != r.Text {
			return "not streamed piece by piece"
		}
	case "tools":
		want := map[string]any{"weir": "weir"} // what the simulator makes of its schema
		if r.Text == "" || len(r.Calls) != 1 || r.Calls[0].Name != s.Tool.Name || !cmp.Equal(r.Calls[0].Arguments, any(want)) {
			return "no call of the tool and text after it"
		}
	case "structured":
		if !cmp.Equal(r.Value, any(map[string]any{"river": "weir", "centimetres": 21.0})) {
			return "not what the schema asks for"
		}
	case "error":
		generic := []string{"", "Error", "Exception"}
		if e := r.Error; e == nil || e.Status != 400 || slices.Contains(generic, e.Class) || !strings.Contains(e.Message, "this model always fails so") {
			return "not the SDK's own error with status and message"
		}
	case "abort":
		if len(r.Pieces) != s.Pieces {
			return fmt.Sprintf("not hung up after %d pieces", s.Pieces)
		}
	default:
		return "a scenario that nothing is known of"
	}
	return ""
}

// recorded lists what the events say otherwise than the scenario and the SDK:
// each attempt is one event, and the usage is what the SDK was told.
func recorded(s scenario.Scenario, r scenario.Result, events []api.Event) []string {
	var got []scenario.Event
	var used []scenario.Usage
	var problems []string
	for i, e := range events {
		// What a scenario does not stream, an SDK may.
		streamed := e.Stream && (i >= len(s.Events) || s.Events[i].Stream)
		got = append(got, scenario.Event{Outcome: string(e.Outcome), Status: e.Status, Stream: streamed})
		want := metering.UsageExact
		switch {
		case e.Status != 200:
			want = metering.UsageNone
		case e.Outcome == metering.OutcomeClientGone:
			if e.Usage.State != metering.UsagePartial && e.Usage.State != metering.UsageEstimated || e.Usage.Output < int64(s.Pieces) {
				problems = append(problems, fmt.Sprintf("the call that was hung up is %s with %d tokens out", e.Usage.State, e.Usage.Output))
			}
			continue
		default:
			used = append(used, scenario.Usage{Input: e.Usage.Input, Output: e.Usage.Output})
		}
		if e.Usage.State != want || len(e.Usage.Flags) > 0 {
			problems = append(problems, fmt.Sprintf("usage of event %s is %s %v, want %s", e.ID, e.Usage.State, e.Usage.Flags, want))
		}
	}
	if diff := cmp.Diff(s.Events, got); diff != "" {
		problems = append(problems, "events (-want +recorded):\n"+diff)
	}
	if diff := cmp.Diff(r.Usage, used); diff != "" {
		problems = append(problems, "usage (-SDK +recorded):\n"+diff)
	}
	return problems
}
