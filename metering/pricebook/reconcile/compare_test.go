package reconcile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// month is what both sides have of some days: equal, until a test changes one.
type month struct {
	ours   []reconcile.Recorded
	usage  map[reconcile.Day][]string
	costs  map[reconcile.Day][]string
	option reconcile.Options
}

// newMonth has a model of two classes of input on 10 days: 1,000 calls a day of
// 100,000 uncached, 50,000 cached and 20,000 output tokens, for 0.50 dollars.
func newMonth(t *testing.T) *month {
	t.Helper()
	m := &month{usage: make(map[reconcile.Day][]string), costs: make(map[reconcile.Day][]string)}
	for i := range 10 {
		d := day(t, fmt.Sprintf("2026-11-%02d", i+1))
		r := reconcile.Recorded{Day: d, Asked: "gpt-4o", Served: "gpt-4o-2024-08-06", Credential: "abcd", Tier: "standard", Cost: metering.Cost{Micros: 500_000}}
		for measure, n := range map[reconcile.Measure]int64{
			reconcile.Requests: 1000, reconcile.InputAll: 150_000, reconcile.Input: 100_000, reconcile.CacheRead: 50_000, reconcile.Output: 20_000,
		} {
			r.Counts[measure] = n
		}
		m.ours = append(m.ours, r)
		m.usage[d] = []string{`{"object":"organization.usage.completions.result","input_tokens":150000,"input_cached_tokens":50000,"output_tokens":20000,"num_model_requests":1000,"model":"gpt-4o-2024-08-06","api_key_id":"key_1","batch":false}`}
		m.costs[d] = []string{`{"object":"organization.costs.result","amount":{"value":0.5,"currency":"usd"},"line_item":"gpt-4o-2024-08-06, input","quantity":170000,"quantity_unit":"tokens"}`}
	}
	return m
}

func (m *month) compare(t *testing.T) *reconcile.Report {
	t.Helper()
	buckets := func(of map[reconcile.Day][]string) string {
		var out strings.Builder
		for d, rows := range of {
			start := int64(d.Start()) / 1_000_000
			fmt.Fprintf(&out, `{"start_time":%d,"end_time":%d,"results":[%s]}`+"\n", start, start+86400, strings.Join(rows, ","))
		}
		return out.String()
	}
	files := []string{buckets(m.usage)}
	if len(m.costs) > 0 {
		files = append(files, "costs:"+buckets(m.costs))
	}
	r, err := reconcile.Compare(read(t, "openai", files...), m.ours, m.option)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// causesOf are the first causes of the rows of a level that differ or are
// explained.
func causesOf(r *reconcile.Report, level reconcile.Level) (out []string) {
	r.Walk(func(row *reconcile.Row) bool {
		if row.Level == level && len(row.Causes) > 0 {
			out = append(out, row.Causes[0].Kind)
		}
		return true
	})
	return out
}

// TestCompare_today: a day that is not over is left out, unless it is asked for.
func TestCompare_today(t *testing.T) {
	t.Parallel()
	m := newMonth(t)
	last := m.ours[9].Day
	m.ours[9].Counts[reconcile.Output] *= 2 // what the report does not have yet
	m.option.Today = last
	r := m.compare(t)
	if r.Verdict != reconcile.VerdictEqual || r.To != last || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "2026-11-10: the day is not over, and is not") {
		t.Errorf("verdict %s up to %s, notes %q", r.Verdict, r.To, r.Notes)
	}
	m.option.To = last + 1
	if r = m.compare(t); r.Verdict != reconcile.VerdictDiffers || r.To != last+1 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "only a part") {
		t.Errorf("asked for: verdict %s up to %s, notes %q", r.Verdict, r.To, r.Notes)
	}
	m.option.From, m.option.To = last, 0
	if r, err := reconcile.Compare(read(t, "openai", hourly), nil, m.option); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("nothing that is over: %v, %v", r, err)
	}
}

// TestCompare_equal: the same numbers are equal, to the last digit.
func TestCompare_equal(t *testing.T) {
	t.Parallel()
	r := newMonth(t).compare(t)
	if r.Verdict != reconcile.VerdictEqual || r.Differing != 0 || len(r.Notes) != 0 || r.To-r.From != 10 {
		t.Errorf("verdict %s, %d of %d rows differ, notes %q", r.Verdict, r.Differing, r.Compared, r.Notes)
	}
	// Total, model, ten days, and a key on each: the only one of both sides.
	if r.Compared != 22 || len(r.Keys) != 1 || !r.Keys[0].Paired {
		t.Errorf("%d rows, keys %v", r.Compared, r.Keys)
	}
}

// TestCompare_causes changes one thing on one side, and looks for its name. T84,
// B27.
func TestCompare_causes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(m *month)
		level  reconcile.Level
		want   string
		n      int
	}{
		{"a hundredth is lost", func(m *month) {
			for i := range m.ours {
				r := &m.ours[i]
				for c := range r.Counts {
					r.Counts[c] -= r.Counts[c] / 100
				}
				r.Cost.Micros -= r.Cost.Micros / 100
			}
			m.option.FloorTokens, m.option.FloorCost.Micros = -1, -1
		}, reconcile.LevelDay, reconcile.CauseMissing, 10},
		{"a price", func(m *month) { m.ours[3].Cost.Micros *= 2 }, reconcile.LevelDay, reconcile.CausePrice, 1},
		{"no price", func(m *month) { m.ours[3].Cost.Micros, m.ours[3].Unpriced = 0, 1000 }, reconcile.LevelDay, reconcile.CauseUnpriced, 1},
		{"cache classes", func(m *month) {
			c := &m.ours[2].Counts
			c[reconcile.Input], c[reconcile.CacheRead] = c[reconcile.CacheRead], c[reconcile.Input]
		}, reconcile.LevelDay, reconcile.CauseCache, 1},
		{"a tier", func(m *month) { m.ours[2].Tier, m.ours[2].Cost.Micros = "batch", 250_000 }, reconcile.LevelDay, reconcile.CauseTier, 1},
		{"estimates", func(m *month) {
			m.ours[2].Counts[reconcile.Output] += 5000
			m.ours[2].Estimated = reconcile.Share{Calls: 20, Tokens: 9000}
		}, reconcile.LevelDay, reconcile.CauseEstimated, 1},
		{"calls that died", func(m *month) {
			m.ours[2].Counts[reconcile.Output] -= 5000
			m.ours[2].Broken = reconcile.Share{Calls: 20}
		}, reconcile.LevelDay, reconcile.CauseBroken, 1},
		{"another model of the provider's", func(m *month) {
			m.usage[m.ours[0].Day] = append(m.usage[m.ours[0].Day], strings.Replace(m.usage[m.ours[0].Day][0], "gpt-4o-2024-08-06", "o3", 1))
		}, reconcile.LevelDay, reconcile.CauseElsewhere, 1},
		{"another model of ours", func(m *month) {
			more := m.ours[0]
			more.Asked, more.Served = "o3", "o3"
			m.ours = append(m.ours, more)
		}, reconcile.LevelDay, reconcile.CauseNotInExport, 1},
		{"test traffic", func(m *month) {
			more := m.ours[0]
			more.Asked, more.Served, more.Test = "o3", "o3", reconcile.Share{Calls: 1000, Tokens: 170_000}
			m.ours = append(m.ours, more)
		}, reconcile.LevelDay, reconcile.CauseTest, 1},
		{"an unknown key", func(m *month) {
			m.option.Keys = map[string]string{"key_1": "abcd"}
			m.usage[m.ours[0].Day] = append(m.usage[m.ours[0].Day], strings.Replace(m.usage[m.ours[0].Day][0], "key_1", "key_2", 1))
		}, reconcile.LevelKey, reconcile.CauseElsewhere, 1},
		{"and on the day", func(m *month) {
			m.option.Keys = map[string]string{"key_1": "abcd"}
			m.usage[m.ours[0].Day] = append(m.usage[m.ours[0].Day], strings.Replace(m.usage[m.ours[0].Day][0], "key_1", "key_2", 1))
		}, reconcile.LevelDay, reconcile.CauseElsewhere, 1},
		{"a credit", func(m *month) {
			m.costs[m.ours[0].Day] = append(m.costs[m.ours[0].Day], `{"object":"organization.costs.result","amount":{"value":-0.1,"currency":"usd"},"line_item":"Promotional credit"}`)
		}, reconcile.LevelDay, reconcile.CauseCredit, 1},
		{"an item", func(m *month) {
			m.costs[m.ours[0].Day] = append(m.costs[m.ours[0].Day], `{"object":"organization.costs.result","amount":{"value":0.1,"currency":"usd"},"line_item":"code interpreter sessions"}`)
		}, reconcile.LevelDay, reconcile.CauseUnmetered, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMonth(t)
			tt.change(m)
			r := m.compare(t)
			got := causesOf(r, tt.level)
			if r.Verdict != reconcile.VerdictDiffers || len(got) != tt.n || got[0] != tt.want {
				t.Errorf("verdict %s, causes %q, want %d of %s", r.Verdict, got, tt.n, tt.want)
			}
		})
	}
}

// TestCompare_tolerated: a difference within the tolerance is none, nor is one
// of a cent that is a large part of little.
func TestCompare_tolerated(t *testing.T) {
	t.Parallel()
	m := newMonth(t)
	m.ours[0].Counts[reconcile.Output] += 20 // a thousandth
	m.ours[0].Cost.Micros += 500
	m.option.FloorTokens, m.option.FloorCost.Micros = -1, -1
	if r := m.compare(t); r.Verdict != reconcile.VerdictWithin {
		t.Errorf("verdict %s", r.Verdict)
	}
	m.ours[0].Counts[reconcile.Output]++
	if r := m.compare(t); r.Verdict != reconcile.VerdictDiffers {
		t.Errorf("a token more: verdict %s", r.Verdict)
	}
	m.option.FloorTokens, m.option.FloorCost = 0, metering.Cost{}
	if r := m.compare(t); r.Verdict != reconcile.VerdictWithin {
		t.Errorf("dust: verdict %s", r.Verdict)
	}
}

// TestCompare_midnight: calls near midnight that the provider has on the next day
// explain both days, and hide nothing beyond them.
func TestCompare_midnight(t *testing.T) {
	t.Parallel()
	shift := func(m *month, tokens int64) {
		m.ours[4].Counts[reconcile.Output] += tokens
		m.ours[5].Counts[reconcile.Output] -= tokens
		m.ours[4].Last = reconcile.Share{Calls: 10, Tokens: 2000}
	}
	m := newMonth(t)
	shift(m, 1500)
	r := m.compare(t)
	if got := causesOf(r, reconcile.LevelDay); r.Verdict != reconcile.VerdictExplained || len(got) != 2 || got[0] != reconcile.CauseBoundary {
		t.Errorf("verdict %s, causes %q", r.Verdict, got)
	}
	m = newMonth(t)
	shift(m, 2500)
	if r := m.compare(t); r.Verdict != reconcile.VerdictDiffers {
		t.Errorf("beyond what is near midnight: verdict %s", r.Verdict)
	}
	m = newMonth(t)
	m.ours[4].Counts[reconcile.Output] -= 1500
	m.ours[4].Last = reconcile.Share{Calls: 10, Tokens: 2000}
	if r := m.compare(t); r.Verdict != reconcile.VerdictDiffers {
		t.Errorf("a loss on one day: verdict %s", r.Verdict)
	}
}

// TestCompare_leftOut: keys that are not Weir's and clients' own keys count on
// neither side.
func TestCompare_leftOut(t *testing.T) {
	t.Parallel()
	m := newMonth(t)
	m.option.Keys = map[string]string{"key_1": "abcd", "key_2": reconcile.NotOurs}
	m.usage[m.ours[0].Day] = append(m.usage[m.ours[0].Day], strings.Replace(m.usage[m.ours[0].Day][0], "key_1", "key_2", 1))
	own := m.ours[0]
	own.Credential = reconcile.CredentialClient
	m.ours = append(m.ours, own)
	m.costs = nil
	r := m.compare(t)
	if r.Verdict != reconcile.VerdictEqual || r.OwnKeys.Calls != 1000 {
		t.Errorf("verdict %s, %d calls with clients' keys", r.Verdict, r.OwnKeys.Calls)
	}
}

// TestReport_Prune leaves out what agrees first.
func TestReport_Prune(t *testing.T) {
	t.Parallel()
	m := newMonth(t)
	m.ours[3].Cost.Micros *= 2
	r := m.compare(t)
	if n := r.Prune(4); n != 18 {
		t.Errorf("%d rows left out", n)
	}
	if got := causesOf(r, reconcile.LevelDay); len(got) != 1 {
		t.Errorf("what differs is left out: %q", got)
	}
}
