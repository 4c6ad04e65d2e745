package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir/metering"
)

// statedSeries are the metrics of what providers stated that the calls of the last
// day cost, beside the price book. They are gauges: the day moves on.
type statedSeries struct {
	calls, differing, unpriced, invalid, difference *prometheus.Desc
}

func newStatedSeries() statedSeries {
	one := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("weir_stated_"+name, help+" Absent: the database does not answer.", nil, nil)
	}
	return statedSeries{
		calls:      one("calls", "Calls of the last day whose provider states a cost."),
		differing:  one("differing_calls", "Of those, the ones whose price by the book is more than 0.1 % from it."),
		unpriced:   one("unpriced_calls", "Of those, the ones that the book has no price for."),
		invalid:    one("invalid_calls", "Calls of the last day whose stated cost cannot be read."),
		difference: one("difference_usd", "What providers state of the calls that have both figures, less what the book says."),
	}
}

func (s statedSeries) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.calls, s.differing, s.unpriced, s.invalid, s.difference} {
		out <- d
	}
}

func (s statedSeries) collect(sums *metering.StatedSums, out chan<- prometheus.Metric) {
	if sums == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	gauge(s.calls, float64(sums.Calls))
	gauge(s.differing, float64(sums.Differing))
	gauge(s.unpriced, float64(sums.Unpriced))
	gauge(s.invalid, float64(sums.Invalid))
	off := sums.Difference()
	gauge(s.difference, float64(off.Micros)/metering.MicrosPerDollar+float64(off.Picos)/(metering.MicrosPerDollar*metering.PicosPerMicro))
}
