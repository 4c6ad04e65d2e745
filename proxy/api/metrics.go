package api

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
)

// Sample is what /metrics shows of a process at one instant. There is one
// series per field: nothing is labelled by customer, key or model, whose number
// has no bound. What upstreams have is labelled by what the configuration lists.
type Sample struct {
	Open        int64 // calls without an end
	Calls       int64 // calls begun
	Refused     int64 // calls refused before the upstream
	Losses      int64 // calls forwarded without being recorded, as their customers' policy says
	Panics      int64
	Unwritten   int64 // facts in memory because the journal cannot be written
	Lag         int64 // journal records that the database does not have
	WriteFaults int64 // failed writes of the journal
	SyncFaults  int64 // failed syncs of the journal
	Lost        int64 // facts that were lost because they could not be written
	Bytes       int64 // of the journal on disk
	ShipFailing bool
	Behind      int64 // customers whose counters wait to be set anew

	Upstreams []Upstream // and how they fare

	// Alerts are how many are open by kind; nil where they cannot be read.
	Alerts map[metering.AlertKind]int64

	// Nightly are the comparisons with providers; nil where there are none, or they
	// cannot be read.
	Nightly []nightly.State
	// Stated compares what providers state of the calls of the last day with the
	// price book; nil where it cannot be read.
	Stated *metering.StatedSums
}

// series is one metric and how it reads a sample.
type series struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(Sample) int64
}

func allSeries() []series {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	one := func(name, help string, kind prometheus.ValueType, read func(Sample) int64) series {
		return series{prometheus.NewDesc("weir_"+name, help, nil, nil), kind, read}
	}
	return []series{
		one("open_calls", "Calls without an end.", gauge, func(s Sample) int64 { return s.Open }),
		one("calls_total", "Calls begun.", counter, func(s Sample) int64 { return s.Calls }),
		one("refused_calls_total", "Calls refused before the upstream was asked.", counter, func(s Sample) int64 { return s.Refused }),
		one("unrecorded_calls_total", "Calls forwarded without being recorded. Each is revenue lost.", counter, func(s Sample) int64 { return s.Losses }),
		one("panics_total", "Panics that were caught.", counter, func(s Sample) int64 { return s.Panics }),
		one("journal_unwritten_facts", "Facts in memory because the journal cannot be written.", gauge, func(s Sample) int64 { return s.Unwritten }),
		one("journal_lag_records", "Journal records that the database does not have.", gauge, func(s Sample) int64 { return s.Lag }),
		one("journal_write_faults_total", "Failed writes of the journal.", counter, func(s Sample) int64 { return s.WriteFaults }),
		one("journal_sync_faults_total", "Failed syncs of the journal.", counter, func(s Sample) int64 { return s.SyncFaults }),
		one("journal_lost_facts_total", "Facts lost because they could not be written.", counter, func(s Sample) int64 { return s.Lost }),
		one("journal_bytes", "Size of the journal on disk.", gauge, func(s Sample) int64 { return s.Bytes }),
		one("ship_failing", "1 while the database takes no facts.", gauge, func(s Sample) int64 {
			if s.ShipFailing {
				return 1
			}
			return 0
		}),
		one("counters_behind", "Customers whose counters wait to be set anew.", gauge, func(s Sample) int64 { return s.Behind }),
	}
}

// collector reads one sample per scrape.
type collector struct {
	series    []series
	upstreams upstreamSeries
	nightly   nightlySeries
	alerts    *prometheus.Desc
	stated    statedSeries
	sample    func() Sample
}

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, s := range c.series {
		out <- s.desc
	}
	c.upstreams.describe(out)
	c.nightly.describe(out)
	out <- c.alerts
	c.stated.describe(out)
}

// Collect implements prometheus.Collector. Counts below 2^53 are exact there.
func (c collector) Collect(out chan<- prometheus.Metric) {
	sample := c.sample()
	for _, s := range c.series {
		out <- prometheus.MustNewConstMetric(s.desc, s.kind, float64(s.read(sample)))
	}
	c.upstreams.collect(sample.Upstreams, out)
	c.nightly.collect(sample.Nightly, out)
	c.stated.collect(sample.Stated, out)
	if sample.Alerts == nil {
		return // absent, because 0 would say that all is well
	}
	for _, kind := range metering.AlertKinds() {
		out <- prometheus.MustNewConstMetric(c.alerts, prometheus.GaugeValue, float64(sample.Alerts[kind]), string(kind))
	}
}

// Metrics serves the process's metrics in Prometheus' format.
func Metrics(sample func() Sample) http.Handler {
	registry := prometheus.NewRegistry()
	alerts := prometheus.NewDesc("weir_alerts", "Open alerts by kind. Absent: the database does not answer.", []string{"kind"}, nil)
	registry.MustRegister(collector{allSeries(), newUpstreamSeries(), newNightlySeries(), alerts, newStatedSeries(), sample},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
}
