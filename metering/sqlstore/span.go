package sqlstore

import (
	"time"

	"github.com/weirhq/weir/metering"
)

const hour = metering.Micros(time.Hour / time.Microsecond)

// span is a stretch of time, its end exclusive; zero is without a bound.
type span struct{ from, to metering.Micros }

func (w span) empty() bool { return w.to != 0 && w.from >= w.to }

// split cuts a span into its whole hours, which rollups answer, and what is left
// at its edges, which events do.
func (w span) split() (whole span, edges []span) {
	if w.empty() {
		return span{1, 1}, nil
	}
	first := w.from.Hour()
	if first != w.from {
		first += hour
	}
	last := w.to.Hour() // zero stays zero
	if w.to != 0 && first > last {
		return span{1, 1}, []span{w} // within one hour
	}
	if w.from != first {
		edges = append(edges, span{w.from, first})
	}
	if last != w.to {
		edges = append(edges, span{last, w.to})
	}
	if w.to != 0 && first == last {
		return span{1, 1}, edges
	}
	return span{first, last}, edges
}
