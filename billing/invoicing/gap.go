package invoicing

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// forever is after every instant.
const forever = metering.Micros(1<<63 - 1)

// priced lists when contracts have a price for a meter, in order.
func priced(meter string, contracts []billing.Contract) []period.Span {
	var out []period.Span
	for _, c := range contracts {
		s := c.Subscription
		for i, f := range s.Phases {
			span := period.Span{Start: f.From, End: forever}
			if i+1 < len(s.Phases) {
				span.End = s.Phases[i+1].From
			}
			if s.End != 0 {
				span.End = min(span.End, s.End)
			}
			versions := c.Products[f.Product].Versions(meter)
			if len(versions) == 0 {
				continue
			}
			span.Start = max(span.Start, versions[0].From) // the first to come into force
			if span.Start < span.End {
				out = append(out, span)
			}
		}
	}
	slices.SortFunc(out, func(a, b period.Span) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

// gaps lists when no contract has a price for a meter. Zero is without a bound.
func gaps(meter string, contracts []billing.Contract) []period.Span {
	var out []period.Span
	var at metering.Micros
	for _, span := range priced(meter, contracts) {
		if at < span.Start {
			out = append(out, period.Span{Start: at, End: span.Start})
		}
		at = max(at, span.End)
	}
	if at != forever {
		out = append(out, period.Span{Start: at})
	}
	return out
}
