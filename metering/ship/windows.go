package ship

import (
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
)

// Windows are the running totals that the counters keep of every customer:
// requests and tokens of the current UTC day and month. Usage of test keys is
// in none of them.
func Windows(now metering.Micros) []metering.Window {
	day, month := spans(now)
	return []metering.Window{
		window(metering.UnitRequests, day), window(metering.UnitTokens, day),
		window(metering.UnitRequests, month), window(metering.UnitTokens, month),
	}
}

// around are the windows of an instant and of an hour to either side: a replica
// whose clock differs may have settled facts there, whose positions a snapshot
// must not take over without their amounts.
func around(now metering.Micros) []metering.Window {
	const hour = metering.Micros(time.Hour / time.Microsecond)
	out := Windows(now)
	for _, other := range []metering.Micros{now - hour, now + hour} {
		for _, w := range Windows(other) {
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// span is a stretch of time, its end exclusive.
type span struct{ start, end metering.Micros }

func spans(at metering.Micros) (day, month span) {
	t := at.Time()
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return span{metering.MicrosOf(midnight), metering.MicrosOf(midnight.AddDate(0, 0, 1))},
		span{metering.MicrosOf(first), metering.MicrosOf(first.AddDate(0, 1, 0))}
}

func window(u metering.Unit, s span) metering.Window {
	return metering.Window{Unit: u, Start: s.start, End: s.end}
}

// additions are what an event adds to the windows of its own instant.
func additions(e *metering.Event) []metering.Addition {
	if e.Test {
		return nil
	}
	windows := Windows(e.At)
	tokens := e.Usage.Tokens.Input() + e.Usage.Tokens.Output()
	out := make([]metering.Addition, 0, len(windows))
	for _, w := range windows {
		amount := int64(1)
		if w.Unit == metering.UnitTokens {
			amount = tokens
		}
		if amount != 0 {
			out = append(out, metering.Addition{Window: w, Amount: amount})
		}
	}
	return out
}
