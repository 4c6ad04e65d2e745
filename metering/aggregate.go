package metering

import (
	"fmt"
	"unicode/utf8"
)

// MaxMeterName is the most characters that a meter's name has.
const MaxMeterName = 200

// Measure says what e contributes to the meter. ok is false if the filter does
// not match, or the property is absent or of a kind that the aggregation does
// not take; such an event counts for nothing, in an average neither. v is the
// number to aggregate, for unique the scalar to collect, and for count the
// zero Value. It does not allocate for proxied calls.
//
// A correction counts for sums alone: an average, a least, a greatest and a
// number of values keep what the corrected event gave them.
//
// Whether the event may be billed at all is not asked here: an event of a test
// key measures like any other.
func (m *Meter) Measure(e *Event) (v Value, ok bool) {
	if !m.Filter.Matches(e) {
		return Value{}, false
	}
	if e.Usage.State.Corrects() && m.Aggregate.Func != AggregateSum {
		return Value{}, false // it is no call of its own
	}
	switch m.Aggregate.Func {
	case AggregateCount:
		return Value{}, true
	case AggregateSum, AggregateAvg, AggregateMin, AggregateMax:
		v = e.Property(m.Aggregate.Property)
		if v.Kind != KindNumber {
			return Value{}, false
		}
		return v, true
	case AggregateUnique:
		v = e.Property(m.Aggregate.Property)
		return v, !v.IsZero()
	default:
		return Value{}, false
	}
}

// Validate reports what makes the meter unusable, wrapping ErrInvalid and
// naming the field.
func (m *Meter) Validate() error {
	if n := utf8.RuneCountInString(m.Name); n == 0 || n > MaxMeterName {
		return fmt.Errorf("name has %d characters, not 1 to %d: %w", n, MaxMeterName, ErrInvalid)
	}
	if err := m.Aggregate.Validate(); err != nil {
		return err
	}
	return m.Filter.Validate()
}

// Validate reports what makes the aggregation unusable, wrapping ErrInvalid.
func (a *Aggregate) Validate() error {
	switch a.Func {
	case AggregateCount:
		if a.Property != "" {
			return fmt.Errorf("aggregation.property has no meaning for count: %w", ErrInvalid)
		}
		return nil
	case AggregateSum, AggregateAvg, AggregateMin, AggregateMax, AggregateUnique:
		if err := validProperty(a.Property); err != nil {
			return fmt.Errorf("aggregation.property %w", err)
		}
		return nil
	default:
		return fmt.Errorf("aggregation.func is %.20q, which is none: %w", string(a.Func), ErrInvalid)
	}
}
