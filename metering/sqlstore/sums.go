package sqlstore

import (
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
)

// sums are the columns of a rollup that add up, in the order of sumNames.
type sums [16]int64

// Places in sums behind the nine classes of tokens.
const (
	sumRequests = iota
	sumMicros   = iota + 9
	sumPicos
	sumNanos
	sumEstimated
	sumUnpriced
	sumUnmetered
)

const sumNames = "requests, input, cache_read, cache_write, output, reasoning, audio_input, audio_output, image_input, image_output, " +
	"micros, picos, nanos, estimated, unpriced, unmetered"

// summed is the SQL of a sum that fits, because events are bounded.
func summed(of string) string { return "CAST(COALESCE(SUM(" + of + "), 0) AS BIGINT)" }

// rollupSums is the SQL that sums rollups.
func rollupSums() string {
	names := strings.Split(sumNames, ", ")
	for i, n := range names {
		names[i] = summed(n)
	}
	return strings.Join(names, ", ")
}

// eventSums is the SQL that sums events to the same columns, from what is in
// their rows.
func eventSums() string {
	parts := []string{summed("CASE WHEN usage_state IN ('correction', 'adjustment') THEN 0 ELSE 1 END")}
	for _, class := range strings.Split(sumNames, ", ")[1:10] {
		parts = append(parts, summed(class))
	}
	return strings.Join(append(parts,
		summed("micros"), summed("picos"), summed("COALESCE(micros, 0) * 1000 + (COALESCE(picos, 0) + 999) / 1000"),
		summed("CASE WHEN usage_state IN ('partial', 'estimated', 'unknown') THEN 1 WHEN usage_state = 'correction' THEN -1 ELSE 0 END"),
		summed(sqlUnpriced),
		summed("CASE WHEN raw AND NOT metered THEN 1 ELSE 0 END")), ", ")
}

// sqlUnpriced is by how many an event changes the number of those without a cost,
// as unpricedBy is.
const sqlUnpriced = "CASE WHEN usage_state IN ('correction', 'adjustment') THEN CASE cost_state WHEN 'priced' THEN -1 WHEN 'withdrawn' THEN 1 ELSE 0 END " +
	"WHEN cost_state IN ('', 'unpriced') THEN 1 ELSE 0 END"

// sumsOf is what an event adds.
func sumsOf(e *metering.Event) sums {
	c := e.Usage.Tokens.Classes()
	out := sums{1, c.Input, c.CacheRead, c.CacheWrite, c.Output, c.Reasoning, c.AudioInput, c.AudioOutput, c.ImageInput, c.ImageOutput}
	if priced(e) {
		cost := e.Cost.Normal()
		out[sumMicros], out[sumPicos] = cost.Micros, cost.Picos
		out[sumNanos] = cost.Micros*1000 + (cost.Picos+999)/1000
	}
	out[sumUnpriced] = unpricedBy(e)
	switch {
	case e.Estimated():
		out[sumEstimated] = 1
	case e.Usage.State == metering.UsageCorrection:
		out[sumEstimated] = -1
	}
	if e.Usage.State.Corrects() {
		out[sumRequests] = 0
	}
	if !e.Metered && e.Endpoint == endpointRaw {
		out[sumUnmetered] = 1
	}
	return out
}

// unpricedBy is by how many an event changes the number of those without a cost.
func unpricedBy(e *metering.Event) int64 {
	switch corrects := e.Usage.State.Corrects(); {
	case corrects && e.CostState == metering.CostPriced:
		return -1
	case corrects && e.CostState == metering.CostWithdrawn, !corrects && !priced(e):
		return 1
	}
	return 0
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
		Requests: s[sumRequests], Classes: c, Total: c.Total(),
		InputTokens: c.Input + c.CacheRead + c.CacheWrite + c.AudioInput + c.ImageInput, OutputTokens: c.Output + c.Reasoning + c.AudioOutput + c.ImageOutput,
		Cost:      metering.Cost{Micros: s[sumMicros], Picos: s[sumPicos]}.Normal(),
		Estimated: s[sumEstimated], Unpriced: s[sumUnpriced], Unmetered: s[sumUnmetered],
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

// carried is the same with less than a micro-dollar in picos.
func (s sums) carried() sums {
	cost := metering.Cost{Micros: s[sumMicros], Picos: s[sumPicos]}.Normal()
	s[sumMicros], s[sumPicos] = cost.Micros, cost.Picos
	return s
}

// named lists what is not zero.
func (s sums) named() string {
	var out []string
	for i, name := range strings.Split(sumNames, ", ") {
		if s[i] != 0 {
			out = append(out, name+"="+strconv.FormatInt(s[i], 10))
		}
	}
	return strings.Join(out, " ")
}
