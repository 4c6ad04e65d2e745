package invoicing

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/weirhq/weir/metering"
)

// fold aggregates events one by one, as a meter does, in numbers without a
// bound: the direct computation that rollups are held to.
type fold struct {
	meter    metering.Meter
	events   int64 // that were measured
	late     int64 // that were left out
	sum      big.Rat
	min, max *big.Rat
	values   map[string]struct{}
}

// add takes an event in, if the meter measures it and it is billed at all.
func (f *fold) add(e *metering.Event) error {
	v, ok := f.meter.Measure(e)
	if !ok || e.Test {
		return nil
	}
	f.events++
	switch f.meter.Aggregate.Func {
	case metering.AggregateCount:
	case metering.AggregateUnique:
		key, err := json.Marshal([]any{v.Kind, v})
		if err != nil {
			return fmt.Errorf("value of event %s: %w", e.ID, err)
		}
		if f.values == nil {
			f.values = make(map[string]struct{})
		}
		f.values[string(key)] = struct{}{}
	default:
		n := v.Num.Rat()
		f.sum.Add(&f.sum, n)
		if f.min == nil || n.Cmp(f.min) < 0 {
			f.min = n
		}
		if f.max == nil || n.Cmp(f.max) > 0 {
			f.max = n
		}
	}
	return nil
}

// quantity is what the events come to.
func (f *fold) quantity() *big.Rat {
	switch f.meter.Aggregate.Func {
	case metering.AggregateCount:
		return new(big.Rat).SetInt64(f.events)
	case metering.AggregateUnique:
		return new(big.Rat).SetInt64(int64(len(f.values)))
	case metering.AggregateMin, metering.AggregateMax:
		extreme := f.min
		if f.meter.Aggregate.Func == metering.AggregateMax {
			extreme = f.max
		}
		if extreme == nil {
			return new(big.Rat)
		}
		return extreme
	case metering.AggregateAvg:
		if f.events == 0 {
			return new(big.Rat)
		}
		return new(big.Rat).Quo(&f.sum, new(big.Rat).SetInt64(f.events))
	default:
		return &f.sum
	}
}
