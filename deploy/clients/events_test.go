package clients_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/clients/scenario"
	"github.com/weirhq/weir/proxy/api"
)

// recordedWithin bounds the wait for the last event of a client: a stream that
// was hung up goes on for two seconds, and then is shipped.
const recordedWithin = 30 * time.Second

// events are those of a client by scenario, in the order of the calls, once there
// are as many as there must be. More than those fail when they are judged.
func (s *suite) events(t *testing.T, c client, keys map[string]string) map[string][]api.Event {
	t.Helper()
	want := 0
	for _, sc := range s.table.Scenarios {
		want += len(sc.Events)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var found []api.Event
	for deadline := time.Now().Add(recordedWithin); len(found) < want && time.Now().Before(deadline); <-tick.C {
		found = listEvents(t, s.admin, c.customer())
	}
	if _, err := s.admin.Usage(t.Context(), api.UsageOptions{Customer: c.customer(), Sync: true}); err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]api.Event)
	of := make(map[string]string) // scenarios by key
	for name, key := range keys {
		of[key] = name
	}
	for _, e := range slices.Backward(listEvents(t, s.admin, c.customer())) { // they come newest first
		out[of[e.KeyID]] = append(out[of[e.KeyID]], e)
	}
	return out
}

// listEvents are all events of a customer, newest first.
func listEvents(t *testing.T, admin *api.Client, customer string) []api.Event {
	t.Helper()
	var out []api.Event
	o := api.EventOptions{Customer: customer}
	for {
		page, err := admin.Events(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Items...)
		if page.NextCursor == nil {
			return out
		}
		o.Cursor = *page.NextCursor
	}
}

// totals says how `weir usage` differs from what the SDK reported: nothing may be
// missing and nothing be there twice. Of the stream that was hung up, whose usage
// no SDK knows, the event counts.
func (s *suite) totals(t *testing.T, c client, answers []scenario.Answer, events map[string][]api.Event) string {
	t.Helper()
	var requests, input, output, estimated int64
	for _, sc := range s.table.Scenarios {
		requests += int64(len(sc.Events))
	}
	for _, a := range answers {
		var r scenario.Result
		if a.Client != c.name || a.Place != "weir" || json.Unmarshal(a.Result, &r) != nil {
			continue // of these, judge says what is wrong
		}
		for _, u := range r.Usage {
			input, output = input+u.Input, output+u.Output
		}
	}
	for _, e := range events["abort"] {
		input, output, estimated = input+e.Usage.Input, output+e.Usage.Output, estimated+1
	}
	got := s.box.Usage(t, c.customer())
	if got.Requests != requests || got.InputTokens != input || got.OutputTokens != output || got.Estimated != estimated {
		return fmt.Sprintf("weir usage: %+v, want %d requests, %d tokens in, %d out, %d estimated", got, requests, input, output, estimated)
	}
	return ""
}
