package sqlstore_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// TestCorrect: what is said of an event later is added to the sums once, the
// event stays as it was, and the rollups are what the events come to.
func TestCorrect(t *testing.T) {
	t.Parallel()
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, url(t))
			ctx := t.Context()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			input, output := metering.InputCell(metering.CacheNone, metering.Text), metering.OutputCell(false, metering.Text)
			id := func() metering.ID {
				id, err := metering.NewID()
				must(err)
				return id
			}
			const at = metering.Micros(1_790_000_000_000_000)
			e := &metering.Event{
				Call: metering.Call{ID: id(), Org: metering.DefaultOrg, Customer: "c", Key: "k", At: at, Provider: "openai", Endpoint: "openai.chat", Metered: true, Model: "gpt-4o", BodyBytes: 400},
				Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, CostState: metering.CostExact, Cost: metering.Cost{Micros: 100},
			}
			e.Usage.State, e.Usage.Estimate = metering.UsageEstimated, &metering.Estimate{Method: "bytes/4", Low: 0, High: 500, Input: 100, Output: 50}
			e.Usage.Tokens[input], e.Usage.Tokens[output], e.Usage.Input, e.Usage.Output = 100, 50, 100, 50
			_, err := s.Ingest(ctx, metering.DefaultOrg, []*metering.Event{e})
			must(err)
			first, err := s.Event(ctx, metering.DefaultOrg, e.ID.String())
			must(err)

			check := func(what string, in, out, estimated, micros int64) {
				t.Helper()
				// Whole hours come from the rollups, the edges from the events.
				for _, q := range []metering.UsageQuery{{Org: metering.DefaultOrg}, {Org: metering.DefaultOrg, From: at - 1, To: at + 1}} {
					_, total, err := s.Usage(ctx, q)
					must(err)
					if total.Requests != 1 || total.InputTokens != in || total.OutputTokens != out || total.Estimated != estimated || total.Cost != (metering.Cost{Micros: micros}) {
						t.Errorf("%s: usage is %+v", what, total)
					}
					rows, err := s.Quantities(ctx, metering.QuantityQuery{Org: metering.DefaultOrg, Meter: "00000000-0000-7000-8000-000000000001", From: q.From, To: q.To})
					must(err)
					if want := metering.NumberOf(in + out).String(); len(rows) != 1 || rows[0].Quantity != want {
						t.Errorf("%s: the meter is at %+v, want %s", what, rows, want)
					}
				}
				differ, err := s.VerifyRollups(ctx, metering.DefaultOrg)
				must(err)
				if len(differ) > 0 {
					t.Errorf("%s: %q", what, differ)
				}
				if again, err := s.Event(ctx, metering.DefaultOrg, e.ID.String()); err != nil || !cmp.Equal(again, first) {
					t.Errorf("%s: the event has changed: %v", what, cmp.Diff(first, again))
				}
			}
			check("estimated", 100, 50, 1, 100)

			say := func(in, out, micros int64, content string) *metering.Event {
				t.Helper()
				before, _, err := s.Corrections(ctx, metering.DefaultOrg, e.ID)
				must(err)
				target := *first
				target.Usage.Tokens, target.Cost = metering.Tokens{}, metering.Cost{Micros: micros}
				target.Usage.Tokens[input], target.Usage.Tokens[output] = in, out
				c, err := metering.Correction(id(), first, before, &target, true)
				must(err)
				must(s.Correct(ctx, c, len(before), []byte(content)))
				must(s.Correct(ctx, c, len(before), []byte(content))) // its reply was lost
				return c
			}
			c := say(80, 60, 90, "a")
			check("corrected", 80, 60, 0, 90)
			late := *c
			late.ID = id()
			if err := s.Correct(ctx, &late, 0, []byte("b")); !errors.Is(err, metering.ErrConflict) {
				t.Errorf("a second first correction: %v", err)
			}
			check("not corrected twice", 80, 60, 0, 90)
			say(0, 0, 0, "c")
			check("corrected again", 0, 0, 0, 0)
			list, latest, err := s.Corrections(ctx, metering.DefaultOrg, e.ID)
			must(err)
			if len(list) != 2 || string(latest) != "c" || list[0].Usage.State != metering.UsageCorrection || list[1].Usage.State != metering.UsageAdjustment ||
				list[0].Corrects != e.ID || list[0].Usage.Tokens[input] != -20 || list[0].Usage.Tokens[output] != 10 || list[0].At != at {
				t.Errorf("corrections are %+v, the latest %q", list, latest)
			}
			if _, err := metering.Correction(id(), list[0], nil, first, true); !errors.Is(err, metering.ErrInvalid) {
				t.Errorf("a correction of a correction: %v", err)
			}
		})
	}
}
