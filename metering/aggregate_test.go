package metering_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
)

// llmMeter is the meter that exists from the start.
func llmMeter() metering.Meter {
	return metering.Meter{
		Name: metering.MeterLLM,
		Filter: metering.Filter{Conjunction: metering.And, Clauses: []metering.Clause{
			condition("name", metering.OpEq, metering.StringValue(metering.EventLLM)),
		}},
		Aggregate: metering.Aggregate{Func: metering.AggregateSum, Property: "totalTokens"},
	}
}

func TestMeter_Measure(t *testing.T) {
	t.Parallel()
	e := reported()
	f := func(fn metering.Aggregation, property, want string) {
		t.Helper()
		m := metering.Meter{Name: "m", Filter: metering.Filter{Conjunction: metering.And}, Aggregate: metering.Aggregate{Func: fn, Property: property}}
		if err := m.Validate(); err != nil {
			t.Errorf("%s of %s: %v", fn, property, err)
		}
		v, ok := m.Measure(e)
		b, err := json.Marshal(v)
		if got := string(b); err != nil || !ok && !v.IsZero() || ok && got != want || !ok && want != "" {
			t.Errorf("%s of %s: %s, %v, %v; want %q", fn, property, got, ok, err, want)
		}
	}
	f(metering.AggregateCount, "", "null")
	for _, fn := range []metering.Aggregation{metering.AggregateSum, metering.AggregateAvg, metering.AggregateMin, metering.AggregateMax} {
		f(fn, "n", "10")
		f(fn, "nested.n", "0.5")
		f(fn, "s", "")
		f(fn, "b", "")
		f(fn, "absent", "")
	}
	f(metering.AggregateUnique, "n", "10")
	f(metering.AggregateUnique, "s", `"alphabet"`)
	f(metering.AggregateUnique, "b", "true")
	f(metering.AggregateUnique, "nested", "")
	f(metering.AggregateUnique, "absent", "")

	unknown := metering.Meter{Aggregate: metering.Aggregate{Func: "median", Property: "n"}}
	if v, ok := unknown.Measure(e); ok {
		t.Errorf("an aggregation that does not exist measures %+v", v)
	}
}

func TestMeter_Measure_filtered(t *testing.T) {
	t.Parallel()
	m := llmMeter()
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	if v, ok := m.Measure(call()); !ok || v.Num != metering.NumberOf(255) {
		t.Errorf("a call measures %+v, %v", v, ok)
	}
	if v, ok := m.Measure(reported()); ok {
		t.Errorf("an event of another name measures %+v", v)
	}
	same := &metering.Event{Name: metering.EventLLM, Properties: json.RawMessage(`{"totalTokens":12.5}`)}
	if v, ok := m.Measure(same); !ok || v.Num.String() != "12.5" {
		t.Errorf("a reported event of the same name measures %+v, %v", v, ok)
	}
}

// TestMeter_Measure_allocations: the meter of every installation costs the
// ledger no garbage.
func TestMeter_Measure_allocations(t *testing.T) {
	m, e := llmMeter(), call()
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := m.Measure(e); !ok {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("one measurement allocates %v times", n)
	}
}

func BenchmarkMeter_Measure(b *testing.B) {
	m := llmMeter()
	for name, e := range map[string]*metering.Event{
		"call":     call(),
		"reported": {Name: metering.EventLLM, Properties: json.RawMessage(`{"model":"gpt-4o","provider":"openai","strategy":"LLM","totalTokens":12}`)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := m.Measure(e); !ok {
					b.Fatal("no match")
				}
			}
		})
	}
}

func TestMeter_Validate(t *testing.T) {
	t.Parallel()
	f := func(want string, change func(*metering.Meter)) {
		t.Helper()
		m := llmMeter()
		change(&m)
		if err := m.Validate(); !errors.Is(err, metering.ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want ErrInvalid and %s…", err, want)
		}
	}
	f("name", func(m *metering.Meter) { m.Name = "" })
	f("name", func(m *metering.Meter) { m.Name = strings.Repeat("x", metering.MaxMeterName+1) })
	f("aggregation.func", func(m *metering.Meter) { m.Aggregate.Func = "last" })
	f("aggregation.func", func(m *metering.Meter) { m.Aggregate.Func = "" })
	f("aggregation.property", func(m *metering.Meter) { m.Aggregate.Property = "" })
	f("aggregation.property", func(m *metering.Meter) { m.Aggregate.Func = metering.AggregateCount })
	f("filter.conjunction", func(m *metering.Meter) { m.Filter.Conjunction = "" })
	f("filter.clauses[0].operator", func(m *metering.Meter) { m.Filter.Clauses[0].Operator = "" })
}

// TestMeter_JSON: a meter reads back as it was written.
func TestMeter_JSON(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(llmMeter())
	if err != nil {
		t.Fatal(err)
	}
	var m metering.Meter
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if v, ok := m.Measure(call()); !ok || v.Num != metering.NumberOf(255) {
		t.Errorf("%s measures %+v, %v", b, v, ok)
	}
}
