package sqlstore

import (
	"strings"

	"github.com/weirhq/weir/metering"
)

// sums are the columns of a rollup that add up.
type sums [17]int64

// sumColumns are their names, in order.
const sumColumns = "requests, input, cache_read, cache_write, output, reasoning, audio_input, audio_output, image_input, image_output, " +
	"input_tokens, output_tokens, micros, picos, estimated, unpriced, unmetered"

// addUp is the SQL that adds each of them up.
func addUp() string {
	return "SUM(" + strings.ReplaceAll(sumColumns, ", ", "), SUM(") + ")"
}

// sumsOf is what an event adds.
func sumsOf(e *metering.Event) sums {
	c := e.Usage.Tokens.Classes()
	out := sums{
		1, c.Input, c.CacheRead, c.CacheWrite, c.Output, c.Reasoning, c.AudioInput, c.AudioOutput, c.ImageInput, c.ImageOutput,
		e.Usage.Tokens.Input(), e.Usage.Tokens.Output(), 0, 0, 0, 0, 0,
	}
	switch e.CostState {
	case metering.CostUnpriced, metering.CostUnrated:
		out[15] = 1
	default:
		cost := e.Cost.Normal()
		out[12], out[13] = cost.Micros, cost.Picos
	}
	if e.Estimated() {
		out[14] = 1
	}
	if !e.Metered && e.Endpoint == "raw" {
		out[16] = 1
	}
	return out
}

func (s *sums) add(o *sums) {
	for i, v := range o {
		s[i] += v
	}
}

// totals is the view of the sums that the API has.
func (s *sums) totals() metering.UsageTotals {
	c := metering.Classes{
		Input: s[1], CacheRead: s[2], CacheWrite: s[3], Output: s[4], Reasoning: s[5],
		AudioInput: s[6], AudioOutput: s[7], ImageInput: s[8], ImageOutput: s[9],
	}
	return metering.UsageTotals{
		Requests: s[0], Classes: c, Total: c.Total(), InputTokens: s[10], OutputTokens: s[11],
		Cost: metering.Cost{Micros: s[12], Picos: s[13]}.Normal(), Estimated: s[14], Unpriced: s[15], Unmetered: s[16],
	}
}

// pointers are where a row is scanned into.
func (s *sums) pointers() []any {
	out := make([]any, len(s))
	for i := range s {
		out[i] = &s[i]
	}
	return out
}

// group is what a rollup is kept by.
type group struct {
	org, customer        string
	hour                 metering.Micros
	key, model, provider string
	test                 int64
}

func groupOf(e *metering.Event) group {
	g := group{org: e.Org, customer: e.Customer, hour: e.At.Hour(), key: e.Key, model: modelOf(e), provider: e.Provider}
	if e.Test {
		g.test = 1
	}
	return g
}

// modelOf is the model that usage is reported under: the one that was asked for.
func modelOf(e *metering.Event) string { return e.Model }
